"""A text leaf as text, and the way back: an edit of the text becomes splices of the raw mail.

- The author's bytes stay where charset and transfer encoding allow it; otherwise this leaf is encoded again.
- A replacement that the leaf's charset cannot hold moves the leaf to UTF-8 and says so in its Content-Type.
- 8-bit bytes never enter a leaf that had none, because nobody promised them to the next hop (RFC 6152).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from gateway.mail import charsets, transfer
from gateway.mail.parts import Part, scan_header

Edit = tuple[int, int, str]
"""Start, end and what stands there instead; indices into a leaf's text."""
Splice = tuple[int, int, bytes]
"""Start, end and what stands there instead; offsets into the raw mail."""

_CHARSET = re.compile(
    rb";(\s*+)charset(?:\*\d*+\*?)?\s*+="
    rb"(?:(?:[ \t]|\r?\n[ \t])*+\"[^\"]*+\"|[^;\r\n]*+(?:\r?\n[ \t][^;\r\n]*+)*+)",
    re.IGNORECASE,
)
"""A charset with all that stands before the next parameter, be it a comment or a slip."""
_UNIVERSAL = re.compile(r"\W*(?:x-)?(?:utf-?(?:7|16|32)|unicode-1-1-utf-7)", re.IGNORECASE)
_EMPTY_LINE = re.compile(r"(?:\A|\n)\r?\n")
_C1 = re.compile("[\x80-\x9f]")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Unreadable(Enum):
    """Why a leaf could not be read."""

    UNIVERSAL = auto()
    """UTF-7, UTF-16 or UTF-32: no line of ASCII can be spliced into it."""
    UNDECODABLE = auto()
    """In this charset or transfer encoding not even the letters of ASCII can be told for sure."""


class CannotRewrite(Exception):
    """The mail cannot be rewritten faithfully and goes out as it came."""


@dataclass(frozen=True, slots=True)
class Text:
    """A decoded text leaf."""

    part: Part
    text: str
    charset: str
    """Our canonical name of the charset it was decoded by, which is not always the declared one."""
    decoded: charsets.Decoded

    @property
    def html(self) -> bool:
        """Whether this is text/html; text/plain otherwise."""
        return self.part.content_type == "text/html"

    @property
    def flowed(self) -> bool:
        """Whether lines that end in a space go on in the next one (RFC 3676)."""
        return not self.html and self.part.param("format").lower() == "flowed"

    @property
    def delsp(self) -> bool:
        """Whether the space at the end of a flowed line is no part of the text (RFC 3676)."""
        return self.flowed and self.part.param("delsp").lower() == "yes"

    @property
    def guessed(self) -> bool:
        """Whether no label, or one that its 8-bit octets belie, says what charset this is."""
        return _charset(self.part) == "us-ascii" and self.charset != "us-ascii"

    @property
    def newline(self) -> str:
        """The line end inside this leaf."""
        return transfer.newline(self.decoded.data).decode("ascii")


def read_leaf(raw: bytes, part: Part) -> Text | Unreadable:
    """Decode a leaf; any bytes give a text or the reason why not."""
    if _UNIVERSAL.match(part.param("charset")) is not None:
        return Unreadable.UNIVERSAL
    charset = _charset(part)
    data = transfer.decode(raw[part.body_start : part.end], part.encoding)
    if charset is None or data is None or b"\0" in data:
        utf_16 = data is not None and data.startswith(_BYTE_ORDER_MARKS)
        return Unreadable.UNIVERSAL if utf_16 else Unreadable.UNDECODABLE
    try:
        decoded = charsets.decode_any(data, charset)
    except charsets.Undecodable:
        return Unreadable.UNDECODABLE
    return Text(part, decoded.text, decoded.charset, decoded)


def _charset(part: Part) -> str | None:
    label = part.param("charset")
    return "us-ascii" if charsets.misnamed(label) else charsets.canonical(label)


def replaced(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with the edits, ascending and apart, made."""
    found, at = [], 0
    for start, end, new in edits:
        found += [text[at:start], new]
        at = end
    return "".join([*found, text[at:]])


def splices(raw: bytes, leaf: Text, edits: Sequence[Edit]) -> list[Splice]:
    """Return the splices of the raw mail, ascending, that make these edits; raises CannotRewrite."""
    if not edits:
        return []
    part = leaf.part
    if _loses_its_head(leaf, edits):
        raise CannotRewrite("the leaf's header has no end")
    if part.end == part.body_start and raw.startswith(b"--", part.end):
        raise CannotRewrite("the leaf is empty and shares its line end with a delimiter")
    try:
        changes = leaf.decoded.byte_edits(_joined(edits))
    except UnicodeEncodeError:
        return _moved_to_utf_8(raw, leaf, edits)
    if leaf.decoded.lossy or leaf.guessed:
        _still_read_alike(leaf, edits, changes)
    if part.encoding not in transfer.IDENTITY:
        body = raw[part.body_start : part.end]
        changes = transfer.splice(body, part.encoding, changes)
        return [(part.body_start + start, part.body_start + end, new) for start, end, new in changes]
    data = transfer.apply(leaf.decoded.data, changes)
    if (leaf.decoded.data.isascii() and not data.isascii()) or _has_long_line(data):
        body = transfer.encode_quoted_printable(data, transfer.newline(data))
        return _encoded_anew(raw, part, body, None, "quoted-printable")
    return [(part.body_start + start, part.body_start + end, new) for start, end, new in changes]


def _loses_its_head(leaf: Text, edits: Sequence[Edit]) -> bool:
    """Whether a text that begins without an empty line would get one, or another first line.

    What is left of that line beside a marker may be a field.
    """
    if not _lacks_empty_line(leaf.part):
        return False
    in_first_line = "\n" not in leaf.text[: edits[0][0]]
    return in_first_line or _EMPTY_LINE.search(replaced(leaf.text, edits)) is not None


def _lacks_empty_line(part: Part) -> bool:
    """Whether nothing divides a header from the text below it but that its first line is no field."""
    return part.body_start == (part.fields[-1].end if part.fields else part.start)


def _still_read_alike(leaf: Text, edits: Sequence[Edit], changes: Sequence[transfer.Edit]) -> None:
    """Raise CannotRewrite if octets that meant nothing, or the guess at a charset, mean another text now."""
    data = transfer.apply(leaf.decoded.data, changes)
    try:
        again = charsets.decode_any(data, _charset(leaf.part) or leaf.charset)
    except charsets.Undecodable:
        again = None
    # A replacement character does not tell which octet it stands for.
    known = again is not None and (again.charset == leaf.charset or "\ufffd" not in again.text)
    if again is None or not known or again.text != replaced(leaf.text, edits):
        raise CannotRewrite("the octets beside the marker would be read otherwise")


def apply(raw: bytes, changes: Sequence[Splice]) -> bytes:
    """Return the raw mail with the splices made; they come in any order and must not overlap."""
    return transfer.apply(raw, sorted(changes, key=lambda change: change[:2]))


def _joined(edits: Sequence[Edit]) -> list[Edit]:
    """Make one of edits that touch: between them stands no character, perhaps an escape sequence."""
    found: list[Edit] = []
    for start, end, new in edits:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end, found[-1][2] + new)
        else:
            found.append((start, end, new))
    return found


def _has_long_line(data: bytes) -> bool:
    return any(len(line) > transfer.MAX_LINE + 1 for line in data.split(b"\n"))


def _moved_to_utf_8(raw: bytes, leaf: Text, edits: Sequence[Edit]) -> list[Splice]:
    text = replaced(leaf.text, edits)
    if _belied(leaf):
        raise CannotRewrite("the leaf may be in another charset than it says")
    if leaf.decoded.lossy or "\ufffd" in text:
        raise CannotRewrite("the leaf has characters that are lost in another charset")
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotRewrite("the text cannot be encoded") from None
    end = transfer.newline(data)
    if leaf.part.encoding == "base64":
        encoding, body = None, transfer.encode_base64(data, end) + end
    else:
        encoding, body = "quoted-printable", transfer.encode_quoted_printable(data, end)
    return _encoded_anew(raw, leaf.part, body, "utf-8", encoding)


def _belied(leaf: Text) -> bool:
    """Whether some readers pass over the label: the octets are UTF-8, or controls that nobody writes."""
    data = leaf.decoded.data
    if data.isascii() or leaf.charset == "iso-2022-jp":
        return False
    return _C1.search(leaf.text) is not None or not charsets.decode_any(data, "utf-8").lossy


def _encoded_anew(
    raw: bytes, part: Part, body: bytes, charset: str | None, encoding: str | None
) -> list[Splice]:
    """Return the splices that put this body in place of the leaf's, and declare what it is."""
    first = scan_header(body[: transfer.MAX_LINE])[:1] if _lacks_empty_line(part) else ()
    if any(field.name for field in first):
        raise CannotRewrite("the first line of the text would become a field")
    return [*_relabelled(raw, part, charset, encoding), (part.body_start, part.end, body)]


def _relabelled(raw: bytes, part: Part, charset: str | None, encoding: str | None) -> list[Splice]:
    """Return the splices of the leaf's header that declare another charset or transfer encoding."""
    if part.body_start == part.start:
        raise CannotRewrite("the leaf has no header that could declare anything")
    found: list[Splice] = []
    added = b""
    types, encodings = part.named_fields("content-type"), part.named_fields("content-transfer-encoding")
    if charset is not None:
        name = charset.encode("ascii")
        if types:
            found += _charset_splices(raw, types[0].start, types[0].end, name)
        else:
            if part.depth == 0 and not part.named_fields("mime-version"):
                added += b"MIME-Version: 1.0\r\n"
            added += b"Content-Type: text/plain; charset=" + name + b"\r\n"
    if encoding is not None and encoding != part.encoding:
        line = b"Content-Transfer-Encoding: " + encoding.encode("ascii") + b"\r\n"
        if encodings:
            found.append((encodings[0].start, encodings[0].end, line))
        else:
            added += line
    if added:
        at = part.fields[-1].end if part.fields else part.start
        found.append((at, at, added))
    return sorted(found)


def _charset_splices(raw: bytes, start: int, end: int, name: bytes) -> list[Splice]:
    """Return the splices that declare this charset, and no other, in a Content-Type."""
    field = raw[start:end]
    if sections := list(_CHARSET.finditer(field)):
        first, *others = sections
        declared = b";" + first[1] + b"charset=" + name
        return [
            (start + first.start(), start + first.start() + len(first[0].rstrip()), declared),
            *((start + section.start(), start + section.end(), b"") for section in others),
        ]
    # Behind the type, because a quote that is open at the end would swallow it.
    at = len(field.partition(b";")[0].rstrip())
    return [(start + at, start + at, b"; charset=" + name)]
