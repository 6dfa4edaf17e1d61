"""Where an invitation goes that no marker has a place for: below the author's words.

- It stands before the signature and before the quoted mail at the end, whatever comes first.
- In text it stands between whole lines.
- In HTML it stands between whole elements, never inside a paragraph, a table, a list, a link, a style or a
  comment; where a signature or a quote can only be reached inside one of these, it stands below everything.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

from gateway.mail import attributions, elements, signatures
from gateway.mail.elements import Line

Span = tuple[int, int]
"""Start and end, as indices into a leaf's text."""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MAX_ATTRIBUTION = 4
"""Lines over which mailers wrap the words above a quote."""
_LONGEST_ATTRIBUTION = 500
"""Characters of these lines together; more is prose."""


def in_text(text: str, quoted: Sequence[Span]) -> int:
    """Return the start of the line before which the invitation goes, or the end of the text.

    `quoted` are the ranges of quoted mail, ascending.
    """
    end = len(text)
    for start, stop in reversed(quoted):
        if stop < end and not text[stop:end].isspace():
            break
        end = start
    start = _after_quotes(quoted, end)
    lines = _LINE.findall(text, start, end)
    if end < len(text):
        lines = lines[: _attribution(lines)]
    return start + sum(map(len, lines[: signatures.begin(lines)]))


def in_html(source: str, quoted: Sequence[Span], body_end: int) -> int:
    """Return the index in the source of HTML; `body_end` is that of `</body>` or of the end."""
    page = elements.read(source, body_end)
    end = page.end
    for start, stop in reversed(quoted):
        if start < end:
            if stop < end and page.shows(stop, end):
                break
            end = start
    first, places = _after_quotes(quoted, end), [end]
    lines = [line for line in page.lines if first <= line.start < end]
    if end < page.end:
        while lines and lines[-1].ruler:
            places.append(lines.pop().start)
        lines = _kept(lines, _attribution([line.text for line in lines]), places)
    if marks := [start for start in page.signatures if first <= start < end]:
        places.append(marks[-1])
        lines = [line for line in lines if line.start < marks[-1]]
    _kept(lines, signatures.begin([line.text for line in lines]), places)
    boundaries = (page.boundary(place) for place in reversed(places))
    return next((at for at in boundaries if at is not None), page.end)


def _kept(lines: list[Line], number: int, places: list[int]) -> list[Line]:
    """Return the lines before a number, and note as a place where the others begin."""
    places += [line.start for line in lines[number : number + 1]]
    return lines[:number]


def _after_quotes(quoted: Sequence[Span], end: int) -> int:
    """Return where the author's words that end here begin: behind the last quote before them."""
    number = bisect_left(quoted, end, key=lambda span: span[0])
    return quoted[number - 1][1] if number else 0


def _attribution(lines: Sequence[str]) -> int:
    """Return the index of the line that says whose words the quote below it has, or of the end."""
    last = len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    found = len(lines)
    for first in range(last - 1, max(last - 1 - _MAX_ATTRIBUTION, -1), -1):
        begins = attributions.BEGINS.match(lines[first].strip()) is not None
        if (begins or found == len(lines)) and _says_whose(lines[first:last]):
            found = first
        if begins or not lines[first].strip():
            break
    return found


def _says_whose(lines: Sequence[str]) -> bool:
    said = " ".join(" ".join(lines).split())
    return len(said) <= _LONGEST_ATTRIBUTION and attributions.IS_ABOVE_MARKS.fullmatch(said) is not None
