"""The SMTP and LMTP door: a client's mail, mirrored live to the next hop (RFC 5321, RFC 2033).

- MAIL and RCPT are answered with the next hop's own replies.
- After a 4xx to MAIL, or a mishap, RCPT and DATA get the same 4xx until the client starts anew: a pipelining
  client must not read a 503 about a missing MAIL as the end of its mail.
- From the final dot on, the relay is a task of its own. The client may go; the mail arrives.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway import replies
from gateway.delivery import Transaction
from gateway.envelope import Envelope, Recipient, Sender
from gateway.replies import Declined, Deferred, Refused, Reply
from gateway.smtp import commands
from gateway.smtp.budget import Reservation
from gateway.smtp.content import ContentReader
from gateway.smtp.dialogue import Verb
from gateway.smtp.doorstep import Doorstep
from gateway.smtp.extensions import Extensions, limits_line, mirror, missing
from gateway.smtp.refusals import RefusalReason
from gateway.smtp.rules import DoorRules, Household
from gateway.smtp.sessions import Sessions
from gateway.verdicts import Verdict, for_all

_NOT_IN_NAMES = bytes(range(0x21)) + b"\x7f"
"""Controls and the blank."""

LEAST_RATE = 1024
"""Octets in a second that a content must come at in the long run: less is no client but an attack."""


@dataclass(slots=True)
class _OpenMail:
    """The mail between MAIL and the final dot."""

    trace_id: str
    sender: Sender
    primary: Transaction
    room: Reservation
    recipients: list[Recipient] = field(default_factory=list)


class Door(Doorstep):
    """One client's session on a relay listener."""

    def __init__(
        self,
        rules: DoorRules,
        household: Household,
        sessions: Sessions,
        peer: tuple[str, int] | None = None,
    ) -> None:
        """`peer` is the client where somebody has announced it."""
        super().__init__(rules, household, sessions, peer)
        # What can never fit is refused for good; what has no room now may come again.
        self._max_octets = min(rules.max_message_octets, household.memory.max_octets)
        self._extensions = Extensions((), self._max_octets, rules.max_recipients)
        self._helo = b""
        self._extended = False
        self._mail: _OpenMail | None = None
        self._mails = 0
        self._refusal: Reply | None = None
        self._journalled: set[RefusalReason] = set()

    def vocabulary(self) -> Mapping[str, Verb]:
        """Return the commands of a relay."""
        greetings = {"LHLO": self.ehlo} if self._rules.lmtp else {"HELO": self.helo, "EHLO": self.ehlo}
        return {
            **super().vocabulary(),
            **greetings,
            "MAIL": self.mail,
            "RCPT": self.rcpt,
            "DATA": self.data,
            "RSET": self.rset,
        }

    async def ehlo(self, argument: bytes) -> None:
        """Begin anew, and promise what the next hop offers now."""
        helo = _name(argument, "EHLO hostname")
        await self._start_over()
        try:
            offers = await self._household.next_hop.offers()
        except Deferred:
            offers = {}  # the session works, MAIL says what is wrong
        extensions = mirror(
            offers, self._max_octets, max_recipients=self._rules.max_recipients, own=self.own_lines()
        )
        limits = limits_line(extensions.max_recipients, self._rules.max_mails)
        self._extensions = replace(extensions, own=(limits, *extensions.own))
        self._helo, self._extended = helo, True
        await self.send(Reply(250, (self.hostname.encode("ascii"), *self._extensions.ehlo_lines())))

    async def helo(self, argument: bytes) -> None:
        """Begin anew, without extensions."""
        helo = _name(argument, "HELO hostname")
        await self._start_over()
        self._extensions = Extensions((), self._max_octets, self._rules.max_recipients)
        self._helo, self._extended = helo, False
        await self.send(Reply(250, (self.hostname.encode("ascii"),)))

    async def mail(self, argument: bytes) -> None:
        """Open a mail here and at the next hop."""
        if not self._helo:
            raise Refused(replies.bad_sequence(f"send {'LHLO' if self._rules.lmtp else 'EHLO'} first"))
        if self._mail is not None:
            raise Refused(replies.bad_sequence("a mail is open already"))
        self._refusal = None
        sender = commands.parse_mail(argument)
        size = self._extensions.check_sender(sender)
        if refusal := self._rules.access.refusal(self.client, sender):
            raise refusal
        if self._mails >= self._rules.max_mails:
            raise Deferred(replies.too_many_mails(), "mails-in-session")
        self._mails += 1
        sender = commands.without_parameter(sender, b"AUTH")
        next_hop, room = self._household.next_hop, self._household.memory.open()
        self._mail = mail = _OpenMail(self._household.new_trace_id(), sender, await next_hop.begin(), room)
        if not room.cover(size):
            raise Deferred(replies.out_of_memory(), "memory-budget")
        if lost := missing(sender, await next_hop.offers()):
            raise Deferred(replies.extension_lost(lost))
        reply = await mail.primary.mail(sender)
        if not reply.accepted:
            await self._start_over()
            self._refusal = reply if reply.temporary else None
        await self.send(reply)

    async def rcpt(self, argument: bytes) -> None:
        """Ask the next hop about a recipient."""
        mail = self._mail_or_refusal()
        if isinstance(mail, Reply):
            await self.send(mail)
            return
        recipient = commands.parse_rcpt(argument)
        self._extensions.check_recipient(recipient, mail.sender)
        if len(mail.recipients) >= self._extensions.max_recipients:
            await self.send(replies.too_many_recipients())
            return
        reply = await mail.primary.rcpt(recipient)
        if reply.accepted:
            mail.recipients.append(recipient)
        await self.send(reply)

    async def data(self, argument: bytes) -> None:
        """Take the content, then see it through whatever the client does."""
        if await self._lines.more_waits():
            # DATA is the last command of a group (RFC 2920, section 3.1). Once it is refused, the content of
            # a client that does not wait would count as commands, and a mail within the mail be relayed.
            raise Deferred(replies.talked_early(), "content-before-354")
        mail = self._mail_or_refusal()
        if isinstance(mail, Reply):
            await self.send(mail)
            return
        if not mail.recipients:
            raise Refused(replies.bad_sequence("no valid recipients"))
        if argument:
            raise Refused(replies.bad_argument("DATA"))
        await self.send(replies.go_ahead())
        self.replies_due = len(mail.recipients) if self._rules.lmtp else 1
        content = await self._read_content(mail.room)
        self._mail = None  # it is the relay's from here on
        relay = self._sessions.spawn(self._relay(mail, content))
        relay.add_done_callback(lambda _: mail.room.shrink(0))  # also when a stop cancels it unbegun
        verdict = await asyncio.shield(relay)
        self.replies_due = 1
        if not self._rules.lmtp:
            await self.send(verdict.reply)
            return
        for recipient in mail.recipients:
            await self.send(verdict.to(recipient.address))

    async def rset(self, argument: bytes) -> None:
        """Give up the open mail."""
        if argument:
            raise Refused(replies.bad_argument("RSET"))
        await self._start_over()
        await self.send(replies.ok())

    async def crash(self, error: Exception) -> Reply:
        """Journal an error of ours and give up the open mail."""
        trace_id = self._trace_id()
        self._household.journal.crashed(trace_id, error)
        reply = replies.internal_error(trace_id)
        await self._give_up(reply)
        return reply

    async def put_off(self, deferred: Deferred) -> None:
        """Journal why the mail is not taken now, and let go of it."""
        self._household.journal.declined(self._trace_id(), reason=deferred.reason, reply=deferred.reply.code)
        await self._give_up(deferred.reply)

    async def turn_down(self, refused: Refused) -> None:
        """Journal a refusal for a reason of ours, once for each reason, and let go of the open mail."""
        reason = refused.reason
        if not isinstance(reason, RefusalReason):
            return
        told = reason in self._journalled
        self._journalled.add(reason)
        self._household.journal.declined(self._trace_id(), reason=reason, reply=refused.reply.code, told=told)
        await self._start_over()

    async def _give_up(self, reply: Reply) -> None:
        """Let go of the open mail; what the client has pipelined behind it gets the same reply."""
        await self._start_over()
        self._refusal = reply

    def depart(self) -> None:
        """Give the connection to the next hop back, in a task of its own."""
        super().depart()
        mail, self._mail = self._mail, None
        if mail is not None:
            mail.room.shrink(0)
            self._sessions.spawn(mail.primary.release())

    async def _start_over(self) -> None:
        mail, self._mail = self._mail, None
        self._refusal = None
        if mail is not None:
            mail.room.shrink(0)
            await mail.primary.release()

    async def start_anew(self) -> None:
        """Forget the client's name, and give up the open mail."""
        await self._start_over()
        self._helo, self._extended = b"", False

    def in_mail(self) -> bool:
        """Whether a mail is open, which a stop lets the client finish."""
        return self._mail is not None

    def may_log_in(self) -> bool:
        """Whether this is the place for AUTH: after EHLO, outside of a mail."""
        return self._extended and self._mail is None

    def _trace_id(self) -> str:
        return self._mail.trace_id if self._mail else self._household.new_trace_id()

    def _mail_or_refusal(self) -> _OpenMail | Reply:
        """Return the open mail, or the 4xx that ended it; raises `Refused` when there was none."""
        found = self._mail or self._refusal
        if found is None:
            raise Refused(replies.bad_sequence("send MAIL first"))
        return found

    async def _read_content(self, room: Reservation) -> bytes:
        """Return the message, without added dots and final dot.

        Raises `Refused` when it was too big, and `Deferred` when there was no room for it; at its end, for
        a client listens no sooner.
        """
        content = ContentReader(self._extensions.max_octets, room)
        began = self.loop.time()
        rest: bytes | None = None
        while rest is None:
            left = began + self._rules.content_seconds + content.octets / LEAST_RATE - self.loop.time()
            rest = content.feed(await self.content_chunk(min(self._rules.data_seconds, left)))
        self._lines.unread(rest)
        self.new_patience()
        if content.too_big:
            raise Refused(replies.message_too_big(self._extensions.max_octets), RefusalReason.TOO_BIG)
        if content.crowded_out:
            raise Deferred(replies.out_of_memory(), "memory-budget")
        return content.content()

    async def _relay(self, mail: _OpenMail, content: bytes) -> Verdict:
        """Carry the message and give the connection back; never raises."""
        host, port = self._peer
        envelope = Envelope(
            trace_id=mail.trace_id,
            peer=f"[{host}]:{port}" if ":" in host else f"{host or 'unknown'}:{port}",
            helo=self._helo,
            protocol=self.protocol if self._extended else "SMTP",
            sender=mail.sender,
            recipients=tuple(mail.recipients),
        )
        try:
            if not self._rules.tenant.given(content):
                reply = replies.tenant_unproven()
                self._household.journal.declined(mail.trace_id, reason=RefusalReason.TENANT, reply=reply.code)
                return for_all(reply)
            return await self._household.journey.carry(envelope, content, mail.primary)
        except Declined as declined:
            return for_all(declined.reply)
        except Exception as error:  # noqa: BLE001  # The last line of defence: no text, no 5xx.
            self._household.journal.crashed(mail.trace_id, error)
            return for_all(replies.internal_error(mail.trace_id))
        finally:
            await mail.primary.release()


def _name(argument: bytes, syntax: str) -> bytes:
    """Return the client's name for itself; it is repeated in Received, so it must be one printable word."""
    if not argument or argument.translate(None, _NOT_IN_NAMES) != argument:
        raise Refused(replies.bad_argument(syntax))
    return argument
