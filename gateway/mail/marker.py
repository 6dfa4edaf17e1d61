"""The marker: one line in a rejection template that asks for an invitation.

    [[relay:rejection tpl=ja-standard job="営業" stage=final]]

`might_be_marked` looks at raw bytes and may be wrong only in saying yes; `find` reads one decoded leaf.
Both work on the letters of the two words: composers change brackets, quotes, colons and spaces, and put tags,
entities and zero-width characters between letters, but the letters themselves stay ASCII.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import SequenceMatcher

from gateway.mail import markup

HEADER = "x-relay-rejection"
"""The header field, in lower case, that does the same for tools that set headers."""

_MARKER = re.compile(
    r"""
    \[ \s* \[ \s* (?P<relay>relay) \s* : \s* (?P<rejection>rejection) (?![A-Za-z0-9_-])
    (?P<attributes> (?> "[^"]{0,300}" | [^"\[\]] ){0,1000}+ )
    \] \s* \]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"""([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'(?=[\s\]]|$)|([^\s"]+))|(\S+)"""
)
_ALMOST = re.compile(r"\[\s*\[?\s*([A-Za-z]{4,7})\s*[:;.,]?\s*([A-Za-z]{5,12})")
_CLOSE_ENOUGH = 0.7
"""Share of letters in common that makes a misspelling; `rejction` has 0.94, `relation` 0.59."""
_WHITE = re.compile(r"\s+")

_NO_LETTERS = bytes(set(range(256)) - set(range(0x41, 0x5B)) - set(range(0x61, 0x7B)))
_WORDS = re.compile(rb"relay.{0,200}?rej", re.DOTALL)
_MISSPELT = re.compile(rb"r[a-z]{3,5}[a-z]{0,12}?rejection")
_MISSPELT_REACH = 40
_TWO_BYTE_RUN = re.compile(rb"\x1b\$\(?[@BD][^\x1b]*")
_END_OF_HEADER = re.compile(rb"\n\r?\n")
_HEADER_REACH = 1 << 16
"""Octets of a part's header block within which its Content-Type is looked for; beyond, the body is read."""
_BINARY = re.compile(rb"content-type:\s*(?:image|application|audio|video|font|model)/")


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
    almost = tuple(
        f"[[{match[1]}:{match[2]}"
        for match in _ALMOST.finditer(plain.folded)
        if _like(match[1], "relay")
        and _like(match[2], "rejection")
        and not any(start <= match.start() < end for start, end in spans)
    )
    return Findings(tuple(found), almost, plain.quotes, plain.body_end)


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
    plain = markup.read_text(value)
    return parse_attributes(plain.folded, plain.text)


def _like(word: str, meant: str) -> bool:
    return SequenceMatcher(None, word.lower(), meant).ratio() >= _CLOSE_ENOUGH


def might_be_marked(raw: bytes) -> bool:
    """Whether a raw mail can hold a marker; False is certain, True means that it must be read.

    Base64 is decoded unless its part declares what cannot be text, so an attached file costs one search for
    delimiter lines.
    """
    end = _END_OF_HEADER.search(raw)
    header = raw[: end.start() if end is not None else len(raw)].lower()
    if header.startswith(b"x-relay-rejection") or b"\nx-relay-rejection" in header:
        return True
    return any(_words_in(section) for section in _sections(raw))


def _sections(raw: bytes) -> Iterator[bytes]:
    """Yield the stretches between lines that begin with two dashes, without those that cannot hold text.

    Each delimiter is such a line and no base64 line is one, so a base64 body stands in one with its header.
    """
    start = 0
    while start < len(raw):
        next_line = raw.find(b"\n--", start + 1)
        stop = len(raw) if next_line < 0 else next_line
        end = _END_OF_HEADER.search(raw, start, min(stop, start + _HEADER_REACH))
        header = raw[start : end.start()].lower() if end is not None else b""
        if end is None or b"base64" not in header:
            yield raw[start:stop]
        elif b"text/" in header or _BINARY.search(header) is None:
            yield raw[start : end.start()]
            yield _lenient_base64(raw[end.end() : stop])
        start = stop


def _lenient_base64(body: bytes) -> bytes:
    try:
        return binascii.a2b_base64(body + b"===")
    except binascii.Error:
        return body


def _words_in(section: bytes) -> bool:
    if _sieve(section):
        return True
    if b"=" in section:
        section = binascii.a2b_qp(section)
        if _sieve(section):
            return True
    if b"<" not in section and b"&" not in section:
        return False
    if b"\x1b$" in section:
        # The second byte of a kanji may look like the start of a tag.
        section = _TWO_BYTE_RUN.sub(b"", section)
    return _sieve(markup.ENTITY.sub(b"", markup.HIDDEN_OR_TAG.sub(b"", section)))


def _sieve(section: bytes) -> bool:
    """Look for the two words in nothing but letters."""
    letters = section.translate(None, _NO_LETTERS).lower()
    if b"relay" in letters and _WORDS.search(letters) is not None:
        return True
    at = letters.find(b"rejection")
    while at >= 0:
        if _MISSPELT.search(letters, max(at - _MISSPELT_REACH, 0), at + len(b"rejection")) is not None:
            return True
        at = letters.find(b"rejection", at + 1)
    return False
