"""Text that every charset of Japanese mail carries: how names are spelt in it and how its lines are kept.

The text footer is one text for ISO-2022-JP, Windows-31J, EUC-JP and UTF-8 alike, so it keeps to the signs
that all of them hold and give back unchanged: JIS X 0208 without the wave dash, the minus sign and the other
disputed ones.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

MAX_COLUMNS: Final = 76
"""Width of a line; a CJK character takes two columns. RFC 5322, section 2.1.1 asks for at most 78."""

CHARSETS: Final = ("iso2022_jp", "cp932", "euc_jp", "utf-8")
"""Python's names of the charsets of Japanese mail."""

_STAND_INS: Final[Mapping[str, str]] = dict(
    zip("髙﨑濵德瀨栁𠮷塚～〜－−–—‐\xa0", "高崎浜徳瀬柳吉塚------- ", strict=True)
)
"""What Japanese mail writes for a sign outside JIS X 0208, or for one the charsets disagree about."""

_HALF_WIDTH: Final = re.compile("[\uff61-\uff9f]+")
"""Half-width kana: a voiced sound is two signs that only make one together."""


class ForeignSign(ValueError):
    """A sign is not in every charset of Japanese mail, and has no usual spelling in it."""

    def __init__(self, sign: str) -> None:
        """`sign` is one character."""
        super().__init__(
            f"“{sign}” (U+{ord(sign):04X}) is not in every charset of Japanese mail; write it in JIS X 0208"
        )
        self.sign = sign


def plain_name(name: str) -> str:
    """Spell a name with signs that every charset holds; raises `ForeignSign`.

    `髙` becomes `高`, `㈱` becomes `(株)`, `é` becomes `e`; an emoji has no such spelling.
    """
    whole = _HALF_WIDTH.sub(lambda run: unicodedata.normalize("NFKC", run[0]), name)
    return "".join(map(_plain_sign, whole))


def columns(text: str) -> int:
    """Return the width of `text` on a terminal or in a mail reader with a fixed pitch."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WFA" else 1 for sign in text)


def folded(line: str) -> Iterator[str]:
    """Break a line that is too wide, between any two signs as Japanese allows; no piece ends in a space."""
    piece = ""
    for sign in line.rstrip():
        if columns(piece + sign) > MAX_COLUMNS:
            yield piece.rstrip()
            piece = ""
        piece += sign
    yield piece


def line_fault(line: str) -> str | None:
    """Say what keeps a line from being mailed as it is, or None."""
    if foreign := next((sign for sign in line if not _is_plain(sign)), None):
        return str(ForeignSign(foreign))
    if line != line.rstrip():
        return (
            "a line must not end in a space: format=flowed would join it to the next (RFC 3676, section 4.1)"
        )
    if line.startswith((" ", ">", "From ")):
        return "a line must not begin with a space, “>” or “From ” (RFC 3676, section 4.4)"
    if columns(line) > MAX_COLUMNS:
        return f"the line is {columns(line)} columns wide, {MAX_COLUMNS} at most"
    return None


def _plain_sign(sign: str) -> str:
    decomposed = unicodedata.normalize("NFKD", sign)
    bare = "".join(part for part in decomposed if not unicodedata.combining(part))
    for spelling in (sign, _STAND_INS.get(sign, ""), unicodedata.normalize("NFKC", sign), bare):
        if spelling and all(map(_is_plain, spelling)):
            return spelling
    raise ForeignSign(sign)


def _is_plain(sign: str) -> bool:
    """Tell whether every charset holds this sign and gives it back unchanged; U+3000 counts as printable."""
    visible = sign.isprintable() or sign == "\u3000"
    return visible and all(sign.encode(name, "ignore").decode(name) == sign for name in CHARSETS)
