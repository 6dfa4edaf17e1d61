"""The message ledger: which copies a marked message has, and what became of each.

    open_message   one transaction: people, cases, deliveries with their links; a retry finds them again
    claim          compare-and-set, so that two tries at once never send the same copy twice
    settle         what the next hop said, only for copies that the try still holds

Two nodes that get the same message at once meet at the row of its fingerprint.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from store import tables
from store.database import Transaction, verb
from store.pool import advance_cases, capture_case, details_of, find_or_add_person
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

_CLAIMABLE = (
    DeliveryState.PENDING,
    DeliveryState.DEFERRED,
    DeliveryState.REFUSED,
    DeliveryState.UNKNOWN,
)
"""REFUSED too: whoever sends the message again asks again."""
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
    tx.add_new(
        tables.Message.insert(
            fingerprint=arrival.fingerprint,
            trace_id=arrival.trace_id,
            mail_from=tx.seal(_text(arrival.mail_from), "message.mail_from"),
            attempts=0,
            first_seen=now,
            last_seen=now,
        )
    )
    message = tx.first(
        tx.locked(tables.Message.select().where(tables.Message.fingerprint == arrival.fingerprint))
    )
    assert message is not None  # noqa: S101  # Just inserted, or it was there.
    attempts = message.attempts + 1
    tx.change(tables.Message.update(attempts=attempts, last_seen=now).where(tables.Message.id == message.id))
    people = _find_people(tx, message.id, arrival.copies, now=now)
    deliveries = tuple(_delivery_for(tx, message.id, copy, people, now=now) for copy in arrival.copies)
    return LedgerEntry(message.id, message.trace_id, attempts, deliveries)


@verb
def find_message(tx: Transaction, fingerprint: bytes) -> LedgerEntry | None:
    """Return a message with its deliveries in the order of their making, or None."""
    message = tx.first(tables.Message.select().where(tables.Message.fingerprint == fingerprint))
    if message is None:
        return None
    deliveries = tuple(_records(tx, tables.Delivery.message_id == message.id))
    return LedgerEntry(message.id, message.trace_id, message.attempts, deliveries)


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
    return tx.change_returning(
        table.update(
            state=DeliveryState.SENDING,
            claimed_by=claimed_by,
            lease_until=lease_until,
            attempts=table.attempts + 1,
        ).where(table.id.in_(tuple(ids)) & (table.state.in_(_CLAIMABLE) | abandoned)),
        table.id,
    )


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


def _find_people(
    tx: Transaction, message_id: int, copies: Iterable[PlannedCopy], *, now: datetime
) -> dict[tuple[bytes, ...], int]:
    """Return the person behind each candidate's copy that is new to this message.

    Every node takes them in one order, so that two messages to the same people do not block each other.
    """
    new = [
        copy
        for copy in copies
        if copy.kind is CopyKind.CANDIDATE
        and _find_delivery(tx, message_id, copy.kind, copy.recipients) is None
    ]
    return {
        copy.recipients: find_or_add_person(
            tx,
            copy.recipients[0].decode("utf-8", "backslashreplace"),
            copy.details.name if copy.details else None,
            now=now,
        )
        for copy in sorted(new, key=lambda copy: copy.recipients)
    }


def _delivery_for(
    tx: Transaction,
    message_id: int,
    copy: PlannedCopy,
    people: dict[tuple[bytes, ...], int],
    *,
    now: datetime,
) -> Delivery:
    if copy.kind is CopyKind.INTERNAL:
        return _internal_delivery(tx, message_id, copy.recipients)
    known = _find_delivery(tx, message_id, copy.kind, copy.recipients)
    if known is not None:
        return known
    case_id = capture_case(
        tx,
        message_id=message_id,
        person_id=people[copy.recipients],
        details=copy.details or RejectionDetails(),
        now=now,
    )
    return _add_delivery(tx, message_id, copy.kind, copy.recipients, case_id=case_id, link_id=copy.link_id)


def _internal_delivery(tx: Transaction, message_id: int, recipients: tuple[bytes, ...]) -> Delivery:
    """Return the delivery for those who have no copy yet, or an accepted one when everybody has."""
    table = tables.Delivery
    accepted = _records(
        tx,
        (table.message_id == message_id)
        & (table.kind == CopyKind.INTERNAL)
        & (table.state == DeliveryState.ACCEPTED),
    )
    served = {recipient for delivery in accepted for recipient in delivery.recipients}
    waiting = tuple(recipient for recipient in recipients if recipient not in served)
    if accepted and not waiting:
        return accepted[0]
    return _find_delivery(tx, message_id, CopyKind.INTERNAL, waiting) or _add_delivery(
        tx, message_id, CopyKind.INTERNAL, waiting
    )


def _find_delivery(
    tx: Transaction, message_id: int, kind: CopyKind, recipients: tuple[bytes, ...]
) -> Delivery | None:
    table = tables.Delivery
    found = _records(
        tx,
        (table.message_id == message_id)
        & (table.kind == kind)
        & (table.recipients_index == _recipients_index(tx, recipients)),
    )
    return found[0] if found else None


def _add_delivery(
    tx: Transaction,
    message_id: int,
    kind: CopyKind,
    recipients: tuple[bytes, ...],
    *,
    case_id: int | None = None,
    link_id: bytes = b"",
) -> Delivery:
    delivery_id = tx.add(
        tables.Delivery.insert(
            message_id=message_id,
            case_id=case_id,
            kind=kind,
            recipients_index=_recipients_index(tx, recipients),
            recipients=tx.seal(_text(b"\n".join(recipients)), "delivery.recipients"),
            link_id=link_id or None,
            state=DeliveryState.PENDING,
            attempts=0,
        )
    )
    return _records(tx, tables.Delivery.id == delivery_id)[0]


def _records(tx: Transaction, condition: object) -> list[Delivery]:
    rows = tx.fetch(tables.Delivery.select().where(condition).order_by(tables.Delivery.id))
    case_ids = [row.case_id for row in rows if row.case_id is not None]
    cases = tx.fetch(tables.RejectionCase.select().where(tables.RejectionCase.id.in_(case_ids)))
    details = {case.id: details_of(tx, case) for case in cases}
    return [_record(tx, row, details.get(row.case_id) if row.case_id else None) for row in rows]


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


def _recipients_index(tx: Transaction, recipients: tuple[bytes, ...]) -> bytes:
    return tx.cipher.blind_index(_text(b"\n".join(sorted(recipients))), field="delivery.recipients")


def _text(octets: bytes) -> str:
    """Return bytes as text that leads back to them: an address may hold any byte but CR and LF."""
    return octets.decode("latin-1")
