"""Content-Transfer-Encodings (RFC 2045, section 6): decode a body, and splice into one as it stands.

An edit of decoded bytes becomes an edit of encoded bytes that leaves the others alone:
in quoted-printable at its tokens, in base64 from the line that holds the edit on.
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Edit = tuple[int, int, bytes]
"""Start, end and what stands there instead; offsets into a body."""

IDENTITY = ("7bit", "8bit")
MAX_LINE = 998
"""Octets of a line without its end (RFC 5322, section 2.1.1)."""
_QP_WIDTH = 75
"""Octets of a quoted-printable line before its soft break; 76 with it (RFC 2045, section 6.7)."""
_BASE64_WIDTH = 76
"""Characters of a base64 line (RFC 2045, section 6.8)."""

_QP_LINE = re.compile(rb"[^\n]*\n?")
_QP_ODD = re.compile(rb"=(?:[ \t]|==|\r(?!\n))")
"""What Python's decoder reads otherwise in a whole body than line by line."""
_QP_PLAIN = re.compile(rb"(?![.-]|From )[\x21-\x3c\x3e-\x7e \t]*(?<![ \t])")
"""A line that is written as it stands."""
_QP_TOKEN = re.compile(rb"=[0-9A-Fa-f]{2}|==|.", re.DOTALL)
_HEX = tuple(b"%c" % code for code in b"0123456789ABCDEFabcdef")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_WHITE = b" \t\r\n"
_QP_LITERAL = frozenset(range(33, 127)) - {ord("=")} | {ord(" "), ord("\t")}
_QP_TOKENS = tuple(b"%c" % code if code in _QP_LITERAL else b"=%02X" % code for code in range(256))


def decode(body: bytes, encoding: str) -> bytes | None:
    """Return the decoded body; None for an unknown encoding or base64 that no two readers read alike."""
    if encoding in IDENTITY:
        return body
    if encoding == "quoted-printable":
        if _QP_ODD.search(body) is None:
            return binascii.a2b_qp(body)
        return b"".join(_qp_decode(line) for line in _qp_lines(body))
    if encoding == "base64":
        packed = body.translate(None, _WHITE)
        if _BASE64.fullmatch(packed) is None or len(packed.rstrip(b"=")) % 4 == 1:
            return None
        packed = packed.rstrip(b"=")
        return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))
    return None


def splice(body: bytes, encoding: str, edits: Sequence[Edit]) -> list[Edit]:
    """Turn edits of the decoded body, ascending and apart, into edits of the body itself."""
    if encoding == "quoted-printable":
        walk, end_of_line = _QpWalk(body), newline(body)
        return [_qp_edit(walk, end_of_line, *edit) for edit in edits]
    if encoding == "base64":
        return [_base64_edit(body, edits)] if edits else []
    return list(edits)


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the data with the edits, ascending and apart, made."""
    # Views, because a slice of bytes would copy a mail with all its attachments before it is joined.
    view, at = memoryview(data), 0
    found: list[bytes | memoryview] = []
    for start, end, new in edits:
        found += [view[at:start], new]
        at = end
    return b"".join([*found, view[at:]])


def newline(data: bytes) -> bytes:
    """Return the line end that these bytes use: CRLF unless there are only bare LFs."""
    return b"\n" if b"\n" in data and b"\r\n" not in data else b"\r\n"


def encode_quoted_printable(data: bytes, end: bytes) -> bytes:
    """Encode whole lines; `end` is the line end inside `data`, and stays a hard break."""
    return end.join(_qp_line(line, end) for line in data.split(end))


def encode_base64(data: bytes, end: bytes, width: int = _BASE64_WIDTH) -> bytes:
    """Encode in lines of `width` characters, a multiple of 4, without a line end after the last."""
    packed = binascii.b2a_base64(data, newline=False)
    return end.join(packed[at : at + width] for at in range(0, len(packed), width))


class _QpLine(NamedTuple):
    """A named tuple, because there are thousands, and a frozen dataclass takes four times as long to make."""

    start: int
    decoded_at: int
    content: bytes
    """Without line end and soft break."""
    end: bytes
    """The hard line end, as it is in the decoded body; empty where a soft break stands."""


def _qp_decode(line: _QpLine) -> bytes:
    return binascii.a2b_qp(line.content) + line.end


def _qp_lines(body: bytes) -> Iterator[_QpLine]:
    decoded_at = 0
    for match in _QP_LINE.finditer(body):
        whole = match[0]
        if not whole and body and not body.endswith(b"\n"):
            break
        content = whole.removesuffix(b"\n").removesuffix(b"\r") if whole.endswith(b"\n") else whole
        end = whole[len(content) :]
        padded = content.rstrip(b" \t")
        if padded.endswith(b"=") and not padded.endswith(b"=="):
            content, end = padded[:-1], b""
        line = _QpLine(match.start(), decoded_at, content, end)
        decoded_at += len(_qp_decode(line)) if b"=" in content else len(content) + len(end)
        yield line


class _QpWalk:
    """The way from offsets in the decoded body to those in the body; ascending offsets go over it once.

    Two lines are kept at a time, because all of them take several times the space of the body.
    """

    def __init__(self, body: bytes) -> None:
        self._lines = _qp_lines(body)
        self._current = next(self._lines)
        self._next = next(self._lines, None)
        self._line: _QpLine | None = None
        self._at = self._decoded = 0

    def line(self, decoded: int) -> _QpLine:
        """Return the line that holds a decoded offset, not before the one that was asked for last."""
        while self._next is not None and self._next.decoded_at <= decoded:
            self._current, self._next = self._next, next(self._lines, None)
        return self._current

    def place(self, line: _QpLine, decoded: int) -> int:
        """Return the offset in the body of a decoded offset that lies in this line or at its end."""
        if line is not self._line or decoded < self._decoded:
            self._line, self._at, self._decoded = line, 0, line.decoded_at
        while self._decoded < decoded and self._at < len(line.content):
            token = _QP_TOKEN.match(line.content, self._at)
            self._at = token.end() if token is not None else len(line.content)
            self._decoded += 1
        return line.start + self._at + decoded - self._decoded


def _qp_edit(walk: _QpWalk, end_of_line: bytes, start: int, end: int, new: bytes) -> Edit:
    line = walk.line(start)
    first = walk.place(line, start)
    last_line = line if start == end else walk.line(end - 1)
    last = walk.place(last_line, end)
    rest = last_line.start + len(last_line.content) - last
    taken, before = _qp_left(line.content[: first - line.start], ends=not new and not rest)
    first -= taken
    head = first - line.start + len(before)
    soft = b"=" + end_of_line
    if not new:
        return first, last, before + (soft if head and rest > 0 and head + rest > _QP_WIDTH else b"")
    found = encode_quoted_printable(new, end_of_line)
    if head and not new.startswith(end_of_line):
        found = soft + found
    if rest > 0 and not new.endswith(end_of_line):
        found += soft
    return first, last, before + found


def _qp_left(left: bytes, *, ends: bool) -> tuple[int, bytes]:
    """Return how many octets at the end of `left` cannot stay before an edit, and what is written for them.

    An equals sign that begins no octet would make one, or a soft break, of what comes to stand behind it;
    white space would get lost where the line `ends`.
    """
    stem = left.rstrip(b" \t")
    if stem == left and left[-1:] in _HEX:
        stem = left[:-1]
    between = left[len(stem) :]
    signs = len(stem) - len(stem.rstrip(b"="))
    taken, before = 0, b""
    if signs:
        # Two of them, or a last one alone, are read as one.
        taken, before = signs + len(between), b"=3D" * ((signs + 1) // 2) + between
    if ends and left[-1:] in (b" ", b"\t"):
        taken, before = max(taken, 1), before[:-1] + b"=%02X" % left[-1]
    return taken, before


def _qp_line(line: bytes, end: bytes) -> bytes:
    """Encode one logical line as lines of at most 76 octets joined by soft breaks."""
    if len(line) <= _QP_WIDTH and _QP_PLAIN.fullmatch(line) is not None:
        return line
    tokens = [_QP_TOKENS[code] for code in line]
    if tokens and tokens[-1] in (b" ", b"\t"):
        tokens[-1] = b"=%02X" % line[-1]
    rows: list[bytes] = []
    row = bytearray()
    for number, token in enumerate(tokens):
        if len(row) + len(token) > _QP_WIDTH:
            rows.append(bytes(row))
            row = bytearray()
        # A dot, a dash or "From " at the start of a line means something to others on the way.
        guarded = not row and (token in (b".", b"-") or line[number : number + 5] == b"From ")
        row += b"=%02X" % line[number] if guarded else token
    rows.append(bytes(row))
    return (b"=" + end).join(rows)


def _base64_edit(body: bytes, edits: Sequence[Edit]) -> Edit:
    """Encode again from the last line at or before the first edit that begins with a whole group."""
    data = decode(body, "base64") or b""
    from_line, decoded_at, width, seen = 0, 0, 0, 0
    for match in _QP_LINE.finditer(body):
        length = len(match[0].translate(None, _WHITE))
        if seen % 4 == 0 and seen // 4 * 3 <= edits[0][0]:
            from_line, decoded_at = match.start(), seen // 4 * 3
        width = width or length
        seen += length
    if width % 4 or not width or width > MAX_LINE:
        width = _BASE64_WIDTH
    stop = len(body.rstrip(_WHITE))
    from_line = min(from_line, stop)
    tail = [(start - decoded_at, end - decoded_at, new) for start, end, new in edits]
    return from_line, stop, encode_base64(apply(data[decoded_at:], tail), newline(body), width)
