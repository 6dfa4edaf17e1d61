"""The marker: one line in a rejection template that asks for an invitation.

    [[relay:rejection tpl=ja-standard job="営業" stage=final]]

`might_be_marked` looks at raw bytes and may be wrong only in saying yes; `find` reads one decoded leaf.
Both work on the letters of the two words: composers change brackets, quotes, colons and spaces, and put tags,
entities and zero-width characters between letters, but the letters themselves stay ASCII.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice

from gateway.mail import markup, quotes, sieve
from gateway.mail.words import clean

HEADER = "x-relay-rejection"
"""The header field, in lower case, that does the same for tools that set headers."""

MAX_MARKERS = 100
"""Markers of one leaf that are read; a thread in which all mails are quoted has some ten."""
MAX_ATTRIBUTES = 300
"""Characters between a marker's words and its end; more is the author's text, and an end was forgotten."""
MAX_LINE_ENDS = 3
"""Lines on which mailers may have put the rest of a marker; an empty line never stands in one."""
_HEAD = re.compile(
    r"\[ \s{0,99}+ \[ \s{0,99}+ relay \s{0,99}+ : \s{0,99}+ rejection (?![A-Za-z0-9_-])",
    re.VERBOSE | re.IGNORECASE,
)
_TAIL = re.compile(r'(?P<attributes>(?>"[^"]*+"|[^"\[\]])*+)\]\s{0,99}+\]')
_LINE_ENDS = re.compile(rf"[\r\n{markup.BREAK}]\s*+")
_EMPTY_LINE = re.compile(
    rf"(?:\r\n?+|\n)[^\S\r\n]*+[\r\n]"
    rf"|{markup.BREAK}(?:[^\S\r\n{markup.BREAK}]*+(?:\r\n?|\n)|[^\S\u00a0{markup.BREAK}]*+\u00a0\s*+{markup.BREAK})"
)
"""In HTML an empty line is made of two line ends, of one that begins a block, or of a block with a space."""
_ATTRIBUTE = re.compile(
    r"""(?xs) ([A-Za-z][A-Za-z0-9_-]*) \s*=\s*
        (?: "([^"]*)" | '(.*?)'(?=[\s,;、]|$) | 「([^」]*)」 | ([^\s"]+?)(?=[,;、]?(?:[\s"]|$)) )
    | (\S+)"""
)
_QUOTED_OR_SEMICOLON = re.compile(r'"[^"]*+"?|;')
"""Between the words of a header field, as tools are used to; inside quotes it belongs to the value."""
_ALMOST = re.compile(
    r"""(?x) [\[{(<] \s{0,99}+ ([A-Za-z]{4,7}) \s{0,9}+ [:;.,=/|_-]? \s{0,9}+ ([A-Za-z]{5,12})
    | (?i: (?<![A-Za-z]) (relay) \s{0,9}+ : \s{0,9}+ (rejection) )"""
)
"""Words in any brackets that may be misspelt, or ours without any."""
_WIDE = re.compile("[Ａ-Ｚａ-ｚ]")
"""Full-width letters, as they are typed when nobody switches the input method; they make no marker."""
_MAX_ALMOST = 1_000
"""Pairs of words in brackets that are compared with ours; a hint is not worth more."""
_MAX_REPORTED = 10
_CLOSE_ENOUGH = 0.7
"""Share of letters in common that makes a misspelling; `rejction` has 0.94, `relation` 0.59."""

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
class Search:
    """What was found in a leaf."""

    found: tuple[Found, ...]
    almost: tuple[str, ...]
    """The two words of each broken marker, as written; no values, which may be personal."""
    quotes: tuple[tuple[int, int], ...]
    """Source ranges of quoted mail (HTML only)."""
    body_end: int
    """Source index of `</body>`, or of the end."""


def find(text: str, *, html: bool, flowed: bool = False, delsp: bool = False) -> Search:
    """Find each marker in a decoded leaf, and what was meant to be one."""
    plain = markup.read_html(text) if html else markup.read_text(text, flowed=flowed, delsp=delsp)
    whole_ones = list(islice(_whole(plain), MAX_MARKERS + 1))
    pieces = plain.all_pieces([(start, end) for start, _, _, end in whole_ones])
    found: list[Found] = []
    # The second bracket of a whole marker begins no broken one.
    whole: set[int] = set()
    for start, at, stop, end in whole_ones:
        marker = parse_attributes(plain.folded[at:stop], plain.text[at:stop])
        found.append(Found(marker, next(pieces)))
        whole.update(range(start, min(start + _BRACKETS_REACH, end)))
    almost = dict.fromkeys(_broken(plain.folded, whole))
    quoted = quotes.quoted_in_html(plain) if html else ()
    return Search(tuple(found), tuple(almost)[:_MAX_REPORTED], quoted, plain.body_end)


def _broken(folded: str, whole: set[int]) -> Iterator[str]:
    """Yield the two words, as written, of what was meant to be a marker and is not among the whole ones."""
    letters = _WIDE.sub(lambda match: chr(ord(match[0]) - 0xFEE0), folded)
    for match in islice(_ALMOST.finditer(letters), _MAX_ALMOST):
        first, second = (1, 2) if match[1] is not None else (3, 4)
        if match.start() not in whole and _like(match[first], "relay") and _like(match[second], "rejection"):
            yield f"[[{folded[slice(*match.span(first))]}:{folded[slice(*match.span(second))]}"


def _whole(plain: markup.Plain) -> Iterator[tuple[int, int, int, int]]:
    """Yield start of marker, start and end of its attributes, and its end, for each that has an end."""
    at, folded = 0, plain.folded
    while (head := _HEAD.search(folded, at)) is not None:
        at = head.end()
        tail = _TAIL.match(folded, at, _farthest_end(plain.text, head))
        if tail is not None and tail.end("attributes") - at <= MAX_ATTRIBUTES:
            yield head.start(), *tail.span("attributes"), tail.end()
            at = tail.end()


def _farthest_end(text: str, head: re.Match[str]) -> int:
    """Return the index before which a marker that begins so must end."""
    end = head.end() + MAX_ATTRIBUTES + _BRACKETS_REACH
    if (empty := _EMPTY_LINE.search(text, head.start(), end)) is not None:
        end = empty.start()
    for number, line_end in enumerate(_LINE_ENDS.finditer(text, head.start(), end)):
        if number == MAX_LINE_ENDS:
            return line_end.start()
    return end


def literal(text: str) -> tuple[str, ...]:
    """Return the words of a marker that stands in source text, be it in a tag or a comment."""
    return ("[[relay:rejection",) if _HEAD.search(text) is not None else ()


def parse_attributes(folded: str, text: str) -> Marker:
    """Read `key=value` words; `folded` and `text` are the same words in ASCII punctuation and as written.

    Each value is cleaned here, once, for all who keep it.
    """
    values: dict[str, str] = {}
    unknown: list[str] = []
    for match in _ATTRIBUTE.finditer(folded):
        key = clean((match[1] or match[6]).lower())
        group = next((number for number in (2, 3, 4, 5) if match[number] is not None), None)
        if not key.strip(",;、"):
            continue
        if group is None or key not in _ATTRIBUTES or _ATTRIBUTES[key] in values:
            unknown.append(key)
            continue
        value = clean(text[slice(*match.span(group))])
        if value:
            values[_ATTRIBUTES[key]] = value
    return Marker(**values, unknown=tuple(unknown))


def read_header(value: str) -> Marker:
    """Read the marker's attributes from the value of an X-Relay-Rejection field."""
    spaced = _QUOTED_OR_SEMICOLON.sub(lambda match: " " if match[0] == ";" else match[0], value)
    plain = markup.read_text(spaced)
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
