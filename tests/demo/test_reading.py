"""A mail as its reader would see it."""

import base64
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.reading import read

BOTH = (
    b"From: =?utf-8?b?5o6h55So5ouF5b2T?= <recruit@example.com>\r\n"
    b"To: =?iso-2022-jp?b?GyRCOzNFRBsoQg==?= <yamada@example.jp>\r\n"
    b"Cc: boss@example.com\r\n"
    b"Subject: one\r\n line\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0900\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b'Content-Type: multipart/mixed; boundary="m"\r\n\r\n'
    b'--m\r\nContent-Type: multipart/alternative; boundary="a"\r\n\r\n'
    b"--a\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B;3ED\x1b(B\r\n"
    b"--a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode("<p>山田</p>".encode())
    + b"\r\n--a--\r\n"
    b"--m\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=notes.txt\r\n\r\nx\r\n"
    b"--m\r\nContent-Type: application/pdf\r\n\r\nx\r\n--m--\r\n"
)


def text_mail(content_type: str, body: bytes) -> bytes:
    return b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body


def test_a_mail_with_text_html_and_attachments() -> None:
    reading = read(BOTH)
    assert reading.sender == "採用担当 <recruit@example.com>"
    assert reading.addressees == "山田 <yamada@example.jp>"
    assert reading.cc == "boss@example.com"
    assert reading.subject == "one line"
    assert reading.date == "Mon, 23 Nov 2026 10:00:00 +0900"
    assert reading.message_id == "<1@example.com>"
    assert reading.text is not None
    assert reading.text.strip() == "山田"
    assert reading.html == "<p>山田</p>"
    assert reading.attachments == ("notes.txt", "application/pdf")


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=utf-8", "山田".encode(), "山田"),
        ("text/plain; charset=shift_jis", "①髙".encode("cp932"), "①髙"),
        ("text/plain; charset=euc-jp", "山田".encode("euc_jp"), "山田"),
        ("text/plain; charset=no-such-charset", "山田".encode(), "山田"),
        ("text/plain; charset=utf-8", b"a\xffb", "a�b"),
        ("text/plain; charset=no-such-charset", b"a\xffb", "a\\xffb"),
        ("text/plain", b"plain", "plain"),
        ("text/plain; charset=iso-8859-1", b"\x93x\x94", "“x”"),
    ],
)
def test_each_charset_is_read_as_mail_programs_do(content_type: str, body: bytes, text: str) -> None:
    assert read(text_mail(content_type, body)).text == text


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        (Header("選考結果のご連絡", "iso-2022-jp").encode(), "選考結果のご連絡"),
        ("=?no-such?b?AAAA?=", "=?no-such?b?AAAA?="),
        ("=?utf-8?b?%%%?=", "=?utf-8?b?%%%?="),
        ("=?utf-8?q?=FF?=", None),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_a_subject_is_decoded_or_shown_as_it_is(subject: str, shown: str | None) -> None:
    reading = read(f"Subject: {subject}\r\n\r\n".encode())
    assert reading.subject is not None
    if shown is not None:
        assert reading.subject == shown


def test_raw_utf_8_in_a_field_is_shown() -> None:
    assert read("Subject: 結果\r\n\r\n".encode()).subject == "結果"


def test_links_of_the_text_without_the_sentence_around_them() -> None:
    body = "See https://example.com/a?b=c. (http://example.jp/x)、https://example.com/日本 https://example.com/a?b=c"
    reading = read(text_mail("text/plain; charset=utf-8", body.encode()))
    assert reading.links == ("https://example.com/a?b=c", "http://example.jp/x", "https://example.com/")


def test_links_of_html_where_there_is_no_text() -> None:
    body = b'<a href="https://example.com/c/abc">x</a><a href="https://example.com/c/abc">y</a>'
    assert read(text_mail("text/html", body)).links == ("https://example.com/c/abc",)


def test_a_mail_that_no_parser_can_read_is_shown_raw() -> None:
    """A NUL in the charset's name makes the standard library raise what it does not document."""
    raw = text_mail("text/plain; charset=a\x00b", b"what it said \xff")
    reading = read(raw)
    assert reading.subject == "(unreadable)"
    assert reading.text is not None
    assert reading.text.endswith("what it said \\xff")


def test_what_a_codec_makes_that_is_no_character_is_shown_with_an_escape() -> None:
    """Python knows codecs that mail does not, and they can make surrogates, which no page can carry."""
    raw = (
        b"Subject: =?unicode_escape?q?=5Cud800?=\r\nMessage-ID: =?raw_unicode_escape?q?=5Cudfff?=\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain; charset=unicode_escape\r\n\r\na \\ud800\r\n"
        b"--x\r\nContent-Type: text/html; charset=unicode_escape\r\n\r\n<p>\\ud800\r\n"
        b"--x\r\nContent-Disposition: attachment; filename==?unicode_escape?q?=5Cud800?=\r\n\r\nx\r\n"
        b"--x--\r\n"
    )
    reading = read(raw)
    assert (reading.subject, reading.message_id) == ("\\ud800", "\\udfff")
    assert (reading.text, reading.html) == ("a \\ud800", "<p>\\ud800")
    assert reading.attachments == ("\\ud800",)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    """For all bytes a page can show the reading, alone and as the body of parts that promise anything."""
    repr(read(raw)).encode()
    kinds = ("text/html; charset=\xff", "multipart/mixed; boundary=x", "message/rfc822", "text/plain")
    for kind in (*kinds, "text/plain; charset=unicode_escape", "text/html; charset=utf-7"):
        for encoding in ("base64", "quoted-printable", "x-uuencode", "8bit"):
            head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\nSubject: ".encode(
                "latin-1"
            )
            reading = read(head + raw + b"\r\n\r\n" + raw)
            f"{reading}{reading.text}{reading.html}".encode()
