"""Two sources of a mail, line beside line.

A gateway changes few lines, so equal stretches are folded and the search for equal lines is bounded:
beyond the bounds the page stays quick and the comparison becomes coarse.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest

_CONTEXT = 3
"""Equal lines shown before and after a difference, as in a unified diff."""

_SEARCHED_MAX = 2_000
"""Lines on either side in which equal ones are searched; the search is quadratic."""

_ROWS_MAX = 3_000
"""Rows that a browser shows without effort."""

_LINE_MAX = 2_000
"""Characters shown of one line."""

_VISIBLE_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), 127)}
"""All but the tab, which is shown as it is."""


class RowKind(StrEnum):
    """How the two sides of a row stand to each other."""

    EQUAL = "equal"
    DIFFERENT = "different"
    FOLDED = "folded"
    """`left` tells how many rows are not shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of each source; None where a side has none."""

    kind: RowKind
    left: str | None
    right: str | None


def compare(left: bytes, right: bytes) -> tuple[Row, ...]:
    """Return the rows that show `left` beside `right`; see `visible`."""
    rows = list(_folded(list(_rows(left.split(b"\r\n"), right.split(b"\r\n")))))
    if len(rows) > _ROWS_MAX:
        rows[_ROWS_MAX:] = [_fold(len(rows) - _ROWS_MAX)]
    return tuple(rows)


def visible(line: bytes) -> str:
    """Decode a source line for the eye: ISO-2022-JP or UTF-8; what is neither and controls are escaped."""
    text = _decoded(line).translate(_VISIBLE_CONTROLS)
    return text if len(text) <= _LINE_MAX else text[:_LINE_MAX] + " …"


def _decoded(line: bytes) -> str:
    if b"\x1b$" in line:
        with suppress(UnicodeDecodeError):
            return line.decode("iso2022_jp")
    return line.decode("utf-8", "backslashreplace")


def _rows(left: Sequence[bytes], right: Sequence[bytes]) -> Iterator[Row]:
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    yield from (_equal(line) for line in left[:head])
    yield from _middle(left[head : len(left) - tail], right[head : len(right) - tail])
    yield from (_equal(line) for line in left[len(left) - tail :])


def _middle(left: Sequence[bytes], right: Sequence[bytes]) -> Iterator[Row]:
    if max(len(left), len(right)) > _SEARCHED_MAX:
        yield from _different(left, right)
        return
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (_equal(line) for line in left[i1:i2])
        else:
            yield from _different(left[i1:i2], right[j1:j2])


def _different(left: Sequence[bytes], right: Sequence[bytes]) -> Iterator[Row]:
    for ours, theirs in zip_longest(left, right):
        yield Row(
            RowKind.DIFFERENT,
            None if ours is None else visible(ours),
            None if theirs is None else visible(theirs),
        )


def _equal(line: bytes) -> Row:
    shown = visible(line)
    return Row(RowKind.EQUAL, shown, shown)


def _fold(count: int) -> Row:
    return Row(RowKind.FOLDED, str(count), None)


def _common(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    for index, (ours, theirs) in enumerate(zip(left, right, strict=False)):
        if ours != theirs:
            return index
    return min(len(left), len(right))


def _folded(rows: Sequence[Row]) -> Iterator[Row]:
    """Leave out equal rows that are far from a difference."""
    near = bytearray(len(rows))
    for index, row in enumerate(rows):
        if row.kind is RowKind.DIFFERENT:
            start, end = max(index - _CONTEXT, 0), min(index + _CONTEXT + 1, len(rows))
            near[start:end] = b"\x01" * (end - start)
    hidden = 0
    for row, shown in zip(rows, near, strict=True):
        if not shown:
            hidden += 1
            continue
        if hidden:
            yield _fold(hidden)
            hidden = 0
        yield row
    if hidden:
        yield _fold(hidden)
