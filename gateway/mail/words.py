"""Words that leave the mail for the ledger and the journal: decoded, cleaned once, bounded.

Any sender can write them; a database takes no NUL, a terminal obeys controls, a codec may do anything.
"""

import binascii
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.mail import charsets

MAX_LENGTH = 200
"""Characters of a value that are kept; the longest name of a job that was seen has some sixty."""
_DROPPED = ("Cc", "Cs", "Cf")
_JOINERS = "\u200c\u200d"
"""Format characters that belong to the spelling of Persian and Indic names."""
_WHITE = re.compile(r"\s+")
_WHERE_RAW = ("cp932", "euc-jp", "gb18030", "big5", "euc-kr", "koi8-r", "cp1252", "iso-8859-15")
"""Charsets of a text whose header may hold raw octets in the same; the others are ASCII or UTF-8 there."""
_NON_ASCII = re.compile(r"([^\x00-\x7f]+)")
_ENCODED_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*+)\?=")


def lines(text: str) -> str:
    """Return the text with LF as its only line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unwrapped(text: str) -> str:
    """Return a text, whose lines end in LF, with each paragraph on one line.

    Where mailers wrap Japanese no space belongs.
    """
    joined = re.sub(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])", "", text)
    return re.sub(r"(?<=[^\n])\n(?=[^\n])", " ", joined)


def clean(value: str) -> str:
    """Return the value on one line, without controls, surrogates and invisible marks, cut at MAX_LENGTH."""
    line = _WHITE.sub(" ", value[: 4 * MAX_LENGTH])
    kept = (char for char in line if char in _JOINERS or unicodedata.category(char) not in _DROPPED)
    return "".join(kept).strip()[:MAX_LENGTH].rstrip()


def decoded(value: bytes) -> str:
    """Decode a field's value: encoded words (RFC 2047) in charsets that we know, raw UTF-8 and raw JIS.

    What cannot be decoded stays as it is written.
    """
    return "".join(text for text, _ in _stretches(_raw_text(value, None)))


def portable(value: bytes, charset: str | None) -> bytes:
    """Return a field's value in ASCII, each foreign stretch as one encoded word in UTF-8, for other readers.

    They decode no charset and no broken word of anybody else's, because no other word is left.
    `charset` is the canonical name of one in which raw octets may be written that are not UTF-8.
    """
    found: list[str] = []
    foreign = gap = ""
    for text, is_word in _stretches(_raw_text(value, charset)):
        for piece in [text] if is_word else _NON_ASCII.split(text.replace("=?", "~")):
            if is_word or not piece.isascii():
                foreign = foreign + gap + piece if foreign else piece
                found += [] if foreign != piece else [gap]
                gap = ""
            elif not piece.strip():
                gap += piece
            else:
                found += [_encoded_word(foreign), gap, piece]
                foreign = gap = ""
    # Behind a word of ours, a question mark would make another one of its end.
    return "".join([*found, _encoded_word(foreign), gap]).replace("?=?", "?=~").encode("ascii", "replace")


def _encoded_word(text: str) -> str:
    """Return one encoded word, longer than RFC 2047 allows, which our readers do not mind.

    Base64 may end in "=", which makes the start of another word with the "?" behind it.
    """
    octets = "".join(f"={octet:02X}" for octet in text.encode("utf-8", "replace"))
    return f"=?utf-8?q?{octets}?=" if text else ""


def _raw_text(value: bytes, charset: str | None) -> str:
    """Decode what stands raw in a header, where no charset is declared (RFC 6532 allows UTF-8)."""
    if b"\x1b" in value and value.isascii():
        candidates = ["iso-2022-jp"]
    else:
        candidates = ["utf-8", *([charset] if charset in _WHERE_RAW else [])]
    for candidate in candidates:
        try:
            return charsets.decode(value, candidate).text
        except charsets.Undecodable:
            continue
    return value.decode("ascii", "replace")


def _stretches(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the text in pieces, and of each whether it was an encoded word."""
    word: _Word | None = None
    at = 0
    for match in _ENCODED_WORD.finditer(text):
        between, at = text[at : match.start()], match.end()
        following = _word(match)
        if word is not None and following is not None and not between.strip():
            # White space between two encoded words belongs to neither (RFC 2047, section 6.2).
            if word.charset == following.charset:
                word = _Word(word.charset, word.data + following.data, word.written + between + match[0])
                continue
            between = ""
        if word is not None:
            yield word.text()
        yield between if following is not None else between + match[0], False
        word = following
    if word is not None:
        yield word.text()
    yield text[at:], False


@dataclass(frozen=True, slots=True)
class _Word:
    """One encoded word, or several in a row whose octets may share a character."""

    charset: str
    data: bytes
    written: str

    def text(self) -> tuple[str, bool]:
        """Return the text, and whether it could be decoded."""
        try:
            return charsets.decode(self.data, self.charset).text, True
        except charsets.Undecodable:
            return self.written, False


def _word(match: re.Match[str]) -> _Word | None:
    charset = charsets.canonical(match[1])
    if charset is None or not match[3].isascii():
        return None
    encoded = match[3].encode("ascii")
    try:
        if match[2] in "bB":
            return _Word(charset, binascii.a2b_base64(encoded + b"=="), match[0])
    except binascii.Error:
        return None
    return _Word(charset, binascii.a2b_qp(encoded, header=True), match[0])
