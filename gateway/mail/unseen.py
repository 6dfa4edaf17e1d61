"""Which places of a page no reader sees: inside of tags, of what is no text, of elements that are hidden.

- Tags are told apart as browsers do it (HTML Standard, section 13.2.5), because only there an attribute may
  hold what looks like a tag, and an open quote swallows what follows.
- Hidden are elements by their own attributes; what style sheets hide is not known here.
- A font of size 0 hides nothing: the layouts of newsletters are made of it.
"""

import re
from collections.abc import Iterator, Sequence

from gateway.mail import elements
from gateway.mail.quotes import inside

_WHITE = r"[ \t\n\f\r]"
_VALUE = r"""(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|(?!["'>])[^ \t\n\f\r>]*+)"""
_ATTRIBUTE = rf"[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+(?:{_WHITE}*+={_WHITE}*+{_VALUE}?+)?+"
# What is open at the end of the page is its last token, so the page is read once.
_TOKEN = re.compile(
    rf"""<(?:!--(?>-?>|.*?--!?>)
    |(?!!--)[!?][^>]*+> | /(?![A-Za-z>])[^>]*+>
    |(?P<end>/)?+(?P<name>[A-Za-z][^ \t\n\f\r/>]*+)(?:[ \t\n\f\r/]++|{_ATTRIBUTE})*+>
    |(?P<open>[!?A-Za-z]|/(?!>)).*+)""",
    re.DOTALL | re.VERBOSE,
)
_NO_TEXT = re.compile(r"(?i)(?:script|style|title|textarea|iframe|noembed|noframes|xmp|plaintext)\Z")
"""Elements in which a tag is shown as it is written, or nothing is shown at all."""
_NEVER_SHOWN = frozenset(
    ["template", "select", "datalist", "svg", "math", "canvas", "audio", "video", "dialog", "frameset"]
)
"""Elements that show no text, or none in which a table can stand."""
_MAY_HIDE = re.compile(
    r"(?i)display\s{0,9}:\s{0,9}none|visibility\s{0,9}:|max-height\s{0,9}:|opacity\s{0,9}:|\bhidden\b"
    r"|preheader|<(?:template|select|datalist|svg|math|canvas|audio|video|dialog|frameset)\b"
)
_IN_TAG = re.compile(rf"([^ \t\n\f\r/>=]++)(?:{_WHITE}*+={_WHITE}*+({_VALUE})?+)?+")
_HIDES = re.compile(
    r"""(?ix) (?<![\w-])
    (?: display \s{0,9} : \s{0,9} none | visibility \s{0,9} : \s{0,9} (?:hidden|collapse)
    | (?:max-height|opacity) \s{0,9} : \s{0,9} 0(?:\.0)?(?:px)? \s{0,9} (?:[;"'!]|\Z) )"""
)
_MAX_TAG = 1 << 12
"""Characters of a tag that are read; pictures in an attribute are longer."""

_Span = tuple[int, int]


def unseen(source: str, places: Sequence[int]) -> tuple[bool, ...]:
    """Tell of each index, ascending, in the source of a page whether no reader sees what stands there."""
    both = zip(swallowed(source, places), hidden(source, places), strict=True)
    return tuple(one or other for one, other in both)


def swallowed(source: str, places: Sequence[int]) -> tuple[bool, ...]:
    """Tell of each index, ascending, whether it lies in a tag, a comment or an element without text."""
    found: list[bool] = []
    spans = _no_text(source) if places else iter(())
    span = next(spans, None)
    for place in places:
        while span is not None and span[1] <= place:
            span = next(spans, None)
        found.append(span is not None and span[0] < place)
    return tuple(found)


def hidden(source: str, places: Sequence[int]) -> tuple[bool, ...]:
    """Tell of each index whether it lies in an element that is not shown."""
    if not places or _MAY_HIDE.search(source) is None:
        return (False,) * len(places)
    spans = _hidden_elements(source)
    return tuple(inside(spans, place) for place in places)


def _no_text(source: str) -> Iterator[_Span]:
    """Yield the ranges of tags, comments and elements without text, ascending.

    What is open at the end of the page swallows what is put there, too.
    """
    at = 0
    while (match := _TOKEN.search(source, at)) is not None:
        at = match.end()
        name = match["name"]
        if name is not None and match["end"] is None and _NO_TEXT.match(name) is not None:
            end = re.compile(rf"(?i)</{name}(?=[ \t\n\f\r/>])").search(source, at)
            at = end.start() if end is not None else len(source) + 1
        yield match.start(), at if match["open"] is None else len(source) + 1


def _hidden_elements(source: str) -> list[_Span]:
    """Return the ranges of hidden elements, ascending and apart."""
    found: list[_Span] = []
    for name, start, end in elements.read(source, len(source)).spans():
        if (not found or end > found[-1][1]) and (name in _NEVER_SHOWN or _hides(source, start)):
            found.append((start, end))
    return found


def _hides(source: str, start: int) -> bool:
    tag = source[start + 1 : source.find(">", start, start + _MAX_TAG) + 1 or start + _MAX_TAG]
    if _MAY_HIDE.search(tag) is None:
        return False
    for attribute in _IN_TAG.finditer(tag):
        name, value = attribute[1].lower(), attribute[2] or ""
        if name == "hidden" or (name == "style" and _HIDES.search(value) is not None):
            return True
        # The text that lists of mails show behind the subject; style sheets hide it.
        if name == "class" and "preheader" in value.strip("\"'").lower().split():
            return True
    return False
