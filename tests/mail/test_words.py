"""Words on their way out of a mail: decoded, cleaned, and written so that every reader reads the same."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        (b"\x1b$B;3ED\x1b(B x", "山田 x"),
    ],
)
def test_encoded_words_are_decoded_or_left(value: bytes, text: str) -> None:
    """RFC 2047."""
    assert words.decoded(value) == text


SPLIT = b"=?utf-8?q?=E5=B1?= =?utf-8?q?=B1=E7=94=B0?="
JIS = "山田".encode("iso-2022-jp")


@pytest.mark.parametrize(
    ("value", "charset", "text"),
    [
        (b"Taro <t@example.jp>", None, "Taro <t@example.jp>"),
        ("山田 太郎 <t@example.jp>".encode(), None, "山田 太郎 <t@example.jp>"),
        (JIS + b" <t@example.jp>", None, "山田 <t@example.jp>"),
        (b'"' + JIS + b', x" <t@example.jp>', "iso-2022-jp", '"山田, x" <t@example.jp>'),
        ("山田 <t@example.jp>".encode("cp932"), "cp932", "山田 <t@example.jp>"),
        ("山田 <t@example.jp>".encode("euc-jp"), "euc-jp", "山田 <t@example.jp>"),
        ("山 <t@example.jp>".encode("cp932"), None, "\ufffdR <t@example.jp>"),
        ("山 <t@example.jp>".encode("cp932"), "us-ascii", "\ufffdR <t@example.jp>"),
        (SPLIT + b" <t@example.jp>", None, "山田 <t@example.jp>"),
        (b"=?iso-2022-jp?b?GyRCfGI2NhsoQg==?= x", None, "髙橋 x"),
        ("=?utf-8?q?=E5=B1=B1?= 田 x".encode(), None, "山 田 x"),
        (b"=?utf-8?q?a?= =?cp932?q?=8ER?=,b", None, "a山,b"),
        (b"=?utf-7?q?+2AA-?= <t@example.jp>", None, "~utf-7?q?+2AA-?= <t@example.jp>"),
        (b"=?utf-8?q?a?=?utf-7?q?+2AA-?=", None, "a~utf-7?q?+2AA-?="),
        (b"==??", None, "=~?"),
        ("\x1b$ 山田 x".encode(), None, "\x1b$ 山田 x"),
        (b"", None, ""),
    ],
)
def test_a_field_for_other_readers_is_ascii_and_says_the_same(
    value: bytes, charset: str | None, text: str
) -> None:
    made = words.portable(value, charset)
    assert made.isascii()
    assert words.decoded(made) == text


FIELDS = st.lists(
    st.sampled_from(
        [
            *(b"=?utf-8?q?a?=", b"=?utf-7?q?+2AA-?=", b"=?unicode_escape?b?XHVkODAw?=", b"=?", b"?=", b"?q?"),
            *(JIS, b"\x1b", b"\xff", b"=", b"?", b" ", b"\t", b'"', b"<", b">", b",", b"(", b"a@b", b"\r\n "),
        ]
    )
    | st.binary(max_size=8),
    max_size=30,
).map(b"".join)


@given(value=FIELDS, charset=st.sampled_from([None, "cp932", "euc-jp", "cp1252", "iso-2022-jp"]))
@settings(max_examples=300, deadline=None)
def test_in_a_field_for_other_readers_every_encoded_word_is_in_utf_8(
    value: bytes, charset: str | None
) -> None:
    """Whatever stands in a field, no reader of the ASCII form is asked for another charset's codec.

    The grammar is that of the standard library, which is laxer than RFC 2047.
    """
    made = words.portable(value, charset)
    assert made.isascii()
    assert set(re.findall(rb"=\?([^?]*?)\?[bBqQ]\?.*?\?=", made)) <= {b"utf-8"}


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("法人\n営業\n\n二", "法人営業\n\n二"),
        ("Senior\nEngineer", "Senior Engineer"),
        ("営業\nSales", "営業 Sales"),
        ("\n\na\n", "\n\na\n"),
    ],
)
def test_a_paragraph_is_put_on_one_line(text: str, joined: str) -> None:
    assert words.unwrapped(text) == joined


def test_line_ends_become_one_kind() -> None:
    assert words.lines("a\r\nb\rc\n") == "a\nb\nc\n"
