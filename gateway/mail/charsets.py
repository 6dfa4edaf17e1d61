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
    "utf-8": ("utf8", "utf8mb4", "unicode11utf8", "unicode20utf8", "utf8sig", "xutf8", "cp65001", "65001"),
    "us-ascii": ("usascii", "ascii", "ansix341968", "ansix341986", "isoir6", "iso646us", "csascii", "us"),
    "iso-2022-jp": (
        *("iso2022jp", "csiso2022jp", "iso2022jp1", "iso2022jp2", "iso2022jp3", "iso2022jp2004"),
        # Windows' own names, which some mailers of the nineties put on the wire.
        *("iso2022jp$esc", "iso2022jp$sio"),
        *("iso2022jpms", "jis", "cp50220", "cp50221", "cp50222", "xwindowsiso2022jp"),
    ),
    "cp932": (
        *("cp932", "shiftjis", "sjis", "xsjis", "xshiftjis", "windows31j", "ms932", "mskanji", "csshiftjis"),
        *("cswindows31j", "sjiswin", "windows932", "xmscp932", "cp943", "ibm943", "xmacjapanese"),
    ),
    "euc-jp": ("eucjp", "xeucjp", "xeuc", "eucjpms", "eucjpwin", "cp51932", "cseucpkdfmtjapanese"),
    "cp1252": (
        *("windows1252", "cp1252", "xcp1252", "ansi", "iso88591", "iso885911987", "isoir100"),
        *("latin1", "l1", "csisolatin1"),
    ),
    "gb18030": (
        *("gb18030", "gb2312", "gb231280", "csgb2312", "gbk", "xgbk", "csgbk", "cp936", "ms936"),
        *("windows936", "euccn", "xeuccn", "chinese"),
    ),
    "big5": ("big5", "big5eten", "cp950", "ms950", "windows950", "xbig5", "csbig5"),
    "big5-hkscs": ("big5hkscs", "xbig5hkscs"),
    "euc-kr": (
        *("euckr", "xeuckr", "cseuckr", "ksc56011987", "ksc56011989", "ksc5601", "kscks", "cp949", "ms949"),
        *("windows949", "uhc", "korean"),
    ),
    "koi8-r": ("koi8r", "koi8", "cskoi8r"),
    "koi8-u": ("koi8u", "koi8ru"),
    "tis-620": ("tis620", "iso885911"),
    "windows-874": ("windows874", "cp874", "xwindows874"),
    "macintosh": ("macintosh", "macroman", "xmacroman", "csmacintosh"),
    "x-mac-cyrillic": ("xmaccyrillic", "xmacukrainian"),
    "iso-8859-8": ("iso88598", "iso88598i", "iso88598e", "logical", "visual"),
    "iso-8859-15": ("iso885915", "latin9", "l9"),
    "iso-8859-2": ("iso88592", "latin2", "l2"),
    "iso-8859-9": ("iso88599", "latin5", "l5"),
    **{f"iso-8859-{part}": (f"iso8859{part}",) for part in (3, 4, 5, 6, 7, 10, 13, 14, 16)},
    **{f"windows-{page}": (f"windows{page}", f"cp{page}", f"xcp{page}") for page in (1250, 1251, 1253, 1254)},
    **{f"windows-{page}": (f"windows{page}", f"cp{page}", f"xcp{page}") for page in range(1255, 1259)},
    **{f"cp{page}": (f"cp{page}", f"ibm{page}") for page in (437, 737, 775, 850, 852, 855, 857, 858)},
    **{f"cp{page}": (f"cp{page}", f"ibm{page}") for page in (*range(860, 864), 865, 866)},
}
"""Labels without case, hyphens, underscores and dots, which mailers put anywhere."""
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_OTHER_CODECS = {
    "us-ascii": "ascii",
    "euc-jp": "euc_jp",
    "big5": "cp950",
    "big5-hkscs": "big5hkscs",
    "euc-kr": "cp949",
    "windows-874": "cp874",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
}
CODECS = {name: _OTHER_CODECS.get(name, name) for name in _ALIASES if name != "iso-2022-jp"}
"""Python's codec for each charset of ours that it reads; each maps ASCII to itself."""
_WRITTEN = {"gb18030": "gb2312", "euc-kr": "euc_kr", "big5": "big5", "big5-hkscs": "big5"}
"""What every reader of these knows; what is read is wider, because mailers write the extensions."""
_NOT_ASCII = re.compile(
    r"hz|(?:cs)?iso2022|utf[13679]|(?:cs)?ucs|(?:cs)?unicode|iso10646|scsu|bocu|viqr|gsm|t61"
    r"|(?:cs|x)?(?:ibm|cp)[0-9]|.*(?:utf7|utf16|utf32|ebcdic)"
)
"""Labels of charsets in which letters of ASCII may mean something else, as far as nobody reads them here."""
# Python's codec gives these for octets that Shift_JIS does not have.
_NO_SHIFT_JIS = re.compile("[\x80\uf8f0-\uf8f3]")
# Windows-1252 has holes where browsers and ISO-8859-1 have C1 controls.
_C1 = {0xDC00 + code: code for code in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
_KANA = re.compile("[\u3041-\u3093\u30a1-\u30f6]")
_NO_CHARACTER = re.compile("[\udc80-\udcff]+")
"""How Python keeps an octet that a codec cannot read."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with the way back to its bytes."""

    text: str
    data: bytes
    charset: str
    runs: tuple[Run, ...]
    """Empty for charsets whose characters can be measured by encoding them again."""
    lossy: bool = False
    """Whether octets that the charset does not explain stand in the text, each as one replacement character.

    Nobody knows how another reader shows such a text, so only ASCII can be written into it.
    """

    def byte_edits(self, edits: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, bytes]]:
        """Turn replacements in the text, ascending, into those of bytes; raises UnicodeEncodeError."""
        if self.charset == "iso-2022-jp":
            return [japanese.edit_iso_2022_jp(self.data, self.runs, *edit) for edit in edits]
        offsets = self._offsets([index for start, end, _ in edits for index in (start, end)])
        news = [new.encode("ascii") if self.lossy else encode(new, self.charset) for _, _, new in edits]
        return list(zip(offsets[::2], offsets[1::2], news, strict=True))

    def _offsets(self, indices: Sequence[int]) -> list[int]:
        """Return the byte offsets of ascending indices; the text is measured once for all of them."""
        if self.runs:
            return [japanese.place(self.runs, index)[0] for index in indices]
        codec, text = CODECS[self.charset], self.text
        if self.lossy:
            text = self.data.decode(codec, "surrogateescape")
        found, at, offset = [], 0, 0
        for index in indices:
            offset += len(text[at:index].encode(codec, "surrogateescape"))
            at = index
            found.append(offset)
        return found


def canonical(label: str) -> str | None:
    """Return our name for a charset label; None for one we do not know; `us-ascii` for an empty one."""
    name = _bare(label)
    return _CANONICAL.get(name) if name else "us-ascii"


def misnamed(label: str) -> bool:
    """Whether a label that we do not know may stand for a charset in which ASCII is ASCII.

    Every reader falls back to such a one: for `unknown-8bit`, `default`, `x-user-defined` or a slip.
    """
    return canonical(label) is None and _NOT_ASCII.match(_bare(label)) is None


def _bare(label: str) -> str:
    """Take a label out of its quotes, its comment, a second `charset=`, a language (RFC 2231)."""
    name = re.sub(r"[\s(;,].*", "", label.strip().strip("'\"").lower(), flags=re.DOTALL)
    name = name.rpartition("'")[2].removeprefix("charset=").strip("'\"")
    return re.sub(r"[-_.:]", "", name)


def decode(data: bytes, charset: str) -> Decoded:
    """Decode by a canonical charset; raises Undecodable.

    Text without charset, or with one that its 8-bit bytes belie, is read as UTF-8 or Japanese if it can be.
    """
    decoded = decode_any(data, charset)
    if decoded.lossy:
        raise Undecodable
    return decoded


def decode_any(data: bytes, charset: str) -> Decoded:
    """Decode by a canonical charset, with a replacement character for each octet that it does not explain.

    Raises Undecodable only where not even ASCII can be told: for escape sequences of other charsets.
    """
    if (special := _SPECIAL.get(charset)) is not None:
        return special(data)
    codec = CODECS[charset]
    text = data.decode(codec, "surrogateescape")
    if charset != "utf-8" and len(text.encode(codec, "surrogateescape")) != len(data):
        return _only_ascii(data)
    shown = _NO_CHARACTER.sub(lambda match: "\ufffd" * len(match[0]), text)
    if charset == "cp932":
        shown = _NO_SHIFT_JIS.sub("\ufffd", shown)
    return Decoded(shown, data, charset, (), shown != text)


def encode(text: str, charset: str) -> bytes:
    """Encode text of ours; raises UnicodeEncodeError for what some reader of that charset may not show."""
    if charset == "iso-2022-jp":
        return japanese.encode_iso_2022_jp(text)
    codec = CODECS[charset]
    encoded = text.encode(codec)
    if text.encode(_WRITTEN.get(charset, codec)) != encoded:
        raise UnicodeEncodeError(codec, text, 0, len(text), "not the same characters to every reader")
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
            return decode_any(data, "iso-2022-jp")
        return Decoded(data.decode("ascii"), data, "us-ascii", ())
    found = decode_any(data, "utf-8")
    if not found.lossy:
        return found
    if b"\x1b$" in data:
        return decode_any(data, "iso-2022-jp")
    # Letters with accents make kanji in Shift_JIS, too, but hardly kana; kana of EUC-JP are half wide there.
    read = [decode_any(data, charset) for charset in ("cp932", "euc-jp")]
    kana = [0 if found.lossy else len(_KANA.findall(found.text)) for found in read]
    return read[kana.index(max(kana))] if any(kana) else _only_ascii(data)


def _iso_2022_jp(data: bytes) -> Decoded:
    # Never lossy: whatever stands there, an escape sequence tells every reader what we write.
    text, runs = japanese.decode_iso_2022_jp(data)
    return Decoded(text, data, "iso-2022-jp", runs)


def _euc_jp(data: bytes) -> Decoded:
    """Decode at once what Python's codec reads, too, and all others token by token."""
    codec = CODECS["euc-jp"]
    text = data.decode(codec, "replace")
    if "\ufffd" not in text and len(text.encode(codec)) == len(data):
        return Decoded(text, data, "euc-jp", ())
    text, runs, lossy = japanese.decode_euc_jp(data)
    return Decoded(text, data, "euc-jp", runs, lossy)


def _cp1252(data: bytes) -> Decoded:
    text = data.decode("cp1252", "surrogateescape").translate(_C1)
    return Decoded(text, data, "cp1252", (Run(0, 0, 1),))


def _only_ascii(data: bytes) -> Decoded:
    return Decoded(data.decode("ascii", "replace"), data, "us-ascii", (Run(0, 0, 1),), lossy=True)


_SPECIAL = {"us-ascii": _sniff, "iso-2022-jp": _iso_2022_jp, "euc-jp": _euc_jp, "cp1252": _cp1252}
