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

from gateway import replies
from gateway.copies import Copy, MarkedMessage, PassReason, Scribe, Unwritable, reply_for
from gateway.delivery import CopyDelivery, Transaction
from gateway.envelope import Envelope
from gateway.journal import Journal
from gateway.mail import eligible, marker, trace
from gateway.mail.eligible import Reason
from gateway.replies import Deferred, Refused, Reply
from store import ledger, partners
from store.database import Store
from store.errors import StoreError
from store.records import Arrival, CopyKind, PlannedCopy

MAX_HOPS = 100
"""Received fields before a message counts as looping; RFC 5321, section 6.3 asks for at least 100."""

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
        """`scribe` is None while the organisation's data are incomplete: marked mail passes as it came.

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
        try:
            return await self._carry(envelope, content, primary)
        except replies.Declined as declined:
            self._journal.declined(envelope.trace_id, reason=declined.reason, reply=declined.reply.code)
            return declined.reply
        except StoreError as error:
            reply = replies.store_unavailable(envelope.trace_id)
            self._journal.declined(envelope.trace_id, reason=type(error).__name__, reply=reply.code)
            return reply

    async def _carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Reply:
        if fault := trace.fault(content):
            raise Refused(_FAULTS[fault](), fault.value)
        if trace.hops(content) > MAX_HOPS:
            raise Refused(replies.too_many_hops())
        if not marker.might_be_marked(content):
            return await self._pass(envelope, content, primary, PassReason.UNMARKED)
        if self._scribe is None:
            return await self._pass(envelope, content, primary, PassReason.ORGANISATION_INCOMPLETE)
        reading = await asyncio.to_thread(
            eligible.read, content, stamp_key=self._scribe.stamp_key, null_sender=not envelope.sender.address
        )
        for found in reading.almost:
            self._journal.almost(envelope.trace_id, found)
        if reading.unfit or not reading.marker:
            return await self._pass(envelope, content, primary, reading.unfit or PassReason.UNMARKED)
        message = MarkedMessage(envelope, content, reading)
        try:
            copies = await self._write(self._scribe, message)
        except Unwritable as unwritable:
            await self._must_be_new(message)
            return await self._pass(envelope, content, primary, unwritable.reason)
        await primary.release()
        return await self._invite(self._scribe, message, copies)

    async def _must_be_new(self, message: MarkedMessage) -> None:
        """Defer a retry whose copies are on the ledger: passed as it came, some would get it twice.

        Between the tries somebody took away the key or the partner; the mail waits until they are back.
        """
        if await self._store.run(ledger.find_message, message.fingerprint) is not None:
            raise Deferred(replies.internal_error(message.envelope.trace_id), "retry-cannot-be-rewritten")

    async def _pass(
        self, envelope: Envelope, content: bytes, primary: Transaction, reason: PassReason | Reason
    ) -> Reply:
        """Send the same bytes on the transaction that already holds the envelope."""
        try:
            async with asyncio.timeout(self._patience):
                reply = await primary.deliver(content)
        except TimeoutError:
            raise Deferred(replies.next_hop_too_slow()) from None
        self._journal.passed(
            envelope.trace_id,
            reason=reason,
            size=len(content),
            recipients=len(envelope.recipients),
            reply=reply.code,
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
            raise Unwritable(PassReason.NO_PARTNER)
        date = format_datetime(now)

        def write() -> tuple[Copy, ...]:
            plans = scribe.plan(message) if remembered is None else remembered
            return tuple(scribe.write(message, plan, partners=names, date=date) for plan in plans)

        return await asyncio.to_thread(write)

    async def _invite(self, scribe: Scribe, message: MarkedMessage, copies: tuple[Copy, ...]) -> Reply:
        """Record the candidates, deliver the copies, record what became of them, and make one reply of it."""
        deadline = asyncio.get_running_loop().time() + self._patience
        trace_id = message.envelope.trace_id
        arrival = Arrival(
            fingerprint=message.fingerprint,
            trace_id=trace_id,
            mail_from=message.envelope.sender.address,
            copies=tuple(copy.plan for copy in copies),
        )
        entry = await self._store.run(ledger.open_message, arrival, now=self._clock())
        remembered = tuple(
            replace(
                copy.plan,
                recipients=delivery.recipients,
                link_id=delivery.link_id,
                details=delivery.details,
            )
            for copy, delivery in zip(copies, entry.deliveries, strict=True)
        )
        if remembered != arrival.copies:
            copies = await self._write(scribe, message, remembered)
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
