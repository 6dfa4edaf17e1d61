"""The SMTP door: a client's mail, mirrored live to the next hop (RFC 5321).

- MAIL and RCPT are answered with the next hop's own replies.
- After a 4xx to MAIL, or a mishap, RCPT and DATA get the same 4xx until the client starts anew: a pipelining
  client must not read a 503 about a missing MAIL as the end of its mail.
- From the final dot on, the relay is a task of its own. The client may go; the mail arrives.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway import replies
from gateway.delivery import Transaction
from gateway.envelope import Envelope, Recipient, Sender
from gateway.replies import Declined, Deferred, Refused, Reply
from gateway.smtp import commands
from gateway.smtp.access import AccessRules
from gateway.smtp.content import ContentReader
from gateway.smtp.dialogue import Verb
from gateway.smtp.extensions import Extensions, mirror, missing
from gateway.smtp.refusals import RefusalReason
from gateway.smtp.sessions import Sessions
from gateway.smtp.small_commands import SmallCommands

_NOT_IN_NAMES = bytes(range(0x21)) + b"\x7f"
"""Controls and the blank."""


class NextHop(Protocol):
    """Where mail goes, as the door needs it."""

    async def begin(self) -> Transaction:
        """Borrow a connection; raises `Deferred` when there is none."""

    async def offers(self) -> Mapping[bytes, bytes]:
        """Return the EHLO keywords in upper case with their parameters; raises `Deferred`."""


class Journey(Protocol):
    """What becomes of a message after its final dot."""

    async def carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Reply:
        """Carry the message and return the client's reply."""


class DoorJournal(Protocol):
    """What the operator hears of the door."""

    def crashed(self, trace_id: str, error: BaseException) -> None:
        """Note an error of ours; only its class may be written down."""

    def declined(self, trace_id: str, *, reason: str, reply: int) -> None:
        """Note that a mail was not taken, and our reason."""


@dataclass(frozen=True, slots=True)
class DoorRules:
    """What one listener promises and asks."""

    hostname: str
    """Our name in the greeting."""
    access: AccessRules = field(default_factory=AccessRules)
    max_message_octets: int = 50 * 1024 * 1024
    command_seconds: float = 300
    """How long a client may be silent between commands (RFC 5321, section 4.5.3.2.7)."""
    data_seconds: float = 180
    """How long it may be silent within the content; counted anew with each read."""


@dataclass(frozen=True, slots=True)
class Household:
    """Whom a door calls."""

    next_hop: NextHop
    journey: Journey
    journal: DoorJournal
    new_trace_id: Callable[[], str]


@dataclass(slots=True)
class _OpenMail:
    """The mail between MAIL and the final dot."""

    trace_id: str
    sender: Sender
    primary: Transaction
    recipients: list[Recipient] = field(default_factory=list)


class Door(SmallCommands):
    """One client's session on a relay listener."""

    def __init__(self, rules: DoorRules, household: Household, sessions: Sessions) -> None:
        super().__init__(rules.hostname, rules.command_seconds, sessions)
        self._rules = rules
        self._household = household
        self._extensions = Extensions((), rules.max_message_octets)
        self._helo = b""
        self._protocol = "SMTP"
        self._mail: _OpenMail | None = None
        self._refusal: Reply | None = None
        self._journalled: set[RefusalReason] = set()

    def vocabulary(self) -> Mapping[str, Verb]:
        """Return the commands of a relay: no AUTH, no STARTTLS."""
        return {
            **super().vocabulary(),
            "HELO": self.helo,
            "EHLO": self.ehlo,
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
        self._extensions = mirror(offers, self._rules.max_message_octets)
        self._helo, self._protocol = helo, "ESMTP"
        await self.send(Reply(250, (self.hostname.encode("ascii"), *self._extensions.ehlo_lines())))

    async def helo(self, argument: bytes) -> None:
        """Begin anew, without extensions."""
        helo = _name(argument, "HELO hostname")
        await self._start_over()
        self._extensions = Extensions((), self._rules.max_message_octets)
        self._helo, self._protocol = helo, "SMTP"
        await self.send(Reply(250, (self.hostname.encode("ascii"),)))

    async def mail(self, argument: bytes) -> None:
        """Open a mail here and at the next hop."""
        if not self._helo:
            raise Refused(replies.bad_sequence("send EHLO first"))
        if self._mail is not None:
            raise Refused(replies.bad_sequence("a mail is open already"))
        self._refusal = None
        sender = commands.parse_mail(argument)
        self._extensions.check_sender(sender)
        if refusal := self._rules.access.refusal(self._peer[0], sender):
            raise refusal
        next_hop = self._household.next_hop
        self._mail = mail = _OpenMail(self._household.new_trace_id(), sender, await next_hop.begin())
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
        content = await self._read_content()
        if content is None:
            raise Refused(replies.message_too_big(self._extensions.max_octets), RefusalReason.TOO_BIG)
        self._mail = None  # it is the relay's from here on
        await self.send(await asyncio.shield(self._sessions.spawn(self._relay(mail, content))))

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
        if reason not in self._journalled:
            self._journalled.add(reason)
            self._household.journal.declined(self._trace_id(), reason=reason, reply=refused.reply.code)
        await self._start_over()

    async def _give_up(self, reply: Reply) -> None:
        """Let go of the open mail; what the client has pipelined behind it gets the same reply."""
        await self._start_over()
        self._refusal = reply

    def depart(self) -> None:
        """Give the connection to the next hop back, in a task of its own."""
        mail, self._mail = self._mail, None
        if mail is not None:
            self._sessions.spawn(mail.primary.release())

    async def _start_over(self) -> None:
        mail, self._mail = self._mail, None
        self._refusal = None
        if mail is not None:
            await mail.primary.release()

    def _trace_id(self) -> str:
        return self._mail.trace_id if self._mail else self._household.new_trace_id()

    def _mail_or_refusal(self) -> _OpenMail | Reply:
        """Return the open mail, or the 4xx that ended it; raises `Refused` when there was none."""
        found = self._mail or self._refusal
        if found is None:
            raise Refused(replies.bad_sequence("send MAIL first"))
        return found

    async def _read_content(self) -> bytes | None:
        """Return the message, without added dots and final dot; None when it was too big."""
        content = ContentReader(self._extensions.max_octets)
        rest: bytes | None = None
        while rest is None:
            rest = content.feed(await self.content_chunk(self._rules.data_seconds))
        self._lines.unread(rest)
        return None if content.too_big else content.content()

    async def _relay(self, mail: _OpenMail, content: bytes) -> Reply:
        """Carry the message and give the connection back; never raises."""
        host, port = self._peer
        envelope = Envelope(
            trace_id=mail.trace_id,
            peer=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            helo=self._helo,
            protocol=self._protocol,
            sender=mail.sender,
            recipients=tuple(mail.recipients),
        )
        try:
            return await self._household.journey.carry(envelope, content, mail.primary)
        except Declined as declined:
            return declined.reply
        except Exception as error:  # noqa: BLE001  # The last line of defence: no text, no 5xx.
            self._household.journal.crashed(mail.trace_id, error)
            return replies.internal_error(mail.trace_id)
        finally:
            await mail.primary.release()


def _name(argument: bytes, syntax: str) -> bytes:
    """Return the client's name for itself; it is repeated in Received, so it must be one printable word."""
    if not argument or argument.translate(None, _NOT_IN_NAMES) != argument:
        raise Refused(replies.bad_argument(syntax))
    return argument
