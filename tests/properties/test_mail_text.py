"""Text and its way back to bytes: an edit of the text is the same edit of the bytes."""

import quopri
import re
from base64 import b64decode

from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.mail import charsets, text, transfer
from gateway.mail.parts import scan
from gateway.mail.text import Text

WORDS = [
    "山田 太郎 様",
    "abc",
    " ",
    "=",
    ".",
    "From ",
    "-- ",
    "\r\n",
    "--x",
    "é",
    "…",
    "<b>",
    "\t",
    "営業",
    "ﾔﾏﾀﾞ",
    "①㈱髙",
]
ENCODINGS = {
    "utf-8": "utf-8",
    "iso-2022-jp": "iso2022_jp",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "iso-8859-1": "cp1252",
    "gb2312": "gb18030",
    "big5": "cp950",
    "euc-kr": "cp949",
    "koi8-r": "koi8-r",
    "us-ascii": "ascii",
    "": "ascii",
}
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12).map("".join)
NEW = st.lists(
    st.sampled_from(["次の機会", "abc def ", "\r\n", ".", "https://example.jp/c/a=b", "-", ""]), max_size=5
)
JIS_SOUP = st.lists(
    st.sampled_from(
        [
            b"\x1b$B",
            b"\x1b(B",
            b"\x1b(J",
            b"\x1b$@",
            b"\x1b(I",
            b"\x1b$(D",
            b"\x1b(H",
            b"\r\n",
            b";3ED",
            b"-!",
            b"abc",
            b"[[relay",
            b"\xb1",
            b"1",
            b"|q",
            b" ",
        ]
    ),
    max_size=25,
).map(b"".join)


def leaf_of(content: str, charset: str, encoding: str) -> bytes | None:
    try:
        body = content.encode(ENCODINGS[charset])
    except UnicodeEncodeError:
        return None
    label = f'; charset="{charset}"' if charset else ""
    if encoding == "base64":
        body = transfer.encode_base64(body, b"\r\n", 60) + b"\r\n"
    elif encoding == "quoted-printable":
        body = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return (
        f"Content-Type: text/plain{label}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\nSubject: x\r\n\r\n".encode()
        + body
    )


def read(raw: bytes) -> Text:
    leaf = text.read_leaf(raw, scan(raw))
    assume(isinstance(leaf, Text))
    assert isinstance(leaf, Text)
    return leaf


@given(
    TEXTS,
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from(["7bit", "8bit", "quoted-printable", "base64"]),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10), NEW.map("".join)), max_size=3),
)
@example("山田 太郎 様", "iso-2022-jp", "7bit", [(0, 7, ""), (0, 0, "次の機会")])
def test_edited_text_is_what_the_spliced_bytes_decode_to(
    content: str, charset: str, encoding: str, wishes: list[tuple[int, int, str]]
) -> None:
    """Invariant: decode(splice(raw, edits)) == edits(decode(raw)); without edits nothing changes."""
    raw = leaf_of(content, charset, encoding)
    assume(raw is not None)
    assert raw is not None
    leaf = read(raw)
    assert text.apply(raw, text.splices(raw, leaf, [])) == raw
    edits, at = [], 0
    for skip, length, new in wishes:
        start = min(at + skip, len(leaf.text))
        at = min(start + length, len(leaf.text))
        # An edit within a line end is no edit that anybody asks for.
        if re.search(r"\r\Z", leaf.text[:start]) or re.search(r"\r\Z", leaf.text[:at]):
            return
        edits.append((start, at, new))
        at += 1
    try:
        splices = text.splices(raw, leaf, edits)
    except text.CannotRewrite:
        # Only where the label and the octets disagree; what is put in then has to be ASCII.
        assert leaf.decoded.lossy or "\ufffd" in leaf.text or text._belied(leaf)
        assert not all(new.isascii() for _, _, new in edits)
        return
    changed = text.apply(raw, splices)
    again = text.read_leaf(changed, scan(changed))
    assert isinstance(again, Text)
    assert again.text == text.replaced(leaf.text, edits)
    assert b"Subject: x\r\n" in changed


@given(JIS_SOUP, st.integers(0, 30), st.integers(0, 8), NEW.map("".join))
@example(b"\x1b$Babc", 2, 0, "次の機会")
def test_an_edit_among_escape_sequences_keeps_the_rest(
    data: bytes, start: int, length: int, new: str
) -> None:
    """Invariant: whatever shift states surround an edit, all characters outside it stay what they were."""
    decoded = charsets.decode(data, "iso-2022-jp")
    start = min(start, len(decoded.text))
    end = min(start + length, len(decoded.text))
    changed = transfer.apply(data, decoded.byte_edits([(start, end, new)]))
    assert charsets.decode(changed, "iso-2022-jp").text == text.replaced(decoded.text, [(start, end, new)])


@given(
    st.binary(max_size=80),
    st.sampled_from(["utf-8", "cp932", "euc-jp", "gb18030", "big5", "euc-kr", "cp1252"]),
)
def test_decoding_any_bytes_gives_text_with_exact_offsets_or_a_refusal(data: bytes, charset: str) -> None:
    """Invariant: each text index has a byte offset, ascending from the first byte to the last."""
    try:
        decoded = charsets.decode(data, charset)
    except charsets.Undecodable:
        return
    offsets = [edit[0] for edit in decoded.byte_edits([(at, at, "") for at in range(len(decoded.text) + 1)])]
    assert offsets == sorted(set(offsets))
    assert (offsets[0], offsets[-1]) == (0, len(data))


@given(
    st.lists(
        st.sampled_from([b"abc", b"\r\n", "営".encode(), b"\x89c", b"\xa4\xa2", b"\x8e"])
        | st.binary(max_size=4),
        max_size=12,
    ).map(b"".join),
    st.sampled_from(sorted(charsets.CODECS)),
    st.data(),
)
def test_ascii_among_any_octets_leaves_each_of_them(data: bytes, charset: str, draw: st.DataObject) -> None:
    """Invariant: whatever no charset explains, an edit in ASCII changes the octets of the edit alone."""
    decoded = charsets.decode_any(data, charset)
    assume(decoded.charset != "iso-2022-jp")
    start = draw.draw(st.integers(0, len(decoded.text)))
    end = draw.draw(st.integers(start, len(decoded.text)))
    ((first, last, new),) = decoded.byte_edits([(start, end, "abc")])
    assert new == b"abc"
    (whole,) = decoded.byte_edits([(0, len(decoded.text), "")])
    assert whole == (0, len(data), b"")
    kept = charsets.decode_any(data[:first], charset).text + charsets.decode_any(data[last:], charset).text
    assume(charset not in ("us-ascii", "big5-hkscs"))
    assert kept == decoded.text[:start] + decoded.text[end:]


@given(st.lists(st.sampled_from([b"=", b" ", b"\t", b"\r", b"\n", b"4", b"1", b"x"]) | st.binary(max_size=3)))
def test_quoted_printable_is_read_at_once_as_line_by_line(pieces: list[bytes]) -> None:
    """Invariant: the fast way to decode a body gives what its lines give, for any octets."""
    body = b"".join(pieces)
    lines = transfer._qp_lines(body)
    assert transfer.decode(body, "quoted-printable") == b"".join(map(transfer._qp_decode, lines))


@given(st.binary(max_size=200))
def test_quoted_printable_of_ours_is_read_by_others(data: bytes) -> None:
    """Invariant: the standard library decodes what we encode; no line is longer than 76 octets."""
    encoded = transfer.encode_quoted_printable(data, b"\r\n")
    assert quopri.decodestring(encoded) == data
    assert transfer.decode(encoded, "quoted-printable") == data
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert not any(line.startswith((b".", b"-", b"From ")) for line in encoded.split(b"\r\n"))


@given(st.binary(max_size=200), st.integers(1, 20))
def test_base64_of_ours_is_read_by_others(data: bytes, groups: int) -> None:
    """Invariant: the standard library decodes what we encode, whatever the line length."""
    encoded = transfer.encode_base64(data, b"\r\n", groups * 4)
    assert b64decode(encoded) == data
    assert transfer.decode(encoded, "base64") == data
