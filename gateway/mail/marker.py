"""The marker: one line in a rejection template that asks for an invitation.

    [[relay:rejection tpl=ja-standard job="営業" stage=final]]

`might_be_marked` looks at raw bytes and may be wrong only in saying yes; `find` reads one decoded leaf.
Both work on the letters of the two words: composers change brackets, quotes, colons and spaces, and put tags,
entities and zero-width characters between letters, but the letters themselves stay ASCII.
"""

import re
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from functools import lru_cache

from gateway.mail import markup, sieve

HEADER = "x-relay-rejection"
"""The header field, in lower case, that does the same for tools that set headers."""

_MARKER = re.compile(
    r"""
    \[ \s{0,99}+ \[ \s{0,99}+ relay \s{0,99}+ : \s{0,99}+ rejection (?![A-Za-z0-9_-])
    (?P<attributes> (?> "[^"]{0,300}" | [^"\[\]] ){0,1000}+ )
    \] \s{0,99}+ \]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"""([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'(?=[\s\]]|$)|([^\s"]+))|(\S+)"""
)
_SEMICOLON = re.compile(r""";(?=[^"]*(?:"[^"]*"[^"]*)*\Z)""")
"""Between the words of a header field, as tools are used to; inside quotes it belongs to the value."""
_ALMOST = re.compile(r"\[\s{0,99}+\[?\s{0,99}+([A-Za-z]{4,7})\s{0,9}+[:;.,]?\s{0,9}+([A-Za-z]{5,12})")
_CLOSE_ENOUGH = 0.7
"""Share of letters in common that makes a misspelling; `rejction` has 0.94, `relation` 0.59."""
_WHITE = re.compile(r"\s+")

_BRACKETS_REACH = 101
"""Characters within which a marker's two brackets stand."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What the marker asks for; None where it does not say."""

    template: str | None = None
    job: str | None = None
    stage: str | None = None
    name: str | None = None
    skills: str | None = None
    reason: str | None = None
    unknown: tuple[str, ...] = ()
    """Words that are no attribute of ours, as written but without their values."""

    def agrees(self, other: "Marker") -> bool:
        """Whether no attribute stands in both with different values."""
        return all(
            None in (mine, theirs) or mine == theirs
            for mine, theirs in ((getattr(self, name), getattr(other, name)) for name in _ATTRIBUTES.values())
        )

    def merged(self, other: "Marker") -> "Marker":
        """Return this marker with what only the other says added."""
        values = {name: getattr(self, name) or getattr(other, name) for name in _ATTRIBUTES.values()}
        return Marker(**values, unknown=tuple(dict.fromkeys((*self.unknown, *other.unknown))))


_ATTRIBUTES = {"tpl": "template"} | {
    field.name: field.name for field in fields(Marker) if field.name not in ("template", "unknown")
}


@dataclass(frozen=True, slots=True)
class Found:
    """A marker in a text."""

    marker: Marker
    pieces: tuple[tuple[int, int], ...]
    """Its ranges in the source, at least one; tags stand between them and do not belong to it."""

    @property
    def start(self) -> int:
        """Index of its first bracket."""
        return self.pieces[0][0]

    @property
    def end(self) -> int:
        """One past its last bracket."""
        return self.pieces[-1][1]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a leaf holds."""

    found: tuple[Found, ...]
    almost: tuple[str, ...]
    """The two words of each broken marker, as written; no values, which may be personal."""
    quotes: tuple[tuple[int, int], ...]
    """Source ranges of quoted mail that the markup shows (HTML only)."""
    body_end: int
    """Source index of `</body>`, or of the end."""


def find(text: str, *, html: bool, flowed: bool = False, delsp: bool = False) -> Findings:
    """Find each marker in a decoded leaf, and what was meant to be one."""
    plain = markup.read_html(text) if html else markup.read_text(text, flowed=flowed, delsp=delsp)
    found: list[Found] = []
    spans: list[tuple[int, int]] = []
    for match in _MARKER.finditer(plain.folded):
        at, end = match.span("attributes")
        marker = parse_attributes(plain.folded[at:end], plain.text[at:end])
        found.append(Found(marker, plain.pieces(*match.span())))
        spans.append(match.span())
    # The second bracket of a whole marker begins no broken one.
    whole = {place for start, end in spans for place in range(start, min(start + _BRACKETS_REACH, end))}
    almost = dict.fromkeys(
        f"[[{match[1]}:{match[2]}"
        for match in _ALMOST.finditer(plain.folded)
        if match.start() not in whole and _like(match[1], "relay") and _like(match[2], "rejection")
    )
    return Findings(tuple(found), tuple(almost), plain.quotes, plain.body_end)


def parse_attributes(folded: str, text: str) -> Marker:
    """Read `key=value` words; `folded` and `text` are the same words in ASCII punctuation and as written."""
    values: dict[str, str] = {}
    unknown: list[str] = []
    for match in _ATTRIBUTE.finditer(folded):
        key = (match[1] or match[5]).lower()
        group = next((number for number in (2, 3, 4) if match[number] is not None), None)
        if group is None or key not in _ATTRIBUTES or _ATTRIBUTES[key] in values:
            unknown.append(key)
            continue
        value = _WHITE.sub(" ", text[slice(*match.span(group))]).strip()
        if value:
            values[_ATTRIBUTES[key]] = value
    return Marker(**values, unknown=tuple(unknown))


def read_header(value: str) -> Marker:
    """Read the marker's attributes from the value of an X-Relay-Rejection field."""
    plain = markup.read_text(_SEMICOLON.sub(" ", value))
    return parse_attributes(plain.folded, plain.text)


def might_be_marked(raw: bytes) -> bool:
    """Whether a raw mail can hold a marker; False is certain, True means that it must be read.

    It takes some milliseconds per megabyte of text, tenths of one per megabyte of attached files, and lets
    other threads run in between.
    """
    return sieve.may_be_marked(raw)


@lru_cache(maxsize=256)
def _like(word: str, meant: str) -> bool:
    return SequenceMatcher(None, word.lower(), meant).ratio() >= _CLOSE_ENOUGH
