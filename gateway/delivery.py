"""Sending the copies of one message and recording what became of each.

All bytes of a batch are sent before any final dot: a next hop that fails, fails while no copy is accepted.
Each copy is claimed in the ledger before its final dot: a retry that comes at the same time, here or on
another node, finds it claimed and leaves it alone.
After a next hop has answered, nothing may raise: the client would get a 451 and send the mail again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gateway import replies
from gateway.copies import Copy, Outcome, Unfit
from gateway.envelope import Envelope, Recipient, Sender
from gateway.journal import Journal
from gateway.replies import Deferred, OutcomeUnknown, Reply
from store import ledger
from store.database import Store
from store.errors import StoreError
from store.records import Delivery, DeliveryState, LedgerEntry, PlannedCopy, Settlement

COPIES_AT_ONCE = 8
"""Connections that the copies of one message may hold at the same time; more wait for the next batch."""

SETTLE_AGAIN = timedelta(seconds=1)
"""The first pause before recording an outcome is tried again; each next one is twice as long."""

LAST_CHANCE = timedelta(seconds=10)
"""How long a stop waits for a database that does not answer."""

SETTLE_AGAIN_AT_MOST = timedelta(seconds=30)

_LEFT = frozenset({DeliveryState.ACCEPTED, DeliveryState.UNKNOWN})


Writer = Callable[[PlannedCopy], Copy]
"""Writes one copy as planned; runs in a thread; raises `Unfit`."""


class Transaction(Protocol):
    """One mail transaction on one borrowed connection to the next hop."""

    async def mail(self, sender: Sender) -> Reply:
        """Send MAIL FROM and return the next hop's reply."""

    async def rcpt(self, recipient: Recipient) -> Reply:
        """Send RCPT TO and return the next hop's reply."""

    async def deliver(self, content: bytes) -> Reply:
        """Send DATA, the content and the final dot; return the last reply."""

    async def offer(self, sender: Sender, recipients: Sequence[Recipient], content: bytes) -> Reply | None:
        """Send MAIL, each RCPT, DATA and the content without the final dot; a reply is the first refusal."""

    async def finish(self) -> Reply:
        """Send the final dot and return its reply; raises `OutcomeUnknown` when none comes."""

    async def release(self) -> None:
        """Give the connection back; safe to call twice, never raises."""


class NextHop(Protocol):
    """Where every copy goes."""

    async def begin(self) -> Transaction:
        """Borrow a connection; raises `Deferred` when there is none."""


class CopyDelivery:
    """Delivers the copies of marked messages."""

    def __init__(
        self,
        *,
        next_hop: NextHop,
        store: Store,
        journal: Journal,
        clock: Callable[[], datetime],
        lease: timedelta,
        copies_at_once: int = COPIES_AT_ONCE,
    ) -> None:
        """`lease` is how long a claim holds after a crash.

        It must be longer than the next hop may take to answer a final dot.
        `copies_at_once` must not be more than the connections that the next hop lends: the copies of a batch
        wait for each other.
        """
        self._copies_at_once = min(copies_at_once, COPIES_AT_ONCE)
        self._next_hop = next_hop
        self._store = store
        self._journal = journal
        self._clock = clock
        self._lease = lease
        self._unsettled: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Give the outcomes that are not recorded yet a last chance; the journal has them all.

        Called once, when no transaction is open any more.
        """
        if self._unsettled:
            await asyncio.wait(self._unsettled, timeout=LAST_CHANCE.total_seconds())
        for task in self._unsettled:
            task.cancel()

    async def deliver(
        self, envelope: Envelope, entry: LedgerEntry, write: Writer, *, deadline: float
    ) -> tuple[Outcome, ...]:
        """Write and send every copy that is not accepted yet; return what is known of each, in their order.

        Copies are written batch by batch, so that a message to many candidates does not stand in memory for
        each of them.
        `deadline` is on the loop's clock: what the next hop has not answered by then is deferred, or unknown.
        """
        outcomes = {d.id: Outcome(d.state, None) for d in entry.deliveries}
        due = [d for d in entry.deliveries if not d.state.done]
        for start in range(0, len(due), self._copies_at_once):
            batch = due[start : start + self._copies_at_once]
            outcomes |= await self._deliver_batch(envelope, batch, write, deadline)
        return tuple(outcomes[d.id] for d in entry.deliveries)

    async def begin(self) -> Transaction:
        """Borrow a connection to the next hop; raises `Deferred`."""
        return await self._next_hop.begin()

    async def claim_all(self, ids: Sequence[int], trace_id: str) -> bool:
        """Take copies that must not be sent by another try meanwhile, all or none; raises `StoreError`."""
        now = self._clock()
        claimed = await self._store.run(
            ledger.claim_deliveries, ids, claimed_by=trace_id, now=now, lease_until=now + self._lease
        )
        if len(claimed) == len(ids):
            return True
        given_back = [Settlement(delivery, DeliveryState.REFUSED, None, None, None) for delivery in claimed]
        await self.settle(trace_id, given_back)
        return False

    async def _deliver_batch(
        self, envelope: Envelope, batch: Sequence[Delivery], write: Writer, deadline: float
    ) -> dict[int, Outcome]:
        # One after the other: side by side they would take more memory and, under one interpreter, as long.
        written = [await self._write(envelope, delivery, write) for delivery in batch]
        ready = await asyncio.gather(*(self._transmit(envelope, copy, deadline) for copy in written))
        claimed = await self._claim(envelope, [delivery.id for delivery in batch], ready)
        ended = await asyncio.gather(*(self._finish(envelope, one, deadline) for one in claimed))
        settlements = [
            _settlement(delivery, copy, outcome)
            for delivery, copy, outcome in zip(batch, written, ended, strict=True)
            if outcome.state is not DeliveryState.SENDING
        ]
        await self.settle(envelope.trace_id, settlements)
        outcomes = {delivery.id: outcome for delivery, outcome in zip(batch, ended, strict=True)}
        self._journal_outcomes(envelope, outcomes)
        return outcomes

    async def _write(self, envelope: Envelope, delivery: Delivery, write: Writer) -> Copy | Outcome:
        """Write a copy in a thread, because a signature takes milliseconds."""
        plan = PlannedCopy(delivery.kind, delivery.recipients, delivery.link_id, delivery.details)
        try:
            return await asyncio.to_thread(write, plan)
        except Unfit as unfit:
            reason = unfit.reason.value
        except Exception as error:  # noqa: BLE001  # Another copy may be accepted already: nothing may raise.
            self._journal.crashed(envelope.trace_id, error)
            reason = "crashed"
        return Outcome(DeliveryState.DEFERRED, replies.internal_error(envelope.trace_id), reason)

    def _journal_outcomes(self, envelope: Envelope, outcomes: Mapping[int, Outcome]) -> None:
        for delivery_id, outcome in outcomes.items():
            if outcome.state is DeliveryState.ACCEPTED:
                queue_id = outcome.reply.queue_id if outcome.reply else None
                self._journal.delivered(envelope.trace_id, delivery=delivery_id, queue_id=queue_id)
            else:
                self._journal.undelivered(
                    envelope.trace_id, delivery=delivery_id, state=outcome.state, reason=outcome.reason
                )

    async def _claim(
        self, envelope: Envelope, ids: Sequence[int], ready: Sequence[Transaction | Outcome]
    ) -> list[Transaction | Outcome]:
        """Claim the copies that wait for their final dot; give up those that somebody else holds.

        The claim comes after the bytes and before the dot, so that a crash at any earlier moment leaves
        nothing behind that a retry would have to wait for.
        """
        waiting = [i for i, r in zip(ids, ready, strict=True) if not isinstance(r, Outcome)]
        if not waiting:
            return list(ready)
        now = self._clock()
        try:
            claimed = await self._store.run(
                ledger.claim_deliveries,
                waiting,
                claimed_by=envelope.trace_id,
                now=now,
                lease_until=now + self._lease,
            )
        except StoreError as error:
            self._journal.unclaimed(envelope.trace_id, reason=type(error).__name__)
            claimed = frozenset()
        except Exception as error:  # noqa: BLE001  # Another batch may be accepted already: nothing may raise.
            self._journal.crashed(envelope.trace_id, error)
            claimed = frozenset()
        result: list[Transaction | Outcome] = []
        for delivery_id, transaction in zip(ids, ready, strict=True):
            if isinstance(transaction, Outcome) or delivery_id in claimed:
                result.append(transaction)
            else:
                await transaction.release()
                result.append(Outcome(DeliveryState.SENDING, None, "claimed-by-another-try"))
        return result

    async def _transmit(
        self, envelope: Envelope, copy: Copy | Outcome, deadline: float
    ) -> Transaction | Outcome:
        """Send everything but the final dot; return the transaction that waits for it, or what went wrong."""
        if isinstance(copy, Outcome):
            return copy
        transaction: Transaction | None = None
        try:
            async with asyncio.timeout_at(deadline):
                transaction = await self._next_hop.begin()
                sender = envelope.sender.with_size(len(copy.content))
                refusal = await transaction.offer(sender, copy.recipients, copy.content)
            if refusal is None:
                return transaction
            outcome = _told(refusal)
        except Deferred as deferred:
            outcome = Outcome(DeliveryState.DEFERRED, deferred.reply, deferred.reason)
        except TimeoutError:
            outcome = Outcome(DeliveryState.DEFERRED, replies.next_hop_too_slow(), "deadline")
        except Exception as error:  # noqa: BLE001  # Another copy may be accepted already: nothing may raise.
            self._journal.crashed(envelope.trace_id, error)
            outcome = Outcome(DeliveryState.DEFERRED, replies.internal_error(envelope.trace_id), "crashed")
        if transaction is not None:
            await transaction.release()
        return outcome

    async def _finish(self, envelope: Envelope, ready: Transaction | Outcome, deadline: float) -> Outcome:
        """Send the final dot, unless the copy's fate is decided already."""
        if isinstance(ready, Outcome):
            return ready
        try:
            async with asyncio.timeout_at(deadline):
                reply = await ready.finish()
            return _told(reply)
        except OutcomeUnknown as unknown:
            return Outcome(DeliveryState.UNKNOWN, unknown.reply, unknown.reason)
        except TimeoutError:
            return Outcome(DeliveryState.UNKNOWN, replies.next_hop_too_slow(), "deadline")
        except Deferred as deferred:
            return Outcome(DeliveryState.DEFERRED, deferred.reply, deferred.reason)
        except Exception as error:  # noqa: BLE001  # Another copy may be accepted already: nothing may raise.
            self._journal.crashed(envelope.trace_id, error)
            return Outcome(DeliveryState.UNKNOWN, replies.internal_error(envelope.trace_id), "crashed")
        finally:
            await ready.release()

    async def settle(self, trace_id: str, settlements: Sequence[Settlement]) -> None:
        """Record the outcomes; when that fails, go on trying beside the path."""
        try:
            await self._store.run(ledger.settle, settlements, claimed_by=trace_id, now=self._clock())
        except Exception as error:  # noqa: BLE001  # The next hop has the mail: a 451 would send it twice.
            if not isinstance(error, StoreError):
                self._journal.crashed(trace_id, error)
            for settlement in settlements:
                self._journal.unsettled(trace_id, delivery=settlement.delivery_id, state=settlement.state)
            task = asyncio.create_task(self._settle_later(trace_id, settlements))
            self._unsettled.add(task)
            task.add_done_callback(self._unsettled.discard)

    async def _settle_later(self, trace_id: str, settlements: Sequence[Settlement]) -> None:
        pause = SETTLE_AGAIN
        deadline = self._clock() + self._lease
        while self._clock() < deadline:
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, SETTLE_AGAIN_AT_MOST)
            with contextlib.suppress(StoreError):
                await self._store.run(ledger.settle, settlements, claimed_by=trace_id, now=self._clock())
                return


def _told(reply: Reply) -> Outcome:
    """Return what the next hop's reply means for the copy."""
    if reply.accepted:
        return Outcome(DeliveryState.ACCEPTED, reply)
    state = DeliveryState.REFUSED if reply.permanent else DeliveryState.DEFERRED
    return Outcome(state, reply, f"next hop said {reply.code}")


def _settlement(delivery: Delivery, copy: Copy | Outcome, outcome: Outcome) -> Settlement:
    return Settlement(
        delivery_id=delivery.id,
        state=outcome.state,
        reply_code=outcome.reply.code if outcome.reply else None,
        reply_text=outcome.reply.text() if outcome.reply else None,
        sent_digest=copy.digest if isinstance(copy, Copy) and outcome.state in _LEFT else None,
    )
