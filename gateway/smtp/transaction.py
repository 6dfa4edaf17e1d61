"""One mail transaction on a borrowed connection to the next hop.

A transaction that the next hop ends before any content has left can be begun again on another connection.
From the first byte of the content on it cannot: the next hop may have the mail.
"""

from typing import Protocol

from gateway import replies
from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred, OutcomeUnknown, Reply
from gateway.smtp.connection import SERVICE_CLOSING, Connection
from gateway.smtp.wire import Broken, Dropped


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
        self._accepted: list[bytes] = []
        """MAIL and each RCPT that the next hop has said yes to; empty while no mail is open."""

    async def mail(self, sender: Sender) -> Reply:
        """Send MAIL FROM; a connection that the next hop closed while it was idle is replaced once."""
        line = _with_parameters(b"MAIL FROM:<" + sender.address + b">", sender.parameters)
        connection = self._borrowed()
        connection.messages += 1
        try:
            reply = await self._ask(connection, line)
        except Dropped as dropped:
            if self._fresh:
                raise self._lost(dropped) from dropped
            reply = await self._ask_afresh(line)
        else:
            if reply.code == SERVICE_CLOSING and not self._fresh:
                reply = await self._ask_afresh(line)
        if reply.accepted:
            self._accepted.append(line)
        return reply

    async def rcpt(self, recipient: Recipient) -> Reply:
        """Send RCPT TO and return the next hop's reply."""
        line = _with_parameters(b"RCPT TO:<" + recipient.address + b">", recipient.parameters)
        try:
            reply = await self._ask(self._borrowed(), line)
        except Dropped as dropped:
            raise self._lost(dropped) from dropped
        if reply.accepted:
            self._accepted.append(line)
        return reply

    async def deliver(self, content: bytes) -> Reply:
        """Send DATA, the content and the final dot; return the last reply.

        Raises `Deferred` before the dot has left, `OutcomeUnknown` after.
        """
        refusal = await self._send(content, with_final_dot=True)
        return refusal or await self._outcome()

    async def transmit(self, content: bytes) -> Reply | None:
        """Send DATA and the content without the final dot; a reply means that it was refused."""
        return await self._send(content, with_final_dot=False)

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
            self._lender.give_back(connection, mail_open=bool(self._accepted))
        else:
            connection.abort()

    async def _ask(self, connection: Connection, line: bytes) -> Reply:
        try:
            return await connection.envelope_command(line)
        except Dropped:
            raise
        except Broken as broken:
            raise self._lost(broken) from broken

    async def _ask_afresh(self, line: bytes) -> Reply:
        self._borrowed().abort()
        self._connection = None
        self._connection = fresh = await self._lender.open()
        fresh.messages += 1
        try:
            return await self._ask(fresh, line)
        except Dropped as dropped:
            raise self._lost(dropped) from dropped

    async def _send(self, content: bytes, *, with_final_dot: bool) -> Reply | None:
        try:
            refusal = await self._start_data()
            if refusal is None:
                refusal = await self._borrowed().send_content(content, with_final_dot=with_final_dot)
        except Broken as broken:
            raise self._lost(broken) from broken
        return refusal

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
        await self._begin_again()
        return await self._borrowed().start_data()

    async def _begin_again(self) -> None:
        """Say MAIL and the accepted RCPTs on a new connection; all must be accepted again, or `Deferred`."""
        mail, *rcpts = self._accepted
        reply = await self._ask_afresh(mail)
        for rcpt in rcpts:
            if reply.accepted:
                reply = await self._ask(self._borrowed(), rcpt)
        if not reply.accepted:
            raise Deferred(replies.next_hop_lost(), "next hop: another verdict on a new connection")

    async def _outcome(self) -> Reply:
        connection = self._borrowed()
        try:
            reply = await connection.final_reply()
        except Broken as broken:
            connection.abort()
            raise OutcomeUnknown(replies.next_hop_lost(), f"next hop: {broken}") from broken
        self._accepted.clear()  # whatever the reply, the transaction is over (RFC 5321, section 4.1.1.4)
        return reply

    def _borrowed(self) -> Connection:
        if self._connection is None:
            raise Deferred(replies.next_hop_lost(), "next hop: the connection was given back")
        return self._connection

    def _lost(self, broken: Broken) -> Deferred:
        if self._connection is not None:
            self._connection.abort()
        return Deferred(replies.next_hop_lost(), f"next hop: {broken}")


def _with_parameters(command: bytes, parameters: bytes) -> bytes:
    return command + b" " + parameters if parameters else command
