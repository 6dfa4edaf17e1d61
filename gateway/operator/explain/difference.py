"""What is other in a copy, line by line, with a few lines around it.

A copy differs in few places, so the search for equal lines is bounded: beyond the bounds it becomes coarse
instead of slow.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from gateway.mail.parts import Field
from gateway.operator.explain.explanation import DiffLine, Hunk

_CONTEXT = 3
"""Equal lines shown before and after a difference, as in a unified diff."""
_SEARCHED = 1_000
"""Lines on either side in which equal ones are searched; the search is quadratic."""
_SHOWN = 500
"""Lines shown of one side of a difference."""
_AROUND = 60
"""Characters shown of what stands before and behind a change in its own line; HTML may be one long line."""
_LONGEST = 2_000
"""Characters shown of one line."""

_Span = tuple[int, int, int, int]
"""Lines of the one side that are other on the other: start and end, start and end."""


def compare(before: str, after: str) -> tuple[Hunk, ...]:
    """Return what is other; lines end at LF, and how a line ends is no difference."""
    old, new = _lines(before), _lines(after)
    hunks: list[Hunk] = []
    waiting: list[_Span] = []
    for span in _spans(old, new):
        if waiting and span[0] - waiting[-1][1] > 2 * _CONTEXT:
            hunks.append(_hunk(old, new, waiting))
            waiting = []
        waiting.append(span)
    return (*hunks, _hunk(old, new, waiting)) if waiting else tuple(hunks)


def compare_fields(
    before: bytes, old: Sequence[Field], after: bytes, new: Sequence[Field]
) -> tuple[Hunk, ...]:
    """Return which fields of a header went and which came, each on one line; no lines around them."""
    olds = [before[field.start : field.end] for field in old]
    news = [after[field.start : field.end] for field in new]
    gone, come = Counter(olds) - Counter(news), Counter(news) - Counter(olds)
    lines = [DiffLine("+", _field_line(field)) for field in _taken(news, come)]
    lines += [DiffLine("-", _field_line(field)) for field in _taken(olds, gone)]
    return (Hunk(1, tuple(lines[:_SHOWN])),) if lines else ()


def _taken(fields: Sequence[bytes], wanted: Counter[bytes]) -> Iterator[bytes]:
    for field in fields:
        if wanted[field] > 0:
            wanted[field] -= 1
            yield field


def _field_line(field: bytes) -> str:
    return _cut(" ".join(field.decode("utf-8", "backslashreplace").split()))


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n")]


def _spans(old: Sequence[str], new: Sequence[str]) -> Iterator[_Span]:
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    olds, news = old[head : len(old) - tail], new[head : len(new) - tail]
    if not olds and not news:
        return
    if max(len(olds), len(news)) > _SEARCHED:
        yield head, len(old) - tail, head, len(new) - tail
        return
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if kind != "equal":
            yield head + i1, head + i2, head + j1, head + j2


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    for index, (ours, theirs) in enumerate(zip(old, new, strict=False)):
        if ours != theirs:
            return index
    return min(len(old), len(new))


def _hunk(old: Sequence[str], new: Sequence[str], spans: Sequence[_Span]) -> Hunk:
    first = max(spans[0][0] - _CONTEXT, 0)
    lines: list[DiffLine] = []
    at = first
    for i1, i2, j1, j2 in spans:
        lines += [DiffLine(" ", _cut(line)) for line in old[at:i1]]
        olds, news = _near(list(old[i1:i2]), list(new[j1:j2]))
        lines += _side("-", olds)
        lines += _side("+", news)
        at = i2
    lines += [DiffLine(" ", _cut(line)) for line in old[at : at + _CONTEXT]]
    return Hunk(first + 1, tuple(lines))


def _side(sign: str, lines: Sequence[str]) -> list[DiffLine]:
    shown = [_cut(line) for line in lines[:_SHOWN]]
    if len(lines) > _SHOWN:
        shown.append(f"… and {len(lines) - _SHOWN} more lines")
    return [DiffLine("-" if sign == "-" else "+", line) for line in shown]


def _near(old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    """Leave out what is equal at the beginning and at the end, but for what stands next to the change."""
    if not old or not new:
        return old, new
    same = _common(old[0], new[0]) - _AROUND
    if same > _AROUND:
        old[0], new[0] = "…" + old[0][same:], "…" + new[0][same:]
    same = _common(old[-1][::-1], new[-1][::-1]) - _AROUND
    if same > _AROUND:
        old[-1], new[-1] = old[-1][:-same] + "…", new[-1][:-same] + "…"
    return old, new


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}… ({len(line) - _LONGEST:,} more characters)"
