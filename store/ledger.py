"""The message ledger: which copies a marked message has, and what became of each.

    open_message   one transaction: people, cases, deliveries with their links; a retry finds them again
    claim          compare-and-set, so that two tries at once never send the same copy twice
    settle         what the next hop said, only for copies that the try still holds

Two nodes that get the same message at once meet at the row of its fingerprint.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from store import tables
from store.pool import address_text, advance_cases, capture_case, details_of, find_or_add_person
from store.records import (
    Arrival,
    CaseState,
    CopyKind,
    Delivery,
    DeliveryState,
    LedgerEntry,
    PlannedCopy,
    RejectionDetails,
    Settlement,
)
from store.tracing import index_of_message_id
from store.transaction import Transaction, verb

_CLAIMABLE = (
    DeliveryState.PENDING,
    DeliveryState.DEFERRED,
    DeliveryState.REFUSED,
    DeliveryState.UNKNOWN,
)
"""REFUSED too: whoever sends the message again asks again."""
_Key = tuple[CopyKind, frozenset[bytes]]
"""A copy within its message: for whom it is, in any order."""

_BEFORE_THE_DOT = (DeliveryState.REFUSED, DeliveryState.DEFERRED)
_UNCLAIMED = (DeliveryState.PENDING, DeliveryState.REFUSED, DeliveryState.DEFERRED)
"""Not UNKNOWN: that the next hop may have the mail stays true whatever a later try meets."""


@verb
def open_message(tx: Transaction, arrival: Arrival, *, now: datetime) -> LedgerEntry:
    """Capture a marked message, or find it again; return one delivery for each planned copy, in order.

    A retry gets the deliveries of the first try, with the same links and details.
    A copy whose recipient is new gets a new delivery.
    A copy for the internal group goes to those of its recipients to whom no copy was accepted: look at the
    delivery's recipients, not at the plan's.
    The same recipient planned twice is one delivery, returned twice.
    """
    message_id, trace_id, attempts = _recognise(tx, arrival, now)
    known = {_key(d.kind, d.recipients): d for d in _of_message(tx, message_id)} if attempts > 1 else {}
    people = _find_people(tx, arrival.copies, known, now=now)
    deliveries = []
    for copy in arrival.copies:
        waiting = _unserved(copy, known)
        delivery = known.get(_key(copy.kind, waiting)) or _add_delivery(
            tx, message_id, replace(copy, recipients=waiting), people, now=now
        )
        known[_key(delivery.kind, delivery.recipients)] = delivery
        deliveries.append(delivery)
    return LedgerEntry(message_id, trace_id, attempts, tuple(deliveries))


@verb
def find_message(tx: Transaction, fingerprint: bytes) -> LedgerEntry | None:
    """Return a message with its deliveries in the order of their making, or None."""
    message = tx.first(tables.Message.select().where(tables.Message.fingerprint == fingerprint))
    if message is None:
        return None
    return LedgerEntry(message.id, message.trace_id, message.attempts, _of_message(tx, message.id))


@verb
def claim_deliveries(
    tx: Transaction, ids: Sequence[int], *, claimed_by: str, now: datetime, lease_until: datetime
) -> frozenset[int]:
    """Take the copies that may be sent now; return their ids.

    Left out are accepted copies, and copies that another try holds and whose lease has not run out.
    `claimed_by` must differ from try to try: the trace id does.
    """
    table = tables.Delivery
    abandoned = (table.state == DeliveryState.SENDING) & (table.lease_until <= now)
    claimed = tx.change_returning(
        table.update(
            state=DeliveryState.SENDING,
            claimed_by=claimed_by,
            lease_until=lease_until,
            attempts=table.attempts + 1,
        ).where(table.id.in_(tuple(ids)) & (table.state.in_(_CLAIMABLE) | abandoned)),
        table.id,
    )
    return frozenset(row[0] for row in claimed)


@verb
def settle(tx: Transaction, settlements: Sequence[Settlement], *, claimed_by: str, now: datetime) -> None:
    """Record what became of copies; an accepted candidate's case is `invited` from then on.

    REFUSED and DEFERRED are also taken for a copy that nobody holds: it ended before it had to be claimed.
    A copy that another try has taken over meanwhile is left to that one.
    """
    table = tables.Delivery
    ours = (table.state == DeliveryState.SENDING) & (table.claimed_by == claimed_by)
    for settlement in sorted(settlements, key=lambda s: s.delivery_id):
        unclaimed = table.state.in_(_UNCLAIMED if settlement.state in _BEFORE_THE_DOT else ())
        changed = tx.change(
            table.update(
                state=settlement.state,
                reply_code=settlement.reply_code,
                reply_text=tx.seal_optional(settlement.reply_text, "delivery.reply_text"),
                sent_digest=settlement.sent_digest,
                settled_at=now,
                lease_until=None,
            ).where((table.id == settlement.delivery_id) & (ours | unclaimed))
        )
        if changed and settlement.state is DeliveryState.ACCEPTED:
            delivery = tx.first(table.select().where(table.id == settlement.delivery_id))
            if delivery is not None and delivery.case_id is not None:
                advance_cases(tx, [delivery.case_id], CaseState.INVITED)


def _recognise(tx: Transaction, arrival: Arrival, now: datetime) -> tuple[int, str, int]:
    """Return the message's id, first trace id and number of arrivals; its row is ours until the commit."""
    found = _recognise_row(tx, arrival, now)
    tx.add(tables.Arrival.insert(message_id=found[0], trace_id=arrival.trace_id, at=now))
    return found


def _recognise_row(tx: Transaction, arrival: Arrival, now: datetime) -> tuple[int, str, int]:
    table = tables.Message
    new_id = tx.add_new(
        table.insert(
            fingerprint=arrival.fingerprint,
            trace_id=arrival.trace_id,
            mail_from=tx.seal(_text(arrival.mail_from), "message.mail_from"),
            attempts=1,
            first_seen=now,
            last_seen=now,
            message_id_index=index_of_message_id(tx, arrival.message_id),
        ),
        table.id,
    )
    if new_id is not None:
        return new_id, arrival.trace_id, 1
    again = table.update(attempts=table.attempts + 1, last_seen=now).where(
        table.fingerprint == arrival.fingerprint
    )
    message_id, trace_id, attempts = tx.change_returning(again, table.id, table.trace_id, table.attempts)[0]
    return message_id, trace_id, attempts


def _find_people(
    tx: Transaction, copies: Iterable[PlannedCopy], known: Mapping[_Key, Delivery], *, now: datetime
) -> dict[tuple[bytes, ...], int]:
    """Return the person behind each candidate's copy that is new to this message.

    Every node takes them in one order, so that two messages to the same people do not block each other.
    """
    new = {
        copy.recipients: copy
        for copy in copies
        if copy.kind is CopyKind.CANDIDATE and _key(copy.kind, copy.recipients) not in known
    }
    return {
        recipients: find_or_add_person(
            tx,
            address_text(recipients[0]),
            copy.details.name if copy.details else None,
            now=now,
        )
        for recipients, copy in sorted(new.items())
    }


def _unserved(copy: PlannedCopy, known: Mapping[_Key, Delivery]) -> tuple[bytes, ...]:
    """Return whom a copy is still for; the served ones' own group when everybody has theirs."""
    if copy.kind is CopyKind.CANDIDATE:
        return copy.recipients
    accepted = [
        d for d in known.values() if d.kind is CopyKind.INTERNAL and d.state is DeliveryState.ACCEPTED
    ]
    served = {recipient for delivery in accepted for recipient in delivery.recipients}
    waiting = tuple(recipient for recipient in copy.recipients if recipient not in served)
    return waiting if waiting or not accepted else accepted[0].recipients


def _add_delivery(
    tx: Transaction,
    message_id: int,
    copy: PlannedCopy,
    people: Mapping[tuple[bytes, ...], int],
    *,
    now: datetime,
) -> Delivery:
    case_id, details = None, None
    if copy.kind is CopyKind.CANDIDATE:
        case_id, details = capture_case(
            tx,
            message_id=message_id,
            person_id=people[copy.recipients],
            details=copy.details or RejectionDetails(),
            now=now,
        )
    delivery_id = tx.add(
        tables.Delivery.insert(
            message_id=message_id,
            case_id=case_id,
            kind=copy.kind,
            recipients_index=_recipients_index(tx, copy.recipients),
            recipients=tx.seal(_text(b"\n".join(copy.recipients)), "delivery.recipients"),
            link_id=copy.link_id or None,
            state=DeliveryState.PENDING,
            attempts=0,
        )
    )
    return Delivery(
        id=delivery_id,
        kind=copy.kind,
        recipients=copy.recipients,
        state=DeliveryState.PENDING,
        link_id=copy.link_id,
        details=details,
        reply_code=None,
        reply_text=None,
        attempts=0,
    )


def _of_message(tx: Transaction, message_id: int) -> tuple[Delivery, ...]:
    table = tables.Delivery
    rows = tx.fetch(table.select().where(table.message_id == message_id).order_by(table.id))
    cases = tx.fetch(tables.RejectionCase.select().where(tables.RejectionCase.message_id == message_id))
    details = {case.id: details_of(tx, case) for case in cases}
    return tuple(_record(tx, row, details[row.case_id] if row.case_id else None) for row in rows)


def _record(tx: Transaction, row: tables.Delivery, details: RejectionDetails | None) -> Delivery:
    recipients = tx.unseal(row.recipients, "delivery.recipients").encode("latin-1")
    return Delivery(
        id=row.id,
        kind=CopyKind(row.kind),
        recipients=tuple(recipients.split(b"\n")),
        state=DeliveryState(row.state),
        link_id=bytes(row.link_id or b""),
        details=details,
        reply_code=row.reply_code,
        reply_text=tx.unseal_optional(row.reply_text, "delivery.reply_text"),
        attempts=row.attempts,
    )


def _key(kind: CopyKind, recipients: Iterable[bytes]) -> _Key:
    return kind, frozenset(recipients)


def _recipients_index(tx: Transaction, recipients: tuple[bytes, ...]) -> bytes:
    return tx.cipher.blind_index(_text(b"\n".join(sorted(recipients))), field="delivery.recipients")


def _text(octets: bytes) -> str:
    """Return bytes as text that leads back to them: an address may hold any byte but CR and LF."""
    return octets.decode("latin-1")
