"""The story of one marked message, found by an id that stands in somebody's log."""

from collections.abc import Iterable

from store import tables
from store.outbox_lines import SUBMISSION
from store.records import CaseState, ConsentKind, CopyKind, DeliveryState, QueueState
from store.stories import StoredMessage, TracedAnswer, TracedArrival, TracedCopy, TracedSubmission
from store.transaction import Transaction, verb

_FIELD = "message.message_id"
_MOST = 20
"""Messages that are told of at once; a Message-ID that more have is no name of a message."""


@verb
def find_by_trace_id(tx: Transaction, trace_id: str) -> tuple[StoredMessage, ...]:
    """Return the message that came under this trace id, the first time or on a retry; else nothing."""
    arrivals = tx.fetch(tables.Arrival.select().where(tables.Arrival.trace_id == trace_id))
    return _messages(tx, {arrival.message_id for arrival in arrivals})


@verb
def find_by_message_id(tx: Transaction, message_id: str) -> tuple[StoredMessage, ...]:
    """Return the messages with this Message-ID, the latest first, with or without angle brackets."""
    table = tables.Message
    index = tx.cipher.blind_index(message_id_form(message_id), field=_FIELD)
    rows = tx.fetch(
        table.select().where(table.message_id_index == index).order_by(table.id.desc()).limit(_MOST)
    )
    return _messages(tx, [row.id for row in rows])


def index_of_message_id(tx: Transaction, octets: bytes) -> bytes | None:
    """Return the blind index over the value of a Message-ID field; None for an empty one."""
    form = message_id_form(octets.decode("utf-8", "backslashreplace"))
    return tx.cipher.blind_index(form, field=_FIELD) if form else None


def message_id_form(text: str) -> str:
    """Return a Message-ID without blanks and angle brackets around it, as some logs have it."""
    return text.strip().removeprefix("<").removesuffix(">").strip()


def _messages(tx: Transaction, ids: Iterable[int]) -> tuple[StoredMessage, ...]:
    return tuple(_message(tx, message_id) for message_id in ids)


def _message(tx: Transaction, message_id: int) -> StoredMessage:
    table = tables.Message
    row = tx.fetch(table.select().where(table.id == message_id))[0]
    arrivals = tables.Arrival.select().where(tables.Arrival.message_id == message_id)
    copies = tables.Delivery.select().where(tables.Delivery.message_id == message_id)
    return StoredMessage(
        id=row.id,
        mail_from=tx.unseal(row.mail_from, "message.mail_from"),
        arrivals=tuple(
            TracedArrival(each.trace_id, each.at) for each in tx.fetch(arrivals.order_by(tables.Arrival.id))
        ),
        copies=tuple(_copy(tx, copy) for copy in tx.fetch(copies.order_by(tables.Delivery.id))),
    )


def _copy(tx: Transaction, row: tables.Delivery) -> TracedCopy:
    cases = tables.RejectionCase
    case = tx.first(cases.select().where(cases.id == row.case_id)) if row.case_id else None
    return TracedCopy(
        id=row.id,
        kind=CopyKind(row.kind),
        recipients=tuple(tx.unseal(row.recipients, "delivery.recipients").split("\n")),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        claimed_by=row.claimed_by,
        settled_at=row.settled_at,
        reply_code=row.reply_code,
        reply_text=tx.unseal_optional(row.reply_text, "delivery.reply_text"),
        case_id=row.case_id,
        case_state=CaseState(case.state) if case else None,
        answers=_answers(tx, row.id),
        submissions=_submissions(tx, row.case_id) if row.case_id else (),
    )


def _answers(tx: Transaction, delivery_id: int) -> tuple[TracedAnswer, ...]:
    table = tables.ConsentEvent
    rows = tx.fetch(table.select().where(table.delivery_id == delivery_id).order_by(table.id))
    return tuple(TracedAnswer(row.id, ConsentKind(row.kind), row.partner_id, row.at) for row in rows)


def _submissions(tx: Transaction, case_id: int) -> tuple[TracedSubmission, ...]:
    table, queue = tables.Submission, tables.Outbox
    found = []
    for row in tx.fetch(table.select().where(table.case_id == case_id).order_by(table.id)):
        line = tx.first(queue.select().where((queue.kind == SUBMISSION) & (queue.reference == row.id)))
        found.append(
            TracedSubmission(
                key=row.key,
                partner_id=row.partner_id,
                created_at=row.created_at,
                state=QueueState(line.state) if line else None,
                attempts=line.attempts if line else 0,
                due_at=line.due_at if line else None,
                last_error=line.last_error if line else None,
                sent_at=row.sent_at,
                acknowledged_at=row.acknowledged_at,
                partner_reference=row.partner_reference,
            )
        )
    return tuple(found)
