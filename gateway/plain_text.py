"""Text that every charset of Japanese mail carries: how names are spelt in it and how its lines are kept.

The text footer is one text for ISO-2022-JP, Windows-31J, EUC-JP and UTF-8 alike, so it keeps to the signs
that all of them hold and give back unchanged: JIS X 0208 without the wave dash, the minus sign and the other
disputed ones.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

MAX_COLUMNS: Final = 76
"""Width of a line; a CJK character takes two columns. RFC 5322, section 2.1.1 asks for at most 78."""

CHARSETS: Final = ("iso2022_jp", "cp932", "euc_jp", "utf-8")
"""Python's names of the charsets of Japanese mail."""

_STAND_INS: Final[Mapping[str, str]] = dict(
    zip("髙﨑濵德瀨栁𠮷塚～〜－−–—‐\xa0", "高崎浜徳瀬柳吉塚------- ", strict=True)
)
"""What Japanese mail writes for a sign outside JIS X 0208, or for one the charsets disagree about."""
_IN_ASCII: Final[Mapping[str, str]] = dict(zip("“”‘’…・―", "\"\"''.*-", strict=True))
"""The same for signs of JIS X 0208 that ASCII lacks."""

_INVISIBLE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn"), "delete it"),
    **dict.fromkeys(("Zl", "Zp", "Zs"), "write an ordinary space"),
}
"""What to do about signs that show nothing, by their Unicode category."""

_HALF_WIDTH: Final = re.compile("[\uff61-\uff9f]+")
"""Half-width kana: a voiced sound is two signs that only make one together."""
_URL: Final = re.compile(r"(?i)https?://")


class ForeignSign(ValueError):
    """A sign is not in every charset of Japanese mail, and has no usual spelling in it."""

    def __init__(self, sign: str, *, ascii_only: bool = False) -> None:
        """`sign` is one character."""
        shown = f"“{sign}” (U+{ord(sign):04X})"
        if not sign.isprintable():
            shown = f"the sign U+{ord(sign):04X} ({unicodedata.name(sign, 'a control character')})"
        hint = stand_in(sign, ascii_only=ascii_only)
        super().__init__(f"{shown} {_lacking(sign, ascii_only=ascii_only)}; {hint}")
        self.sign = sign


def _lacking(sign: str, *, ascii_only: bool) -> str:
    if ascii_only:
        return "is not ASCII"
    try:
        sign.encode("iso2022_jp")
    except UnicodeEncodeError:
        return "is not in JIS X 0208, so not in every charset of Japanese mail"
    return "is not read alike in every charset of Japanese mail"


def stand_in(sign: str, *, ascii_only: bool = False) -> str:
    """Say what to write instead of a foreign sign: `write “高”`."""
    kind = unicodedata.category(sign)
    whole = unicodedata.normalize("NFKC", sign)
    bare = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    spellings = (
        [f"({whole})"] if kind == "No" else [_STAND_INS.get(sign, ""), _IN_ASCII.get(sign, ""), whole, bare]
    )
    usual = (spelling for spelling in spellings if _holds(spelling, ascii_only=ascii_only))
    if kind in _INVISIBLE:
        return _INVISIBLE[kind]
    if (spelling := next(usual, None)) is not None:
        return f"write “{spelling}”"
    if _HALF_WIDTH.fullmatch(sign) and not ascii_only:
        return "write the whole kana in full width"
    if kind == "So":
        return "leave it out"
    return "write it in ASCII" if ascii_only else "write it in JIS X 0208"


def _holds(text: str, *, ascii_only: bool) -> bool:
    return bool(text) and (text.isascii() if ascii_only else all(map(_is_plain, text)))


def plain_name(name: str) -> str:
    """Spell a name with signs that every charset holds; raises `ForeignSign`.

    `髙` becomes `高`, `㈱` becomes `(株)`, `é` becomes `e`; an emoji has no such spelling.
    """
    whole = _HALF_WIDTH.sub(lambda run: unicodedata.normalize("NFKC", run[0]), name)
    return "".join(map(_plain_sign, whole))


def columns(text: str) -> int:
    """Return the width of `text` on a terminal or in a mail reader with a fixed pitch."""
    return len(text) if text.isascii() else sum(map(_width, text))


@lru_cache(maxsize=4096)
def _width(sign: str) -> int:
    return 2 if unicodedata.east_asian_width(sign) in "WFA" else 1


def folded(line: str) -> Iterator[str]:
    """Break a line that is too wide, between any two signs as Japanese allows; no piece ends in a space."""
    whole = line.rstrip()
    start = width = 0
    for at, sign in enumerate(whole):
        width += _width(sign)
        if width > MAX_COLUMNS:
            yield whole[start:at].rstrip()
            start, width = at, _width(sign)
    yield whole[start:]


def line_fault(line: str, *, ascii_only: bool = False) -> tuple[int, str] | None:
    """Say at which character, counted from 1, a line cannot be mailed as it is, and why; or None."""
    for number, sign in enumerate(line, start=1):
        if not (" " <= sign <= "~" if ascii_only else _is_plain(sign)):
            return number, str(ForeignSign(sign, ascii_only=ascii_only))
    if line != line.rstrip():
        return len(line.rstrip()) + 1, (
            "a line must not end in a space: format=flowed would join it to the next (RFC 3676, section 4.1)"
        )
    if line.startswith((" ", ">", "From ")):
        return 1, "a line must not begin with a space, “>” or “From ” (RFC 3676, section 4.4)"
    if line == "--":
        return 1, "a line of two hyphens begins a signature, which mail readers hide (RFC 3676, section 4.3)"
    if columns(line) > MAX_COLUMNS:
        fits = next(end for end in range(len(line)) if columns(line[: end + 1]) > MAX_COLUMNS)
        return fits + 1, f"the line is {columns(line)} columns wide, {MAX_COLUMNS} at most"
    return None


def url_fault(text: str) -> tuple[int, str] | None:
    """Say at which character, counted from 1, a web address stands that would be a second link; or None."""
    found = _URL.search(text)
    return (
        (found.start() + 1, "a web address would be a second link beside the invitation's") if found else None
    )


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
