"""The outbox: work that must leave, leased by workers so that a killed one loses nothing.

    ready ──claim──► leased ──► done        (recorded with the provision)
      ▲                │ ├────► dead        (buried: a person must look)
      └───postponed────┘ └────► ready       (the lease ran out; any worker may claim)
    ready ──► dropped                       (consent is gone)
    dead ───► ready                         (the partner's endpoint or secret was changed)

Whether consent still lives is asked in the transaction that claims.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from store import partners, tables
from store.outbox_lines import SUBMISSION, release
from store.pool import advance_cases
from store.records import Batch, CaseState, Claim, ConsentKind, Purpose, QueueLine, QueueState, Submission
from store.transaction import Transaction, verb

_LICENCE_WAIT = timedelta(days=1)
_UNFINISHED = (QueueState.READY, QueueState.LEASED, QueueState.DEAD)


@verb
def claim_due(tx: Transaction, *, now: datetime, lease_by: str, lease_until: datetime, limit: int) -> Batch:
    """Look at up to `limit` submissions that are due, abandoned ones first, and lease those that may leave.

    Each leased one counts as one more try.
    What has no live consent any more is dropped; what waits for a licence is postponed by a day.
    """
    rows = _due_rows(tx, now, limit)
    ground = _Ground.read(tx, [row.reference for row in rows])
    leased = []
    for row in rows:
        submission = ground.submissions[row.reference]
        if not ground.has_consent(submission):
            _update(tx, [row.id], state=QueueState.DROPPED, last_error="consent is no longer there")
        elif ground.licence_has_expired(submission, now):
            why = "the partner's licence has expired"
            _update(tx, [row.id], state=QueueState.READY, due_at=now + _LICENCE_WAIT, last_error=why)
        else:
            leased.append(row)
    _update(
        tx,
        [row.id for row in leased],
        state=QueueState.LEASED,
        lease_by=lease_by,
        lease_until=lease_until,
        attempts=tables.Outbox.attempts + 1,
    )
    advance_cases(tx, [ground.submissions[row.reference].case_id for row in leased], CaseState.QUEUED)
    claims = tuple(
        Claim(
            id=row.id,
            lease_by=lease_by,
            lease_until=lease_until,
            attempts=row.attempts + 1,
            submission=ground.record(tx, ground.submissions[row.reference]),
        )
        for row in leased
    )
    return Batch(claims, kept_back=len(rows) - len(leased))


@verb
def postpone(tx: Transaction, claim: Claim, *, due_at: datetime, error: str, now: datetime) -> None:  # noqa: ARG001  # All verbs that change something take the time.
    """Give a claim back, to be tried again at `due_at`; LeaseLost when it is no longer ours.

    `error` is shown to the operator and must hold no personal data.
    """
    release(tx, claim, state=QueueState.READY, due_at=due_at, last_error=error)


@verb
def bury(tx: Transaction, claim: Claim, *, error: str, now: datetime) -> None:  # noqa: ARG001  # As above.
    """Give a claim up until a person has looked; LeaseLost when it is no longer ours."""
    release(tx, claim, state=QueueState.DEAD, last_error=error)


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
    people: dict[int, tables.Person]
    cases: dict[int, tables.RejectionCase]
    consents: dict[int, tables.ConsentEvent]
    partners: dict[str, tables.Partner]
    refusals: frozenset[tuple[int, str, int]]
    """Person, partner and event id of each refusal or withdrawal."""

    @classmethod
    def read(cls, tx: Transaction, ids: Iterable[int]) -> "_Ground":
        submissions = tx.fetch(tables.Submission.select().where(tables.Submission.id.in_(tuple(ids))))
        events = tables.ConsentEvent
        person, case, partner = tables.Person, tables.RejectionCase, tables.Partner
        people = {s.person_id for s in submissions}
        cases = {s.case_id for s in submissions}
        consents = {s.consent_id for s in submissions}
        agencies = {s.partner_id for s in submissions}
        about_them = events.person_id.in_(people) & (events.purpose == Purpose.PROVISION)
        refusals = tx.fetch(events.select().where(about_them & (events.kind != ConsentKind.GRANTED)))
        return cls(
            submissions={s.id: s for s in submissions},
            people={p.id: p for p in tx.fetch(person.select().where(person.id.in_(people)))},
            cases={c.id: c for c in tx.fetch(case.select().where(case.id.in_(cases)))},
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

    def licence_has_expired(self, submission: tables.Submission, now: datetime) -> bool:
        expires = self.partners[submission.partner_id].licence_expires
        return expires is not None and expires <= now

    def record(self, tx: Transaction, submission: tables.Submission) -> Submission:
        case = self.cases[submission.case_id]
        person = self.people[submission.person_id]
        consent = self.consents[submission.consent_id]
        name = tx.unseal_optional(case.name, "rejection_case.name")
        return Submission(
            key=submission.key,
            partner=partners.record(tx, self.partners[submission.partner_id]),
            person_id=person.id,
            name=name if name is not None else tx.unseal_optional(person.name, "person.name"),
            email=tx.unseal(person.email, "person.email"),
            job=case.job,
            stage=case.stage,
            rejected_at=case.captured_at,
            consent_id=consent.id,
            consented_at=consent.at,
            consent_language=consent.language,
            consent_text_edition=consent.text_edition,
            consent_text_digest=bytes(consent.text_digest),
        )
