"""One mail transaction on a borrowed connection to the next hop.

A transaction that the next hop ends before any content has left can be begun again on another connection.
From the first byte of the content on it cannot: the next hop may have the mail.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway import replies
from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred, OutcomeUnknown, Reply
from gateway.smtp.broken import Broken, Dropped
from gateway.smtp.connection import GO_AHEAD, SERVICE_CLOSING, Connection
from gateway.smtp.extensions import missing
from gateway.smtp.offers import DSN, RCPT_MAX, limit


class Lender(Protocol):
    """Where the connections come from, and go back to."""

    async def open(self) -> Connection:
        """Open a connection; raises `Deferred`."""

    def give_back(self, connection: Connection, *, mail_open: bool) -> None:
        """Take a connection back that is in step; the mail that may be open on it is over."""


class PooledTransaction:
    """One mail transaction; satisfies the journey's `Transaction`."""

    def __init__(self, lender: Lender, connection: Connection, *, fresh: bool) -> None:
        """`fresh` tells that the connection was opened for this mail and has not been idle."""
        self._fresh = fresh
        self._lender = lender
        self._connection: Connection | None = connection
        self._sender = Sender(b"")
        self._recipients: list[Recipient] = []
        """Those that the next hop has said yes to."""
        self._open = False
        """Whether the next hop has said yes to MAIL, and the transaction is not over."""
        self._asked = 0
        """How many RCPTs the next hop has heard."""

    async def mail(self, sender: Sender) -> Reply:
        """Send MAIL FROM; a connection that the next hop closed while it was idle is replaced once."""
        [reply] = await self._begin(sender, ())
        return reply

    async def mail_and_rcpts(self, sender: Sender, recipients: Sequence[Recipient]) -> tuple[Reply, ...]:
        """Send MAIL FROM and each RCPT TO, in one write where the next hop allows it (RFC 2920).

        Returns MAIL's reply and, when it is a yes, one for each recipient in their order, as `mail` and
        `rcpt` would one by one; after a 421 there may be fewer.
        """
        return tuple(await self._begin(sender, recipients))

    async def rcpt(self, recipient: Recipient) -> Reply:
        """Send RCPT TO and return the next hop's reply."""
        connection = self._borrowed()
        self._check_recipient(connection, recipient)
        if not self._room(connection):
            return replies.too_many_recipients()
        self._asked += 1
        try:
            [reply] = await connection.envelope([_rcpt(recipient)])
        except Broken as broken:
            raise self._lost(broken) from broken
        if reply.accepted:
            self._recipients.append(recipient)
        return reply

    async def offer(self, sender: Sender, recipients: Sequence[Recipient], content: bytes) -> Reply | None:
        """Send MAIL, each RCPT, DATA and the content without the final dot; `finish` sends the dot.

        Everything up to DATA leaves in one write where the next hop allows it. A reply means that the sender,
        one of the recipients or DATA was refused: then nobody gets the mail.
        """
        said = await self._begin(sender, recipients, with_data=True)
        refusal = next(reply for reply in said if not reply.accepted)  # at the latest DATA's, a 354 perhaps
        if refusal.code == GO_AHEAD:
            return await self._send_content(content, with_final_dot=False)
        if said[-1].code == GO_AHEAD:
            await self._end_without_content(self._borrowed())
        return refusal

    async def deliver(self, content: bytes) -> Reply:
        """Send DATA, the content and the final dot; return the last reply.

        Raises `Deferred` before the dot has left, `OutcomeUnknown` after.
        """
        try:
            refusal = await self._start_data()
        except Broken as broken:
            raise self._lost(broken) from broken
        refusal = refusal or await self._send_content(content, with_final_dot=True)
        return refusal or await self._outcome()

    async def finish(self) -> Reply:
        """Send the final dot and return its reply; raises `OutcomeUnknown` when none comes."""
        try:
            refusal = await self._borrowed().send_final_dot()
        except Broken as broken:
            raise self._lost(broken) from broken
        return refusal or await self._outcome()

    async def release(self) -> None:
        """Give the connection back; safe to call twice, never raises, waits for nobody."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.usable:
            self._lender.give_back(connection, mail_open=self._open)
        else:
            connection.abort()

    async def _begin(
        self, sender: Sender, recipients: Sequence[Recipient], *, with_data: bool = False
    ) -> list[Reply]:
        """Send MAIL and what follows; on a connection that the next hop had given up, again on a new one."""
        try:
            said = await self._group(sender, recipients, with_data=with_data)
        except Dropped as dropped:
            if self._fresh:
                raise self._lost(dropped) from dropped
        except Broken as broken:
            raise self._lost(broken) from broken
        else:
            if self._fresh or said[-1].code != SERVICE_CLOSING:
                return said
        return await self._begin_afresh(sender, recipients, with_data=with_data)

    async def _begin_afresh(
        self, sender: Sender, recipients: Sequence[Recipient], *, with_data: bool = False
    ) -> list[Reply]:
        self._borrowed().abort()
        self._connection = None
        self._connection = await self._lender.open()
        self._fresh = True
        try:
            return await self._group(sender, recipients, with_data=with_data)
        except Broken as broken:
            raise self._lost(broken) from broken

    async def _group(
        self, sender: Sender, recipients: Sequence[Recipient], *, with_data: bool
    ) -> list[Reply]:
        """Send MAIL, the RCPTs and perhaps DATA, and note what was said yes to."""
        connection = self._borrowed()
        if lost := missing(sender, connection.offers):
            raise Deferred(replies.extension_lost(lost), f"extension-lost: {connection.server}: {lost}")
        for recipient in recipients:
            self._check_recipient(connection, recipient)
        self._sender, self._recipients, self._open, self._asked = sender, [], False, 0
        room = self._room_for(connection, len(recipients))
        connection.messages += 1
        lines = [_mail(sender), *map(_rcpt, recipients[:room])]
        self._asked = room
        said = await connection.envelope(lines, with_data=with_data and room == len(recipients))
        self._open = said[0].accepted
        if not self._open:
            return said if with_data else said[:1]
        verdicts = zip(recipients, said[1:], strict=False)
        self._recipients = [recipient for recipient, reply in verdicts if reply.accepted]
        if said[-1].code != SERVICE_CLOSING:
            said += [replies.too_many_recipients()] * (len(recipients) - room)
        return said

    async def _send_content(self, content: bytes, *, with_final_dot: bool) -> Reply | None:
        try:
            return await self._borrowed().send_content(content, with_final_dot=with_final_dot)
        except Broken as broken:
            raise self._lost(broken) from broken

    async def _start_data(self) -> Reply | None:
        """Send DATA; when the next hop has ended the transaction meanwhile, begin it again, once.

        The next hop waits for DATA while the client sends its content, which may take longer than the next
        hop lets a session be idle.
        """
        try:
            refusal = await self._borrowed().start_data()
        except Dropped:
            pass
        else:
            if refusal is None or refusal.code != SERVICE_CLOSING:
                return refusal
        # All must be accepted again: the client has been told that they are.
        accepted = tuple(self._recipients)
        said = await self._begin_afresh(self._sender, accepted)
        if len(said) <= len(accepted) or not all(reply.accepted for reply in said):
            raise Deferred(replies.next_hop_lost(), "next-hop-lost: another verdict on a new connection")
        return await self._borrowed().start_data()

    async def _end_without_content(self, connection: Connection) -> None:
        """End a mail that was refused in part although the next hop asks for its content.

        Where nobody was accepted, a dot alone ends it (RFC 2920, section 3.1). Where somebody was, the dot
        would send them an empty mail.
        """
        if self._recipients or not self._open:
            connection.abort()
            return
        try:
            if await connection.send_final_dot() is None:
                await connection.final_reply()
        except Broken:
            connection.abort()
        self._open = False

    async def _outcome(self) -> Reply:
        connection = self._borrowed()
        try:
            reply = await connection.final_reply()
        except Broken as broken:
            connection.give_up(broken)
            raise OutcomeUnknown(replies.next_hop_lost(), _reason(connection, broken)) from broken
        # Whatever the reply, the transaction should be over (RFC 5321, section 4.1.1.4). But Postfix keeps it
        # when smtpd_end_of_data_restrictions refuse the content: it would refuse the next MAIL, and add the
        # next RCPT to the old ones.
        self._open = not reply.accepted
        return reply

    def _check_recipient(self, connection: Connection, recipient: Recipient) -> None:
        # What a RCPT may carry belongs to DSN, see `gateway.smtp.extensions`.
        if recipient.parameters and DSN not in connection.offers:
            word = DSN.decode("ascii")
            raise Deferred(replies.extension_lost(word), f"extension-lost: {connection.server}: {word}")

    def _room(self, connection: Connection) -> bool:
        return self._room_for(connection, 1) == 1

    def _room_for(self, connection: Connection, recipients: int) -> int:
        """Return how many of the recipients the next hop may still be asked about (RFC 9422)."""
        most = limit(connection.offers, RCPT_MAX)
        return recipients if most is None else max(0, min(recipients, most - self._asked))

    def _borrowed(self) -> Connection:
        if self._connection is None:
            raise Deferred(replies.next_hop_lost(), "next-hop-lost: the connection was given back")
        return self._connection

    def _lost(self, broken: Broken) -> Deferred:
        connection = self._connection
        if connection is None:
            return Deferred(replies.next_hop_lost(), f"{broken.word}: {broken}")
        connection.give_up(broken)
        return Deferred(replies.next_hop_lost(), _reason(connection, broken))


def _reason(connection: Connection, broken: Broken) -> str:
    return f"{broken.word}: {connection.server}: {broken}"


def _mail(sender: Sender) -> bytes:
    return _with_parameters(b"MAIL FROM:<" + sender.address + b">", sender.parameters)


def _rcpt(recipient: Recipient) -> bytes:
    return _with_parameters(b"RCPT TO:<" + recipient.address + b">", recipient.parameters)


def _with_parameters(command: bytes, parameters: bytes) -> bytes:
    return command + b" " + parameters if parameters else command
