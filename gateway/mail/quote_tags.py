"""Which ranges of HTML are somebody else's mail, by the tags that mailers put around it.

- An element that holds a quote ends it; a line that divides an answer from what it answers has no end.
- A `<blockquote>` is a quote, except for the one in Gmail's and Apple Mail's style for an indented paragraph.
- Gmail puts the quote and what is written below it into one element.
  What stands there after its own `<blockquote>` belongs to the author again.
"""

import re

_DIVIDER = re.compile(
    r"""(?ix)
    \b (?:id|name) \s*+ = \s*+ ["']? (?:x_)*+
        (?: divRplyFwdMsg | appendonsend | OLK_SRC_BODY_SECTION | stopSpelling | zwchr ) \b
    | \b class \s*+ = \s*+ ["']? (?:x_)*+ OutlookMessageHeader \b
    | border-top: \s*+ (?: solid \s++ COLOUR \s++ 1(?:\.0)?pt | 1(?:\.0)?pt \s++ solid \s++ COLOUR )
    | border: \s*+ none; \s*+ border-top: \s*+ solid \s++ COLOUR
    """.replace(
        "COLOUR",
        r"(?: \#?(?:e1e1e1|b5c4df) | rgb\(\s*+225,\s*+225,\s*+225\) | rgb\(\s*+181,\s*+196,\s*+223\) )",
    )
)
"""Outlook's line, in the two colours it has had since 2007, and what others put in its place."""
_CLASS_OR_ID = re.compile(r"""(?i)\b(?:class|id|name)\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^\s"'>]++))""")
_QUOTE_CLASS = re.compile(
    r"""(?ix) (?<![a-z0-9-]) (?:x_)*+ (?P<name>
    gmail_quote(?:_container)? | yahoo_quoted | yahoo-quoted-begin | protonmail_quote | tutanota_quote
    | zmail_extra | freshdesk_quote | hs_reply | moz-forward-container | isReplyContent | isForwardContent
    | mail-editor-reference-message-container | ms-outlook-mobile-reference-message | messageReplySection
    | (?: [a-z0-9]{1,20} [_-] ){0,3}? (?: reply | e?mail | message | msg )?+ -?+ quote(?:d)?+
      (?: [_-]?+ (?: text | content | body | message | e?mail | reply | container | area | collapse ) )?+
    | (?: original | forwarded ) [_-]?+ (?: message | mail )
    ) (?![a-z0-9_-])"""
)
"""The last two lines are what others write who call a quote what it is."""
_BLUE_LINE = re.compile(r"(?i)\bborder-left:\s*+solid\s++(?:blue|#0000ff)\s++1\.5pt")
"""Outlook's setting that marks each line of the mail that is answered."""
_INDENT = re.compile(
    r"""(?ix) \bstyle \s*+ = \s*+ ["'] [^"']*?
    (?: margin: \s*+ 0(?:px)?+ \s++ 0(?:px)?+ \s++ 0(?:px)?+ \s++ 40px | margin-left: \s*+ 40px )"""
)
_NO_BORDER = re.compile(r"(?i)border(?:-width)?:\s*+(?:none|0(?:px)?+\s*+[;\"'])")
_CITED = re.compile(r"(?i)\b(?:type|cite)\s*+=")
_TELLING = re.compile(
    "quote|rplyfwdmsg|appendonsend|olk_src_body|stopspelling|zwchr|outlookmessageheader|border-(?:top|left)"
    "|yahoo|zmail_extra|hs_reply|moz-forward|isreply|isforward|reference-message|messagereply|original"
    "|forwarded|<q[ >]"
)
"""Words of which each pattern here needs one; most tags of a page, and most pages, have none."""
HOLDS_NOTHING = frozenset(
    [
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"),
        *("b", "em", "i", "o:p", "s", "strong", "u"),
    ]
)
"""Elements without an end, and those whose end is not reported; no quote is looked for in them."""
_MAX_TAG = 1 << 14
"""Characters of a tag that are read; pictures in an attribute are longer."""
_STRETCH = 1 << 12
"""Characters that are put into lower case at once."""

_Span = tuple[int, int]


class QuoteTags:
    """The quotes of a page, fed with its tags from the top; most of them say nothing of quotes."""

    def __init__(self, source: str) -> None:
        self._telling = [match.start() for match in _TELLING.finditer(_lowered(source))]
        self._next = 0
        self._seen: list[_Span] = []
        self._in_source: list[_Span] = []
        self._open: _Span | None = None
        """Where the quote begins that is open, in the reading and in the source."""
        self._element = ""
        """The element that ends it; none when nothing does."""
        self._depth = 0
        self._container = 0
        """How many elements of its name the one has inside that holds a quote and perhaps an answer to it."""
        self._container_element = ""

    def tag(self, tag: str, name: str, place: tuple[int, int, int], *, closing: bool) -> None:
        """Take the next tag as written, its lower-case name, its index in the reading, its source range."""
        at, start, end = place
        telling = self._is_telling(start, end)
        if self._container and name == self._container_element:
            self._container += -1 if closing else 1
            if not self._container:
                self._close(at, end)
                return
        if self._open is not None:
            self._count(tag, name, closing=closing)
            if self._element and not self._depth:
                self._close(at, end)
        elif telling and not closing:
            self._begin(tag, name, (at, start))

    def _is_telling(self, start: int, end: int) -> bool:
        while self._next < len(self._telling) and self._telling[self._next] < start:
            self._next += 1
        return self._next < len(self._telling) and self._telling[self._next] < end

    def _count(self, tag: str, name: str, *, closing: bool) -> None:
        if name == self._element:
            self._depth += -1 if closing else 1
        elif self._container == 1 and name == "blockquote" and not self._element and _quote_class(tag):
            self._element, self._depth = name, 1

    def _begin(self, tag: str, name: str, place: _Span) -> None:
        if _DIVIDER.search(tag, 0, _MAX_TAG) is not None:
            self._open, self._element, self._container = place, "", 0
        elif name == "blockquote":
            if not _is_indent(tag):
                self._open, self._element, self._depth = place, name, 1
        elif name == "q" or _BLUE_LINE.search(tag, 0, _MAX_TAG) is not None:
            self._open, self._element, self._depth = place, name, 1
        elif name not in HOLDS_NOTHING and (quote := _quote_class(tag)):
            self._open, self._element, self._depth = place, name, 1
            if quote.startswith("gmail_quote") and not self._container:
                self._element, self._container, self._container_element = "", 1, name

    def finish(self, at: int, end: int) -> tuple[tuple[_Span, ...], tuple[_Span, ...]]:
        """Return the quotes' ranges in the reading and in the source, which end there; both ascend."""
        self._close(at, end)
        return tuple(self._seen), tuple(self._in_source)

    def _close(self, at: int, end: int) -> None:
        if self._open is not None:
            self._seen.append((self._open[0], at))
            self._in_source.append((self._open[1], end))
        self._open, self._element, self._depth = None, "", 0


def _lowered(source: str) -> str:
    """Return the source in lower case, of the same length, without the memory that it takes all at once."""
    found: list[str] = []
    for at in range(0, len(source), _STRETCH):
        stretch = source[at : at + _STRETCH]
        lowered = stretch.lower()
        same = len(lowered) == len(stretch)
        found.append(lowered if same else "".join(char.lower()[0] for char in stretch))
    return "".join(found)


def _quote_class(tag: str) -> str:
    """Return the class or id of a tag that mailers give to the mail that is answered, or an empty string."""
    for match in _CLASS_OR_ID.finditer(tag, 0, _MAX_TAG):
        if (quote := _QUOTE_CLASS.search(match[match.lastindex or 0])) is not None:
            return quote["name"].lower()
    return ""


def _is_indent(tag: str) -> bool:
    """Whether a blockquote only moves the author's text to the right, by the forty pixels of both mailers."""
    return (
        _INDENT.search(tag, 0, _MAX_TAG) is not None
        and _NO_BORDER.search(tag, 0, _MAX_TAG) is not None
        and _CITED.search(tag, 0, _MAX_TAG) is None
        and not _quote_class(tag)
    )
