"""What is other in a copy, as lines."""

import re
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import parts
from gateway.operator.explain.difference import compare, compare_fields


def shown(before: str, after: str) -> list[str]:
    return [f"{line.sign}{line.text}" for hunk in compare(before, after) for line in hunk.lines]


def test_a_replaced_line_stands_between_the_three_lines_before_and_behind_it() -> None:
    before = "\r\n".join("abcdefghij")
    assert shown(before, before.replace("e", "X\r\nY")) == [
        " b",
        " c",
        " d",
        "-e",
        "+X",
        "+Y",
        " f",
        " g",
        " h",
    ]
    (hunk,) = compare(before, before.replace("e", "X"))
    assert hunk.line == 2


def test_changes_far_apart_are_two_hunks_and_near_ones_are_one() -> None:
    lines = [f"line {n}" for n in range(40)]
    far = ["X" if n in (5, 30) else line for n, line in enumerate(lines)]
    near = ["X" if n in (5, 10) else line for n, line in enumerate(lines)]
    assert [hunk.line for hunk in compare("\n".join(lines), "\n".join(far))] == [3, 28]
    assert [hunk.line for hunk in compare("\n".join(lines), "\n".join(near))] == [3]


def test_equal_texts_have_no_difference_and_line_ends_are_none() -> None:
    assert compare("a\r\nb", "a\nb") == ()
    assert compare("", "") == ()


def test_in_one_long_line_only_what_stands_near_the_change_is_shown() -> None:
    head, tail = "<p>x</p>" * 1000, "<p>y</p>" * 1000
    minus, plus = shown(f"{head}[[m]]{tail}", f"{head}<b>new</b>{tail}")
    assert re.fullmatch(r"-….{60}\[\[m\]\].{60}…", minus)
    assert re.fullmatch(r"\+….{60}<b>new</b>.{60}…", plus)


def test_a_change_of_megabytes_stays_readable() -> None:
    before = "\n".join(f"{n} {'x' * 40}" for n in range(50_000))
    lines = shown(before, before.replace("x", "y"))
    assert len(lines) < 1100
    assert any("49500 more lines" in line for line in lines)
    assert max(map(len, shown("a" * 10_000, "b" * 10_000))) < 2_100


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abcX"), max_size=12))
def test_the_hunks_lead_from_the_one_text_to_the_other(before: list[str], after: list[str]) -> None:
    """Put in the place of its old lines, the new lines of each hunk make the second text of the first."""
    made: list[str] = []
    at = 0
    for hunk in compare("\n".join(before), "\n".join(after)):
        olds = [line.text for line in hunk.lines if line.sign != "+"]
        old = before or [""]
        made += old[at : hunk.line - 1]
        assert old[hunk.line - 1 : hunk.line - 1 + len(olds)] == olds
        made += [line.text for line in hunk.lines if line.sign != "-"]
        at = hunk.line - 1 + len(olds)
    assert made + (before or [""])[at:] == (after or [""])


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (b"A: 1\r\n", b"B: 2\r\nA: 1\r\n", ["+B: 2"]),
        (b"A: 1\r\nA: 1\r\n", b"A: 1\r\n", ["-A: 1"]),
        (b"A: 1\r\n\tb\r\n", b"A: 1\r\n\tc\r\n", ["+A: 1 c", "-A: 1 b"]),
        (b"A: 1\r\n", b"A: 1\r\n", []),
    ],
)
def test_fields_that_came_and_went_are_one_line_each(before: bytes, after: bytes, lines: list[str]) -> None:
    old, new = parts.scan_header(before + b"\r\n"), parts.scan_header(after + b"\r\n")
    hunks = compare_fields(before, old, after, new)
    found = chain.from_iterable(hunk.lines for hunk in hunks)
    assert [f"{line.sign}{line.text}" for line in found] == lines
