"""An explanation as a person reads it: the verdict first, then what led to it, then what would change.

Everything that comes from the mail goes through `harmless`; only then it becomes a line.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.mail.notice.findings import Finding
from gateway.operator.explain.explanation import (
    CandidateSeen,
    Change,
    CopySeen,
    DiffLine,
    Explanation,
    MarkerSeen,
    Outcome,
    PartSeen,
    Role,
)
from gateway.operator.explain.harmless import cut, harmless
from gateway.operator.terminal import Line, Style

_VERDICTS: Final = {Outcome.REWRITTEN: Style.GOOD, Outcome.PASSES: Style.WARNING, Outcome.REFUSED: Style.BAD}
_SIGNS: Final = {"+": Style.GOOD, "-": Style.BAD, " ": Style.PLAIN}
_ROLES: Final = {
    Role.CONTAINER: "",
    Role.INVITED: "gets the invitation",
    Role.CLEARED: "loses its marker",
    Role.TEXT: "stays as it is",
    Role.ATTACHED: "attached, stays as it is",
}
_PEOPLE: Final = 10
_PARTS: Final = 100
_PLACES: Final = 10
_DIFF_LINES: Final = 200
"""How many of each are shown; JSON has them all."""
_REFERENCE: Final = re.compile(r"&#([0-9]{3,7});")
"""The invitation's HTML is ASCII; a person reads its Japanese as characters."""
_FIRST_BEYOND_CONTROLS: Final = 0xA0


def as_lines(explanation: Explanation, *, width: int) -> Iterator[Line]:
    """Yield the lines; sentences are as long as they are, everything else is cut to `width` columns."""
    yield Line(explanation.verdict, _VERDICTS[explanation.outcome])
    yield from (Line(harmless(hint)) for hint in explanation.advice)
    yield from (Line(defect, Style.BAD) for defect in explanation.defects)
    for title, lines in (
        ("Notes", (f"  {harmless(note)}" for note in explanation.notes)),
        ("Envelope", (cut(line, width) for line in _envelope(explanation))),
    ):
        yield from _section(title, [Line(line) for line in lines])
    yield from _section(f"Parts of the mail ({explanation.octets:,} bytes)", list(_parts(explanation, width)))
    if explanation.copies:
        yield from _section("What it says", [Line(cut(line, width)) for line in _says(explanation)])
        yield from _section("Copies", [Line(cut(line, width)) for line in _copies(explanation.copies)])
        for copy in explanation.copies:
            if copy.changes is not None:
                title = f"Changes in {copy.file}"
                yield from _section(title, list(_differences(copy.changes, explanation.parts, width)))


def _section(title: str, lines: Sequence[Line]) -> Iterator[Line]:
    if lines:
        yield Line("")
        yield Line(title, Style.HEADING)
        yield from lines


def _envelope(explanation: Explanation) -> Iterator[str]:
    yield f"  from  {harmless(explanation.sender) or '<> (the null sender)'}"
    people = [f"{harmless(one.address)} (candidate)" for one in explanation.candidates]
    people += [f"{harmless(other)} (never gets a link)" for other in explanation.others]
    yield from (f"  to    {person}" for person in people[:_PEOPLE])
    if len(people) > _PEOPLE:
        yield f"        and {len(people) - _PEOPLE} more"


def _parts(explanation: Explanation, width: int) -> Iterator[Line]:
    if explanation.marked_by_header:
        yield Line("  The header field X-Relay-Rejection asks for an invitation.", Style.GOOD)
    for part in explanation.parts[:_PARTS]:
        indent = "  " * (min(part.depth, 20) + 1)
        yield Line(cut(f"{indent}{part.number}  {_described(part)}", width))
        indent += "     "
        yield from (
            Line(cut(f"{indent}{_marker(marker)}", width), Style.WARNING if marker.quoted else Style.GOOD)
            for marker in part.markers[:_PLACES]
        )
        if len(part.markers) > _PLACES:
            yield Line(f"{indent}and {len(part.markers) - _PLACES} more markers")
        for almost in part.almost:
            where = f"line {almost.line}, column {almost.column}" if almost.line else "somewhere"
            yield Line(
                cut(f"{indent}almost a marker at {where}: {harmless(almost.words)}", width), Style.WARNING
            )
        if part.quoted_lines:
            yield Line(cut(f"{indent}{_quoted(part.quoted_lines)}", width))
        if part.perhaps_marked:
            yield Line(f"{indent}a marker may stand in it, where it does not count", Style.WARNING)
    if len(explanation.parts) > _PARTS:
        yield Line(f"  and {len(explanation.parts) - _PARTS:,} more parts")


def _described(part: PartSeen) -> str:
    words = [harmless(part.content_type)]
    if part.content_type.startswith("text/"):
        declared = harmless(part.charset_declared) if part.charset_declared else "no charset declared"
        if part.charset_read is None and part.role is not Role.ATTACHED:
            words.append(f"{declared}, cannot be read")
        elif part.charset_read is None or part.charset_read == (part.charset_declared or "").lower():
            words.append(declared)
        else:
            words.append(f"{declared}, read as {part.charset_read}")
    if part.role is not Role.CONTAINER:
        words += [harmless(part.encoding), f"{part.octets:,} bytes"]
    words += [harmless(part.disposition)] if part.disposition else []
    words += ["with a file name"] if part.named else []
    role = _ROLES[part.role]
    return ", ".join(words) + (f": {role}" if role else "")


def _marker(marker: MarkerSeen) -> str:
    what = "marker in quoted mail" if marker.quoted else "marker"
    place = f"line {marker.line}, column {marker.column}"
    source = f"byte {marker.octet:,}, source line {marker.source_line:,}"
    return f"{what} at {place} ({source}): {harmless(marker.text)}"


def _quoted(stretches: Sequence[tuple[int, int]]) -> str:
    places = [f"{first}" if first == last else f"{first} to {last}" for first, last in stretches[:_PLACES]]
    more = f" and {len(stretches) - _PLACES} more stretches" if len(stretches) > _PLACES else ""
    return f"quoted mail: line {', '.join(places)}{more}"


def _says(explanation: Explanation) -> Iterator[str]:
    for candidate in explanation.candidates[:_PEOPLE]:
        yield f"  {harmless(candidate.address)}"
        yield from (f"    {line}" for line in _known(candidate))
    if len(explanation.candidates) > _PEOPLE:
        yield f"  and {len(explanation.candidates) - _PEOPLE} more candidates"


def _known(candidate: CandidateSeen) -> Iterator[str]:
    findings: tuple[tuple[str, Finding | None], ...] = (
        ("name", candidate.name),
        ("job", candidate.job),
        ("stage", candidate.stage),
        ("language", candidate.language),
    )
    for what, finding in findings:
        yield f"{what:<10}{_found(finding) if finding is not None else 'not said'}"
    for conflict in candidate.conflicts:
        sides = "; ".join(_found(finding) for finding in conflict.findings)
        yield f"the {conflict.what} contradicts itself: {sides}"


def _found(finding: Finding) -> str:
    return f"{harmless(finding.value)} ({finding.source.value}, confidence {finding.confidence.value})"


def _copies(copies: Sequence[CopySeen]) -> Iterator[str]:
    for copy in copies[:_PEOPLE]:
        people = ", ".join(harmless(recipient) for recipient in copy.recipients[:_PEOPLE])
        more = len(copy.recipients) - _PEOPLE
        people += f" and {more} more" if more > 0 else ""
        yield f"  {copy.file}  to {people}: {copy.octets:,} bytes ({copy.growth:+,})"
        signatures = ", ".join(harmless(name) for name in copy.signed_by)
        yield f"    signed by {signatures}" if signatures else "    not signed: there is no DKIM key here"
    if len(copies) > _PEOPLE:
        yield f"  and {len(copies) - _PEOPLE} more"


def _differences(changes: Sequence[Change], parts: Sequence[PartSeen], width: int) -> Iterator[Line]:
    left = _DIFF_LINES
    types = {part.number: harmless(part.content_type) for part in parts}
    for change in changes:
        of = (
            "the mail"
            if change.part == parts[0].number and change.what == "header"
            else f"part {change.part}"
        )
        for hunk in change.hunks:
            where = "" if change.what == "header" else f" ({types[change.part]}), from line {hunk.line}"
            yield Line(cut(f"  {change.what} of {of}{where}", width), Style.DIM)
            for line in hunk.lines[: max(left, 0)]:
                yield _difference(line, width, html=types[change.part] == "text/html")
            left -= len(hunk.lines)
    if left < 0:
        yield Line(f"  and {-left:,} more lines; --out writes the whole copies")


def _difference(line: DiffLine, width: int, *, html: bool) -> Line:
    text = _REFERENCE.sub(_referred, line.text) if html else line.text
    return Line(cut(f"  {line.sign} {harmless(text)}", width).rstrip(), _SIGNS[line.sign])


def _referred(match: re.Match[str]) -> str:
    code = int(match[1])
    return chr(code) if _FIRST_BEYOND_CONTROLS <= code <= sys.maxunicode else match[0]
