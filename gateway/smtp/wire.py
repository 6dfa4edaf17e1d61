"""One socket to the next hop: bytes out with back-pressure, replies in, in order.

Every way in which a connection can fail is a `Broken`; the next floor decides what it means for the mail.
"""

import asyncio
import ssl
from collections import deque
from typing import cast

from gateway.replies import Reply
from gateway.smtp.reply_parser import ReplyParser


class Broken(Exception):
    """The connection is of no use any more; carries why, for the journal."""


class Dropped(Broken):
    """The next hop closed the connection, or the network did."""


class Silent(Broken):
    """The next hop took longer than the phase allows."""


class Garbled(Broken):
    """The next hop said something that makes no sense where it stands."""


class Wire(asyncio.Protocol):
    """The socket's events as awaitable verbs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[Reply] = deque()
        self._failure: Broken | None = None
        self._reply_waiter: asyncio.Future[None] | None = None
        self._room_waiter: asyncio.Future[None] | None = None
        self._full = False

    @property
    def quiet(self) -> bool:
        """Whether the connection is up and nothing that nobody asked for has arrived."""
        return self._failure is None and not self._replies and not self._parser.midway

    @property
    def waiting(self) -> Reply | None:
        """The reply that waits to be read, if a whole one does."""
        return self._replies[0] if self._replies else None

    def write(self, data: bytes) -> None:
        """Send `data` as it is; raises `Broken` when the connection is known to be gone."""
        if self._failure is not None:
            raise self._failure
        if self._transport is None or self._transport.is_closing():
            raise Dropped("closed before writing")
        self._transport.write(data)

    async def reply(self, seconds: float) -> Reply:
        """Return the next reply; one that came before the connection broke is still returned."""
        if not self._replies and self._failure is None:
            self._reply_waiter = self._loop.create_future()
            await self._wait(self._reply_waiter, seconds, "no reply in time")
        if self._replies:
            return self._replies.popleft()
        raise self._failure or Garbled("woken without a reply")

    async def drain(self, seconds: float) -> None:
        """Return when there is room to write more, the connection broke, or a reply came early."""
        if self._full and self._failure is None and not self._replies:
            self._room_waiter = self._loop.create_future()
            await self._wait(self._room_waiter, seconds, "takes no more bytes")

    async def start_tls(self, context: ssl.SSLContext, server_name: str, seconds: float) -> None:
        """Encrypt from here on; raises `Broken` when the certificate is not accepted."""
        if self._transport is None or not self.quiet:
            # What follows the reply to STARTTLS in plain text would count as encrypted (CVE-2011-0411).
            raise Garbled("plain text before the TLS handshake")
        try:
            self._transport = await self._loop.start_tls(
                self._transport, self, context, server_hostname=server_name, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.CertificateError) as error:
            self.abort()
            raise Dropped(f"TLS handshake: {type(error).__name__}") from error

    def close(self) -> None:
        """Close in good order: what was written is still sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; the next hop drops a message without its final dot (RFC 5321, section 4.1.1.4)."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect replies."""
        self._replies.extend(self._parser.feed(data))
        if self._parser.nonsense:
            self._fail(Garbled(self._parser.nonsense))
            self.abort()
        if self._replies:
            self._wake()

    def eof_received(self) -> None:
        """Treat the end of what the next hop says as the end of the connection; no server half-closes."""
        self._fail(Dropped("closed by the next hop"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._fail(Dropped("closed by the next hop" if exc is None else type(exc).__name__))

    def pause_writing(self) -> None:
        """Note that the buffer is full."""
        self._full = True

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self._full = False
        _wake(self._room_waiter)

    async def _wait(self, waiter: asyncio.Future[None], seconds: float, why: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            raise Silent(why) from None

    def _fail(self, failure: Broken) -> None:
        if self._failure is None:
            self._failure = failure
        self._wake()

    def _wake(self) -> None:
        _wake(self._reply_waiter)
        _wake(self._room_waiter)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
