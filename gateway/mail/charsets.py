"""Charsets of text leaves: bytes to text with offsets that lead back, and replacements to bytes.

- Decoding is lossless by position: each character stands for known bytes, so an edit of text is one of bytes.
- What we write ourselves stays within ASCII and JIS X 0208, whatever a Japanese charset could do beyond it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.mail import japanese
from gateway.mail.japanese import Run, Undecodable

__all__ = ["Decoded", "Run", "Undecodable", "canonical", "decode", "encode"]

_ALIASES = {
    "utf-8": ("utf8", "unicode-1-1-utf-8", "utf-8-sig", "x-utf-8"),
    "us-ascii": ("ascii", "ansi_x3.4-1968", "iso-ir-6", "iso646-us"),
    "iso-2022-jp": (
        *("iso2022jp", "csiso2022jp", "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-ms", "jis"),
        *("cp50220", "cp50221", "cp50222", "x-windows-iso2022jp"),
    ),
    "cp932": ("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "ms_kanji", "csshiftjis"),
    "euc-jp": ("eucjp", "x-euc-jp", "euc_jp", "eucjp-ms", "eucjp-win", "cp51932"),
    "cp1252": (
        "windows-1252",
        "x-cp1252",
        "iso-8859-1",
        "iso8859-1",
        "iso_8859-1",
        "latin1",
        "latin-1",
        "l1",
    ),
    "iso-8859-15": ("iso8859-15", "latin-9", "latin9"),
    "gb18030": ("gb2312", "gbk", "cp936", "x-gbk", "euc-cn", "hz-gb-18030"),
    "big5": ("big5-eten", "cp950", "x-big5", "big5hkscs", "big5-hkscs"),
    "euc-kr": ("euckr", "ks_c_5601-1987", "ksc5601", "cp949", "windows-949", "uhc"),
    "koi8-r": ("koi8r", "cskoi8r"),
}
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}
_PYTHON_CODECS = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "cp932": "cp932",
    "cp1252": "cp1252",
    "iso-8859-15": "iso8859-15",
    "gb18030": "gb18030",
    "big5": "cp950",
    "euc-kr": "cp949",
    "koi8-r": "koi8-r",
}
# Python's codec gives these for octets that Shift_JIS does not have.
_NO_SHIFT_JIS = re.compile("[\x80\uf8f0-\uf8f3]")
_BY_HAND = {"iso-2022-jp": japanese.decode_iso_2022_jp, "euc-jp": japanese.decode_euc_jp}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with the way back to its bytes."""

    text: str
    data: bytes
    charset: str
    runs: tuple[Run, ...]
    """Empty for charsets whose characters can be measured by encoding them again."""

    def byte_edits(self, edits: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, bytes]]:
        """Turn replacements in the text, ascending, into those of bytes; raises UnicodeEncodeError."""
        if self.charset == "iso-2022-jp":
            return [japanese.edit_iso_2022_jp(self.data, self.runs, *edit) for edit in edits]
        offsets = self._offsets([index for start, end, _ in edits for index in (start, end)])
        news = [encode(new, self.charset) for _, _, new in edits]
        return list(zip(offsets[::2], offsets[1::2], news, strict=True))

    def _offsets(self, indices: Sequence[int]) -> list[int]:
        """Return the byte offsets of ascending indices; the text is measured once for all of them."""
        if self.runs:
            return [japanese.place(self.runs, index)[0] for index in indices]
        found, at, offset = [], 0, 0
        for index in indices:
            offset += len(self.text[at:index].encode(_PYTHON_CODECS[self.charset]))
            at = index
            found.append(offset)
        return found


def canonical(label: str) -> str | None:
    """Return our name for a charset label; None for one we do not know; `us-ascii` for an empty one."""
    name = re.sub(r"[\s(].*", "", label.strip().strip("'\"").lower())
    return _CANONICAL.get(name) if name else "us-ascii"


def decode(data: bytes, charset: str) -> Decoded:
    """Decode by a canonical charset; raises Undecodable.

    Text without charset, or with one that its 8-bit bytes belie, is read as UTF-8 or Shift_JIS if it can be.
    """
    if charset == "us-ascii":
        return _sniff(data)
    if charset in _BY_HAND:
        text, runs = _BY_HAND[charset](data)
        return Decoded(text, data, charset, runs)
    try:
        text = data.decode(_PYTHON_CODECS[charset])
    except UnicodeDecodeError:
        if charset == "cp1252":
            # ISO-8859-1 has C1 controls where Windows-1252 has holes.
            return Decoded(data.decode("latin-1"), data, charset, (Run(0, 0, 1),))
        raise Undecodable from None
    if charset == "cp932" and _NO_SHIFT_JIS.search(text) is not None:
        raise Undecodable
    if charset != "utf-8" and len(text.encode(_PYTHON_CODECS[charset])) != len(data):
        raise Undecodable
    return Decoded(text, data, charset, ())


def encode(text: str, charset: str) -> bytes:
    """Encode text of ours; raises UnicodeEncodeError for what some reader of that charset may not show."""
    if charset == "iso-2022-jp":
        return japanese.encode_iso_2022_jp(text)
    codec = "euc_jp" if charset == "euc-jp" else _PYTHON_CODECS[charset]
    encoded = text.encode(codec)
    if charset in ("cp932", "euc-jp"):
        for char in text:
            # Python's cp932 writes a wave dash as what it reads as a full-width tilde.
            if not char.isascii() and (
                not japanese.jis_x_0208(char) or char.encode(codec).decode(codec) != char
            ):
                raise UnicodeEncodeError(codec, char, 0, 1, "not the same character to every reader")
    return encoded


def _sniff(data: bytes) -> Decoded:
    if data.isascii():
        if b"\x1b$" in data:
            return decode(data, "iso-2022-jp")
        return Decoded(data.decode("ascii"), data, "us-ascii", ())
    for charset in ("utf-8", "cp932"):
        try:
            return decode(data, charset)
        except Undecodable:
            continue
    raise Undecodable
