"""Text as the marker finder reads it: one string, and the way back to the source.

Tags, comments, entities, zero-width characters and soft line ends stand between a marker's letters.
They are left out or replaced here, so that one grammar serves plain text and HTML.
The way back is walked again where it is asked for, from the nearest milestone: most of a page never is.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.mail.quote_tags import HOLDS_NOTHING, QuoteTags

ZERO_WIDTH = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f\ufe0e\ufe0f\ufeff"
)
"""Characters that nobody sees and that composers leave between letters."""
BREAK = "\u2029"
"""What stands in the reading of HTML for the start and the end of a block."""
_ZERO_WIDTH = re.compile(f"[{ZERO_WIDTH}]+")
_FOLD = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if not chr(code - 0xFEE0).isalnum()}
_FOLD |= dict.fromkeys(map(ord, "【〔［〖〚⟦"), ord("[")) | dict.fromkeys(map(ord, "】〕］〗〛⟧"), ord("]"))
_FOLD |= dict.fromkeys(map(ord, "“”„‟«»〝〞〟＂″"), ord('"')) | dict.fromkeys(map(ord, "‘’‚‛＇′"), ord("'"))
_FOLD |= dict.fromkeys(map(ord, "：﹕ː∶꞉"), ord(":")) | dict.fromkeys(map(ord, "＝﹦"), ord("="))
_FOLD |= dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2005\u2007\u2009\u200a\u202f\u3000"), ord(" "))
_FOLDED = re.compile(f"[{re.escape(''.join(map(chr, _FOLD)))}]")

# A comment ends as HTML5 has it, section 13.2.5: at once, too, and at `--!>`.
_HIDDEN = r"!--(?>-?>|.*?--!?>|.*)|(?i:style|script|title)\b(?>.*?</(?i:style|script|title)\s*>|.*)"
# No "<" inside a tag: no search for its end goes beyond the next one, so many unclosed tags cost linear time.
_TAG_END = r"""(?>(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>|[^<>]*+>)"""
_TAG = rf"/?(?:(?P<name>[A-Za-z][A-Za-z0-9:-]*+)|[!?]){_TAG_END}"
_BARE = r"/?(?i:b|em|i|o:p|s|strong|u|wbr)>"
"""What follows the bracket of a tag that neither breaks a line nor says anything; see HOLDS_NOTHING."""
_ENTITY = r"(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?"
_HTML_TOKEN = re.compile(
    rf"""[<&{ZERO_WIDTH}](?:(?<=<)(?:(?P<bare>{_BARE}(?:<{_BARE})*+)|(?P<hidden>{_HIDDEN})|(?P<tag>{_TAG}))"""
    rf"|(?<=&)(?P<entity>{_ENTITY})|(?<=[{ZERO_WIDTH}])(?P<unseen>[{ZERO_WIDTH}]*+))",
    re.DOTALL,
)
_FLOWED_TOKEN = re.compile(
    rf"[ {ZERO_WIDTH}](?:(?<= )(?P<soft>\r?\n(?![> ]|[\t\u3000]*\r?\n))"
    rf"|(?<=[{ZERO_WIDTH}])(?P<unseen>[{ZERO_WIDTH}]*+))"
)
_TEXT_TOKEN = re.compile(f"(?P<unseen>[{ZERO_WIDTH}]+)")
_NO_TEXT = ("bare", "hidden", "tag")
"""Tokens that stand in a marker without belonging to it."""

_LINES = (
    *("address", "article", "aside", "body", "center", "dd", "div", "dt", "fieldset", "footer", "form"),
    *("head", "header", "html", "li", "main", "nav", "section", "table", "tbody", "td", "tfoot", "th"),
    *("thead", "tr"),
)
_PARAGRAPHS = ("blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "ul")
BLOCKS = frozenset(("br", *_LINES, *_PARAGRAPHS))
"""Elements that begin and end a line."""
_OWN_MARGIN = re.compile(r"(?i)<p\b[^>]{0,999}?\b(?:class|margin)")
"""A paragraph in a style of its own, as Word and Apple Mail write each line."""
_KEEPS_LINES = re.compile(r"(?i)white-space\s{0,9}:\s{0,9}(?:pre\b|break-spaces)")
_MILESTONE = 64
"""Tokens between two places from which the way back is walked."""
_Span = tuple[int, int]
_Stretch = tuple[int, int, int, int, re.Match[str] | None]


@dataclass(frozen=True, slots=True)
class Plain:
    """What a reader sees, as one string."""

    folded: str
    """Brackets, colons, quotes and spaces in their ASCII form; for grammar."""
    text: str
    """The same length, in the author's own characters; for values."""
    source: str
    token: re.Pattern[str]
    shown: Callable[[re.Match[str]], str | None]
    """What a token reads as; None for as it stands."""
    milestones: tuple[_Span, ...]
    """Some indices, ascending, each with that of the source."""
    quotes: tuple[_Span, ...] = ()
    """Ranges of quoted mail that tags show, ascending (HTML only)."""
    quotes_in_source: tuple[_Span, ...] = ()
    """The same ranges in the source, with their tags."""
    body_end: int = 0
    """Source index of `</body>` or of the end."""

    def pieces(self, start: int, end: int) -> tuple[_Span, ...]:
        """Return the source ranges of `folded[start:end]`, the tags between them left out."""
        return next(self.all_pieces([(start, end)]))

    def all_pieces(self, spans: Sequence[_Span]) -> Iterator[tuple[_Span, ...]]:
        """Yield the pieces of each range of `folded`; the ranges ascend, and the source is walked once."""
        walk = self._stretches(0)
        stretch: _Stretch | None = None
        for start, end in spans:
            found: list[_Span] = []
            if stretch is None or self._milestone(start)[0] > stretch[0] + stretch[1]:
                walk = self._stretches(start)
                stretch = next(walk)
            while stretch is not None and stretch[0] < end:
                at, length, first, last, match = stretch
                if at + length > start and (match is None or match.lastgroup not in _NO_TEXT):
                    if length == last - first:
                        first, last = first + max(start - at, 0), last - max(at + length - end, 0)
                    if found and found[-1][1] == first:
                        found[-1] = (found[-1][0], last)
                    elif first < last:
                        found.append((first, last))
                if at + length > end:
                    break
                stretch = next(walk, None)
            yield tuple(found)

    def places(self, indices: Sequence[int]) -> list[int]:
        """Return the source index of each index, ascending, before the tags that open what stands there."""
        if not indices:
            return []
        found: list[int] = []
        wanted = iter(indices)
        index = next(wanted, None)
        opened: int | None = None
        for at, length, first, last, match in self._stretches(indices[0]):
            is_tag = match is not None and match.lastgroup in _NO_TEXT
            while index is not None and not is_tag and index < at + length:
                if index <= at:
                    found.append(first if opened is None else opened)
                else:
                    found.append(first + index - at if match is None else first)
                index = next(wanted, None)
            if index is None:
                return found
            if is_tag and not self.source.startswith("</", first):
                opened = first if opened is None else opened
            elif is_tag or not self.source[first:last].isspace():
                opened = None
        return found + [len(self.source)] * (len(indices) - len(found))

    def _milestone(self, index: int) -> _Span:
        number = bisect_right(self.milestones, index, key=lambda place: place[0]) - 1
        return self.milestones[number] if number >= 0 else (0, 0)

    def _stretches(self, start: int) -> Iterator[_Stretch]:
        """Yield index, length, source range and token of what the reading is made of.

        It begins at or before `start`; what is no token has none, and reads as it stands.
        """
        at, spot = self._milestone(start)
        for match in self.token.finditer(self.source, spot):
            first, last = match.span()
            if first > spot:
                yield at, first - spot, spot, first, None
                at += first - spot
            shown = self.shown(match)
            length = last - first if shown is None else len(shown)
            yield at, length, first, last, match
            at += length
            spot = last
        yield at, len(self.source) - spot, spot, len(self.source), None


class _Reading:
    """A reading as it grows."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.at = 0
        self.tokens = 0
        self.milestones: list[_Span] = []

    def add(self, text: str) -> None:
        self.text.append(text)
        self.at += len(text)

    def pass_token(self, start: int) -> None:
        self.tokens += 1
        if not self.tokens % _MILESTONE:
            self.milestones.append((self.at, start))


def read_text(source: str, *, flowed: bool = False, delsp: bool = False) -> Plain:
    """Read plain text; in a flowed leaf a soft line end is a space, with DelSp nothing."""
    token = _FLOWED_TOKEN if flowed else _TEXT_TOKEN
    shown = _shown_in_delsp if delsp else _shown_in_text
    reading, spot = _Reading(), 0
    for match in token.finditer(source):
        reading.add(source[spot : match.start()])
        reading.pass_token(match.start())
        reading.add(shown(match))
        spot = match.end()
    text = "".join([*reading.text, source[spot:]])
    milestones = tuple(reading.milestones)
    return Plain(_folded(text), text, source, token, shown, milestones, body_end=len(source))


def read_html(source: str) -> Plain:
    """Read HTML: tags of blocks are BREAK or line ends, other tags and what is hidden are nothing.

    Line ends of the source are spaces, but not in `<pre>` or where a style keeps them.
    """
    reading, quotes, spot, body_end = _Reading(), QuoteTags(source), 0, len(source)
    kept_by, depth, page = "", 0, source.replace("\r", " ").replace("\n", " ")
    for match in _HTML_TOKEN.finditer(source):
        start = match.start()
        if start > spot:
            reading.add((source if kept_by else page)[spot:start])
        reading.pass_token(start)
        spot = match.end()
        if (name := match["name"]) is None:
            shown = _shown_in_html(match)
            reading.add(source[start:spot] if shown is None else shown)
            continue
        name, closing = name.lower(), source.startswith("</", start)
        if name in BLOCKS:
            reading.add(_block(match[0], name))
            if closing and name == "body":
                body_end = start
        if name == kept_by:
            depth += -1 if closing else 1
            kept_by = name if depth else ""
        elif not kept_by and not closing and _keeps_lines(match[0], name):
            kept_by, depth = name, 1
        quotes.tag(match[0], name, (reading.at, start, spot), closing=closing)
    reading.add((source if kept_by else page)[spot:])
    text = "".join(reading.text)
    seen, in_source = quotes.finish(reading.at, len(source))
    milestones = tuple(reading.milestones)
    return Plain(
        *(_folded(text), text, source, _HTML_TOKEN, _shown_in_html, milestones),
        *(seen, in_source, body_end),
    )


def _folded(text: str) -> str:
    return text if text.isascii() else _FOLDED.sub(lambda match: chr(_FOLD[ord(match[0])]), text)


def _shown_in_text(match: re.Match[str]) -> str:
    return " " if match.lastgroup == "soft" else ""


def _shown_in_delsp(_: re.Match[str]) -> str:
    return ""


def _shown_in_html(match: re.Match[str]) -> str | None:
    if match.lastgroup == "entity":
        return _entity(match[0])
    name = match["name"]
    return _block(match[0], name.lower()) if name is not None and name.lower() in BLOCKS else ""


@lru_cache(maxsize=1024)
def _entity(written: str) -> str | None:
    seen = html.unescape(written)
    # The marker's letters are never written as entities, and the pre-filter relies on that.
    return None if seen.isascii() and seen[:1].isalnum() else _ZERO_WIDTH.sub("", seen)


def _keeps_lines(tag: str, name: str) -> bool:
    return name == "pre" or (
        "white-space" in tag and name not in HOLDS_NOTHING and _KEEPS_LINES.search(tag) is not None
    )


def _block(tag: str, name: str) -> str:
    """Return what the tag of a block reads as: two line ends leave an empty line, as browsers do."""
    if name == "br":
        return "\n"
    if name not in _PARAGRAPHS or tag.startswith("</"):
        return BREAK
    return BREAK if name == "p" and len(tag) > len("<p>") and _OWN_MARGIN.match(tag) else "\n\n"
