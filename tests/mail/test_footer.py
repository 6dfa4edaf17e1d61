import email
from email.message import Message

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


@pytest.mark.parametrize(
    "line", ["[[relay:rejection]]--m", "[[relay:rejection]]--m-- ", "--[[relay:rejection]]m"]
)
@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable"])
def test_no_line_of_the_author_s_becomes_a_delimiter(line: str, encoding: str) -> None:
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    raw = f"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n{head}a\r\n{line}\r\n--m--\r\n".encode()
    with pytest.raises(footer.CannotRewrite, match="delimiter"):
        footer.rewrite(raw, eligible.read(raw, stamp_key=b""), None)


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize(
    "invitation", [None, Footer("https://example.jp/", '<a href="https://example.jp/">x</a>')]
)
def test_no_marker_is_made_of_what_stands_around_one(kind: str, invitation: Footer | None) -> None:
    raw = f"Content-Type: text/{kind}\r\n\r\n[[relay:rejection [[relay:rejection]]]]\r\n".encode()
    with pytest.raises(footer.CannotRewrite, match="within a marker"):
        footer.rewrite(raw, eligible.read(raw, stamp_key=b""), invitation)


def test_two_markers_side_by_side_are_not_one_within_the_other() -> None:
    body = "é [[relay:rejection]] [[relay:rejection]]"
    assert rewritten(PLAIN.format(params="", body=body), None) == PLAIN.format(params="", body="é  ")


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


def text_of(copy: str) -> str:
    """Return what the standard library reads in a mail of one part, or in the first part."""
    message = email.message_from_bytes(copy.encode())
    part = message.get_payload(0) if message.is_multipart() else message
    assert isinstance(part, Message)
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


ASCII = Footer(FOOTER.text, FOOTER.html, "Introduction\nhttps://example.jp/c/1\n")
IN_ASCII = b"Introduction\r\nhttps://example.jp/c/1\r\n"


@pytest.mark.parametrize(
    ("charset", "before", "after"),
    [
        ("utf-8", b"\xe4\xbd\x90\xff\r\n", b"\xfe\r\n"),
        ("shift_jis", b"\x82\xa0\xfd\r\n", b"\xff\r\n"),
        ("euc-jp", b"\xa4\xa2\xff\r\n", b"\x80\r\n"),
        ("big5", b"\xff\xff\r\n", b"a\r\n"),
    ],
)
def test_text_that_cannot_be_moved_without_loss_gets_the_form_in_ascii(
    charset: str, before: bytes, after: bytes
) -> None:
    """The author's octets stay as they are, those too that mean nothing in their charset."""
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode()
    raw = head + before + b"[[relay:rejection]]\r\n" + after
    reading = eligible.read(raw, stamp_key=b"")
    copy = footer.rewrite(raw, reading, ASCII)
    assert copy == head + before + IN_ASCII + after
    check.check(raw, copy, reading, ASCII)
    with pytest.raises(footer.CannotRewrite):
        footer.rewrite(raw, reading, FOOTER)


def test_each_alternative_gets_the_best_form_that_it_can_hold() -> None:
    text = b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xff[[relay:rejection]]\r\n"
    html = b"Content-Type: text/html; charset=utf-8\r\n\r\n\xff[[relay:rejection]]\r\n"
    raw = b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n%b--a\r\n%b--a--\r\n" % (text, html)
    reading = eligible.read(raw, stamp_key=b"")
    copy = footer.rewrite(raw, reading, ASCII)
    check.check(raw, copy, reading, ASCII)
    assert copy.count(b"Introduction") == copy.count(b"<a href=") == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[[relay:rejection]]\r\nb\r\n", f"{LINES}\r\nb\r\n"),
        ("[[relay:rejection]]", LINES),
        ("é[[relay:rejection]]", f"é\r\n{LINES}"),
        ("\r\n[[relay:rejection]]\r\n\r\n", f"\r\n{LINES}\r\n\r\n"),
        ("é: [[relay:rejection]], b.", f"é: \r\n{LINES}\r\n, b."),
        ("> q\r\n[[relay:rejection]]\r\n> r", f"> q\r\n{LINES}\r\n> r"),
        ("é\n[[relay:rejection]]\nb\n", "é\n" + LINES.replace("\r\n", "\n") + "\nb\n"),
    ],
)
def test_the_lines_around_a_marker_stay_as_they_are(body: str, expected: str) -> None:
    assert text_of(rewritten(PLAIN.format(params="", body=body))) == expected


@pytest.mark.parametrize(
    ("end", "after"),
    [("", ""), ("\r\n", "\r\n"), ("=\r\n", ""), ("=", ""), ("=20", "")],
)
def test_a_marker_at_the_end_of_a_part_leaves_the_delimiter_alone(end: str, after: str) -> None:
    """The line end before a delimiter belongs to it, and a dangling soft break must not swallow it."""
    outer = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
    head = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    copy = rewritten(f"{outer}{head}=C3=A9\r\n[[relay:rejection]]{end}\r\n--a--\r\n")
    assert text_of(copy) == f"é\r\n{LINES}{after}"
    assert copy.endswith("\r\n--a--\r\n")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("é\r\n\r\n-- \r\nHR\r\n", f"é\r\n\r\n{LINES}\r\n\r\n-- \r\nHR\r\n"),
        ("é\r\n\r\n\r\n-- \r\nHR\r\n", f"é\r\n\r\n{LINES}\r\n\r\n-- \r\nHR\r\n"),
        ("é\r\n\r\n\r\n\r\n-- \r\nHR\r\n", f"é\r\n\r\n{LINES}\r\n\r\n\r\n-- \r\nHR\r\n"),
        ("é\r\n━━━━━\r\n例社\r\n━━━━━\r\n", f"é\r\n\r\n{LINES}\r\n\r\n━━━━━\r\n例社\r\n━━━━━\r\n"),
        ("é\r\n\r\n> q\r\n", f"é\r\n\r\n{LINES}\r\n\r\n> q\r\n"),
        ("é\r\n\r\n\r\n", f"é\r\n\r\n{LINES}\r\n\r\n"),
        ("é\r\n ", f"é\r\n \r\n{LINES}\r\n"),
        ("> q\r\n", f"{LINES}\r\n\r\n> q\r\n"),
        ("", f"{LINES}\r\n"),
        ("\r\n", f"{LINES}\r\n\r\n"),
    ],
)
def test_an_invitation_without_marker_has_one_empty_line_above_and_below(body: str, expected: str) -> None:
    assert text_of(rewritten("X-Relay-Rejection:\r\n" + PLAIN.format(params="", body=body))) == expected


def test_an_invitation_without_marker_is_not_drawn_into_a_flowed_line_of_blanks() -> None:
    mail = PLAIN.format(params="; format=flowed", body="é\r\n  \r\n-- \r\nHR\r\n")
    stuffed = LINES.replace(" From", "  From")
    expected = f"é\r\n  \r\n\r\n{stuffed}\r\n\r\n-- \r\nHR\r\n"
    assert text_of(rewritten(f"X-Relay-Rejection:\r\n{mail}")) == expected


def test_in_preformatted_text_the_html_s_line_ends_do_not_show() -> None:
    invitation = Footer(FOOTER.text, FOOTER.html.replace("><a", ">\n<a"))
    assert "<i\r\n><a" in rewritten(HTML.format(body="<pre>é\r\n[[relay:rejection]]</pre>\r\n"), invitation)
    assert "<i>\r\n<a" in rewritten(HTML.format(body="<p>é\r\n[[relay:rejection]]</p>\r\n"), invitation)
