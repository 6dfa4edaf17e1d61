"""One connection to the next hop on which it has greeted us: commands out, their replies back, in step."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from gateway.replies import Reply
from gateway.smtp.broken import Broken, Dropped, Garbled, Insecure, Unwilling
from gateway.smtp.content import stuffed_slices
from gateway.smtp.offers import PIPELINING, read_offers
from gateway.smtp.phases import Meter, Phase, Timeouts
from gateway.smtp.wire import Wire

GO_AHEAD = 354
"""The reply to DATA that asks for the content (RFC 5321, section 4.1.1.4)."""

SERVICE_CLOSING = 421
"""The reply after which the next hop closes the connection (RFC 5321, section 3.8)."""


class Connection:
    """A connection to one server, with what the server offers."""

    offers: Mapping[bytes, bytes]
    """EHLO keywords in upper case, each with its parameters as they came."""
    messages: int
    """How many mail transactions it has begun."""

    def __init__(
        self,
        wire: Wire,
        timeouts: Timeouts,
        *,
        server: str = "",
        meter: Meter | None = None,
    ) -> None:
        """`server` is how journal and metrics name the server."""
        self._wire = wire
        self._timeouts = timeouts
        self._meter = meter
        self._clock = asyncio.get_running_loop().time
        self._due = 0
        """Replies that are still to come."""
        self._over = False
        self._tell_gone: Callable[[], None] | None = None
        self.server = server
        self.opened_at = self._clock()
        self.messages = 0
        self.offers = MappingProxyType({})

    @property
    def usable(self) -> bool:
        """Whether each command has had its reply, and nothing else has come."""
        return not self._due and not self._over and self._wire.quiet

    @property
    def private(self) -> bool:
        """Whether nobody on the network can read along."""
        return self._wire.private

    def when_gone(self, tell: Callable[[], None]) -> None:
        """Have `tell` called, once, when the connection is given up by either side."""
        self._tell_gone = tell
        self._wire.when_lost(self._gone)

    # The introduction.

    async def greeting(self) -> None:
        """Wait until the server has greeted us; raises `Broken`."""
        self._due = 1
        reply = await self._reply(self._timeouts.greeting, Phase.GREETING)
        if not reply.accepted:
            raise Unwilling(f"the greeting is {reply.code}")

    async def ehlo(self, name: bytes) -> None:
        """Say our name and learn what the server offers; raises `Broken`."""
        reply = await self.command(b"EHLO " + name, self._timeouts.greeting, Phase.EHLO)
        if reply.accepted:
            self.offers = read_offers(reply)
            return
        if not reply.permanent:
            raise Unwilling(f"EHLO refused with {reply.code}")
        # A server without extensions (RFC 5321, section 3.2).
        reply = await self.command(b"HELO " + name, self._timeouts.greeting, Phase.EHLO)
        self.offers = MappingProxyType({})
        if not reply.accepted:
            raise Unwilling(f"EHLO and HELO refused with {reply.code}")

    async def starttls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Ask for encryption and begin it; EHLO must follow (RFC 3207, section 4.2); raises `Broken`."""
        reply = await self.command(b"STARTTLS", self._timeouts.greeting, Phase.TLS)
        if not reply.accepted:
            raise Insecure(f"STARTTLS refused with {reply.code}")
        await self.encrypt(context, server_name)

    async def encrypt(self, context: ssl.SSLContext, server_name: str) -> None:
        """Begin TLS now; raises `Insecure`."""
        began = self._clock()
        await self._wire.start_tls(context, server_name, self._timeouts.greeting)
        if self._meter is not None:
            self._meter.took(self.server, Phase.TLS, self._clock() - began)

    async def login_step(self, line: bytes) -> Reply:
        """Send one line of a login; raises `Broken`, never with the line in it."""
        return await self.command(line, self._timeouts.greeting, Phase.LOGIN)

    # Mail.

    async def command(self, line: bytes, seconds: float, phase: Phase) -> Reply:
        """Send one command line, without line end, and return its reply; raises `Broken`."""
        self._send(line)
        return await self._reply(seconds, phase)

    async def envelope(self, lines: Sequence[bytes], *, with_data: bool = False) -> list[Reply]:
        """Send MAIL, RCPTs, or both, and return their replies; in one write when the next hop allows it.

        `with_data` sends DATA behind them; its reply is the last. Where PIPELINING is not offered, the first
        refusal ends the group if it is MAIL's, or DATA is to follow. A 421 ends every group. Raises `Broken`.
        """
        if PIPELINING not in self.offers:
            return await self._one_by_one(lines, with_data=with_data)
        self._send(*lines, b"DATA") if with_data else self._send(*lines)
        said: list[Reply] = []
        for line in lines:
            said.append(await self._verdict(line))
            if self._over:
                return said
        if with_data:
            said.append(await self._data_reply())
        return said

    async def start_data(self) -> Reply | None:
        """Send DATA; return None when the content may follow, else the refusal."""
        self._send(b"DATA")
        reply = await self._data_reply()
        return None if reply.code == GO_AHEAD else reply

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
        reply = await self._reply(self._timeouts.final_dot, Phase.FINAL_DOT)
        if not (reply.accepted or reply.temporary or reply.permanent):
            raise Garbled("not a reply to the final dot")
        return reply

    async def reset(self) -> None:
        """Give up the open mail transaction; raises `Broken`."""
        reply = await self.command(b"RSET", self._timeouts.reset, Phase.RESET)
        if not reply.accepted:
            raise Garbled("RSET refused")

    def leave(self) -> None:
        """Say goodbye without waiting for an answer, and close."""
        if self.usable:
            self._wire.write(b"QUIT\r\n")
        self._over = True
        self._wire.close()
        self._gone()

    def give_up(self, broken: Broken) -> None:
        """Close at once, because of what happened to the mail on it."""
        if self._meter is not None:
            self._meter.failed(self.server, broken.word)
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._over = True
        self._wire.abort()
        self._gone()

    def _send(self, *lines: bytes) -> None:
        said = b"\r\n".join((*lines, b""))
        if said.count(b"\r") != len(lines) or said.count(b"\n") != len(lines) or b"\x00" in said:
            raise ValueError("a command is one line")
        if not self.usable:
            # A connection that is lost, or about to be, may be replaced; one with an uninvited reply may not.
            self._wire.write(b"")
            if self._wire.waiting and self._wire.waiting.code == SERVICE_CLOSING:
                raise Dropped("closed by the next hop")
            raise Garbled("a reply to nothing")
        self._due = len(lines)
        self._wire.write(said)

    async def _reply(self, seconds: float, phase: Phase) -> Reply:
        if self._meter is None:
            reply = await self._wire.reply(seconds)
        else:
            began = self._clock()
            reply = await self._wire.reply(seconds)
            self._meter.took(self.server, phase, self._clock() - began)
        self._due -= 1
        if reply.code == SERVICE_CLOSING:
            self._over = True
        return reply

    async def _verdict(self, line: bytes) -> Reply:
        phase = Phase.MAIL if line.startswith(b"MAIL") else Phase.RCPT
        reply = await self._reply(self._timeouts.envelope, phase)
        if not (reply.accepted or reply.temporary or reply.permanent):
            raise Garbled(f"not a reply to {phase.upper()}")
        return reply

    async def _data_reply(self) -> Reply:
        reply = await self._reply(self._timeouts.data_start, Phase.DATA)
        if reply.code == GO_AHEAD:
            self._due = 1  # only the final dot brings the dialogue in step again
        elif not (reply.temporary or reply.permanent):
            raise Garbled("not a reply to DATA")
        return reply

    async def _one_by_one(self, lines: Sequence[bytes], *, with_data: bool) -> list[Reply]:
        said: list[Reply] = []
        for line in lines:
            self._send(line)
            said.append(await self._verdict(line))
            if self._over or (not said[-1].accepted and (with_data or line.startswith(b"MAIL"))):
                return said
        if with_data:
            self._send(b"DATA")
            said.append(await self._data_reply())
        return said

    async def _early_refusal(self) -> Reply:
        reply = await self._wire.reply(0)
        self._over = True
        if not (reply.temporary or reply.permanent):
            raise Garbled("a reply before the final dot")
        return reply

    def _gone(self) -> None:
        tell, self._tell_gone = self._tell_gone, None
        if tell is not None:
            tell()
