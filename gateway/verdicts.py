"""What the client hears of one message: one reply for all its copies, or over LMTP one for each recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway import replies
from gateway.copies import Outcome
from gateway.envelope import Envelope
from gateway.replies import Reply
from store.records import Delivery, DeliveryState


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one message."""

    reply: Reply
    """For all recipients together, as SMTP has it."""
    own: Mapping[bytes, Reply]
    """For some recipients, by their address, a reply that is theirs alone."""

    def to(self, address: bytes) -> Reply:
        """Return the reply that LMTP gives for this recipient (RFC 2033, section 4.2)."""
        return self.own.get(address, self.reply)


def for_all(reply: Reply) -> Verdict:
    """Return the verdict of a message that went as it came, or did not go."""
    return Verdict(reply, {})


def of_copies(envelope: Envelope, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> Verdict:
    """Return the verdict of a marked message; `outcomes` belong to `deliveries`, in their order.

    Over LMTP a recipient without an outcome is one of a group whose copy was accepted on an earlier try.
    """
    trace_id = envelope.trace_id
    together = reply_for(outcomes, trace_id)
    own = dict.fromkeys((recipient.address for recipient in envelope.recipients), replies.delivered(trace_id))
    for delivery, outcome in zip(deliveries, outcomes, strict=True):
        own |= dict.fromkeys(delivery.recipients, reply_for([outcome], trace_id))
    return Verdict(together, own)


def reply_for(outcomes: Sequence[Outcome], trace_id: str) -> Reply:
    """Return the one reply that the outcomes of all copies add up to.

    | copies                                      | reply                                               |
    |---------------------------------------------|-----------------------------------------------------|
    | all accepted, or refused and the sender told | 250                                                |
    | all refused                                 | the first refusal, as it came                       |
    | one copy, deferred by a reply               | that reply, as it came                              |
    | the open ones held by another               | 451; the client's other session has them in hand    |
    | anything else                               | 451; a retry sends only the copies not yet accepted |
    """
    states = [outcome.state for outcome in outcomes]
    if all(state.done for state in states):
        texts = [outcome.reply.text() for outcome in outcomes if outcome.reply and outcome.reply.accepted]
        return replies.delivered(trace_id, _printable(texts[0]) if len(texts) == 1 else "")
    answers = [outcome.reply for outcome in outcomes if outcome.reply and not outcome.reply.accepted]
    if all(state is DeliveryState.REFUSED for state in states) and answers:
        return answers[0]
    if len(outcomes) == 1 and answers and answers[0].temporary:
        return answers[0]
    if all(state.done or state is DeliveryState.SENDING for state in states):
        return replies.in_another_session(trace_id)
    return replies.partly_delivered(sum(state.done for state in states), len(states), trace_id)


def _printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:200]
