"""ONE MESSAGE, from the client's final dot to our reply.

    refuse loops, bare CR or LF, NUL
      | find the marker         none: the same bytes to the same transaction; its reply is our reply
      | may it be rewritten?    no: pass as it came, with a reason code
      | split the recipients    colleagues and agencies never get a personal link
      | write one copy          to see that it can be done
      | open the ledger         one transaction: candidates captured, deliveries pending, links fixed
      | write each copy         marker replaced by the invitation, checked, stamped, DKIM-signed
      | deliver the copies      all bytes sent before any final dot
      | settle the ledger       accepted, refused, deferred, unknown
      | tell of refusals        one report when the other copies were accepted; then one reply for all

One copy is written before the ledger is opened, so that a message which cannot be rewritten after all passes
as it came and captures nobody.
A link is derived from the message and the recipient, so a retry writes the same one; where the ledger
remembers another (the key was changed in between), the ledger's stands.

Before the next hop has answered, an error is a 451 and the client's queue keeps the mail.
After it has answered, nothing may raise: our 451 would send the candidate the same mail again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TypeVar

from gateway import replies, verdicts
from gateway.copies import Copy, MarkedMessage, PassReason, Plan, Scribe, Unfit
from gateway.delivery import CopyDelivery, Transaction, Writer
from gateway.envelope import Envelope
from gateway.journal import Journal
from gateway.mail import eligible, marker, trace
from gateway.mail.eligible import Reason
from gateway.replies import Deferred, Refused
from gateway.reporting import Reporter
from gateway.verdicts import Verdict, for_all
from store import ledger, partners
from store.database import Store
from store.errors import StoreError
from store.records import Arrival, CopyKind, PlannedCopy

MAX_HOPS = 100
"""Received fields before a message counts as looping; RFC 5321, section 6.3 asks for at least 100."""

LARGE = 5 << 18
"""Octets up to which looking at a message takes 3 ms, and 0.1 s where it is made to be slow.

A thread would not be faster: it and the loop take the interpreter from each other, 5 ms at a time.
"""

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
        reporter: Reporter,
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
        self._reporter = reporter
        self._journal = journal
        self._clock = clock
        self._patience = patience.total_seconds()

    async def carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Verdict:
        """Carry one message whose envelope the next hop has accepted on `primary`; return what became of it.

        `content` has CRLF line ends, is not dot-stuffed and ends before the final dot.
        """
        deadline = asyncio.get_running_loop().time() + self._patience
        try:
            return await self._carry(envelope, content, primary, deadline)
        except replies.Declined as declined:
            self._journal.declined(envelope.trace_id, reason=declined.reason, reply=declined.reply.code)
            return for_all(declined.reply)
        except StoreError as error:
            reply = replies.store_unavailable(envelope.trace_id)
            self._journal.declined(envelope.trace_id, reason=type(error).__name__, reply=reply.code)
            return for_all(reply)

    async def _carry(
        self, envelope: Envelope, content: bytes, primary: Transaction, deadline: float
    ) -> Verdict:
        if fault := await _beside(trace.fault, content):
            raise Refused(_FAULTS[fault](), fault.value)
        if trace.hops_beyond(content, MAX_HOPS):
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
        if reading.marker and reading.marker.unknown:
            self._journal.meaningless(envelope.trace_id, words=len(reading.marker.unknown))
        if reading.unfit or not reading.marker:
            reason = reading.unfit or PassReason.UNMARKED
            return await self._pass(envelope, content, primary, deadline, reason)
        fingerprint = await _beside(partial(trace.fingerprint, envelope.sender.address), content)
        message = MarkedMessage(envelope, content, reading, fingerprint)
        try:
            async with asyncio.timeout_at(deadline):
                write, plans = await self._plan(self._scribe, message)
        except Unfit as unfit:
            return await self._earlier(message) or await self._pass(
                envelope, content, primary, deadline, unfit.reason
            )
        except TimeoutError:
            raise Deferred(replies.store_unavailable(envelope.trace_id), "deadline") from None
        await primary.release()
        return await self._invite(message, write, plans, deadline)

    async def _plan(self, scribe: Scribe, message: MarkedMessage) -> tuple[Writer, tuple[PlannedCopy, ...]]:
        """Decide which copies are to be made, and write one of them to see that it can be done.

        Returns what writes each copy, and does not write that one again. Raises `Unfit`.
        """
        now = self._clock()
        known = await self._store.run(partners.list_partners)
        names = tuple(partner.legal_name for partner in known if partner.may_be_offered(now))
        if not names:
            raise Unfit(PassReason.NO_PARTNER)
        write = partial(scribe.write, message, partners=names, date=format_datetime(now))

        def try_one() -> tuple[Plan, Copy]:
            plan = scribe.plan(message)
            return plan, write(plan.copies[0])

        planned, tried = await asyncio.to_thread(try_one)
        for conflict in planned.conflicts:
            sources = dict.fromkeys(finding.source for finding in conflict.findings)
            self._journal.contradicting(message.envelope.trace_id, what=conflict.what, sources=tuple(sources))
        return lambda plan: tried if plan == tried.plan else write(plan), planned.copies

    async def _earlier(self, message: MarkedMessage) -> Verdict | None:
        """Return the verdict for a retry that cannot be rewritten any more, or None for a new message.

        Passed as it came, a recipient whose copy was accepted would get it again. So it waits until the key
        or the partner that somebody took away between the tries is back.
        """
        entry = await self._store.run(ledger.find_message, message.fingerprint)
        if entry is None:
            return None
        trace_id = message.envelope.trace_id
        if all(delivery.state.done for delivery in entry.deliveries):
            return for_all(replies.delivered(trace_id))
        raise Deferred(replies.internal_error(trace_id), "retry-cannot-be-rewritten")

    async def _pass(
        self,
        envelope: Envelope,
        content: bytes,
        primary: Transaction,
        deadline: float,
        reason: PassReason | Reason,
    ) -> Verdict:
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
        return for_all(reply)

    async def _invite(
        self, message: MarkedMessage, write: Writer, plans: tuple[PlannedCopy, ...], deadline: float
    ) -> Verdict:
        """Record the candidates, deliver the copies, record what became of them, and make a verdict of it."""
        trace_id = message.envelope.trace_id
        arrival = Arrival(
            fingerprint=message.fingerprint,
            trace_id=trace_id,
            mail_from=message.envelope.sender.address,
            copies=plans,
            message_id=trace.message_id(message.content) or b"",
        )
        try:
            async with asyncio.timeout_at(deadline):
                entry = await self._store.run(ledger.open_message, arrival, now=self._clock())
        except TimeoutError:
            raise Deferred(replies.store_unavailable(trace_id), "deadline") from None
        outcomes = await self._delivery.deliver(message.envelope, entry, write, deadline=deadline)
        outcomes = await self._reporter.report(message, entry.deliveries, outcomes, deadline=deadline)
        verdict = verdicts.of_copies(message.envelope, entry.deliveries, outcomes)
        candidates = sum(plan.kind is CopyKind.CANDIDATE for plan in plans)
        self._journal.invited(
            trace_id,
            attempt=entry.attempts,
            candidates=candidates,
            internal=len(plans) - candidates,
            reply=verdict.reply.code,
        )
        return verdict


async def _beside(look: Callable[[bytes], T], content: bytes) -> T:
    """Look at the content: here when it is small, else in a thread, so that other sessions go on."""
    if len(content) <= LARGE:
        return look(content)
    return await asyncio.to_thread(look, content)
