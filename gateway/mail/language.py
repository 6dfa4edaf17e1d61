"""Which of our two languages a letter is written in."""

import re
from typing import Literal

Language = Literal["ja", "en"]

_KANA = re.compile(r"[ぁ-んァ-ヶ]")
_ENOUGH_KANA = 5
"""Kana from which a text is Japanese; a name or a quoted word in an English text stays under it."""


def of_template(template: str) -> Language | None:
    """Return the language that a template's id begins with, as in `ja-standard`."""
    prefix = template.lower()[:3]
    if prefix in ("ja", "ja-", "ja_"):
        return "ja"
    return "en" if prefix in ("en", "en-", "en_") else None


def of_text(text: str) -> Language | None:
    """Return the language of a text, or None when it has no words of either or of both."""
    if not text.strip():
        return None
    return "ja" if len(_KANA.findall(text)) >= _ENOUGH_KANA else "en"
