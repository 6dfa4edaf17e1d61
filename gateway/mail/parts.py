"""The byte-range scanner: which bytes of a raw mail belong to which MIME part (RFC 2045, RFC 2046).

- It never raises and never copies a body; a part is three offsets into the raw mail.
- A line ends at LF; whether a CR stands before it is kept, not required.
- A header block ends at the first empty line.
  A line in it that is no field is kept as a field without a name, because readers disagree about it.
  Without an empty line the body of a part begins there, as with every reader that shows one at all.
- When an inner multipart repeats an active boundary, the outer one wins.
- An attached message is one leaf: its inside is somebody else's mail.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.mail.parameters import MAX_VALUE, media_type

__all__ = ["MAX_VALUE", "Field", "Part", "field_value", "media_type", "scan", "scan_header"]

MAX_DEPTH = 100
"""Levels of nesting; real mail stays under ten."""
MAX_PARTS = 10_000
"""Parts of one mail; real mail stays under a few hundred."""
MAX_FIELDS = 10_000
"""Fields of one header block; what follows is kept as one field without a name."""
MAX_ALL_FIELDS = 50_000
"""Fields of all header blocks together; five for each part that is read."""
MAX_DASHES = 100_000
"""Lines that begin with two dashes and are looked at; real mail, with drawn tables, has some thousand."""
_MAX_DELIMITER = 1_000
"""Octets of a line that may be a delimiter; RFC 2046 allows 70 for the boundary itself."""

_FIELD = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*\n?")
_NAME = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")
_TYPE = re.compile(r"[^\s/]+/[^\s/]+")
_EMPTY_LINE = re.compile(rb"^\r?(?:\n|\Z)", re.MULTILINE)
_UNFOLD = re.compile(rb"\r?\n(?=[ \t])")
_ENCODINGS = {slip: f"{slip[0]}bit" for slip in ("7-bit", "8-bit", "7bits", "8bits", "7 bit", "8 bit")}
"""Slips in a transfer encoding that every reader takes for what was meant, because it means: as it stands."""


@dataclass(frozen=True, slots=True)
class Field:
    """One header field as a byte range, its folded lines and line end included."""

    name: str
    """Lower case; empty for a line that is no field."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part as offsets into the raw mail."""

    start: int
    """First octet of the header block."""
    body_start: int
    """First octet after the empty line."""
    end: int
    """One past the body; the line end before a delimiter belongs to the delimiter."""
    fields: tuple[Field, ...]
    content_type: str
    """`text/plain`, always lower case and with a slash."""
    params: tuple[tuple[str, str], ...]
    """Content-Type parameters: lower-case name, value without quotes, octets as Latin-1."""
    encoding: str
    """Content-Transfer-Encoding in lower case; `7bit` when there is none."""
    disposition: str
    """`inline`, `attachment` or what stood there, lower case; empty when there is none."""
    named: bool
    """Whether the part carries a file name."""
    children: tuple["Part", ...]
    depth: int
    """0 for the mail itself."""
    bounded: bool
    """Whether the scanner stopped in here because the mail is nested too deeply or has too many parts."""

    def walk(self) -> Iterator["Part"]:
        """Yield this part and all below it, in the order of their bytes."""
        yield self
        for child in self.children:
            yield from child.walk()

    def param(self, name: str) -> str:
        """Return a Content-Type parameter, or an empty string."""
        return next((value for key, value in self.params if key == name), "")

    def named_fields(self, name: str) -> tuple[Field, ...]:
        """Return the fields of that lower-case name, from the top."""
        return tuple(field for field in self.fields if field.name == name)

    def values(self, raw: bytes, name: str) -> list[bytes]:
        """Return the unfolded, stripped values of the fields of that lower-case name, from the top."""
        return [field_value(raw, field) for field in self.named_fields(name)]


def field_value(raw: bytes, field: Field) -> bytes:
    """Return what follows the colon, unfolded and without white space around it."""
    return _UNFOLD.sub(b"", raw[field.start : field.end].partition(b":")[2]).strip()


def ranges(part: Part) -> Iterator[tuple[int, int]]:
    """Yield the byte ranges of header blocks, bodies and what stands between them, without gap or overlap."""
    yield part.start, part.body_start
    at = part.body_start
    for child in part.children:
        yield at, child.start
        yield from ranges(child)
        at = child.end
    yield at, part.end


def join(raw: bytes, spans: Iterator[tuple[int, int]]) -> bytes:
    """Put the ranges of `raw` together again."""
    return b"".join(raw[start:end] for start, end in spans)


def scan(raw: bytes) -> Part:
    """Return the tree of parts of a raw mail; any bytes at all give a tree."""
    return _Scanner(raw).run()


def scan_header(raw: bytes) -> tuple[Field, ...]:
    """Return the fields of the top header alone, for those who do not care about the body."""
    return _Scanner(raw).header(0)[0]


@dataclass(slots=True)
class _Open:
    """A part whose end is not known yet."""

    start: int
    body_start: int
    fields: tuple[Field, ...]
    content_type: str
    params: tuple[tuple[str, str], ...]
    encoding: str
    disposition: str
    named: bool
    boundary: bytes
    children: list[Part]
    depth: int
    bounded: bool = False

    def close(self, end: int) -> Part:
        return Part(
            start=self.start,
            body_start=self.body_start,
            # A child whose header reaches to a delimiter takes the line end before it.
            end=max(end, self.body_start, *(child.end for child in self.children[-1:])),
            fields=self.fields,
            content_type=self.content_type,
            params=self.params,
            encoding=self.encoding,
            disposition=self.disposition,
            named=self.named,
            children=tuple(self.children),
            depth=self.depth,
            bounded=self.bounded,
        )


class _Scanner:
    """One pass over the delimiter lines, with the stack of parts that are open."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.stack: list[_Open] = []
        self.levels: dict[bytes, int] = {}
        self.parts = self.fields = self.dashes = 0

    def run(self) -> Part:
        at = self.open(0)
        while (line := self.next_delimiter(at)) is not None:
            start, after, level, closing = line
            self.close_above(level, self.before_line_end(start))
            if closing:
                del self.levels[self.stack[level].boundary]
                at = after
            elif self.parts >= MAX_PARTS or level + 1 >= MAX_DEPTH:
                self.stack[level].bounded = True
                break
            else:
                at = self.open(after)
            if self.stack[-1].bounded:
                break
        self.close_above(0, len(self.raw))
        return self.stack.pop().close(len(self.raw))

    def before_line_end(self, start: int) -> int:
        """Return where a part ends when a delimiter line starts at `start`."""
        end = start - 1 if self.raw[start - 1 : start] == b"\n" else start
        return end - 1 if self.raw[end - 1 : end] == b"\r" else end

    def close_above(self, level: int, end: int) -> None:
        while len(self.stack) > level + 1:
            part = self.stack.pop()
            if self.levels.get(part.boundary) == part.depth:
                del self.levels[part.boundary]
            self.stack[-1].children.append(part.close(end))

    def next_delimiter(self, at: int) -> tuple[int, int, int, bool] | None:
        """Return start, end, level and whether it closes, of the next line that is an active delimiter."""
        if not self.levels:
            return None
        # Some header stands before `at`, so `at - 1` is the line end that a delimiter may follow.
        start = self.raw.find(b"\n--", at - 1) + 1
        while start:
            self.dashes += 1
            if self.dashes > MAX_DASHES:
                self.stack[-1].bounded = True
                break
            if (found := self.delimiter_at(start)) is not None:
                return start, *found
            start = self.raw.find(b"\n--", start) + 1
        return None

    def delimiter_at(self, start: int) -> tuple[int, int, bool] | None:
        """Return end, level and whether it closes, if an active delimiter line starts at `start`."""
        end = self.raw.find(b"\n", start, start + _MAX_DELIMITER) + 1
        if end == 0:
            if len(self.raw) - start > _MAX_DELIMITER:
                return None
            end = len(self.raw)
        line = self.raw[start + 2 : end].rstrip(b" \t\r\n")
        if line in self.levels:
            return end, self.levels[line], False
        if line.endswith(b"--") and line[:-2] in self.levels:
            return end, self.levels[line[:-2]], True
        return None

    def open(self, start: int) -> int:
        """Read the header block at `start`, push the part, and return where to look for delimiters."""
        fields, body_start = self.header(start)
        values = dict.fromkeys(("content-type", "content-transfer-encoding", "content-disposition"), b"")
        first = {field.name: field for field in reversed(fields) if field.name in values}
        values.update((name, field_value(self.raw, field)) for name, field in first.items())
        content_type, params = media_type(values["content-type"])
        # A forgotten semicolon hides the parameters, but not the type.
        content_type = content_type.partition(" ")[0]
        if _TYPE.fullmatch(content_type) is None:
            digest = bool(self.stack) and self.stack[-1].content_type == "multipart/digest"
            content_type = "message/rfc822" if digest and not content_type else "text/plain"
        disposition, names = media_type(values["content-disposition"])
        encoding = media_type(values["content-transfer-encoding"])[0].strip("\"'.,: \t") or "7bit"
        boundary = b""
        if content_type.startswith("multipart/"):
            declared = next((value for name, value in params if name == "boundary"), "")
            boundary = declared.encode("latin-1").rstrip()
        part = _Open(
            start=start,
            body_start=body_start,
            fields=fields,
            content_type=content_type,
            params=params,
            encoding=_ENCODINGS.get(encoding, encoding),
            disposition=disposition.partition(" ")[0],
            named=any(name == "filename" for name, _ in names) or any(name == "name" for name, _ in params),
            boundary=boundary,
            children=[],
            depth=len(self.stack),
            bounded=self.fields >= MAX_ALL_FIELDS or len(fields) > MAX_FIELDS,
        )
        self.parts += 1
        self.stack.append(part)
        if boundary and boundary not in self.levels:
            self.levels[boundary] = part.depth
        return body_start

    def header(self, at: int) -> tuple[tuple[Field, ...], int]:
        """Return the fields from `at` on and where the body starts."""
        raw, fields = self.raw, list[Field]()
        while at < len(raw):
            if raw[at] == ord(b"\n") or raw.startswith(b"\r\n", at):
                after = raw.index(b"\n", at) + 1
                if not all(field.name for field in fields) and self.ends(after):
                    break
                return tuple(fields), after
            if raw.startswith(b"--", at) and self.delimiter_at(at) is not None:
                break
            match = _FIELD.match(raw, at)
            end = match.end() if match is not None else len(raw)
            if len(fields) >= MAX_FIELDS or self.fields >= MAX_ALL_FIELDS:
                empty = _EMPTY_LINE.search(raw, at)
                end = empty.start() if empty is not None else len(raw)
            name = _NAME.match(raw, at, end)
            fields.append(Field(name[1].lower().decode("ascii") if name is not None else "", at, end))
            self.fields += 1
            at = end
        return self.without_end(fields, at) if self.stack else (tuple(fields), at)

    def ends(self, at: int) -> bool:
        """Whether nothing is left of a part: its only empty line ends its text, not its header."""
        return at == len(self.raw) or self.delimiter_at(at) is not None

    def without_end(self, fields: list[Field], at: int) -> tuple[tuple[Field, ...], int]:
        """Return a part's fields before the first line that is none, and where it begins.

        Not before base64: the pre-filter, too, looks for that behind an empty line only.
        """
        number = next((number for number, field in enumerate(fields) if not field.name), len(fields))
        packed = any(
            b"base64" in self.raw[field.start : field.end].lower()
            for field in fields
            if field.name == "content-transfer-encoding"
        )
        if packed or number == len(fields) or len(fields) > MAX_FIELDS:
            return tuple(fields), at
        return tuple(fields[:number]), fields[number].start
