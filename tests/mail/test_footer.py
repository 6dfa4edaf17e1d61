import pytest

from gateway.mail import check, eligible, footer
from gateway.mail.footer import Footer

FOOTER = Footer("案内\nhttps://example.jp/c/1\n From 1\n", '<i><a href="https://example.jp/c/1">x</a></i>')
LINES = "案内\r\nhttps://example.jp/c/1\r\n From 1"
PLAIN = "Content-Type: text/plain; charset=utf-8{params}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}"
HTML = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}"


def rewritten(mail: str, invitation: Footer | None = FOOTER) -> str:
    raw = mail.encode()
    reading = eligible.read(raw, stamp_key=b"")
    assert reading.unfit is None
    copy = footer.rewrite(raw, reading, invitation)
    check.check(raw, copy, reading, invitation)
    return copy.decode()


@pytest.mark.parametrize(
    ("body", "with_footer", "without"),
    [
        ("é\r\n[[relay:rejection]]\r\nb", f"é\r\n{LINES}\r\nb", "é\r\nb"),
        ("é\r\n  [[relay:rejection]] \u3000\r\nb", f"é\r\n{LINES}\r\nb", "é\r\nb"),
        ("é [[relay:rejection]] b", f"é \r\n{LINES}\r\n b", "é  b"),
        ("é [[relay:rejection]]\r\nb", f"é \r\n{LINES}\r\nb", "é \r\nb"),
        ("é\r\n[[relay:rejection]]", f"é\r\n{LINES}", "é\r\n"),
        ("é[[relay:rejection]]\r\n[[relay:rejection]]\r\nb", f"é\r\n{LINES}\r\nb", "é\r\nb"),
        ("é\r\n[[relay:rejection\r\ntpl=x]]\r\nb", f"é\r\n{LINES}\r\nb", "é\r\nb"),
    ],
)
def test_a_marker_alone_on_its_line_gives_the_line(body: str, with_footer: str, without: str) -> None:
    assert rewritten(PLAIN.format(params="", body=body)) == PLAIN.format(params="", body=with_footer)
    assert rewritten(PLAIN.format(params="", body=body), None) == PLAIN.format(params="", body=without)


def test_the_html_s_line_ends_become_the_leaf_s() -> None:
    """A bare LF must never leave (RFC 5321, section 2.3.8)."""
    invitation = Footer(FOOTER.text, FOOTER.html.replace("><a", ">\n<a"))
    for body in ("<p>é[[relay:rejection]]</p>\r\n", "<p>é</p>\r\n"):
        copy = rewritten("X-Relay-Rejection: tpl=a\r\n" + HTML.format(body=body), invitation)
        assert "<i>\r\n<a" in copy
        assert copy.count("\n") == copy.count("\r\n")


def test_flowed_text_is_space_stuffed_and_not_drawn_into_the_line_before() -> None:
    flowed = "; format=flowed"
    body = "é flows \r\n[[relay:rejection]]\r\nb"
    expected = "é flows \r\n\r\n案内\r\nhttps://example.jp/c/1\r\n  From 1\r\nb"
    assert rewritten(PLAIN.format(params=flowed, body=body)) == PLAIN.format(params=flowed, body=expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("é\r\n", f"é\r\n\r\n{LINES}\r\n"),
        ("é", f"é\r\n\r\n{LINES}\r\n"),
        ("é\r\n-- \r\nHR\r\n", f"é\r\n\r\n{LINES}\r\n\r\n-- \r\nHR\r\n"),
        ("é\r\nOn Monday, A wrote:\r\n> q\r\n", f"é\r\n\r\n{LINES}\r\n\r\nOn Monday, A wrote:\r\n> q\r\n"),
        ("> q\r\né\r\n", f"> q\r\né\r\n\r\n{LINES}\r\n"),
    ],
)
def test_a_header_marker_stands_before_the_signature_or_the_quote(body: str, expected: str) -> None:
    mail = "X-Relay-Rejection: tpl=a\r\n" + PLAIN.format(params="", body=body)
    assert rewritten(mail) == PLAIN.format(params="", body=expected)
    assert rewritten(mail, None) == PLAIN.format(params="", body=body)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("<body><p>a</p>@</body></html>", None),
        ("<p>a</p>@", None),
        ('<body>a@<div class="gmail_quote">q<div>r</div></div></body>', None),
        ('<body>a@<div id="divRplyFwdMsg">q</div>rest</body>', None),
        ("<body><blockquote>q</blockquote>a@</body>", None),
    ],
)
def test_a_header_marker_in_html_stands_at_the_end_of_the_author_s_text(body: str, place: None) -> None:
    del place
    mail = "X-Relay-Rejection: tpl=a\r\n" + HTML.format(body=body.replace("@", ""))
    assert rewritten(mail) == HTML.format(body=body.replace("@", FOOTER.html))


def test_a_leaf_in_a_charset_without_japanese_moves_to_utf_8() -> None:
    mail = "Content-Type: text/plain;\r\n\tcharset=windows-1252\r\n\r\ncafé – \r\n[[relay:rejection]]\r\n"
    raw = mail.encode("cp1252")
    reading = eligible.read(raw, stamp_key=b"")
    copy = footer.rewrite(raw, reading, FOOTER)
    check.check(raw, copy, reading, FOOTER)
    head, _, body = copy.partition(b"\r\n\r\n")
    assert head == (
        b"Content-Type: text/plain;\r\n\tcharset=utf-8\r\nContent-Transfer-Encoding: quoted-printable"
    )
    assert body.startswith(b"caf=C3=A9 =E2=80=93=20\r\n=E6=A1=88")


@pytest.mark.parametrize(
    "declared",
    [
        "; charset*0=us-; charset*1=ascii; x=y",
        ";\r\n\tcharset*0*=us-;\r\n\tcharset*1=ascii; x=y",
        "; x=y; charset*0=us-; charset*1=ascii",
    ],
)
def test_a_charset_in_sections_is_replaced_whole(declared: str) -> None:
    """RFC 2231, section 3."""
    raw = f"MIME-Version: 1.0\r\nContent-Type: text/plain{declared}\r\n\r\n[[relay:rejection]]\r\n".encode()
    reading = eligible.read(raw, stamp_key=b"")
    copy = footer.rewrite(raw, reading, FOOTER)
    check.check(raw, copy, reading, FOOTER)
    assert copy.count(b"charset") == copy.count(b"charset=utf-8") == 1
    assert b"x=y" in copy


def test_a_header_without_end_takes_no_invitation() -> None:
    raw = b"Subject: x\r\nX-Relay-Rejection: tpl=a\r\n"
    with pytest.raises(footer.CannotRewrite, match="no end"):
        footer.rewrite(raw, eligible.read(raw, stamp_key=b""), FOOTER)


def test_no_8_bit_octets_enter_a_leaf_that_had_none() -> None:
    """Its client need not have asked for 8BITMIME."""
    raw = PLAIN.format(params="", body="[[relay:rejection]]\r\n").encode()
    copy = footer.rewrite(raw, eligible.read(raw, stamp_key=b""), FOOTER)
    assert copy.isascii()
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in copy


def test_a_leaf_with_lines_too_long_for_smtp_is_wrapped() -> None:
    long = "é" * 600
    copy = rewritten(PLAIN.format(params="", body=f"{long}\r\n[[relay:rejection]]\r\n"))
    assert "Content-Transfer-Encoding: quoted-printable\r\n" in copy
    assert all(len(line) <= 76 for line in copy.split("\r\n\r\n", 1)[1].split("\r\n"))
