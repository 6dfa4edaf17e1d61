"""The tree of a mail's parts as it is explained: what each is, how it was read, and what stands in it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.mail import inline, marker, markup, quotes, transfer
from gateway.mail.eligible import Reading, Reason
from gateway.mail.inline import Leaf
from gateway.mail.marker import Found
from gateway.mail.markup import Plain
from gateway.mail.parts import Part
from gateway.mail.text import Text
from gateway.operator.explain.explanation import AlmostSeen, MarkerSeen, PartSeen, Role

_MAX_TEXT = 200
_ALMOST = re.compile(r"\[\[([A-Za-z]+):([A-Za-z]+)")
_LINE = re.compile(rb"[^\n]*\n?")
_WHITE = b" \t\r\n"
_ESCAPES = re.compile(rb"(?:\x1b[^A-Za-z@]*+[A-Za-z@])*+")
"""Escape sequences of ISO-2022-JP, which belong to no character."""


@dataclass(frozen=True, slots=True)
class NumberedPart:
    """A part with its number."""

    number: str
    part: Part


def numbered(root: Part) -> Iterator[NumberedPart]:
    """Yield the parts in the order of their bytes, numbered as IMAP does (RFC 3501, section 6.4.5)."""
    if not root.children:
        yield NumberedPart("0" if root.content_type.startswith("multipart/") else "1", root)
        return
    yield NumberedPart("0", root)
    yield from _below(root, "")


def _below(part: Part, prefix: str) -> Iterator[NumberedPart]:
    for number, child in enumerate(part.children, start=1):
        yield NumberedPart(f"{prefix}{number}", child)
        yield from _below(child, f"{prefix}{number}.")


def leaves_of(raw: bytes, reading: Reading) -> dict[int, Leaf]:
    """Return the texts that the mail shows by the identity of their parts; none of a header out of bounds."""
    if reading.unfit is Reason.HEADER_TOO_LARGE:
        return {}
    return {id(leaf.part): leaf for body in inline.bodies(raw, reading.root) for leaf in body}


def see_parts(raw: bytes, reading: Reading, own: dict[int, Leaf], *, rewritten: bool) -> tuple[PartSeen, ...]:
    """Describe every part; `own` are the texts that the mail shows."""
    targets = {id(target.leaf.part): target.invited for target in reading.targets if rewritten}
    found = []
    for one in numbered(reading.root):
        part, number = one.part, one.number
        if part.children or part.content_type.startswith("multipart/"):
            found.append(_seen(number, part, Role.CONTAINER))
        elif (leaf := own.get(id(part))) is not None:
            role = Role.TEXT
            if id(part) in targets:
                role = Role.INVITED if targets[id(part)] else Role.CLEARED
            found.append(_text_seen(raw, number, leaf, role))
        elif part.content_type.startswith("text/") and reading.unfit is not Reason.HEADER_TOO_LARGE:
            found.append(_text_seen(raw, number, inline.read(raw, part), Role.ATTACHED))
        else:
            message = part.content_type.startswith("message/")
            perhaps = message and marker.might_be_marked(raw[part.body_start : part.end])
            found.append(_seen(number, part, Role.ATTACHED, perhaps_marked=perhaps))
    return tuple(found)


def _seen(number: str, part: Part, role: Role, *, perhaps_marked: bool = False) -> PartSeen:
    text = part.content_type.startswith("text/")
    return PartSeen(
        number=number,
        depth=part.depth,
        content_type=part.content_type,
        role=role,
        charset_declared=(part.param("charset") or None) if text else None,
        charset_read=None,
        encoding=part.encoding,
        disposition=part.disposition,
        named=part.named,
        octets=part.end - part.body_start,
        perhaps_marked=perhaps_marked,
    )


def _text_seen(raw: bytes, number: str, leaf: Leaf, role: Role) -> PartSeen:
    part = leaf.part
    text = leaf.text if isinstance(leaf.text, Text) else None
    return PartSeen(
        number=number,
        depth=part.depth,
        content_type=part.content_type,
        role=role,
        charset_declared=part.param("charset") or None,
        charset_read=text.charset if text is not None else None,
        encoding=part.encoding,
        disposition=part.disposition,
        named=part.named,
        octets=part.end - part.body_start,
        markers=_markers(raw, leaf, text) if text is not None else (),
        almost=_almost(leaf, text) if text is not None else (),
        quoted_lines=_quoted_lines(leaf, text) if text is not None else (),
    )


def _markers(raw: bytes, leaf: Leaf, text: Text) -> tuple[MarkerSeen, ...]:
    found: Sequence[Found] = leaf.found
    if leaf.in_quotes:
        found = marker.find(text.text, html=text.html, flowed=text.flowed, delsp=text.delsp).found
    octets = _octets(raw, text, found)
    return tuple(
        MarkerSeen(
            line=line_of(text.text, spot.start),
            column=column_of(text.text, spot.start),
            octet=octet,
            source_line=raw.count(b"\n", 0, octet) + 1,
            quoted=quotes.inside(leaf.quoted, spot.start),
            text="".join(text.text[start:end] for start, end in spot.pieces)[:_MAX_TEXT],
            says=spot.marker,
        )
        for spot, octet in zip(found, octets, strict=True)
    )


def _octets(raw: bytes, text: Text, found: Sequence[Found]) -> list[int]:
    """Return where in the raw mail each marker begins."""
    part = text.part
    cuts = [(spot.start, spot.start + 1, "") for spot in found]
    places = [start for start, _, _ in text.decoded.byte_edits(cuts)]
    if text.charset == "iso-2022-jp":
        data = text.decoded.data
        places = [place + len(match[0]) for place in places if (match := _ESCAPES.match(data, place))]
    if part.encoding == "base64":
        places = _base64_places(raw[part.body_start : part.end], places)
    elif part.encoding == "quoted-printable":
        empty = [(place, place, b"") for place in places]
        body = raw[part.body_start : part.end]
        places = [start for start, _, _ in transfer.splice(body, part.encoding, empty)]
    return [part.body_start + place for place in places]


def _base64_places(body: bytes, places: Sequence[int]) -> list[int]:
    """Return where in base64 the groups of these ascending offsets begin."""
    found: list[int] = []
    lines, seen, line = _LINE.finditer(body), 0, b""
    start = length = 0
    for place in places:
        wanted = place // 3 * 4
        while seen + length <= wanted and (match := next(lines, None)) is not None and match[0]:
            start, line, seen = match.start(), match[0], seen + length
            length = len(line.translate(None, _WHITE))
        # Only a line with blanks inside, which nobody writes, would make this a few octets too early.
        blank = len(line) - len(line.lstrip(_WHITE))
        found.append(start + blank + wanted - seen)
    return found


def _almost(leaf: Leaf, text: Text) -> tuple[AlmostSeen, ...]:
    if not leaf.almost:
        return ()
    if text.html:
        plain = markup.read_html(text.text)
    else:
        plain = markup.read_text(text.text, flowed=text.flowed, delsp=text.delsp)
    found = []
    for words in leaf.almost:
        at = _index_of(words, plain)
        line = line_of(text.text, at) if at is not None else None
        found.append(AlmostSeen(words, line, column_of(text.text, at) if at is not None else None))
    return tuple(found)


def _index_of(words: str, plain: Plain) -> int | None:
    """Return where in the source the two words of a broken marker begin, with the brackets before them."""
    match = _ALMOST.fullmatch(words)
    if match is None:
        return None
    place = re.search(rf"\[\s*+(?:\[\s*+)?{match[1]}\s*+[:;.,=/|_-]?\s*+{match[2]}", plain.folded)
    pieces = plain.pieces(*place.span()) if place is not None else ()
    return pieces[0][0] if pieces else None


def _quoted_lines(leaf: Leaf, text: Text) -> tuple[tuple[int, int], ...]:
    """Return the lines of quoted mail; stretches that touch are one."""
    found: list[tuple[int, int]] = []
    at, line = 0, 1
    for start, end in leaf.quoted:
        first = line + text.text.count("\n", at, start)
        last = first + text.text.count("\n", start, max(end - 1, start))
        at, line = max(end - 1, start), last
        if found and found[-1][1] >= first - 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return tuple(found)


def line_of(text: str, at: int) -> int:
    """Return the number, from 1, of the line that holds an index."""
    return text.count("\n", 0, at) + 1


def column_of(text: str, at: int) -> int:
    """Return the place, from 1, of an index in its line, in characters."""
    return at - text.rfind("\n", 0, at)
