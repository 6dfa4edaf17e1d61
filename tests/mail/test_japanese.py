"""ISO-2022-JP as it is written, and as it must not be read."""

from gateway.mail.japanese import decode_iso_2022_jp


def test_a_pair_that_means_nothing_is_no_letter() -> None:
    """Otherwise the letters of a marker could be written in pairs that every reader shows as rubbish."""
    text, _ = decode_iso_2022_jp(b"\x1b$B)S)R\x1b(B ok")
    assert text == "\ufffd\ufffd ok"
