"""Text from a mail, made harmless for a terminal and narrow enough for a line.

The mail may be hostile: controls, marks that turn the direction of a line, and what nobody sees are shown as
escapes. Nothing else is changed, so that a difference stays visible.
"""

import re
import unicodedata

from gateway.plain_text import columns

_ESCAPED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode's categories of controls, format characters, surrogates, what has no meaning, and line ends."""
_PLAIN = re.compile(r"[\x20-\x7e]*+")


def harmless(text: str) -> str:
    r"""Return the text on one line; what could steer a terminal or hide is `\x1b` or `\u202e` in it."""
    if _PLAIN.fullmatch(text) is not None:
        return text
    return "".join(_shown(sign) for sign in text)


def cut(text: str, width: int) -> str:
    """Return the text in at most `width` columns, with `…` for what is left out."""
    # No sign is narrower than nothing, and a hostile line may be megabytes long.
    if len(text) <= width and columns(text) <= width:
        return text
    kept, used = [], 1
    for sign in text:
        used += columns(sign)
        if used > width:
            break
        kept.append(sign)
    return "".join(kept) + "…"


def _shown(sign: str) -> str:
    if sign == "\t":
        return "    "
    if unicodedata.category(sign) not in _ESCAPED:
        return sign
    return (
        sign.encode("ascii", "backslashreplace").decode("ascii") if sign > "\x7f" else f"\\x{ord(sign):02x}"
    )
