"""The outbox: work that must leave, leased by workers so that a killed one loses nothing.

    ready ──claim──► leased ──► done        (recorded with the provision)
      ▲                │ ├────► dead        (buried: a person must look)
      └───postponed────┘ └────► ready       (the lease ran out; any worker may claim)
    ready ──► dropped                       (consent is gone, and it never left)
    ready ──► dead                          (consent is gone, and the partner may have it)
    dead ───► ready                         (the partner's endpoint or secret was changed)

Whether consent still lives is asked in the transaction that claims.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from store import partners, tables, withdrawals
from store.outbox_lines import SUBMISSION, release
from store.pool import advance_cases
from store.records import (
    HOME_COUNTRY,
    Batch,
    CaseState,
    Claim,
    ConsentKind,
    Purpose,
    QueueLine,
    QueueState,
    Submission,
)
from store.transaction import Transaction, verb

_WAIT = timedelta(days=1)
"""Until a partner that may not be offered is looked at again."""
_UNFINISHED = (QueueState.READY, QueueState.LEASED, QueueState.DEAD)


@verb
def claim_due(tx: Transaction, *, now: datetime, lease_by: str, lease_until: datetime, limit: int) -> Batch:
    """Look at up to `limit` submissions that are due, abandoned ones first, and lease those that may leave.

    Each leased one counts as one more try.
    What has no live consent any more is ended; what waits for a licence is postponed by a day.
    A partner that is not the one whose name and licence were shown gets nothing.
    """
    rows = _due_rows(tx, now, limit)
    ground = _Ground.read(tx, [row.reference for row in rows])
    leased = []
    for row in rows:
        submission = ground.submissions[row.reference]
        if not ground.has_consent(submission):
            withdrawals.end_lines(tx, [row], error="consent is no longer there", now=now)
        elif not ground.is_the_partner_shown(submission):
            why = "the partner's name or licence is not the one that was consented to"
            _update(tx, [row.id], state=QueueState.DEAD, last_error=why)
        elif why_not := ground.why_not_now(tx, submission, now):
            _update(tx, [row.id], state=QueueState.READY, due_at=now + _WAIT, last_error=why_not)
        else:
            leased.append(row)
    _update(
        tx,
        [row.id for row in leased],
        state=QueueState.LEASED,
        lease_by=lease_by,
        lease_until=lease_until,
        attempts=tables.Outbox.attempts + 1,
        may_have_left=True,  # Until the try has told otherwise: it may be killed.
    )
    advance_cases(tx, [ground.submissions[row.reference].case_id for row in leased], CaseState.QUEUED)
    claims = tuple(
        Claim(
            id=row.id,
            lease_by=lease_by,
            lease_until=lease_until,
            attempts=row.attempts + 1,
            may_have_left=row.may_have_left,
            submission=ground.record(tx, ground.submissions[row.reference]),
        )
        for row in leased
    )
    return Batch(claims, kept_back=len(rows) - len(leased))


@verb
def postpone(
    tx: Transaction,
    claim: Claim,
    *,
    due_at: datetime,
    error: str,
    may_have_left: bool = True,
    now: datetime,  # noqa: ARG001  # All verbs that change something take the time.
) -> None:
    """Give a claim back, to be tried again at `due_at`; LeaseLost when it is no longer ours.

    `error` is shown to the operator and must hold no personal data.
    `may_have_left` is False only when this try surely gave the partner nothing that it has kept.
    """
    left = claim.may_have_left or may_have_left
    release(tx, claim, state=QueueState.READY, due_at=due_at, last_error=error, may_have_left=left)


@verb
def bury(
    tx: Transaction,
    claim: Claim,
    *,
    error: str,
    may_have_left: bool = True,
    now: datetime,
) -> None:
    """Give a claim up until a person has looked; see `postpone`.

    When consent was withdrawn during the try, the line is ended here, because no claim will look at it.
    """
    left = claim.may_have_left or may_have_left
    release(tx, claim, state=QueueState.DEAD, last_error=error, may_have_left=left)
    row = tx.fetch(tables.Outbox.select().where(tables.Outbox.id == claim.id))[0]
    ground = _Ground.read(tx, [row.reference])
    if not ground.has_consent(ground.submissions[row.reference]):
        withdrawals.end_lines(tx, [row], error="consent was withdrawn", now=now)


@verb
def list_queue(
    tx: Transaction, *, states: Collection[QueueState] = _UNFINISHED, limit: int = 100
) -> tuple[QueueLine, ...]:
    """Return the submissions in these states, the first due first."""
    rows = tx.fetch(
        tables.Outbox.select()
        .where((tables.Outbox.kind == SUBMISSION) & tables.Outbox.state.in_(tuple(states)))
        .order_by(tables.Outbox.due_at, tables.Outbox.id)
        .limit(limit)
    )
    submissions = {
        s.id: s
        for s in tx.fetch(
            tables.Submission.select().where(tables.Submission.id.in_([row.reference for row in rows]))
        )
    }
    return tuple(_line(row, submissions[row.reference]) for row in rows)


def _due_rows(tx: Transaction, now: datetime, limit: int) -> list[tables.Outbox]:
    """Return what can be claimed, locked; two queries, so that each can walk its own index."""
    table = tables.Outbox
    abandoned = (
        table.select()
        .where((table.state == QueueState.LEASED) & (table.lease_until <= now) & (table.kind == SUBMISSION))
        .order_by(table.lease_until)
        .limit(limit)
    )
    rows = tx.fetch(tx.locked(abandoned, skip=True))
    ready = (
        table.select()
        .where((table.state == QueueState.READY) & (table.due_at <= now) & (table.kind == SUBMISSION))
        .order_by(table.due_at)
        .limit(limit - len(rows))
    )
    return rows + (tx.fetch(tx.locked(ready, skip=True)) if len(rows) < limit else [])


def _update(tx: Transaction, ids: Collection[int], **fields: object) -> None:
    if ids:
        cleared = {"lease_by": None, "lease_until": None} | fields
        tx.change(tables.Outbox.update(**cleared).where(tables.Outbox.id.in_(ids)))


def _line(row: tables.Outbox, submission: tables.Submission) -> QueueLine:
    return QueueLine(
        id=row.id,
        state=QueueState(row.state),
        partner_id=submission.partner_id,
        submission_key=submission.key,
        created_at=row.created_at,
        due_at=row.due_at,
        attempts=row.attempts,
        last_error=row.last_error,
    )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a batch of submissions rests on, read with one query for each table."""

    submissions: dict[int, tables.Submission]
    consents: dict[int, tables.ConsentEvent]
    partners: dict[str, tables.Partner]
    refusals: frozenset[tuple[int, str, int]]
    """Person, partner and event id of each refusal or withdrawal."""

    @classmethod
    def read(cls, tx: Transaction, ids: Iterable[int]) -> "_Ground":
        submissions = tx.fetch(tables.Submission.select().where(tables.Submission.id.in_(tuple(ids))))
        events = tables.ConsentEvent
        partner = tables.Partner
        people = {s.person_id for s in submissions}
        consents = {s.consent_id for s in submissions}
        agencies = {s.partner_id for s in submissions}
        about_them = events.person_id.in_(people) & (events.purpose == Purpose.PROVISION)
        refusals = tx.fetch(events.select().where(about_them & (events.kind != ConsentKind.GRANTED)))
        return cls(
            submissions={s.id: s for s in submissions},
            consents={e.id: e for e in tx.fetch(events.select().where(events.id.in_(consents)))},
            partners={p.id: p for p in tx.fetch(partner.select().where(partner.id.in_(agencies)))},
            refusals=frozenset((e.person_id, e.partner_id, e.id) for e in refusals),
        )

    def has_consent(self, submission: tables.Submission) -> bool:
        """Whether nothing was refused since the very consent this submission rests on."""
        return not any(
            person == submission.person_id
            and partner == submission.partner_id
            and event > submission.consent_id
            for person, partner, event in self.refusals
        )

    def is_the_partner_shown(self, submission: tables.Submission) -> bool:
        """Whether the partner's row still is about the company that was consented to."""
        partner = self.partners[submission.partner_id]
        shown = (submission.partner_name, submission.partner_licence_no)
        return shown == (partner.legal_name, partner.licence_no)

    def why_not_now(self, tx: Transaction, submission: tables.Submission, now: datetime) -> str | None:
        partner = partners.record(tx, self.partners[submission.partner_id])
        if partner.may_be_offered(now):
            return None
        if partner.country != HOME_COUNTRY:
            return "the partner is abroad, which no consent text covers"
        return "the partner's licence has expired"

    def record(self, tx: Transaction, submission: tables.Submission) -> Submission:
        consent = self.consents[submission.consent_id]
        return Submission(
            key=submission.key,
            partner=partners.record(tx, self.partners[submission.partner_id]),
            person_id=submission.person_id,
            name=tx.unseal_optional(submission.person_name, "submission.person_name"),
            email=tx.unseal(submission.person_email, "submission.person_email"),
            job=submission.job,
            stage=submission.stage,
            rejected_at=submission.rejected_at,
            consent_id=consent.id,
            consented_at=consent.at,
            consent_language=consent.language,
            consent_text_edition=consent.text_edition,
            consent_text_digest=bytes(consent.text_digest),
        )
