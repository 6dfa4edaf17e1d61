"""Consent as evidence: what a person was asked, in which words, and what the answer was.

Events are never changed.
Each carries the keyed hash of the one before: a line that was changed, added or taken out later shows.
Answers are taken one at a time: the row at the end of the chain is the lock.
A decision belongs to the person, not to the link: the latest event for a person, partner and purpose holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from store import chain, outbox_lines, partners, slots, tables, withdrawals
from store.errors import UnknownRecord
from store.pool import address_text, advance_cases, decline_cases
from store.records import Answer, CaseState, ChainCheck, ConsentDecision, ConsentKind, Invitation, Purpose
from store.transaction import Transaction, verb

_UNCHECKED = ChainCheck()


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the link of one delivery shows of its candidate, and what a consent through it covers."""

    name: str | None = field(repr=False)
    email: str = field(repr=False)
    job: str | None
    stage: str | None
    rejected_at: datetime

    @classmethod
    def read(cls, tx: Transaction, delivery: tables.Delivery, case: tables.RejectionCase) -> "_Shown":
        """Read the case and the delivery only: the person's row learns from other mails."""
        recipient = tx.unseal(delivery.recipients, "delivery.recipients").encode("latin-1")
        return cls(
            name=tx.unseal_optional(case.name, "rejection_case.name"),
            email=address_text(recipient),
            job=case.job,
            stage=case.stage,
            rejected_at=case.captured_at,
        )


@verb
def find_invitation(tx: Transaction, link_id: bytes) -> Invitation | None:
    """Return what a link leads to, or None for an unknown one; changes nothing."""
    found = _follow(tx, link_id)
    if found is None:
        return None
    delivery, case = found
    shown = _Shown.read(tx, delivery, case)
    return Invitation(
        case_id=case.id,
        person_id=case.person_id,
        state=CaseState(case.state),
        name=shown.name,
        email=shown.email,
        job=shown.job,
        stage=shown.stage,
        language=case.language,
        captured_at=shown.rejected_at,
        partners=partners.list_partners(tx),
        decisions=_latest_decisions(_events_of(tx, case.person_id)),
    )


@verb
def record_answer(tx: Transaction, answer: Answer, *, now: datetime, due_at: datetime) -> ConsentDecision:
    """Append an answer to the chain and do what follows from it; return the decision that holds now.

    GRANTED puts a submission into the outbox, due at `due_at`, unless consent was there already.
    It holds what the link shows at this moment, and nothing that is learned later.
    DECLINED or WITHDRAWN after GRANTED is recorded as WITHDRAWN and ends what waits.
    The same answer to the same text again changes nothing.
    Raises UnknownRecord for an unknown link or partner.
    """
    head = chain.lock_head(tx)
    found = _follow(tx, answer.link_id)
    if found is None:
        raise UnknownRecord("link", answer.link_id.hex())
    delivery, case = found
    partner = partners.find_partner(tx, answer.partner_id)
    latest = _latest_event(tx, case.person_id, answer.partner_id, answer.purpose)
    kind = _recorded_kind(answer.kind, latest)
    if latest is not None and latest.kind == kind and bytes(latest.text_digest) == answer.text_digest:
        return _decision(latest)
    event = _append(tx, answer, kind=kind, head=head, delivery=delivery, case=case, now=now)
    if kind is ConsentKind.GRANTED:
        if latest is None or latest.kind != ConsentKind.GRANTED:
            _queue_submission(tx, event, _Shown.read(tx, delivery, case), partner, due_at=due_at)
        advance_cases(tx, [case.id], CaseState.CONSENTED)
    else:
        withdrawals.stop_unsent(tx, person_id=case.person_id, partner_id=answer.partner_id, now=now)
        if not any(d.kind is ConsentKind.GRANTED for d in _latest_decisions(_events_of(tx, case.person_id))):
            decline_cases(tx, case.person_id, case.id)
    return _decision(event)


@verb
def verify_chain(tx: Transaction, so_far: ChainCheck = _UNCHECKED, *, limit: int) -> ChainCheck:
    """Check the next `limit` events; to be called with its own result until that is finished.

    A whole chain proves that every event was written with the master key and stands as it was written.
    It does not prove that the last events are there: the database with an earlier end, head and all, is whole
    too, so keep the number of events elsewhere.
    Nor does it prove anything against who has the master key as well.

    Each call is a transaction of its own, so that no answer waits for the whole chain.
    """
    head = chain.lock_head(tx)
    query = tables.ConsentEvent.select().order_by(tables.ConsentEvent.id).limit(limit)
    if so_far.events:  # The first part has no lower bound: an id below 1 is forged.
        query = query.where(tables.ConsentEvent.id > so_far.events)
    events = tx.fetch(query)
    for event in events:
        expected = so_far.events + 1
        if event.id != expected or bytes(event.prev_hash) != so_far.last_hash:
            return replace(so_far, finished=True, broken_at=expected)
        if bytes(event.hash) != chain.link(tx, event):
            return replace(so_far, finished=True, broken_at=expected)
        so_far = ChainCheck(expected, bytes(event.hash))
    if len(events) == limit:
        return so_far
    return replace(so_far, finished=True, broken_at=_broken_end(head, so_far))


def _broken_end(head: tables.ChainHead, check: ChainCheck) -> int | None:
    """Return the event at which the chain and its head part, when all events are as they were recorded."""
    if head.event_id != check.events:  # Events were cut off at the end, or added without the head.
        return min(check.events, head.event_id) + 1
    return None if bytes(head.hash) == check.last_hash else head.event_id


def _follow(tx: Transaction, link_id: bytes) -> tuple[tables.Delivery, tables.RejectionCase] | None:
    delivery = tx.first(tables.Delivery.select().where(tables.Delivery.link_id == link_id))
    if delivery is None or delivery.case_id is None:
        return None
    case = tx.fetch(tables.RejectionCase.select().where(tables.RejectionCase.id == delivery.case_id))[0]
    return delivery, case


def _recorded_kind(said: ConsentKind, latest: tables.ConsentEvent | None) -> ConsentKind:
    if said is ConsentKind.GRANTED:
        return said
    if latest is not None and latest.kind in {ConsentKind.GRANTED, ConsentKind.WITHDRAWN}:
        return ConsentKind.WITHDRAWN
    return ConsentKind.DECLINED


def _append(
    tx: Transaction,
    answer: Answer,
    *,
    kind: ConsentKind,
    head: tables.ChainHead,
    delivery: tables.Delivery,
    case: tables.RejectionCase,
    now: datetime,
) -> tables.ConsentEvent:
    event = tables.ConsentEvent(
        id=head.event_id + 1,
        person_id=case.person_id,
        case_id=case.id,
        delivery_id=delivery.id,
        partner_id=answer.partner_id,
        purpose=answer.purpose,
        kind=kind,
        language=answer.language,
        text_edition=answer.text_edition,
        text_digest=answer.text_digest,
        sent_digest=delivery.sent_digest,
        at=now,
        prev_hash=bytes(head.hash),
    )
    event.hash = chain.link(tx, event)
    tx.add(tables.ConsentEvent.insert(event.__data__))
    tx.change(
        tables.ChainHead.update(event_id=event.id, hash=event.hash).where(tables.ChainHead.id == chain.HEAD)
    )
    return event


def _queue_submission(
    tx: Transaction, event: tables.ConsentEvent, shown: _Shown, partner: tables.Partner, *, due_at: datetime
) -> None:
    # 128 bits of the event: the same for each try, and not to be guessed.
    key = f"sub_{bytes(event.hash)[:16].hex()}"
    submission_id = tx.add(
        tables.Submission.insert(
            key=key,
            partner_id=event.partner_id,
            person_id=event.person_id,
            case_id=event.case_id,
            consent_id=event.id,
            person_name=tx.seal_optional(shown.name, "submission.person_name"),
            person_email=tx.seal(shown.email, "submission.person_email"),
            job=shown.job,
            stage=shown.stage,
            rejected_at=shown.rejected_at,
            partner_name=partner.legal_name,
            partner_licence_no=partner.licence_no,
            created_at=event.at,
        )
    )
    outbox_lines.put(tx, outbox_lines.SUBMISSION, submission_id, due_at=due_at, now=event.at)
    slots.count(tx, event.partner_id, event.person_id, step="consented", reference=key, now=event.at)


def _events_of(tx: Transaction, person_id: int) -> list[tables.ConsentEvent]:
    table = tables.ConsentEvent
    return tx.fetch(table.select().where(table.person_id == person_id).order_by(table.id))


def _latest_event(
    tx: Transaction, person_id: int, partner_id: str, purpose: Purpose
) -> tables.ConsentEvent | None:
    table = tables.ConsentEvent
    return tx.first(
        table.select()
        .where((table.person_id == person_id) & (table.partner_id == partner_id) & (table.purpose == purpose))
        .order_by(table.id.desc())
    )


def _latest_decisions(events: Iterable[tables.ConsentEvent]) -> tuple[ConsentDecision, ...]:
    latest = {(event.partner_id, event.purpose): event for event in events}
    return tuple(_decision(event) for event in latest.values())


def _decision(event: tables.ConsentEvent) -> ConsentDecision:
    return ConsentDecision(
        kind=ConsentKind(event.kind),
        partner_id=event.partner_id,
        purpose=Purpose(event.purpose),
        at=event.at,
        language=event.language,
        text_edition=event.text_edition,
        text_digest=bytes(event.text_digest),
    )
