"""The sieve: whether a raw mail can hold a marker, at the speed of a few searches and without MIME parsing.

It may be wrong only in saying yes.

- Read are the letters of the marker's two words, which every charset we decode leaves in ASCII.
  What stands between them without letters of its own goes: brackets, spaces, zero-width characters, NULs.
- What has letters of its own tears a word: a tag, a comment, an entity, an escape sequence.
  A torn word is not put together again.
  Its pieces are looked for, each beside the octet that a tear ends or begins with, however long the tear is.
- Each text is read as it stands, decoded from quoted-printable if some header declares that, and each base64
  body decoded; a base64 body that declares what cannot be text is not read at all.
- A mail of more parts than the scanner reads is let through; nobody rewrites it.
- No search runs over more than one stretch, because CPython lets no other thread run during it.
"""

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from gateway.mail.parts import MAX_PARTS

STRETCH = 1 << 17
"""Octets that are read at once; the dearest search takes less than 10 ms for them."""

_UPPER, _LOWER = bytes(range(0x41, 0x5B)), bytes(range(0x61, 0x7B))
# A tag ends with ">", an entity with ";": one sign serves for both.
_FOLDED = bytes.maketrans(_UPPER + b";", _LOWER + b">")
_DROPPED = bytes(set(range(256)) - set(_UPPER + _LOWER + b"<>&;#(\x1b"))
_TO_ASCII = re.compile(rb"\x1b\([bjh]")
"""An escape sequence after which letters are letters (ISO-2022-JP); it may begin and end a tear."""
_REACH = 256
"""Letters that a stretch takes over from the one before: more than the longest of the patterns below."""

_WORDS_APART = 200
"""Letters that may stand between the two words where nothing tears them."""
_MISSPELT = re.compile(rb"(?:r[a-z]{3,5}[a-z]{0,12}?|elay|>[a-z]?)rejection")
"""What may have been meant for a marker; one that is also torn inside of a word is not looked for."""
_MISSPELT_REACH = 40
# One letter may stand before: the second octet of a full-width colon, in Shift_JIS, Big5 or GB 18030.
_SECOND_WORD = (
    re.compile(
        rb"""
        ej (?<=rej)
        (?:
            (?<=>rej) | (?<=>yrej) | (?<=>ayrej) | (?<=layrej)
            | (?<=>[a-z]rej) | (?<=>y[a-z]rej) | (?<=>ay[a-z]rej) | (?<=lay[a-z]rej)
        )
        """,
        re.VERBOSE,
    ),
    re.compile(rb">ej(?=c|e?[c<&\x1b])"),
    re.compile(rb">j(?=c|e?[c<&\x1b])"),
)
"""As whole as the first word leaves it, or torn; each begins with octets that are looked for fast."""
_OPEN_ENTITY = re.compile(rb"&(?:\#(?:[elayj]|[a-z]?rej|x[a-f]*+[^>a-f])|shy[elayj]|(?:shy|nbsp)[a-z]?rej)")
"""An entity without its semicolon before one of the marker's letters; its digits are dropped.

What ends the tear is no sign of its own then; so few mails have one that it is enough by itself.
"""
_FIRST_WORD = b"relay"
_QUOTED_PRINTABLE = b"quotedprintable"
_PIECE = re.compile(
    rb"""
    relay
    | (?:rela|rel|re|r) (?=[<&\x1b])
    | > (?: elay|lay|ay|y | (?:ela|el|e|la|l|a) (?=[<&\x1b]) )
    """,
    re.VERBOSE,
)

_BASE64 = b"base64"
_BLANK_LINE = re.compile(rb"\n\r?\n")
_FIRST_STEP = 1 << 10
"""Octets in which the next header is looked for first; short parts come in great numbers."""
_LONGEST_HEADER = 1 << 16
"""Octets before a body in which its type is looked for."""
_BINARY = re.compile(rb"content-type:\s*(?:image|application|audio|video|font|model)/")
_NO_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_NO_SIGNS = (b"[", b"]", b"&", b"\x1b", b":")
_NO_ASCII = re.compile(rb"[\x80-\xff]")
_PADDING = b"= \t\r\n"

_Span = tuple[int, int]
_Pieces = Callable[[], Iterator[bytes]]
"""A text in pieces, as often as it is asked for."""


def may_be_marked(raw: bytes, *, stretch: int = STRETCH) -> bool:
    """Whether a raw mail, or a part of one with its header, can hold a marker.

    `stretch` is in octets, at least 1.
    """
    divided = _divided(raw, stretch)
    if divided is None:
        return True
    spans, bodies = divided
    text = partial(_slices, raw, spans, stretch)
    as_it_stands = _read(text)
    if as_it_stands.marked:
        return True
    if as_it_stands.quoted_printable and _read(lambda: _unquoted(text())).marked:
        return True
    return bool(bodies) and _read(partial(_decoded, raw, bodies, stretch)).marked


@dataclass(frozen=True, slots=True)
class _Signs:
    """What the letters of a text say."""

    marked: bool
    quoted_printable: bool
    """Whether the word stands somewhere, as it does in each header that declares it."""


def _read(text: _Pieces) -> _Signs:
    torn = quoted_printable = False
    for letters in _letters(text()):
        # A sign without its rarest letter cannot be there; one letter is found ten times as fast as more.
        if b"&" in letters and _OPEN_ENTITY.search(letters) is not None:
            return _Signs(marked=True, quoted_printable=quoted_printable)
        if b"j" in letters:
            if _has_both_words(letters):
                return _Signs(marked=True, quoted_printable=quoted_printable)
            torn = torn or any(pattern.search(letters) is not None for pattern in _SECOND_WORD)
        quoted_printable = quoted_printable or _QUOTED_PRINTABLE in letters
    return _Signs(marked=torn and _has_first_word(text), quoted_printable=quoted_printable)


def _letters(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the letters and the signs of tears, each time with the end of the time before."""
    letters = b""
    for piece in pieces:
        letters = letters[-_REACH:] + piece.translate(_FOLDED, _DROPPED)
        if b"\x1b" in letters:
            letters = _TO_ASCII.sub(b"<>", letters)
        yield letters


def _has_both_words(letters: bytes) -> bool:
    relay = letters.find(_FIRST_WORD)
    while relay >= 0:
        after = letters.find(b"rej", relay)
        if after < 0:
            break
        if after - letters.rfind(_FIRST_WORD, relay, after) <= _WORDS_APART:
            return True
        relay = letters.find(_FIRST_WORD, after)
    rejection = letters.find(b"rejection")
    while rejection >= 0:
        end = rejection + len(b"rejection")
        if _MISSPELT.search(letters, max(rejection - _MISSPELT_REACH, 0), end) is not None:
            return True
        rejection = letters.find(b"rejection", end)
    return False


def _has_first_word(text: _Pieces) -> bool:
    """Whether the pieces of the first word, wherever they stand, make it whole."""
    pieces: set[bytes] = set()
    for letters in _letters(text()):
        pieces.update(_PIECE.findall(letters))
    reached = {0}
    for at in range(len(_FIRST_WORD)):
        if at in reached:
            reached |= {
                at + len(piece)
                for piece in (found.lstrip(b">") for found in pieces)
                if _FIRST_WORD.startswith(piece, at)
            }
    return len(_FIRST_WORD) in reached


def _divided(raw: bytes, stretch: int) -> tuple[list[_Span], list[_Span]] | None:
    """Return what is read as it stands, and the base64 bodies that may be text; None for too many parts.

    Such a body begins after the header that says so.
    It ends at a line that begins with two dashes, which no line of base64 does.
    """
    spans: list[_Span] = []
    bodies: list[_Span] = []
    start = at = 0
    stop = spoilt = -1
    for _ in range(MAX_PARTS):
        body = _body_start(raw, at, stretch)
        if body is None:
            return [*spans, (start, len(raw))], bodies
        header, at = max(at, body - _LONGEST_HEADER), body
        if stop < body - 1:
            # The empty line before the body may be the line end before a delimiter.
            stop = _find(raw, b"\n--", body - 1, len(raw), stretch)
            stop = len(raw) if stop < 0 else stop
        # What says so may also be no header, but a sentence or a picture in HTML.
        if stop < body or body <= spoilt:
            continue
        spoilt = _spoilt(raw, body, stop, stretch)
        if spoilt < 0:
            spans.append((start, body))
            start = at = stop
            if not _is_binary(raw[header:body].lower()):
                bodies.append((body, stop))
    return None


def _body_start(raw: bytes, start: int, stretch: int) -> int | None:
    """Return where the body begins that is the next to be called base64."""
    at, step = start, min(_FIRST_STEP, stretch)
    while at < len(raw):
        word = raw[at : at + step + len(_BASE64) - 1].lower().find(_BASE64)
        if word >= 0:
            return _blank_line(raw, at + word, stretch)
        at += step
        step = min(step * 2, stretch)
    return None


def _blank_line(raw: bytes, start: int, stretch: int) -> int | None:
    for at in range(start, len(raw), stretch):
        match = _BLANK_LINE.search(raw, at, at + stretch + 2)
        if match is not None:
            return match.end()
    return None


def _is_binary(before: bytes) -> bool:
    """Whether a body declares what cannot be text; `before` is what stands before it, in lower case.

    A line of its header may begin with two dashes; there the type may stand before it.
    """
    blank = max(before.rfind(b"\n\n", 0, -2), before.rfind(b"\n\r\n", 0, -2))
    header = before[max(blank, 0) :]
    return b"text/" not in header and _BINARY.search(header, max(header.rfind(b"\n--"), 0)) is not None


def _find(raw: bytes, word: bytes, start: int, stop: int, stretch: int) -> int:
    for at in range(start, stop, stretch):
        found = raw.find(word, at, min(at + stretch + len(word) - 1, stop))
        if found >= 0:
            return found
    return -1


def _spoilt(raw: bytes, start: int, stop: int, stretch: int) -> int:
    """Return where something stands that base64 never has, or -1; nothing before it is base64 then, either.

    Of what base64 never has, a bracket in any form is looked for, with which a marker in another encoding
    would begin, and a colon, which each header has.
    """
    at = start
    for piece in _slices(raw, [(start, stop)], stretch):
        if not piece.isascii() or any(sign in piece for sign in _NO_SIGNS):
            last = max(piece.rfind(sign) for sign in _NO_SIGNS)
            return at + (last if last >= 0 else next(_NO_ASCII.finditer(piece)).start())
        at += len(piece)
    padding = _find(raw, b"=", start, stop, stretch)
    after = _slices(raw, [(padding, stop)], stretch) if padding >= 0 else ()
    return padding if any(piece.translate(None, _PADDING) for piece in after) else -1


def _slices(raw: bytes, spans: list[_Span], stretch: int) -> Iterator[bytes]:
    for start, stop in spans:
        for at in range(start, stop, stretch):
            yield raw[at : min(at + stretch, stop)]


def _unquoted(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode quoted-printable; a token that goes on in the next piece waits for it."""
    waiting = b""
    for piece in pieces:
        data = waiting + piece
        end = len(data) if data.endswith(b"=") else len(data) - 1
        # Two equals signs are a token of their own to Python.
        signs = end - len(data[:end].rstrip(b"="))
        whole = end - 1 if signs % 2 else len(data)
        waiting = data[whole:]
        yield binascii.a2b_qp(data[:whole])
    yield binascii.a2b_qp(waiting)


def _decoded(raw: bytes, bodies: list[_Span], stretch: int) -> Iterator[bytes]:
    """Decode each base64 body; what is neither in its alphabet nor padding is left out."""
    for body in bodies:
        packed = b""
        for piece in _slices(raw, [body], stretch):
            packed += piece.translate(None, _NO_BASE64)
            whole = len(packed) // 4 * 4
            yield binascii.a2b_base64(packed[:whole])
            packed = packed[whole:]
        if len(packed) > 1:
            yield binascii.a2b_base64(packed + b"==")
