"""Frozen records that cross the border of the store: what the verbs take and return.

Times are aware and in UTC.
Fields that hold personal data have `repr=False`, so that no log line or traceback shows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

HOME_COUNTRY = "JP"
"""Where providing data to a partner is not a provision abroad (APPI, article 28)."""


class CopyKind(StrEnum):
    """For whom a copy of a marked message is written."""

    CANDIDATE = "candidate"
    """One recipient, with a personal link."""
    INTERNAL = "internal"
    """Colleagues and agencies together: the marker is removed and there is no link."""


class DeliveryState(StrEnum):
    """What became of one copy."""

    PENDING = "pending"
    """Recorded, not yet sent."""
    SENDING = "sending"
    """Claimed by a try; when the claim has run out, the outcome is unknown."""
    ACCEPTED = "accepted"
    """The next hop said 2xx; never sent again."""
    REFUSED = "refused"
    """The next hop said 5xx."""
    TOLD = "told"
    """It said 5xx, and the sender knows or does not want to; never sent again."""
    DEFERRED = "deferred"
    """The next hop said 4xx or was lost before the final dot."""
    UNKNOWN = "unknown"
    """No reply came after the final dot (RFC 1047)."""

    @property
    def done(self) -> bool:
        """Whether nothing more is to be done about the copy."""
        return self in (DeliveryState.ACCEPTED, DeliveryState.TOLD)


class CaseState(StrEnum):
    """Where one person's rejection case stands."""

    CAPTURED = "captured"
    INVITED = "invited"
    CONSENTED = "consented"
    DECLINED = "declined"
    EXPIRED = "expired"
    QUEUED = "queued"
    SUBMITTED = "submitted"
    ACKNOWLEDGED = "acknowledged"
    INTRODUCED = "introduced"
    HIRED = "hired"


@dataclass(frozen=True, slots=True)
class RejectionDetails:
    """What the notice says of the candidate; every value may be missing."""

    name: str | None = field(default=None, repr=False)
    name_source: str | None = None
    """Where the name was found: `marker`, `display-name`, `addressee-line`, `closing-line`."""
    job: str | None = None
    stage: str | None = None
    """`entry`, `screening`, `test`, `casual`, `interview_1`, `interview_2`, `final`, or free text."""
    language: str = "ja"
    """`ja` or `en`."""
    template: str | None = None
    """The template id of the marker."""
    reason_code: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedCopy:
    """A copy that the journey wants to deliver."""

    kind: CopyKind
    recipients: tuple[bytes, ...] = field(repr=False)
    """Envelope addresses as they came; exactly one for a candidate."""
    link_id: bytes
    """Ten bytes derived from message and recipient by a keyed hash, so that each retry has the same.

    Empty for INTERNAL.
    """
    details: RejectionDetails | None = None
    """Given for a candidate."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A marked message as it arrived, with the copies that are to be made of it."""

    fingerprint: bytes
    """SHA-256 over envelope sender, Message-ID and bytes: the same for each retry."""
    trace_id: str
    mail_from: bytes = field(repr=False)
    copies: tuple[PlannedCopy, ...]
    message_id: bytes = field(default=b"", repr=False)
    """The value of the Message-ID field, empty without one: the ledger finds the message again by it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One copy on the ledger."""

    id: int
    kind: CopyKind
    recipients: tuple[bytes, ...] = field(repr=False)
    state: DeliveryState
    link_id: bytes
    details: RejectionDetails | None
    """As captured on the first try, so that each retry renders the same copy."""
    reply_code: int | None
    """The next hop's last reply code for this copy."""
    reply_text: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A marked message on the ledger."""

    id: int
    trace_id: str
    """The trace id of the first try."""
    attempts: int
    """How often this message has arrived, this time included."""
    deliveries: tuple[Delivery, ...]
    """In the order of the planned copies."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one claimed copy on this try."""

    delivery_id: int
    state: DeliveryState
    """ACCEPTED, REFUSED, TOLD, DEFERRED or UNKNOWN."""
    reply_code: int | None
    reply_text: str | None
    sent_digest: bytes | None
    """SHA-256 of the bytes that were sent; evidence of what the candidate got."""


@dataclass(frozen=True, slots=True)
class Census:
    """How many rows are in which state."""

    cases: Mapping[str, int]
    """By `CaseState`."""
    copies: Mapping[str, int]
    """By `DeliveryState`, without ACCEPTED."""
    outbox: Mapping[str, int]
    """By `QueueState`."""


class Purpose(StrEnum):
    """What a consent is for."""

    PROVISION = "provision"
    """Providing the candidate's data to one named partner."""


class ConsentKind(StrEnum):
    """What a person did about one purpose."""

    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class SlotPolicy:
    """A partner's rule for earning free introduction slots."""

    ratio: int = 10
    """How many counted persons earn one slot; at least 1."""
    basis: str = "acknowledged"
    """Which step counts: `consented`, `submitted` or `acknowledged`."""


@dataclass(frozen=True, slots=True)
class Partner:
    """A recruitment agency that receives candidates."""

    id: str
    """A short name: lower-case letters, digits and hyphens."""
    legal_name: str
    address: str
    representative: str
    licence_no: str
    licence_expires: datetime | None
    country: str
    """ISO 3166-1 alpha-2; other than JP needs a consent of its own."""
    endpoint: str
    """The URL that receives submissions."""
    secret: str = field(repr=False)
    """The signing secret in the form `whsec_` and base64 (Standard Webhooks)."""
    policy: SlotPolicy = SlotPolicy()
    contract_date: date | None = None
    """The day of the contract on the handling of personal data with this partner; None without one."""

    def may_be_offered(self, now: datetime) -> bool:
        """Whether a candidate may be asked for consent to this partner now.

        Not with an expired licence, and not abroad: the published consent texts lack what APPI, article 28
        asks for there.
        """
        licensed = self.licence_expires is None or self.licence_expires > now
        return licensed and self.country == HOME_COUNTRY


@dataclass(frozen=True, slots=True)
class ConsentDecision:
    """The last thing a person did about one partner and purpose."""

    kind: ConsentKind
    partner_id: str
    purpose: Purpose
    at: datetime
    language: str
    text_edition: str
    text_digest: bytes


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """How far the consent chain has been checked, and what was found."""

    events: int = 0
    """Events from the first one on that are there and as they were recorded."""
    last_hash: bytes = bytes(32)
    finished: bool = False
    broken_at: int | None = None
    """The id of the first event that is missing or not as it was recorded."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a link leads to: one person's rejection case and the decisions so far."""

    case_id: int
    person_id: int
    state: CaseState
    name: str | None = field(repr=False)
    email: str = field(repr=False)
    job: str | None
    stage: str | None
    language: str
    captured_at: datetime
    """Name, address, job, stage and this time are what a submission would hold: the mail's, no other's."""
    partners: tuple[Partner, ...]
    decisions: tuple[ConsentDecision, ...]
    """The latest per partner and purpose."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said on the consent page, with the evidence."""

    link_id: bytes
    kind: ConsentKind
    partner_id: str
    purpose: Purpose
    language: str
    text_edition: str
    """The folder under `templates/consent/` whose text was shown."""
    text_digest: bytes
    """SHA-256 of the text as it was shown, UTF-8."""


class QueueState(StrEnum):
    """Where a queued piece of work stands."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"
    """Given up after the last try; a person must look at it."""
    DROPPED = "dropped"
    """Its ground is gone: consent was withdrawn before it left."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A candidate on the way to a partner, with everything the payload needs, as it was consented to."""

    key: str
    """The idempotency key: the same for each try."""
    partner: Partner
    person_id: int
    name: str | None = field(repr=False)
    email: str = field(repr=False)
    job: str | None
    stage: str | None
    rejected_at: datetime
    consent_id: int
    consented_at: datetime
    consent_language: str
    consent_text_edition: str
    consent_text_digest: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased piece of work from the outbox."""

    id: int
    lease_by: str
    lease_until: datetime
    attempts: int
    """This try included."""
    may_have_left: bool
    """Whether an earlier try ended without a word: the partner may have the submission already."""
    submission: Submission


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look at the outbox found due; nothing at all is the end of the queue for now."""

    claims: tuple[Claim, ...]
    kept_back: int
    """Due lines that may not leave: dropped without consent, or put off until the partner has a licence."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A partner's word that it has taken a submission."""

    reference: str
    """The partner's own id for the candidate, or empty."""


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One line of the outbox, for people."""

    id: int
    state: QueueState
    partner_id: str
    submission_key: str
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None


class SlotKind(StrEnum):
    """What a line on the slot ledger does."""

    ACCRUE = "accrue"
    REVERSE = "reverse"
    GRANT = "grant"
    RESERVE = "reserve"
    RELEASE = "release"
    REDEEM = "redeem"
    EXPIRE = "expire"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True)
class SlotLine:
    """One line of the append-only slot ledger."""

    id: int
    partner_id: str
    kind: SlotKind
    quantity: int
    """Persons for ACCRUE and REVERSE, slots for the others; signed for ADJUST."""
    at: datetime
    reason: str
    reference: str
    """What the line rests on: a submission key, a grant's range."""


@dataclass(frozen=True, slots=True)
class SlotSummary:
    """A partner's slots at a glance."""

    partner_id: str
    partner_name: str
    policy: SlotPolicy
    counted: int
    """Persons counted in all."""
    towards_next: int
    """Persons counted since the last grant, 0 to ratio - 1."""
    granted: int
    available: int


@dataclass(frozen=True, slots=True)
class ProvisionRecord:
    """The provider's record of one provision to a third party (APPI, article 29)."""

    id: int
    submission_key: str
    possibly: bool
    """Whether nobody knows if the partner got it: consent was withdrawn after a try that had no known end.

    `provided_at` is then when that was recorded.
    """
    partner_name: str
    partner_address: str
    partner_representative: str
    person_name: str | None = field(repr=False)
    person_email: str = field(repr=False)
    data_items: tuple[str, ...]
    consent_id: int
    provided_at: datetime
    keep_until: datetime
