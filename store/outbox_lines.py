"""The lines of the outbox: put there, released and set going again, in the transactions of other verbs.

A lease is held by a worker, its try and its end: one that comes back after its lease was given away is
refused, even when the tries have been counted from the beginning again.
"""

from datetime import datetime

from store import tables
from store.errors import LeaseLost
from store.records import Claim, QueueState
from store.transaction import Transaction

SUBMISSION = "submission"
"""The kind whose reference is a submission's id."""


def put(tx: Transaction, kind: str, reference: int, *, due_at: datetime, now: datetime) -> None:
    """Queue a piece of work, in the transaction of what makes it necessary."""
    tx.add(
        tables.Outbox.insert(
            kind=kind,
            reference=reference,
            state=QueueState.READY,
            created_at=now,
            due_at=due_at,
            attempts=0,
            may_have_left=False,
        )
    )


def release(tx: Transaction, claim: Claim, **fields: object) -> None:
    """Change a line that we hold and end its lease; LeaseLost when it is no longer ours."""
    table = tables.Outbox
    changed = tx.change(
        table.update(lease_by=None, lease_until=None, **fields).where(
            (table.id == claim.id)
            & (table.state == QueueState.LEASED)
            & (table.lease_by == claim.lease_by)
            & (table.lease_until == claim.lease_until)
            & (table.attempts == claim.attempts)
        )
    )
    if not changed:
        raise LeaseLost(claim.id)


def has_unsent(tx: Transaction, *, partner_id: str) -> bool:
    """Whether anything waits for this partner, is on its way, or was given up."""
    table, submission = tables.Outbox, tables.Submission
    theirs = submission.select(submission.id).where(submission.partner_id == partner_id)
    unsent = table.state.in_((QueueState.READY, QueueState.LEASED, QueueState.DEAD))
    waiting = table.select().where((table.kind == SUBMISSION) & unsent & table.reference.in_(theirs))
    return tx.first(waiting) is not None


def try_again(tx: Transaction, *, partner_id: str, now: datetime) -> int:
    """Make due what was given up for this partner or waits after a failure; return how many lines.

    Each starts the ladder anew.
    What has not been tried yet waits on: it may be in its cooling-off.
    What stands among the provisions is not sent any more.
    """
    table, submission, provision = tables.Outbox, tables.Submission, tables.ProvisionRecord
    theirs = submission.select(submission.id).where(
        (submission.partner_id == partner_id)
        & submission.key.not_in(provision.select(provision.submission_key))
    )
    failed = (table.state == QueueState.READY) & table.last_error.is_null(is_null=False)
    return tx.change(
        table.update(state=QueueState.READY, due_at=now, attempts=0).where(
            (table.kind == SUBMISSION)
            & ((table.state == QueueState.DEAD) | failed)
            & table.reference.in_(theirs)
        )
    )
