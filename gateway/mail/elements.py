"""Which elements of an HTML page are open where, and which lines it shows.

Tags are taken as they come. An end tag closes what it names, if that is open in the same table cell, and all
that is open inside of it; a block closes a paragraph. It is no parser of the standard's: pages on which the
two differ are shown differently by different mail readers, too.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.mail import markup

_TOKENS = markup.read_html("")
"""What HTML is made of, as the finder of the marker takes it apart."""
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:]*)")
_UNFINISHED = re.compile(r"<[A-Za-z/!?]")
_FINISHED = re.compile(r"(?:--!?>|<!--?>|</(?:style|script|title)\s*>)\Z", re.IGNORECASE)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "wbr"]
)
_TRANSPARENT = frozenset(["div", "center", "section", "article", "main", "form", "span", "font"])
"""Elements in which a block may stand as well as beside them; all others are left whole."""
_ALWAYS_OPEN = frozenset(["html", "head", "body"])
"""Elements of every page, said or not; what ends them is `Page.end`."""
_HIDDEN = frozenset(["style", "script", "title"])
"""Elements that the reading gives as one hidden stretch."""
_TABLE = frozenset(["table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th"])
_CELLS = frozenset(["td", "th", "caption"])
_NO_PARAGRAPH = frozenset(
    [
        *("address", "article", "blockquote", "center", "div", "dl", "fieldset", "form", "hr", "main", "ol"),
        *("p", "pre", "section", "table", "ul", "h1", "h2", "h3", "h4", "h5", "h6"),
    ]
)
"""Elements whose start closes a paragraph (HTML Standard, section 13.2.6.4.7)."""
_SIGNATURE = re.compile(
    r"""(?ix) \b (?: class | id | name ) \s* = \s* (?: "[^"<>]{0,200}? | '[^'<>]{0,200}? )? (?<![\w-])
    (?: x_ )? (?: gmail_signature | gmail_signature_prefix | moz-signature | Signature
    | ms-outlook-mobile-signature | AppleMailSignature | composer_signature | protonmail_signature_block
    | _MailAutoSig ) (?![\w-])"""
)
_MAX_TAG = 1 << 12
"""Characters of a tag in which its class and id are looked for."""
_RULER = "-" * 5
_FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Line:
    """What a page shows in one line."""

    text: str
    """Its words, with single spaces."""
    start: int
    """Index in the source of its first visible character."""
    ruler: bool = False
    """Whether it is an `<hr>`."""


@dataclass(slots=True)
class _Element:
    name: str
    start: int
    parent: int
    """Number of the element around it, -1 for none."""
    end: int = _FOREVER


@dataclass(frozen=True, slots=True)
class Page:
    """HTML as elements and lines."""

    end: int
    """Index in the source below which nothing is shown or everything is cut off."""
    lines: tuple[Line, ...]
    signatures: tuple[int, ...]
    """Where elements begin that mail programs mark as a signature, ascending."""
    _elements: Sequence[_Element] = field(repr=False)
    _source: str = field(repr=False)
    _visible: Sequence[int] = field(repr=False)
    """Where visible text begins, ascending."""

    def shows(self, start: int, end: int) -> bool:
        """Whether anything visible begins between two indices in the source."""
        return bisect_left(self._visible, start) < bisect_left(self._visible, end)

    def spans(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, start and end of each element that may hold something, by their start tags.

        One that nothing ends takes in what is put behind the page, too.
        """
        beyond = len(self._source) + 1
        return ((element.name, element.start, min(element.end, beyond)) for element in self._elements)

    def boundary(self, at: int) -> int | None:
        """Return the index nearest to `at` where a block can stand with no visible text in between.

        None when an element that must stay whole has text before `at` and is still open.
        """
        number = bisect_right(self._elements, at, key=lambda element: element.start) - 1
        while number >= 0:
            element = self._elements[number]
            if element.end > at:
                if not self.shows(element.start, at):
                    at = element.start
                elif element.name not in _TRANSPARENT:
                    return None
            number = element.parent
        return at


def read(source: str, body_end: int) -> Page:
    """Read a page; `body_end` is the index of `</body>` or of the end."""
    reading, at = _Reading(source), 0
    for match in _TOKENS.token.finditer(source):
        reading.text(source[at : match.start()], at)
        at = match.end()
        shown = _TOKENS.shown(match)
        if match.lastgroup in ("entity", "unseen"):
            reading.text(match[0] if shown is None else shown, match.start())
            continue
        reading.tags(match.start(), at, several=match.lastgroup == "bare")
        if match.lastgroup == "hidden":
            reading.hidden(match.start(), at)
        elif shown:
            reading.end_line()
    reading.text(source[at:], at)
    reading.end_line()
    end = reading.end(body_end)
    return Page(
        end, tuple(reading.lines), tuple(reading.signatures), reading.elements, source, reading.visible
    )


class _Reading:
    """A page as far as it is read."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: list[Line] = []
        self.signatures: list[int] = []
        self.elements: list[_Element] = []
        self.visible: list[int] = []
        self._words: list[str] = []
        self._line_start: int | None = None
        self._cut = len(source)
        self._html_end = len(source)
        self._open: list[int] = []
        self._names = Counter[str]()
        self._cells = [Counter[str]()]

    def text(self, text: str, start: int) -> None:
        """Read visible text that begins at an index in the source."""
        if text.strip():
            at = start + len(text) - len(text.lstrip())
            self.visible.append(at)
            if self._line_start is None:
                self._line_start = at
        self._words.append(text)

    def end_line(self) -> None:
        """End a line, where a block begins or ends."""
        if self._line_start is not None:
            self.lines.append(Line(" ".join("".join(self._words).split()), self._line_start))
            self._line_start = None
        self._words.clear()

    def tags(self, start: int, end: int, *, several: bool) -> None:
        """Read a tag, or several without attributes."""
        while start < end and (match := _TAG.match(self.source, start)) is not None:
            stop = self.source.index(">", start) + 1 if several else end
            name = match[2].lower()
            if match[1]:
                if name == "html":
                    self._html_end = start
                self._close(name, start, stop)
            elif name not in _HIDDEN:
                self._start(name, start, stop)
            start = stop

    def hidden(self, start: int, end: int) -> None:
        """Read a comment or an element that is not shown, in its whole length."""
        if end == len(self.source) and _FINISHED.search(self.source, max(start, end - 20)) is None:
            self._cut = start

    def end(self, body_end: int) -> int:
        """Return the index below which nothing is to stand."""
        end = min(body_end if body_end < len(self.source) else self._html_end, self._cut)
        cut = _UNFINISHED.search(self.source, self.source.rfind(">", 0, end) + 1, end)
        return cut.start() if cut is not None else end

    def _start(self, name: str, start: int, end: int) -> None:
        if name in _NO_PARAGRAPH:
            self._close("p", start, start)
        if name == "hr":
            self.end_line()
            self.lines.append(Line(_RULER, start, ruler=True))
        if _SIGNATURE.search(self.source, start, min(end, start + _MAX_TAG)) is not None:
            self.signatures.append(start)
        if name in _VOID or name in _ALWAYS_OPEN or self.source.endswith("/>", start, end):
            return
        self.elements.append(_Element(name, start, self._open[-1] if self._open else -1))
        self._open.append(len(self.elements) - 1)
        self._names[name] += 1
        self._cells[-1][name] += 1
        if name in _CELLS:
            self._cells.append(Counter())

    def _close(self, name: str, start: int, end: int) -> None:
        """Close the innermost element of that name; those inside of it end where its end tag begins."""
        if not (self._names if name in _TABLE else self._cells[-1])[name]:
            return
        closed = None
        while closed is None or closed.name != name:
            closed = self.elements[self._open.pop()]
            if closed.name in _CELLS:
                self._cells.pop()
            self._names[closed.name] -= 1
            self._cells[-1][closed.name] -= 1
            closed.end = end if closed.name == name else start
