"""What the end of a consent does to what waits for the partner.

What never left is dropped, and nobody has to be told.
What may have left cannot be taken back in silence: it becomes a provision record marked as possible, and a
dead line that tells the operator to ask the partner.
"""

from collections.abc import Sequence
from datetime import datetime

from store import provisions, tables
from store.outbox_lines import SUBMISSION
from store.records import QueueState
from store.transaction import Transaction

PERHAPS_THERE = "consent withdrawn; the partner may have it: ask for recall"


def stop_unsent(tx: Transaction, *, person_id: int, partner_id: str, now: datetime) -> None:
    """End what waits for this partner; what is leased may be leaving, and is looked at by its next claim."""
    table, submission = tables.Outbox, tables.Submission
    theirs = submission.select(submission.id).where(
        (submission.person_id == person_id) & (submission.partner_id == partner_id)
    )
    unfinished = table.state.in_((QueueState.READY, QueueState.LEASED, QueueState.DEAD))
    lines = table.select().where((table.kind == SUBMISSION) & unfinished & table.reference.in_(theirs))
    # Leased ones are locked as well: a try that ends now must see the withdrawal, or be seen by it.
    waiting = [
        row
        for row in tx.fetch(tx.locked(lines.order_by(table.id)))
        if row.state == QueueState.READY or (row.state == QueueState.DEAD and row.may_have_left)
    ]
    end_lines(tx, waiting, error="consent was withdrawn", now=now)


def end_lines(tx: Transaction, rows: Sequence[tables.Outbox], *, error: str, now: datetime) -> None:
    """End these lines, which are locked and whose consent is gone; `error` is for what never left."""
    table = tables.Outbox
    for row in rows:
        state, why = (QueueState.DEAD, PERHAPS_THERE) if row.may_have_left else (QueueState.DROPPED, error)
        ended = table.update(state=state, last_error=why, lease_by=None, lease_until=None)
        tx.change(ended.where(table.id == row.id))
        if row.may_have_left:
            provisions.record_possible(tx, row.reference, now=now)
