"""The command itself: gather the mail, the settings and the people, explain, print, write the copies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import BinaryIO

from gateway.mail import parts
from gateway.operator.explain.as_data import as_json
from gateway.operator.explain.as_text import as_lines
from gateway.operator.explain.circumstances import circumstances
from gateway.operator.explain.examination import Case, explain, files
from gateway.operator.explain.explanation import Explanation, Outcome
from gateway.operator.explain.given import read_mail
from gateway.operator.explain.harmless import harmless
from gateway.operator.explain.on_disk import write_copies
from gateway.operator.explain.people import assume
from gateway.operator.terminal import Line, print_lines, width
from store.records import CopyKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    mail: Path
    """`-` is standard input."""
    sender: str | None
    recipients: tuple[str, ...]
    as_json: bool
    out: Path | None
    force: bool


def report(
    wanted: Wanted,
    *,
    settings: Path | None,
    environ: Mapping[str, str],
    stdin: BinaryIO | None,
    now: datetime,
) -> bool:
    """Explain a mail on standard output; return whether a candidate would get an invitation.

    `settings` is the file that was named, if any; `stdin` is None when it is closed.
    Raises `MailUnusable` and `NoAddress` for wrong usage, `CannotWriteCopies`, and what `circumstances`
    raises.
    """
    around = circumstances(settings, environ)
    given = read_mail(wanted.mail, stdin, limit=around.max_octets)
    assumed = assume(
        given.content, parts.scan(given.content), sender=wanted.sender, recipients=wanted.recipients
    )
    notes = (*given.notes, *assumed.notes)
    case = Case(given.content, assumed.envelope, around, format_datetime(now), notes)
    explanation = explain(case)
    written: list[Path] = []
    if wanted.out is not None and explanation.copies:
        names = [copy.file for copy in explanation.copies]
        written = list(write_copies(wanted.out, names, files(case, explanation), force=wanted.force))
    if wanted.as_json:
        print_lines([Line(as_json(explanation))])
    else:
        print_lines(as_lines(explanation, width=width()))
        print_lines(_written(wanted.out, written))
    return invites(explanation)


def invites(explanation: Explanation) -> bool:
    """Whether a candidate would get an invitation."""
    kinds = {copy.kind for copy in explanation.copies}
    return explanation.outcome is Outcome.REWRITTEN and CopyKind.CANDIDATE in kinds


def _written(folder: Path | None, written: list[Path]) -> Iterator[Line]:
    if folder is not None:
        yield Line("")
        yield from (Line(harmless(f"Wrote {path}.")) for path in written)
        if not written:
            yield Line("No copy was written: the mail would leave as it came, or not at all.")
