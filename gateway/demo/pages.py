"""The demonstration's pages: one frame, filled with escaped text.

The demo peers are houses of their own, so they do not share the gateway's templates.
"""

import base64
import re
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from starlette.responses import HTMLResponse

_FRAME = (files("gateway.demo") / "frame.html").read_text("utf-8")

_STYLE_DIGESTS = " ".join(
    f"'sha256-{base64.b64encode(sha256(style.encode()).digest()).decode()}'"
    for style in re.findall(r"<style>(.*?)</style>", _FRAME, re.DOTALL)
)

_POLICY = (
    f"default-src 'none'; style-src {_STYLE_DIGESTS}; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def fill(template: str, /, **values: object) -> Markup:
    """Replace `$name` in `template`; what is not Markup is escaped."""
    return Markup(Template(template).substitute({name: to_markup(value) for name, value in values.items()}))


def join(parts: Iterable[Markup]) -> Markup:
    """Put pieces of markup one after the other."""
    return Markup("".join(parts))


def to_markup(value: object) -> Markup:
    """Escape `value` unless it is Markup."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def load(name: str) -> str:
    """Return a template of this package."""
    return (files("gateway.demo") / name).read_text("utf-8")


def page(title: str, body: Markup, *, status: int = 200) -> HTMLResponse:
    """Return a whole page with a policy that allows its own style and frames of the same origin."""
    return HTMLResponse(
        fill(_FRAME, title=title, body=body),
        status,
        {
            "Content-Security-Policy": _POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
