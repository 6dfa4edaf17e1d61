import pytest

from gateway.mail import words


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("می\u200cخواهم", "می\u200cخواهم"),
        (" a \t\r\n\x0b b\u3000", "a b"),
        ("\0\x1b\u202e\ud800\udfff\ufeff\u2066", ""),
        ("営" * 1_000_000, "営" * 200),
        ("a" * 199 + " b", "a" * 199),
    ],
)
def test_a_kept_value_is_one_short_line_of_letters(written: str, kept: str) -> None:
    assert words.clean(written) == kept


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"a =?utf-8?q?b?= c", "a b c"),
        (b"=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "aé"),
        (b"=?utf-8?q?=E5?==?utf-8?q?=96=B6?=", "営"),
        (b"=?utf-8?q?=E5?= x", "=?utf-8?q?=E5?= x"),
        (b"=?klingon?q?a?= =?utf-8?q?b?=", "=?klingon?q?a?= b"),
        (b"=?utf-8?b?a?= =?utf-8?x?b?=", "=?utf-8?b?a?= =?utf-8?x?b?="),
        (b"\xff=?", "\ufffd=?"),
    ],
)
def test_encoded_words_are_decoded_or_left(value: bytes, text: str) -> None:
    """RFC 2047."""
    assert words.decoded(value) == text


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (b"To: =?UTF-8?B?5Za2?= =?iso-2022-jp*ja?q?a?= <a@example.jp>", True),
        (b"To: =?unicode_escape?q?=5Cud800?=", False),
        (b"To: =?utf-8?q?a?= =?utf-7?q?a?=", False),
    ],
)
def test_charsets_that_we_do_not_know_are_seen(value: bytes, known: bool) -> None:  # noqa: FBT001  # from a table
    assert words.all_known(value) is known
