"""Charset labels as mailers write them, and octets that no charset explains."""

import pytest

from gateway.mail import charsets, eligible, footer
from gateway.mail.footer import Footer
from gateway.mail.parts import scan
from gateway.mail.text import Text, read_leaf

ASCII = bytes(range(0x80)).decode("ascii")


@pytest.mark.parametrize("charset", sorted(charsets.CODECS))
def test_each_charset_that_is_spliced_into_has_ascii_as_ascii(charset: str) -> None:
    """Otherwise a marker would be found where there is none, or an invitation shown as rubbish."""
    assert ASCII.encode(charsets.CODECS[charset]) == ASCII.encode("ascii")
    assert charsets.decode(ASCII.encode("ascii"), charset).text == ASCII


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("UTF-8", "utf-8"),
        ('"utf-8"', "utf-8"),
        ("'UTF8'", "utf-8"),
        ("utf_8", "utf-8"),
        ("utf-8;format=flowed", "utf-8"),
        ("charset=us-ascii", "us-ascii"),
        ("us-ascii (Plain text)", "us-ascii"),
        ("ansi-x3.4-1968''us-ascii", "us-ascii"),
        ("ISO_8859-1:1987", "cp1252"),
        ("x-sjis", "cp932"),
        ("_iso-2022-jp$ESC", "iso-2022-jp"),
        ("iso-8859-8-i", "iso-8859-8"),
        ("Windows-1250", "windows-1250"),
        ("cp1251", "windows-1251"),
        ("KOI8-U", "koi8-u"),
        ("TIS-620", "tis-620"),
        ("", "us-ascii"),
    ],
)
def test_labels_are_read_as_mailers_write_them(label: str, name: str) -> None:
    assert charsets.canonical(label) == name


@pytest.mark.parametrize("label", ["unknown-8bit", "x-user-defined", "default", "none", "uft-8", "klingon"])
def test_an_unknown_label_may_stand_for_a_superset_of_ascii(label: str) -> None:
    assert charsets.misnamed(label)
    assert charsets.canonical(label) is None


@pytest.mark.parametrize(
    "label",
    [
        *(
            "hz-gb-2312",
            "HZ",
            "iso-2022-kr",
            "iso-2022-cn-ext",
            "csISO2022KR",
            "utf-7-imap",
            "UTF-16LE",
            "ucs-4",
        ),
        *("x-ebcdic-koreanextended", "ibm037", "cp037", "cp1026", "scsu", "ucs-4", "iso-10646-ucs-2"),
    ],
)
def test_a_label_of_a_charset_with_other_letters_is_no_slip(label: str) -> None:
    assert not charsets.misnamed(label)
    assert charsets.canonical(label) is None


@pytest.mark.parametrize(
    ("label", "body"),
    [
        ("utf-8", b"caf\xe9 \xe3\x81\r\n{}\r\n\xff end\r\n"),
        ("shift_jis", b"\x8e\x52\x81 \xff\r\n{}\r\n\xfd\x80\r\n"),
        ("euc-jp", b"\xb1\xc4\xff\r\n{}\r\n\x8e\r\n"),
        ("gb2312", b"\xc4\xfa\xff\r\n{}\r\n\xff\r\n"),
        ("big5", b"\xa7\xda\xff\r\n{}\r\n\x80\r\n"),
        ("euc-kr", b"\xb0\xa1\xff\r\n{}\r\n\xff\r\n"),
        ("windows-1253", b"\xd2\r\n{}\r\n\xe1\r\n"),
        ("unknown-8bit", b"f\xfcr Sie\r\n{}\r\nGr\xfc\xdfe\r\n"),
        ("", b"f\xfcr Sie\r\n{}\r\nGr\xfc\xdfe\r\n"),
    ],
)
def test_octets_that_nobody_can_read_stay_as_they_are(label: str, body: bytes, invitation: Footer) -> None:
    """Only ASCII is put in beside them, because no reader shows ASCII otherwise."""
    head = b"Content-Type: text/plain" + (f"; charset={label}".encode() if label else b"") + b"\r\n\r\n"
    raw = head + body.replace(b"{}", b"[[relay:rejection]]")
    copy = footer.rewrite(raw, eligible.read(raw, stamp_key=b""), invitation)
    assert copy == head + body.replace(b"{}", invitation.ascii.strip().replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("営業職のご応募について".encode("cp932"), "cp932"),
        ("営業職のご応募について".encode("euc_jp"), "euc-jp"),
        ("営業職のご応募について".encode("iso2022_jp"), "iso-2022-jp"),
        ("営業職のご応募について".encode(), "utf-8"),
        ("Résumé, où est-il? Ça va".encode("latin-1"), "us-ascii"),
        ("Les cafés".encode("latin-1"), "us-ascii"),
        (b"plain", "us-ascii"),
    ],
)
def test_text_without_a_charset_is_japanese_only_if_it_has_kana(body: bytes, charset: str) -> None:
    """Letters with accents make pairs of Shift_JIS by chance; Japanese written into them would be rubbish."""
    raw = b"Subject: x\r\n\r\n" + body
    leaf = read_leaf(raw, scan(raw))
    assert isinstance(leaf, Text)
    assert leaf.charset == charset
    assert leaf.decoded.lossy == (charset == "us-ascii" and not body.isascii())


def test_controls_in_the_holes_of_windows_1252_keep_the_quotation_marks_beside_them() -> None:
    assert charsets.decode(b"\x93a\x94 \x81", "cp1252").text == "“a” \x81"


@pytest.mark.parametrize("octets", [(b"\xe6\xa7", b"\x82"), (b"\xe5\xb1\xb1", b"\x8a")])
@pytest.mark.parametrize("label", [b"", b"; charset=utf-8", b"; charset=x-unknown"])
def test_octets_that_an_edit_would_make_a_character_of_are_not_joined(
    octets: tuple[bytes, bytes], label: bytes, invitation: Footer
) -> None:
    """Without the marker between them they may be read as something that nobody wrote."""
    before, after = octets
    raw = (
        b"Content-Type: text/plain" + label + b"\r\n\r\n" + before + b"[[relay:rejection]]" + after + b"\r\n"
    )
    reading = eligible.read(raw, stamp_key=b"")
    for form in (invitation, None):
        try:
            copy = footer.rewrite(raw, reading, form)
        except footer.CannotRewrite:
            assert form is None
            continue
        was, now = read_leaf(raw, scan(raw)), read_leaf(copy, scan(copy))
        assert isinstance(was, Text)
        assert isinstance(now, Text)
        lines = invitation.ascii.strip().replace("\n", "\r\n")
        wanted = "" if form is None else f"\r\n{lines}\r\n"
        assert now.text == was.text.replace("[[relay:rejection]]", wanted)


def test_an_empty_charset_is_filled_in_on_its_own_line(invitation: Footer) -> None:
    raw = b"Content-Type: text/plain; charset=\r\nSubject: x\r\n\r\n[[relay:rejection]]\r\n"
    copy = footer.rewrite(raw, eligible.read(raw, stamp_key=b""), invitation)
    assert copy.startswith(b"Content-Type: text/plain; charset=utf-8\r\nSubject: x\r\n")


@pytest.mark.parametrize(
    ("charset", "known", "extension"),
    [
        ("gb18030", "ご案内", "髙"),
        ("euc-kr", "ひらがな", "똠"),
        ("big5", "案內", "碁銹"),
        ("cp932", "ご案内", "①"),
    ],
)
def test_nothing_is_written_that_only_an_extension_holds(charset: str, known: str, extension: str) -> None:
    """A leaf that says GB2312 may hold GB 18030, but a reader of GB2312 shows rubbish for it."""
    assert charsets.decode(charsets.encode(known, charset), charset).text == known
    with pytest.raises(UnicodeEncodeError):
        charsets.encode(extension, charset)


@pytest.mark.parametrize("label", [b"windows-1252", b"iso-8859-2", b"koi8-r"])
def test_text_that_is_utf_8_whatever_it_says_is_not_moved(label: bytes, invitation: Footer) -> None:
    """Some readers see that it is UTF-8; moved as it says, it would be rubbish to all of them."""
    head = b"Content-Type: text/plain; charset=" + label + b"\r\n\r\n"
    body = "Żółć, café\r\n[[relay:rejection]]\r\n".encode()
    copy = footer.rewrite(head + body, eligible.read(head + body, stamp_key=b""), invitation)
    wanted = invitation.ascii.strip().replace("\n", "\r\n").encode()
    assert copy == head + body.replace(b"[[relay:rejection]]", wanted)


@pytest.mark.parametrize("behind", [b" (Plain text)", b" garbage", b"\r\n\tfolded garbage"])
def test_what_stands_behind_a_charset_goes_with_it(behind: bytes, invitation: Footer) -> None:
    raw = (
        b"Content-Type: text/plain; charset=us-ascii"
        + behind
        + b"; format=fixed\r\n\r\n[[relay:rejection]]\r\n"
    )
    copy = footer.rewrite(raw, eligible.read(raw, stamp_key=b""), invitation)
    assert copy.startswith(b"Content-Type: text/plain; charset=utf-8; format=fixed\r\n")
