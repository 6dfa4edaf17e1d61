"""ONE MESSAGE, from the client's final dot to our one reply.

    refuse loops, bare CR or LF, NUL
      | find the marker         none: the same bytes to the same transaction; its reply is our reply
      | may it be rewritten?    no: pass as it came, with a reason code
      | split the recipients    colleagues and agencies never get a personal link
      | write each copy         marker replaced by the invitation, checked, stamped, DKIM-signed
      | open the ledger         one transaction: candidates captured, deliveries pending, links fixed
      | deliver the copies      all bytes sent before any final dot
      | settle the ledger       accepted, refused, deferred, unknown; then one reply for all

Copies are written before the ledger is opened, so that a message which cannot be rewritten after all
passes as it came and captures nobody.
A link is derived from the message and the recipient, so a retry writes the same one; where the ledger
remembers another (the key was changed in between), the ledger's stands.

Before the next hop has answered, an error is a 451 and the client's queue keeps the mail.
After it has answered, nothing may raise: our 451 would send the candidate the same mail again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TypeVar

from gateway import replies
from gateway.copies import Copy, MarkedMessage, PassReason, Scribe, Unfit, reply_for
from gateway.delivery import CopyDelivery, Transaction
from gateway.envelope import Envelope
from gateway.journal import Journal
from gateway.mail import eligible, marker, trace
from gateway.mail.eligible import Reason
from gateway.replies import Deferred, Refused, Reply
from store import ledger, partners
from store.database import Store
from store.errors import StoreError
from store.records import Arrival, CopyKind, Delivery, LedgerEntry, PlannedCopy

MAX_HOPS = 100
"""Received fields before a message counts as looping; RFC 5321, section 6.3 asks for at least 100."""

LARGE = 256 * 1024
"""Octets up to which looking at a message takes less than a millisecond; a thread costs a tenth of one."""

T = TypeVar("T")

_FAULTS = {
    trace.Fault.BARE_CR: replies.bare_line_ending,
    trace.Fault.BARE_LF: replies.bare_line_ending,
    trace.Fault.NUL: replies.nul_byte,
}


class MessageJourney:
    """Carries each message from the client's final dot to the reply."""

    def __init__(
        self,
        *,
        store: Store,
        scribe: Scribe | None,
        delivery: CopyDelivery,
        journal: Journal,
        clock: Callable[[], datetime],
        patience: timedelta,
    ) -> None:
        """`scribe` is None while needed settings are missing: marked mail then passes as it came.

        `patience` is how long the next hop has for all of a message, less than the client's own.
        """
        self._store = store
        self._scribe = scribe
        self._delivery = delivery
        self._journal = journal
        self._clock = clock
        self._patience = patience.total_seconds()

    async def carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Reply:
        """Carry one message whose envelope the next hop has accepted on `primary`; return the client's reply.

        `content` has CRLF line ends, is not dot-stuffed and ends before the final dot.
        """
        deadline = asyncio.get_running_loop().time() + self._patience
        try:
            return await self._carry(envelope, content, primary, deadline)
        except replies.Declined as declined:
            self._journal.declined(envelope.trace_id, reason=declined.reason, reply=declined.reply.code)
            return declined.reply
        except StoreError as error:
            reply = replies.store_unavailable(envelope.trace_id)
            self._journal.declined(envelope.trace_id, reason=type(error).__name__, reply=reply.code)
            return reply

    async def _carry(
        self, envelope: Envelope, content: bytes, primary: Transaction, deadline: float
    ) -> Reply:
        if fault := await _beside(trace.fault, content):
            raise Refused(_FAULTS[fault](), fault.value)
        if trace.hops(content) > MAX_HOPS:
            raise Refused(replies.too_many_hops())
        if not await _beside(marker.might_be_marked, content):
            return await self._pass(envelope, content, primary, deadline, PassReason.UNMARKED)
        if self._scribe is None:
            return await self._pass(envelope, content, primary, deadline, PassReason.UNPREPARED)
        reading = await asyncio.to_thread(
            eligible.read, content, stamp_key=self._scribe.stamp_key, null_sender=not envelope.sender.address
        )
        for found in reading.almost:
            self._journal.almost(envelope.trace_id, found)
        if reading.unfit or not reading.marker:
            reason = reading.unfit or PassReason.UNMARKED
            return await self._pass(envelope, content, primary, deadline, reason)
        fingerprint = await asyncio.to_thread(trace.fingerprint, envelope.sender.address, content)
        message = MarkedMessage(envelope, content, reading, fingerprint)
        try:
            copies, entry = await self._prepare(self._scribe, message, deadline)
        except Unfit as unfit:
            await self._must_be_new(message)
            return await self._pass(envelope, content, primary, deadline, unfit.reason)
        await primary.release()
        return await self._deliver(message, copies, entry, deadline)

    async def _prepare(
        self, scribe: Scribe, message: MarkedMessage, deadline: float
    ) -> tuple[tuple[Copy, ...], LedgerEntry]:
        """Write the copies, open the ledger, and write again what the ledger remembers otherwise."""
        try:
            async with asyncio.timeout_at(deadline):
                copies = await self._write(scribe, message)
                arrival = Arrival(
                    fingerprint=message.fingerprint,
                    trace_id=message.envelope.trace_id,
                    mail_from=message.envelope.sender.address,
                    copies=tuple(copy.plan for copy in copies),
                )
                entry = await self._store.run(ledger.open_message, arrival, now=self._clock())
                pairs = zip(arrival.copies, entry.deliveries, strict=True)
                remembered = tuple(_as_remembered(plan, delivery) for plan, delivery in pairs)
                if remembered != arrival.copies:
                    copies = await self._write(scribe, message, remembered)
                return copies, entry
        except TimeoutError:
            raise Deferred(replies.store_unavailable(message.envelope.trace_id), "deadline") from None

    async def _must_be_new(self, message: MarkedMessage) -> None:
        """Defer a retry whose copies are on the ledger: passed as it came, some would get it twice.

        Between the tries somebody took away the key or the partner; the mail waits until they are back.
        """
        if await self._store.run(ledger.find_message, message.fingerprint) is not None:
            raise Deferred(replies.internal_error(message.envelope.trace_id), "retry-cannot-be-rewritten")

    async def _pass(
        self,
        envelope: Envelope,
        content: bytes,
        primary: Transaction,
        deadline: float,
        reason: PassReason | Reason,
    ) -> Reply:
        """Send the same bytes on the transaction that already holds the envelope."""
        try:
            async with asyncio.timeout_at(deadline):
                reply = await primary.deliver(content)
        except TimeoutError:
            raise Deferred(replies.next_hop_too_slow(), "deadline") from None
        self._journal.passed(
            envelope.trace_id,
            reason=reason,
            size=len(content),
            recipients=len(envelope.recipients),
            reply=reply.code,
            queue_id=reply.queue_id,
        )
        return reply

    async def _write(
        self, scribe: Scribe, message: MarkedMessage, remembered: Sequence[PlannedCopy] | None = None
    ) -> tuple[Copy, ...]:
        """Write a copy for each plan, in a thread, because a signature takes milliseconds."""
        now = self._clock()
        known = await self._store.run(partners.list_partners)
        names = tuple(partner.legal_name for partner in known if partner.may_be_offered(now))
        if not names:
            raise Unfit(PassReason.NO_PARTNER)
        date = format_datetime(now)

        def write() -> tuple[Copy, ...]:
            plans = scribe.plan(message) if remembered is None else remembered
            return tuple(scribe.write(message, plan, partners=names, date=date) for plan in plans)

        return await asyncio.to_thread(write)

    async def _deliver(
        self, message: MarkedMessage, copies: tuple[Copy, ...], entry: LedgerEntry, deadline: float
    ) -> Reply:
        """Deliver the copies, record what became of them, and make one reply of it."""
        trace_id = message.envelope.trace_id
        outcomes = await self._delivery.deliver(message.envelope, entry, copies, deadline=deadline)
        reply = reply_for(outcomes, trace_id)
        candidates = sum(copy.plan.kind is CopyKind.CANDIDATE for copy in copies)
        self._journal.invited(
            trace_id,
            attempt=entry.attempts,
            candidates=candidates,
            internal=len(copies) - candidates,
            reply=reply.code,
        )
        return reply


def _as_remembered(plan: PlannedCopy, delivery: Delivery) -> PlannedCopy:
    """Return the plan with what the ledger fixed on the first try."""
    return replace(plan, recipients=delivery.recipients, link_id=delivery.link_id, details=delivery.details)


async def _beside(look: Callable[[bytes], T], content: bytes) -> T:
    """Look at the content: here when it is small, else in a thread, so that other sessions go on."""
    if len(content) <= LARGE:
        return look(content)
    return await asyncio.to_thread(look, content)
