"""Text as the marker finder reads it: one string, and for each stretch the way back to the source.

Tags, comments, entities, zero-width characters and soft line ends stand between a marker's letters.
They are left out or replaced here, so that one grammar serves plain text and HTML.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

ZERO_WIDTH = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\ufeff"
)
"""Characters that nobody sees and that composers leave between letters."""
BREAK = "\u2029"
"""What stands in the reading of HTML for the start and the end of a block."""
_ZERO_WIDTH = re.compile(f"[{ZERO_WIDTH}]+")
_FOLD = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if not chr(code - 0xFEE0).isalnum()}
_FOLD |= dict.fromkeys(map(ord, "【〔［〖"), ord("[")) | dict.fromkeys(map(ord, "】〕］〗"), ord("]"))
_FOLD |= dict.fromkeys(map(ord, "“”„‟«»〝〞〟＂″"), ord('"')) | dict.fromkeys(map(ord, "‘’‚‛＇′"), ord("'"))
_FOLD |= dict.fromkeys(map(ord, "：﹕ː∶꞉"), ord(":")) | dict.fromkeys(map(ord, "＝﹦"), ord("="))
_FOLD |= dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2005\u2007\u2009\u200a\u202f\u3000"), ord(" "))

# A comment ends as HTML5 has it, section 13.2.5: at once, too, and at `--!>`.
_HIDDEN = r"<!--(?>-?>|.*?--!?>|.*)|<(?i:style|script|title)\b(?>.*?</(?i:style|script|title)\s*>|.*)"
# No "<" inside a tag: no search for its end goes beyond the next one, so many unclosed tags cost linear time.
_TAG = r"""</?[A-Za-z!?](?>(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>|[^<>]*+>)"""
_ENTITY = r"&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?"
_TOKEN = re.compile(f"(?P<hidden>{_HIDDEN})|(?P<tag>{_TAG})|(?P<entity>{_ENTITY})", re.DOTALL)

_TAG_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:]*)")
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_QUOTE_TO_END = re.compile(
    r"""(?ix)
    \bid\s*=\s*["']?(?:x_)?(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|reply-intro)\b
    | border:\s*none;\s*border-top:\s*solid\s+\#?(?:e1e1e1|b5c4df)
    """
)
_CLASS_OR_ID = re.compile(r"""(?i)\b(?:class|id)\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^\s"'>]++))""")
_QUOTE_CLASS = re.compile(r"(?i)\b(?:gmail_quote|yahoo_quoted|protonmail_quote)\b")
_MAX_TAG = 1 << 14
"""Characters of a tag in which its class and id are looked for; pictures in an attribute are longer."""
_FLOWED_END = re.compile(r" \r?\n(?![> ])")


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Characters of the reading and where they stand in the source."""

    at: int
    length: int
    start: int
    end: int
    tag: bool


@dataclass(frozen=True, slots=True)
class Plain:
    """What a reader sees, as one string."""

    folded: str
    """Brackets, colons, quotes and spaces in their ASCII form; for grammar."""
    text: str
    """The same length, in the author's own characters; for values."""
    stretches: tuple[_Stretch, ...]
    quotes: tuple[tuple[int, int], ...]
    """Source ranges of quoted mail, ascending (HTML only)."""
    body_end: int
    """Source index of `</body>` or of the end."""

    def pieces(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """Return the source ranges of `folded[start:end]`, the tags between them left out."""
        number = max(bisect_right(self.stretches, start, key=lambda s: s.at) - 1, 0)
        while number and self.stretches[number].at + self.stretches[number].length <= start:
            number += 1
        found: list[tuple[int, int]] = []
        for stretch in islice(self.stretches, number, None):
            if stretch.at >= end:
                break
            if stretch.tag or (not stretch.length and not found):
                continue
            linear = stretch.length == stretch.end - stretch.start
            first = stretch.start + max(start - stretch.at, 0) if linear else stretch.start
            last = stretch.end - max(stretch.at + stretch.length - end, 0) if linear else stretch.end
            if found and found[-1][1] == first:
                found[-1] = (found[-1][0], last)
            elif last > first:
                found.append((first, last))
        return tuple(found)


class _Reading:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.stretches: list[_Stretch] = []
        self.at = 0

    def add(self, text: str, start: int, end: int, *, tag: bool = False) -> None:
        if start < end:
            self.stretches.append(_Stretch(self.at, len(text), start, end, tag))
            self.text.append(text)
            self.at += len(text)

    def add_visible(self, source: str, start: int, end: int) -> None:
        at = start
        for match in _ZERO_WIDTH.finditer(source, start, end):
            self.add(source[at : match.start()], at, match.start())
            self.add("", match.start(), match.end())
            at = match.end()
        self.add(source[at:end], at, end)

    def finish(self, quotes: list[tuple[int, int]], body_end: int) -> Plain:
        text = "".join(self.text)
        return Plain(text.translate(_FOLD), text, tuple(self.stretches), tuple(quotes), body_end)


def read_text(source: str, *, flowed: bool = False, delsp: bool = False) -> Plain:
    """Read plain text; in a flowed leaf a soft line end is a space, with DelSp nothing."""
    reading, at = _Reading(), 0
    for match in _FLOWED_END.finditer(source) if flowed else ():
        reading.add_visible(source, at, match.start())
        reading.add("" if delsp else " ", match.start(), match.end())
        at = match.end()
    reading.add_visible(source, at, len(source))
    return reading.finish([], len(source))


def read_html(source: str) -> Plain:
    """Read HTML: block tags are BREAK, other tags and what is hidden are nothing."""
    reading, quotes, at = _Reading(), _Quotes(len(source)), 0
    body_end = len(source)
    for match in _tokens(source):
        reading.add_visible(source, at, match.start())
        at = match.end()
        if match["entity"] is not None:
            seen = html.unescape(match[0])
            if seen.isascii() and seen[:1].isalnum():
                # The marker's letters are never written as entities, and the pre-filter relies on that.
                reading.add_visible(source, match.start(), match.end())
            else:
                reading.add(_ZERO_WIDTH.sub("", seen), match.start(), match.end())
        elif match["hidden"] is not None:
            reading.add("", match.start(), match.end(), tag=True)
        else:
            name = _TAG_NAME.match(match[0])
            block = name is not None and name[2].lower() in _BLOCKS
            reading.add(BREAK if block else "", match.start(), match.end(), tag=True)
            if name is not None:
                quotes.tag(match[0], name[2].lower(), match.start(), match.end(), closing=bool(name[1]))
                if name[1] and name[2].lower() == "body":
                    body_end = match.start()
    reading.add_visible(source, at, len(source))
    return reading.finish(quotes.finish(), body_end)


def _tokens(source: str) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(source)


def _is_quote(tag: str) -> bool:
    """Whether class or id of a tag is what web mailers give to the mail that is answered."""
    return any(
        _QUOTE_CLASS.search(match[match.lastindex or 0]) is not None
        for match in _CLASS_OR_ID.finditer(tag, 0, _MAX_TAG)
    )


class _Quotes:
    """Which ranges of HTML are somebody else's mail."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.found: list[tuple[int, int]] = []
        self.open_at: int | None = None
        self.element = ""
        self.depth = 0

    def tag(self, tag: str, name: str, start: int, end: int, *, closing: bool) -> None:
        if self.open_at is not None:
            if name == self.element:
                self.depth += -1 if closing else 1
                if self.depth == 0:
                    self.found.append((self.open_at, end))
                    self.open_at = None
            return
        if closing:
            return
        if _QUOTE_TO_END.search(tag, 0, _MAX_TAG) is not None:
            self.open_at, self.element, self.depth = start, "", 1
        elif name == "blockquote" or _is_quote(tag):
            self.open_at, self.element, self.depth = start, name, 1

    def finish(self) -> list[tuple[int, int]]:
        if self.open_at is not None:
            self.found.append((self.open_at, self.end))
        return self.found
