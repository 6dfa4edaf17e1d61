"""One connection to the next hop: opened, introduced, encrypted if asked for, then one command at a time."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Self

from gateway.replies import Reply
from gateway.smtp.content import stuffed_slices
from gateway.smtp.wire import Broken, Dropped, Garbled, Silent, Wire

GO_AHEAD = 354
"""The reply to DATA that asks for the content (RFC 5321, section 4.1.1.4)."""

SERVICE_CLOSING = 421
"""The reply after which the next hop closes the connection (RFC 5321, section 3.8)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each phase may take, in seconds (after RFC 5321, section 4.5.3.2)."""

    connect: float = 30
    greeting: float = 60
    """The 220, EHLO, STARTTLS and the handshake, each."""
    envelope: float = 120
    """MAIL and RCPT, each. RFC 5321 says five minutes, but our client waits with the same patience."""
    data_start: float = 120
    data_block: float = 180
    """Until there is room for the next slice of the content."""
    final_dot: float = 300
    """RFC 5321 says ten minutes; the client's own ten have begun before ours."""
    reset: float = 10
    """RSET and QUIT: nobody's mail waits for them."""


@dataclass(frozen=True, slots=True)
class NextHopAddress:
    """Where the next hop is and how to talk to it."""

    host: str
    port: int
    helo_name: bytes = b"localhost"
    """What we call ourselves in EHLO."""
    tls: Literal["none", "require"] = "none"
    tls_context: ssl.SSLContext | None = field(default=None, repr=False)
    """Needed for `require`; it says which certificates are accepted."""
    server_name: str = ""
    """The name that the certificate must have; empty: `host`."""

    def __post_init__(self) -> None:
        if self.tls == "require" and self.tls_context is None:
            raise ValueError("tls = require needs a TLS context")


class Connection:
    """A connection on which the next hop has greeted us and told its extensions."""

    offers: Mapping[bytes, bytes]
    """EHLO keywords in upper case, each with its parameters as they came."""
    messages: int
    """How many mail transactions it has begun."""

    def __init__(self, wire: Wire, timeouts: Timeouts, opened_at: float) -> None:
        """`opened_at` is on the loop's clock."""
        self._wire = wire
        self._timeouts = timeouts
        self.opened_at = opened_at
        self.messages = 0
        self.offers = MappingProxyType({})
        self._in_step = True

    @classmethod
    async def open(cls, address: NextHopAddress, timeouts: Timeouts) -> Self:
        """Connect and introduce ourselves; raises `Broken`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeouts.connect):
                _, wire = await loop.create_connection(Wire, address.host, address.port)
        except TimeoutError as error:
            raise Silent("no connection in time") from error
        except OSError as error:
            raise Dropped(f"cannot connect: {type(error).__name__}") from error
        connection = cls(wire, timeouts, loop.time())
        try:
            await connection._introduce(address)
        except BaseException:
            connection.abort()
            raise
        return connection

    @property
    def usable(self) -> bool:
        """Whether each command has had its reply, and nothing else has come."""
        return self._in_step and self._wire.quiet

    async def command(self, line: bytes, seconds: float) -> Reply:
        """Send one command line, without line end, and return its reply; raises `Broken`."""
        if b"\r" in line or b"\n" in line or b"\x00" in line:
            raise ValueError("a command is one line")
        if not self.usable:
            # A connection that is lost, or about to be, may be replaced; one with an uninvited reply may not.
            self._wire.write(b"")
            if self._wire.waiting and self._wire.waiting.code == SERVICE_CLOSING:
                raise Dropped("closed by the next hop")
            raise Garbled("a reply to nothing")
        self._in_step = False
        self._wire.write(line + b"\r\n")
        return await self._reply(seconds)

    async def envelope_command(self, line: bytes) -> Reply:
        """Send MAIL or RCPT."""
        reply = await self.command(line, self._timeouts.envelope)
        if not (reply.accepted or reply.temporary or reply.permanent):
            raise Garbled("not a reply to MAIL or RCPT")
        return reply

    async def start_data(self) -> Reply | None:
        """Send DATA; return None when the content may follow, else the refusal."""
        reply = await self.command(b"DATA", self._timeouts.data_start)
        if reply.code == GO_AHEAD:
            self._in_step = False  # only the final dot brings the dialogue in step again
            return None
        if not (reply.temporary or reply.permanent):
            raise Garbled("not a reply to DATA")
        return reply

    async def send_content(self, content: bytes, *, with_final_dot: bool) -> Reply | None:
        """Send the content; return None, or the refusal that came before all of it was sent.

        Raises `Broken` only while the final dot has not been written.
        """
        for piece in stuffed_slices(content, with_final_dot=with_final_dot):
            await self._wire.drain(self._timeouts.data_block)
            if self._wire.waiting:
                return await self._early_refusal()
            self._wire.write(piece)
        return None

    async def send_final_dot(self) -> Reply | None:
        """Send the dot that makes the next hop take the message; return a refusal that came before it.

        Raises `Broken` only while the dot has not been written.
        """
        if self._wire.waiting:
            return await self._early_refusal()
        self._wire.write(b".\r\n")
        return None

    async def final_reply(self) -> Reply:
        """Return the reply to the final dot; `Broken` means that the outcome is unknown."""
        reply = await self._reply(self._timeouts.final_dot)
        if not (reply.accepted or reply.temporary or reply.permanent):
            raise Garbled("not a reply to the final dot")
        return reply

    async def reset(self) -> None:
        """Give up the open mail transaction; raises `Broken`."""
        reply = await self.command(b"RSET", self._timeouts.reset)
        if not reply.accepted:
            raise Garbled("RSET refused")

    def leave(self) -> None:
        """Say goodbye without waiting for an answer, and close."""
        if self.usable:
            self._in_step = False
            self._wire.write(b"QUIT\r\n")
        self._wire.close()

    def abort(self) -> None:
        """Close at once."""
        self._in_step = False
        self._wire.abort()

    async def _reply(self, seconds: float) -> Reply:
        reply = await self._wire.reply(seconds)
        self._in_step = reply.code != SERVICE_CLOSING
        return reply

    async def _early_refusal(self) -> Reply:
        reply = await self._wire.reply(0)
        self._in_step = False
        if not (reply.temporary or reply.permanent):
            raise Garbled("a reply before the final dot")
        return reply

    async def _introduce(self, address: NextHopAddress) -> None:
        seconds = self._timeouts.greeting
        greeting = await self._reply(seconds)
        if not greeting.accepted:
            raise Garbled("the greeting is a refusal")
        await self._ehlo(address.helo_name)
        context = address.tls_context if address.tls == "require" else None
        if context is None:
            return
        if b"STARTTLS" not in self.offers:
            raise Broken("STARTTLS is required and not offered")
        reply = await self.command(b"STARTTLS", seconds)
        if not reply.accepted:
            raise Broken("STARTTLS refused")
        await self._wire.start_tls(context, address.server_name or address.host, seconds)
        await self._ehlo(address.helo_name)

    async def _ehlo(self, name: bytes) -> None:
        reply = await self.command(b"EHLO " + name, self._timeouts.greeting)
        if reply.permanent:
            # A server without extensions (RFC 5321, section 3.2).
            reply = await self.command(b"HELO " + name, self._timeouts.greeting)
            self.offers = MappingProxyType({})
            if not reply.accepted:
                raise Garbled("EHLO and HELO refused")
            return
        if not reply.accepted:
            raise Garbled("EHLO refused")
        words = (line.partition(b" ") for line in reply.lines[1:])
        self.offers = MappingProxyType({keyword.upper(): rest.strip() for keyword, _, rest in words})
