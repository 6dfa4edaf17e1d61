import base64

import pytest

from gateway.mail import transfer


@pytest.mark.parametrize("width", [61, 60, 76, 200, 2])
def test_base64_of_any_width_is_spliced(width: int) -> None:
    """Lines that are no whole groups are encoded again from the first; others stay before the edit."""
    data = bytes(range(256))
    packed = base64.b64encode(data)
    body = b"\r\n".join(packed[at : at + width] for at in range(0, len(packed), width)) + b"\r\n\r\n"
    edits = transfer.splice(body, "base64", [(150, 153, b"new")])
    changed = transfer.apply(body, edits)
    assert transfer.decode(changed, "base64") == data[:150] + b"new" + data[153:]
    assert changed.endswith(b"\r\n\r\n")
    if width % 4 == 0:
        assert changed.startswith(body[: edits[0][0]])
        assert edits[0][0] == 150 // (width // 4 * 3) * (width + 2)


@pytest.mark.parametrize("body", [b"QQ==QQ==", b"QUJD!", b"Q", b"QUJD\r\n--\r\n"])
def test_base64_that_readers_disagree_on_is_refused(body: bytes) -> None:
    assert transfer.decode(body, "base64") is None


def test_base64_without_padding_is_read() -> None:
    assert transfer.decode(b"QUI\r\n", "base64") == b"AB"


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"a=\r\nb= \t\r\nc", b"abc"),
        (b"=E5=96=b6==x=", b"\xe5\x96\xb6=x"),
        (b"=zz=4", b"=zz=4"),
        (b"a=", b"a"),
        (b"a\nb=\nc", b"a\nbc"),
    ],
)
def test_quoted_printable_is_read_leniently(body: bytes, data: bytes) -> None:
    assert transfer.decode(body, "quoted-printable") == data


def test_an_unknown_encoding_is_not_guessed() -> None:
    assert transfer.decode(b"x", "x-uuencode") is None
    assert transfer.decode(b"x", "binary") is None


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        (b"=", b"\r\n", b"=3D\r\n"),
        (b"=4", b"A", b"=3D4A"),
        (b"==", b"=\r\nx", b"=3D=\r\nx"),
        (b"===4", b"1", b"=3D=3D41"),
        (b"=3D4", b"1", b"=3D41"),
        (b"= ", b"\r\nx", b"=3D=20\r\nx"),
        (b"a ", b"\r\nx", b"a=20\r\nx"),
        (b"a ", b"x", b"a x"),
    ],
)
def test_an_equals_sign_that_means_nothing_never_comes_to_mean_something(
    before: bytes, after: bytes, written: bytes
) -> None:
    """It would make another octet of what follows the edit, or swallow a line end."""
    body = before + b"new" + after
    at = (transfer.decode(body, "quoted-printable") or b"").index(b"new")
    changed = transfer.apply(body, transfer.splice(body, "quoted-printable", [(at, at + 3, b"")]))
    assert changed == written
    decoded = transfer.decode(body, "quoted-printable") or b""
    assert transfer.decode(changed, "quoted-printable") == decoded.replace(b"new", b"")
