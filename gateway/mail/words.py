"""Words that leave the mail for the ledger and the journal: decoded, cleaned once, bounded.

Any sender can write them; a database takes no NUL, a terminal obeys controls, a codec may do anything.
"""

import binascii
import re
import unicodedata
from dataclasses import dataclass

from gateway.mail import charsets

MAX_LENGTH = 200
"""Characters of a value that are kept; the longest name of a job that was seen has some sixty."""
_DROPPED = ("Cc", "Cs", "Cf")
_JOINERS = "\u200c\u200d"
"""Format characters that belong to the spelling of Persian and Indic names."""
_WHITE = re.compile(r"\s+")
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
    """Decode a field's value: encoded words (RFC 2047) in charsets that we know, and raw UTF-8.

    What cannot be decoded stays as it is written.
    """
    text = value.decode("utf-8", "replace")
    found: list[str] = []
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
        found += [word.text() if word is not None else "", between, match[0] if following is None else ""]
        word = following
    return "".join([*found, word.text() if word is not None else "", text[at:]])


def all_known(value: bytes) -> bool:
    """Whether each encoded word in a field is in a charset that we know, wherever a decoder may see one."""
    return all(
        charsets.canonical(label.decode("latin-1").partition("*")[0]) is not None
        for label in re.findall(rb"=\?([^?]*+)\?", value)
    )


@dataclass(frozen=True, slots=True)
class _Word:
    """One encoded word, or several in a row whose octets may share a character."""

    charset: str
    data: bytes
    written: str

    def text(self) -> str:
        try:
            return charsets.decode(self.data, self.charset).text
        except charsets.Undecodable:
            return self.written


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
