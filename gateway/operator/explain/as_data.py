"""An explanation as JSON: the fields of `Explanation` under their own names."""

import json
import re
from dataclasses import asdict

from gateway.operator.explain.explanation import Explanation

_UNPRINTABLE = re.compile(r"[^\n\x20-\x7e]")


def as_json(explanation: Explanation) -> str:
    """Return one JSON document; what could steer a terminal is escaped, other text stands as it is."""
    text = json.dumps(asdict(explanation), ensure_ascii=False, indent=2)
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    sign = match[0]
    return sign if sign.isprintable() or sign == "\u3000" else json.dumps(sign)[1:-1]
