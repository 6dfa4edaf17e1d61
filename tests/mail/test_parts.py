import pytest

from gateway.mail import parts


def test_an_inner_multipart_cannot_take_over_its_outer_boundary() -> None:
    """Both call their boundary `a`; the reader of the outer one sees two children, so do we."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
        b"--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
        b"--a\r\n\r\nx\r\n--a--\r\n"
    )
    root = parts.scan(raw)
    assert [child.content_type for child in root.children] == ["multipart/mixed", "text/plain"]
    assert root.children[0].children == ()


def test_parameters_are_read_as_mailers_write_them() -> None:
    value = b'Text/HTML (a comment); Charset=utf-8 ; name*0="a;b\\""; name*1=c; title*=us-ascii\'en\'x;;'
    assert parts.media_type(value) == (
        "text/html",
        (("charset", "utf-8"), ("name", 'a;b"c'), ("title", "x")),
    )


def test_a_header_may_end_at_a_delimiter() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nX: y\r\n--a\r\n\r\nz\r\n--a--\r\n"
    first, second = parts.scan(raw).children
    assert raw[first.start : first.end] == b"X: y\r\n"
    assert raw[second.body_start : second.end] == b"z"


def test_an_attached_message_is_one_leaf() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    raw = b"Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\n" + inner + b"\r\n--a--\r\n"
    (child,) = parts.scan(raw).children
    assert (child.content_type, child.children) == ("message/rfc822", ())


def test_folded_values_are_unfolded() -> None:
    raw = b"A: b\r\n\tc\r\nA:d\r\nno field\r\n\r\n"
    root = parts.scan(raw)
    assert root.values(raw, "a") == [b"b\tc", b"d"]
    assert [field.name for field in root.fields] == ["a", "a", ""]


def test_the_body_of_a_part_without_an_empty_line_begins_where_no_field_does() -> None:
    head = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/html\r\n"
    for body in (b"<p>x</p>", b"<p>x</p>\r\nname: value\r\n"):
        raw = head + body + b"\r\n--a--\r\n"
        (child,) = parts.scan(raw).children
        assert raw[child.body_start : child.end] == body
    packed = head + b"Content-Transfer-Encoding: base64\r\neA==\r\n--a--\r\n"
    assert parts.scan(packed).children[0].body_start == packed.index(b"--a--")


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (b"text", "text/plain"),
        (b"text/", "text/plain"),
        (b"TEXT/HTML charset=utf-8", "text/html"),
        (b"text/html;;charset=utf-8", "text/html"),
        (b"text/html (a; comment)", "text/html"),
        (b"x/y/z", "text/plain"),
        (b"", "text/plain"),
    ],
)
def test_a_type_is_what_most_readers_take_it_for(field: bytes, kind: str) -> None:
    assert parts.scan(b"Content-Type: " + field + b"\r\n\r\nx").content_type == kind


@pytest.mark.parametrize(
    ("field", "encoding"),
    [
        (b"8bit;", "8bit"),
        (b"8Bit (as it stands)", "8bit"),
        (b"quoted-printable.", "quoted-printable"),
        (b'"base64"', "base64"),
        (b"7-bit", "7bit"),
        (b"8bits", "8bit"),
        (b"", "7bit"),
        (b"x-foo", "x-foo"),
    ],
)
def test_a_transfer_encoding_is_read_as_mailers_write_it(field: bytes, encoding: str) -> None:
    assert parts.scan(b"Content-Transfer-Encoding: " + field + b"\r\n\r\nx").encoding == encoding


def test_an_attachment_without_its_semicolon_is_one() -> None:
    part = parts.scan(b"Content-Disposition: attachment filename=a.txt\r\n\r\nx")
    assert part.disposition == "attachment"


def test_what_is_read_of_a_mail_is_bounded() -> None:
    """Fields of all headers together, and lines that may be delimiters: nothing else costs as much."""
    mixed = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    fields = mixed + (b"--a\r\n" + b"x:\r\n" * 500 + b"\r\n") * (parts.MAX_ALL_FIELDS // 500 + 1)
    dashes = mixed + b"--\r\n" * (parts.MAX_DASHES + 1)
    for raw in (fields, dashes):
        assert any(part.bounded for part in parts.scan(raw).walk())
        assert parts.join(raw, parts.ranges(parts.scan(raw))) == raw
    assert not any(part.bounded for part in parts.scan(mixed + b"--\r\n" * 1_000).walk())


def test_a_header_that_reaches_to_a_delimiter_leaves_no_range_twice() -> None:
    raw = b"Content-Type: multipart/a; boundary=a\n\n--a\nContent-Type: multipart/m; boundary=b\n--b\ne:\n--a"
    assert parts.join(raw, parts.ranges(parts.scan(raw))) == raw
