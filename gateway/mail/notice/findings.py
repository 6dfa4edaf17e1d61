"""Values that were found, and how sure they are: where each stood, and what the other places say.

Pure weighing: what may be a name or a job is decided where it is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal

What = Literal["name", "job", "stage", "language"]


class Source(StrEnum):
    """Where a value stood."""

    MARKER = "marker"
    DISPLAY_NAME = "display-name"
    ADDRESSEE = "addressee"
    BODY = "body"
    CLOSING = "closing"
    DEFAULT = "default"
    """Nowhere for certain: what is taken when the mail says nothing, or two things at once."""


class Confidence(StrEnum):
    """How far a value can be relied on."""

    HIGH = "high"
    """The recruiter said it on purpose, or two places say the same."""
    MEDIUM = "medium"
    """One place says it that is made for it, and no other says anything."""
    LOW = "low"
    """It may be somebody else's: another place contradicts it, or the only place is one for set phrases."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A value and where it stood, not weighed yet."""

    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class Finding:
    """A value, where it stood, and how sure it is."""

    value: str
    source: Source
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Conflict:
    """Places that contradict each other."""

    what: What
    findings: tuple[Finding, ...]
    """All that was found, the likelier first; at least two."""


Agreement = Callable[[str, str], bool | None]
"""Whether two values say the same; None when nobody could tell without guessing."""


class _Standing(IntEnum):
    """What the other places say of a value: the columns of the table."""

    ALONE = 0
    CONFIRMED = 1
    CONTRADICTED = 2


_HIGH, _MEDIUM, _LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW
_TABLE = {
    Source.MARKER: (_HIGH, _HIGH, _LOW),
    # An address book may say "Reception" or another company's name, a template may greet somebody else.
    Source.DISPLAY_NAME: (_MEDIUM, _HIGH, _LOW),
    Source.ADDRESSEE: (_MEDIUM, _HIGH, _LOW),
    Source.BODY: (_MEDIUM, _HIGH, _LOW),
    # Nobody reads the set phrase at the end again, so the last candidate's name stays in it.
    Source.CLOSING: (_LOW, _HIGH, _LOW),
    Source.DEFAULT: (_LOW, _LOW, _LOW),
}


def weigh(
    what: What, claims: Sequence[Claim], agree: Agreement
) -> tuple[Finding | None, tuple[Conflict, ...]]:
    """Return the value to be taken, and the contradiction if there is one; `claims` come likelier first.

    Of values that contradict each other the marker's is taken, because somebody wrote it on purpose,
    and else none.
    """
    findings = tuple(
        Finding(claim.value, claim.source, _TABLE[claim.source][_standing(claim, claims, agree)])
        for claim in claims
    )
    contradicted = [_standing(claim, claims, agree) is _Standing.CONTRADICTED for claim in claims]
    conflicts = (Conflict(what, findings),) if any(contradicted) else ()
    if not findings or (contradicted[0] and findings[0].source is not Source.MARKER):
        return None, conflicts
    return findings[0], conflicts


def _standing(claim: Claim, claims: Sequence[Claim], agree: Agreement) -> _Standing:
    said = [agree(claim.value, other.value) for other in claims if other is not claim]
    if False in said:
        return _Standing.CONTRADICTED
    return _Standing.CONFIRMED if True in said else _Standing.ALONE
