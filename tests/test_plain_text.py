"""What every charset of Japanese mail carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plain_text import CHARSETS, MAX_COLUMNS, ForeignSign, columns, folded, line_fault, plain_name


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
    ("line", "fault"),
    [
        ("", None),
        ("ご案内です。", None),
        ("a" * 76, None),
        ("あ" * 39, "78 columns"),
        ("第①回", "U+2460"),
        ("ends in a space ", "end in a space"),
        (" stuffed", "begin with a space"),
        ("> quoted", "begin with a space"),
        ("From here", "begin with a space"),
    ],
)
def test_a_line_that_mail_would_spoil_is_found(line: str, fault: str | None) -> None:
    found = line_fault(line)
    assert (found is None) if fault is None else (found is not None and fault in found)
