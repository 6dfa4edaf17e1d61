"""Telling the sender which recipients were refused, when the other copies of the message were accepted.

The client hears 250, so the refusals need a report of their own (RFC 3464); it goes through the next hop like
any mail, with a null sender, and before it is accepted there the client does not hear 250 (P2).
Over LMTP each recipient has a reply, and nothing is reported.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime

from gateway.copies import MarkedMessage, Outcome
from gateway.delivery import CopyDelivery, Transaction
from gateway.envelope import Recipient, Sender
from gateway.journal import Journal
from gateway.mail.report import Occasion, Refusal, compose
from gateway.replies import Declined, Reply
from store.errors import StoreError
from store.records import Delivery, DeliveryState, Settlement

_KEPT = (b"BODY=", b"SMTPUTF8")
"""Parameters of MAIL that a report needs as much as the mail it returns."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Writes and sends reports."""

    delivery: CopyDelivery
    journal: Journal
    clock: Callable[[], datetime]
    hostname: str

    async def report(
        self,
        message: MarkedMessage,
        deliveries: Sequence[Delivery],
        outcomes: tuple[Outcome, ...],
        *,
        deadline: float,
    ) -> tuple[Outcome, ...]:
        """Return the outcomes, with the refused copies TOLD once nothing more is to be said of them.

        Never raises: other copies are accepted already. What could not be told stays refused, and the
        client's retry tries again.
        """
        open_ones = {outcome.state for outcome in outcomes if not outcome.state.done}
        some_done = any(outcome.state.done for outcome in outcomes)
        if message.envelope.lmtp or not some_done or open_ones != {DeliveryState.REFUSED}:
            return outcomes
        refused = [
            (delivery, outcome)
            for delivery, outcome in zip(deliveries, outcomes, strict=True)
            if outcome.state is DeliveryState.REFUSED
        ]
        try:
            state = await self._tell(message, refused, deadline)
        except (Declined, StoreError, TimeoutError) as error:
            why = error.reason if isinstance(error, Declined) else type(error).__name__
            self.journal.unreported(message.envelope.trace_id, reason=str(why))
            return outcomes
        except Exception as error:  # noqa: BLE001  # Other copies are accepted already: nothing may raise.
            self.journal.crashed(message.envelope.trace_id, error)
            return outcomes
        return tuple(replace(o, state=state) if o.state is DeliveryState.REFUSED else o for o in outcomes)

    async def _tell(
        self, message: MarkedMessage, refused: Sequence[tuple[Delivery, Outcome]], deadline: float
    ) -> DeliveryState:
        """Return TOLD, or SENDING when another session has the refused copies in hand."""
        trace_id = message.envelope.trace_id
        ids = [delivery.id for delivery, _ in refused]
        refusals = [refusal for refusal in _refusals(message, refused) if refusal.wanted]
        async with asyncio.timeout_at(deadline):
            if not await self.delivery.claim_all(ids, trace_id):
                return DeliveryState.SENDING
        state = DeliveryState.REFUSED
        try:
            if refusals:
                async with asyncio.timeout_at(deadline):
                    reply = await self._send(message, refusals)
                self.journal.reported(
                    trace_id, recipients=len(refusals), reply=reply.code, queue_id=reply.queue_id
                )
                state = DeliveryState.TOLD if reply.accepted else state
            else:
                state = DeliveryState.TOLD
        finally:
            await self.delivery.settle(trace_id, [_settlement(d, outcome, state) for d, outcome in refused])
        return state

    async def _send(self, message: MarkedMessage, refusals: Sequence[Refusal]) -> Reply:
        """Send one report; return the first reply that is not a yes, or the last one."""
        envelope = message.envelope
        occasion = Occasion(
            sender=envelope.sender.address,
            parameters=envelope.sender.parameters,
            hostname=self.hostname,
            trace_id=envelope.trace_id,
            date=format_datetime(self.clock()),
        )
        content = await asyncio.to_thread(compose, occasion, refusals, message.content)
        words = envelope.sender.parameters.split()
        kept = b" ".join(word for word in words if word.upper().startswith(_KEPT))
        transaction = await self.delivery.begin()
        try:
            return await _deliver(transaction, Sender(b"", kept), envelope.sender.address, content)
        finally:
            await transaction.release()


async def _deliver(transaction: Transaction, sender: Sender, to: bytes, content: bytes) -> Reply:
    reply = await transaction.mail(sender)
    if reply.accepted:
        reply = await transaction.rcpt(Recipient(to))
    return await transaction.deliver(content) if reply.accepted else reply


def _refusals(message: MarkedMessage, refused: Sequence[tuple[Delivery, Outcome]]) -> list[Refusal]:
    parameters = {recipient.address: recipient.parameters for recipient in message.envelope.recipients}
    return [
        Refusal(
            address=address,
            parameters=parameters.get(address, b""),
            code=outcome.reply.code if outcome.reply else 550,
            text=b" ".join(outcome.reply.lines) if outcome.reply else b"",
        )
        for delivery, outcome in refused
        for address in delivery.recipients
    ]


def _settlement(delivery: Delivery, outcome: Outcome, state: DeliveryState) -> Settlement:
    return Settlement(
        delivery_id=delivery.id,
        state=state,
        reply_code=outcome.reply.code if outcome.reply else None,
        reply_text=outcome.reply.text() if outcome.reply else None,
        sent_digest=None,
    )
