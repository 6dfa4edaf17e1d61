"""The Japanese charsets that mailers write and Python's codecs do not quite read: ISO-2022-JP and EUC-JP.

Both are read with the NEC and IBM characters of CP50221 and CP51932, and written within ASCII and JIS X 0208.
An unknown pair is one replacement character, so that positions hold.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

ASCII = b"\x1b(B"
_KANJI = b"\x1b$B"
_SUPPLEMENT = b"\x1b$(D"
_KATAKANA = b"\x1b(I"
_ROMAN = b"\x1b(J"

_ESCAPE = re.compile(rb"\x1b(?:\([BJIH]|\$[@B]|\$\(D)")
_LAST_ESCAPES = re.compile(rb"(?:\x1b(?:\([BJIH]|\$[@B]|\$\(D))+\Z")
_NEXT_ESCAPES = re.compile(rb"(?:\x1b(?:\([BJIH]|\$[@B]|\$\(D))+")
_ESCAPES_REACH = 64
"""Octets before an edit in which escape sequences without text between them are looked for."""
# Of other charsets, or the locking shifts of CP50222, which no mailer of this century writes.
_UNKNOWN_ESCAPE = re.compile(rb"\x1b\$[^@B(]|\x1b\$\([^D]|\x1b\.|[\x0e\x0f]")
_JIS_TOKEN = re.compile(
    rb"(?P<control>[\x00-\x20\x7f]+)|(?P<pairs>(?:[\x21-\x7e]{2})+)|(?P<other>.)", re.DOTALL
)
_EUC_TOKEN = re.compile(
    rb"(?P<ascii>[\x00-\x7f]+)|(?P<pairs>(?:[\xa1-\xfe]{2})+)|(?P<kana>(?:\x8e[\xa1-\xdf])+)"
    rb"|(?P<triples>(?:\x8f[\xa1-\xfe]{2})+)"
)

# JIS X 0201 katakana: 0x21 to 0x5F in seven bits, 0xA1 to 0xDF in eight; below 0x21 are controls and space.
_KANA_7BIT = {code: chr(code + 0xFF61 - 0x21) for code in range(0x21, 0x60)}
_KANA_7BIT |= {code: chr(code) for code in range(0x21)}
_KANA_8BIT = {code: chr(code + 0xFF61 - 0xA1) for code in range(0xA1, 0xE0)}
_KANA_8BIT |= {code: chr(code) for code in range(0x80)}


class Undecodable(Exception):
    """Bytes that their charset does not explain."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive characters of the same width in bytes."""

    at: int
    """Index of the first character."""
    start: int
    """Offset of its first byte."""
    width: int
    """Bytes per character."""
    state: bytes = ASCII
    """The escape sequence in force (ISO-2022-JP)."""


def place(runs: Sequence[Run], index: int) -> tuple[int, int]:
    """Return the byte offset of a character and the number of its run."""
    number = max(bisect_right(runs, index, key=lambda run: run.at) - 1, 0)
    run = runs[number]
    return run.start + (index - run.at) * run.width, number


def decode_iso_2022_jp(data: bytes) -> tuple[str, tuple[Run, ...]]:
    """Decode with the extensions of CP50221; raises Undecodable for escape sequences of other charsets."""
    if _UNKNOWN_ESCAPE.search(data) is not None:
        raise Undecodable
    runs, state, at = _Runs(), ASCII, 0
    while at < len(data):
        escape = _ESCAPE.search(data, at)
        end = escape.start() if escape is not None else len(data)
        _add_stretch(runs, data, at, end, state)
        if escape is None:
            break
        state = _state(escape[0])
        at = escape.end()
    return runs.finish(len(data), state)


def decode_euc_jp(data: bytes) -> tuple[str, tuple[Run, ...], bool]:
    """Decode with the extensions of CP51932, and say whether there were octets that it does not explain."""
    runs, at, lossy = _Runs(), 0, False
    while at < len(data):
        token = _EUC_TOKEN.match(data, at)
        if token is None:
            runs.add("\ufffd", at, 1)
            at += 1
            lossy = True
            continue
        if token["ascii"] is not None:
            runs.add(token[0].decode("ascii"), at, 1)
        elif token["pairs"] is not None:
            runs.add(_pairs(token[0]), at, 2)
        elif token["kana"] is not None:
            runs.add("".join(_KANA_8BIT[code] for code in token[0][1::2]), at, 2)
        else:
            runs.add(_triples(token[0].replace(b"\x8f", b"")), at, 3)
        at = token.end()
    return *runs.finish(len(data), ASCII), lossy


def edit_iso_2022_jp(
    data: bytes, runs: Sequence[Run], start: int, end: int, new: str
) -> tuple[int, int, bytes]:
    """Turn the replacement of characters `start` to `end` into one of bytes; raises UnicodeEncodeError.

    Escape sequences that touch the edit are taken in, so that none follows another without text between:
    decoders after the WHATWG standard show a replacement character there.
    """
    at, number = place(runs, start)
    first, before, after = at, runs[number].state, runs[number].state
    if at == runs[number].start:
        reach = max(at - _ESCAPES_REACH, 0)
        if (escapes := _LAST_ESCAPES.search(data[reach:at])) is not None:
            first = reach + escapes.start()
            before = runs[number - 1].state if number else ASCII
    last = at
    if start != end:
        last_at, last_number = place(runs, end - 1)
        last, after = last_at + runs[last_number].width, runs[last_number].state
    if (behind := _NEXT_ESCAPES.match(data, last)) is not None:
        last, after = behind.end(), _state(behind[0][behind[0].rindex(b"\x1b") :])
    if number and start == runs[number].at and _halved(runs[number - 1]):
        # Half a pair stands before the edit and would take our first octet as its other half.
        return first, last, ASCII + encode_iso_2022_jp(new, ASCII, after)
    return first, last, encode_iso_2022_jp(new, before, after)


def encode_iso_2022_jp(text: str, before: bytes = ASCII, after: bytes = ASCII) -> bytes:
    """Encode from one shift state to another with the fewest escape sequences; each line ends in ASCII."""
    found, state = bytearray(), before
    for char in text:
        code, needed = (char.encode("ascii"), ASCII) if char.isascii() else (jis_x_0208(char), _KANJI)
        if state != needed:
            found += needed
            state = needed
        found += code
    if state != after:
        found += after
    return bytes(found)


def jis_x_0208(char: str) -> bytes:
    """Return the two octets of a character; raises UnicodeEncodeError for one that is not in the standard."""
    code = char.encode("iso2022_jp")
    if not code.startswith(_KANJI):
        raise UnicodeEncodeError("iso2022_jp", char, 0, 1, "not in JIS X 0208")
    return code[3:5]


def _halved(run: Run) -> bool:
    return run.width == 1 and run.state not in (ASCII, _ROMAN, _KATAKANA)


def _state(escape: bytes) -> bytes:
    # ESC ( H was a common mistake for ESC ( J.
    return _ROMAN if escape == b"\x1b(H" else escape


def _pairs(data: bytes) -> str:
    """Decode pairs of JIS X 0208, and where it has holes, what NEC or IBM put there, by way of Shift_JIS.

    The arithmetic between the two encodings is in appendix 1 of JIS X 0208:1997.
    """
    data = bytes(code | 0x80 for code in data)
    try:
        return data.decode("euc_jp")
    except UnicodeDecodeError:
        return "".join(_pair(data[at] & 0x7F, data[at + 1] & 0x7F) for at in range(0, len(data), 2))


def _pair(row: int, cell: int) -> str:
    text = bytes((row | 0x80, cell | 0x80)).decode("euc_jp", "ignore")
    if len(text) != 1:
        lead = (row + 1) // 2 + (0x70 if row < 0x5F else 0xB0)  # noqa: PLR2004  # leaves out the half-width kana
        trail = cell + (0x1F + (cell >= 0x60) if row % 2 else 0x7E)  # noqa: PLR2004  # leaves out 0x7F
        # "ignore" would leave an ASCII trail byte of a pair that means nothing, and `)S` would read `r`.
        text = bytes((lead, trail)).decode("cp932", "replace")
    return text if len(text) == 1 else "\ufffd"


def _triples(data: bytes) -> str:
    """Decode pairs of JIS X 0212."""
    found = []
    for at in range(0, len(data), 2):
        text = bytes((0x8F, data[at] | 0x80, data[at + 1] | 0x80)).decode("euc_jp", "replace")
        found.append(text if len(text) == 1 else "\ufffd")
    return "".join(found)


class _Runs:
    """Text and runs as they grow."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._runs: list[Run] = []
        self._length = 0
        self._end = 0
        """Offset behind the last run."""

    def add(self, text: str, start: int, width: int, state: bytes = ASCII) -> None:
        if text:
            last = self._runs[-1] if self._runs else None
            # Escape sequences stand between runs of one state; one run serves for what touches.
            if last is None or (last.width, last.state) != (width, state) or start != self._end:
                self._runs.append(Run(self._length, start, width, state))
            self._end = start + len(text) * width
            self._text.append(text)
            self._length += len(text)

    def finish(self, size: int, state: bytes) -> tuple[str, tuple[Run, ...]]:
        self._runs.append(Run(self._length, size, 1, state))
        return "".join(self._text), tuple(self._runs)


def _add_stretch(runs: _Runs, data: bytes, start: int, end: int, state: bytes) -> None:
    """Add what stands between two escape sequences."""
    chunk = data[start:end]
    if state in (ASCII, _ROMAN):
        # Stray 8-bit octets are half-width kana to CP50221, and nothing that could be named otherwise.
        text = (
            chunk.decode("ascii")
            if chunk.isascii()
            else "".join(_KANA_8BIT.get(code, "\ufffd") for code in chunk)
        )
        runs.add(text, start, 1, state)
        return
    if state == _KATAKANA:
        runs.add("".join(_KANA_7BIT.get(code, "\ufffd") for code in chunk), start, 1, state)
        return
    for token in _JIS_TOKEN.finditer(chunk):
        at = start + token.start()
        if token["pairs"] is not None:
            runs.add(_triples(token[0]) if state == _SUPPLEMENT else _pairs(token[0]), at, 2, state)
        elif token["control"] is not None:
            runs.add(token[0].decode("ascii"), at, 1, state)
        else:
            runs.add("\ufffd", at, 1, state)
