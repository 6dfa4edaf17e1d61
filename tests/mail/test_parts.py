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
