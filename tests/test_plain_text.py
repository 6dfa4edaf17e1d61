"""What every charset of Japanese mail carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plain_text import (
    CHARSETS,
    MAX_COLUMNS,
    ForeignSign,
    columns,
    folded,
    line_fault,
    plain_name,
    url_fault,
)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("株式会社サンプル商事", "株式会社サンプル商事"),
        ("㈱髙島サンプル", "(株)高島サンプル"),
        ("ｻﾝﾌﾟﾙ", "サンプル"),
        ("Café Zürich", "Cafe Zurich"),
        ("東京〜大阪", "東京-大阪"),
        ("東京～大阪", "東京-大阪"),
        ("A\xa0B", "A B"),
        ("例\u3000子", "例\u3000子"),
    ],
)
def test_a_name_is_spelt_as_japanese_mail_spells_it(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize("name", ["株式会社😀", "Пример\u0488", "line\nfeed", "𡈽田"])
def test_a_sign_without_a_usual_spelling_is_refused_by_name(name: str) -> None:
    with pytest.raises(ForeignSign) as raised:
        plain_name(name)
    assert raised.value.sign in name
    assert f"U+{ord(raised.value.sign):04X}" in str(raised.value)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_spelt_name_survives_every_charset(name: str) -> None:
    """For each name, plain_name either refuses it or returns text that every charset gives back unchanged."""
    try:
        plain = plain_name(name)
    except ForeignSign:
        return
    assert [plain.encode(charset).decode(charset) for charset in CHARSETS] == [plain] * len(CHARSETS)


@given(st.text(st.sampled_from("a あ（漢 "), max_size=200))
def test_folding_keeps_every_sign_but_spaces_at_line_ends(line: str) -> None:
    """Folded pieces are narrow enough, end in no space, and hold the line's visible signs in order."""
    pieces = list(folded(line))
    assert all(columns(piece) <= MAX_COLUMNS and piece == piece.rstrip() for piece in pieces)
    assert "".join(pieces).replace(" ", "") == line.replace(" ", "")


@pytest.mark.parametrize(
    ("line", "character", "fault"),
    [
        ("a" * 77, 77, "77 columns"),
        ("あ" * 39, 39, "78 columns"),
        ("ends in a space ", 16, "end in a space"),
        (" stuffed", 1, "begin with a space"),
        ("> quoted", 1, "begin with a space"),
        ("From here", 1, "begin with a space"),
        ("--", 1, "begins a signature"),
        (
            "第①回",
            2,
            "“①” (U+2460) is not in JIS X 0208, so not in every charset of Japanese mail; write “(1)”",
        ),
        ("㈱あ", 1, "write “(株)”"),
        ("№1", 1, "write “No”"),
        ("あ髙", 2, "write “高”"),
        ("﨑", 1, "write “崎”"),
        ("東京～", 3, "write “-”"),
        ("東京〜", 3, "is not read alike in every charset of Japanese mail; write “-”"),
        ("a—b", 2, "write “-”"),
        ("a–b", 2, "write “-”"),
        ("a\xa0b", 2, "the sign U+00A0 (NO-BREAK SPACE)"),
        ("a\xa0b", 2, "write an ordinary space"),
        ("ｶ", 1, "write “カ”"),
        ("ｱﾞ", 1, "write “ア”"),
        ("\u200b", 1, "the sign U+200B (ZERO WIDTH SPACE)"),
        ("あ\ufeff", 2, "delete it"),
        ("a\tb", 2, "delete it"),
        ("あ😀", 2, "leave it out"),
        ("é", 1, "write “e”"),
        ("ਅ", 1, "write it in JIS X 0208"),
    ],
)
def test_a_line_that_mail_would_spoil_is_found_at_its_character(
    line: str, character: int, fault: str
) -> None:
    found = line_fault(line)
    assert found is not None
    assert found[0] == character
    assert fault in found[1]


@pytest.mark.parametrize(
    ("line", "character", "fault"),
    [
        ("a “b”", 3, '(U+201C) is not ASCII; write “"”'),
        ("it’s", 3, "write “'”"),
        ("wait…", 5, "write “.”"),
        ("café", 4, "write “e”"),
        ("a\tb", 2, "U+0009"),
        ("案内", 1, "write it in ASCII"),
    ],
)
def test_a_line_that_must_be_ascii_is(line: str, character: int, fault: str) -> None:
    found = line_fault(line, ascii_only=True)
    assert found is not None
    assert found[0] == character
    assert fault in found[1]


@pytest.mark.parametrize(
    "line", ["", "ご案内です。", "a" * 76, "あ" * 38, "“引用”…・", "例\u3000子", "-" * 70]
)
def test_a_line_that_every_charset_holds_has_no_fault(line: str) -> None:
    assert line_fault(line) is None
    assert not line.isascii() or line_fault(line, ascii_only=True) is None


def test_a_web_address_in_a_text_is_found() -> None:
    assert url_fault("Example Inc.") is None
    assert url_fault("see HTTPS://example.com/") == (
        5,
        "a web address would be a second link beside the invitation's",
    )
