"""Two sources, line beside line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.difference import Row, RowKind, compare, visible

LINES = st.lists(st.sampled_from([b"a", b"b", b"c", b""]), max_size=30).map(b"\r\n".join)


def shown(left: bytes, right: bytes) -> list[tuple[str, str | None, str | None]]:
    return [(row.kind.value, row.left, row.right) for row in compare(left, right)]


def test_an_added_line_stands_alone_on_its_side() -> None:
    assert shown(b"a\r\nb", b"new\r\na\r\nb") == [
        ("different", None, "new"),
        ("equal", "a", "a"),
        ("equal", "b", "b"),
    ]


def test_a_replaced_line_stands_beside_its_replacement() -> None:
    assert shown(b"a\r\nmarker\r\nb", b"a\r\ninvitation\r\nlink\r\nb") == [
        ("equal", "a", "a"),
        ("different", "marker", "invitation"),
        ("different", None, "link"),
        ("equal", "b", "b"),
    ]


def test_equal_lines_far_from_a_difference_are_folded() -> None:
    same = b"\r\n".join(b"%d" % n for n in range(10))
    assert shown(same + b"\r\nx", same + b"\r\ny") == [
        ("folded", "7", None),
        ("equal", "7", "7"),
        ("equal", "8", "8"),
        ("equal", "9", "9"),
        ("different", "x", "y"),
    ]


@given(LINES, LINES)
def test_every_line_is_shown_or_counted(left: bytes, right: bytes) -> None:
    """For all pairs: each side's rows and the folded ones add up to its lines, in order."""
    rows = compare(left, right)
    folded = sum(int(row.left or 0) for row in rows if row.kind is RowKind.FOLDED)
    shown_rows = [row for row in rows if row.kind is not RowKind.FOLDED]
    for side, source in (("left", left), ("right", right)):
        texts = [getattr(row, side) for row in shown_rows if getattr(row, side) is not None]
        assert len(texts) + folded == len(source.split(b"\r\n"))
    for row in shown_rows:
        assert (row.kind is RowKind.EQUAL) == (row.left == row.right)


@given(LINES)
def test_a_source_does_not_differ_from_itself(source: bytes) -> None:
    """For all sources: compared with itself there is nothing but folded lines."""
    assert [row.kind for row in compare(source, source)] == [RowKind.FOLDED]


def test_sources_that_share_nothing_stay_bounded() -> None:
    left = b"\r\n".join(b"l%d" % n for n in range(50_000))
    right = b"\r\n".join(b"r%d" % n for n in range(50_000))
    rows = compare(left, right)
    assert len(rows) == 3001
    assert rows[-1] == Row(RowKind.FOLDED, "47000", None)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"plain\ttab", "plain\ttab"),
        ("山田".encode(), "山田"),
        (b"\x1b$B;3ED\x1b(B", "山田"),
        (b"\x1b$B\xff", "\\x1b$B\\xff"),
        (b"nul\x00cr\rlf\ndel\x7f", "nul\\x00cr\\x0dlf\\x0adel\\x7f"),
        (b"\xff", "\\xff"),
        (b"x" * 3000, "x" * 2000 + " …"),
    ],
)
def test_a_line_is_decoded_for_the_eye(line: bytes, text: str) -> None:
    assert visible(line) == text
