"""The records that tell the story of one marked message, for the operator who looks for it.

Times are aware and in UTC; fields that hold personal data have `repr=False`.
"""

from dataclasses import dataclass, field
from datetime import datetime

from store.records import CaseState, ConsentKind, CopyKind, DeliveryState, QueueState


@dataclass(frozen=True, slots=True)
class TracedArrival:
    """One time that a marked message came."""

    trace_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TracedAnswer:
    """What a person said through the link of a copy."""

    consent_id: int
    kind: ConsentKind
    partner_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TracedSubmission:
    """What became of a candidate's way to a partner."""

    key: str
    partner_id: str
    created_at: datetime
    state: QueueState | None
    """None when its line is no longer in the outbox."""
    attempts: int
    due_at: datetime | None
    last_error: str | None
    sent_at: datetime | None
    acknowledged_at: datetime | None
    partner_reference: str | None
    """The partner's own id for the candidate."""


@dataclass(frozen=True, slots=True)
class TracedCopy:
    """What became of one copy of a message, and of the person it was for."""

    id: int
    kind: CopyKind
    recipients: tuple[str, ...] = field(repr=False)
    state: DeliveryState
    attempts: int
    claimed_by: str | None
    """The trace id of the last try that sent it."""
    settled_at: datetime | None
    reply_code: int | None
    reply_text: str | None = field(repr=False)
    """The next hop's words, which may quote an address."""
    case_id: int | None
    case_state: CaseState | None
    answers: tuple[TracedAnswer, ...]
    submissions: tuple[TracedSubmission, ...]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A marked message with all that followed from it."""

    id: int
    mail_from: str = field(repr=False)
    arrivals: tuple[TracedArrival, ...]
    """The first one first."""
    copies: tuple[TracedCopy, ...]
