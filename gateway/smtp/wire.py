"""One socket to the next hop: bytes out with back-pressure, replies in, in order."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import cast

from gateway.replies import Reply
from gateway.smtp.broken import Broken, Dropped, Garbled, Insecure, Silent
from gateway.smtp.reply_parser import ReplyParser

MOST_REPLIES = 4096
"""Replies that wait to be read: more than any group of commands has; beyond it the next hop is flooding."""


class Wire(asyncio.Protocol):
    """The socket's events as awaitable verbs, for one user who awaits one of them at a time.

    One timer serves all waits: a wait that ends early leaves it running, and it is set anew only when it
    rings too soon. A timer for each reply would cost as much as the reply.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[Reply] = deque()
        self._failure: Broken | None = None
        self._full = False
        self._when_lost: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._late = ""
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    @property
    def quiet(self) -> bool:
        """Whether the connection is up and nothing that nobody asked for has arrived."""
        return self._failure is None and not self._replies and not self._parser.midway

    @property
    def waiting(self) -> Reply | None:
        """The reply that waits to be read, if a whole one does."""
        return self._replies[0] if self._replies else None

    @property
    def private(self) -> bool:
        """Whether nobody on the network can read along: it is encrypted, or ends on this machine."""
        if self._transport is None:
            return False
        if self._transport.get_extra_info("ssl_object") is not None:
            return True
        peer = self._transport.get_extra_info("peername")
        return peer is not None and ip_address(peer[0].partition("%")[0]).is_loopback

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when the connection has ended."""
        self._when_lost = tell

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
            deadline = self._loop.time() + seconds
            while not self._replies and self._failure is None:
                await self._event(deadline, "no reply in time")
        if self._replies:
            return self._replies.popleft()
        raise self._failure or Garbled("woken without a reply")

    async def drain(self, seconds: float) -> None:
        """Return when there is room to write more, the connection broke, or a reply came early."""
        deadline = self._loop.time() + seconds
        while self._full and self._failure is None and not self._replies:
            await self._event(deadline, "takes no more bytes")

    async def start_tls(self, context: ssl.SSLContext, server_name: str, seconds: float) -> None:
        """Encrypt from here on; raises `Insecure` when the certificate is not accepted."""
        if self._transport is None or not self.quiet:
            # What follows the reply to STARTTLS in plain text would count as encrypted (CVE-2011-0411).
            raise Insecure("plain text before the TLS handshake")
        try:
            self._transport = await self._loop.start_tls(
                self._transport, self, context, server_hostname=server_name, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.CertificateError) as error:
            self.abort()
            raise Insecure(_why(error)) from error
        if self._transport is None:
            raise Insecure("the connection was lost in the TLS handshake")

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
        if self._parser.nonsense or len(self._replies) > MOST_REPLIES:
            self._fail(Garbled(self._parser.nonsense or "replies without end"))
            self.abort()
        if self._replies:
            self._wake()

    def eof_received(self) -> None:
        """Treat the end of what the next hop says as the end of the connection; no server half-closes."""
        self._fail(Dropped("closed by the next hop"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if isinstance(exc, ssl.SSLError):  # TLS 1.3 refuses our certificate after the handshake.
            self._fail(Insecure(_why(exc)))
        self._fail(Dropped("closed by the next hop" if exc is None else type(exc).__name__))
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._when_lost is not None:
            self._when_lost()

    def pause_writing(self) -> None:
        """Note that the buffer is full."""
        self._full = True

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self._full = False
        self._wake()

    async def _event(self, deadline: float, late: str) -> None:
        """Wait until something happens; raises `Silent`, saying `late`, when nothing does by `deadline`."""
        self._deadline, self._late = deadline, late
        if self._alarm is None or self._alarm_at > deadline:
            self._set_alarm()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = self._deadline
        self._alarm = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._set_alarm()
        else:
            self._waiter.set_exception(Silent(self._late))

    def _fail(self, failure: Broken) -> None:
        if self._failure is None:
            self._failure = failure
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _why(error: Exception) -> str:
    """Return OpenSSL's own words about certificates and alerts, which name servers only."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    reason = getattr(error, "reason", None)  # of an SSLError, where OpenSSL itself has made it
    return f"TLS handshake: {reason or type(error).__name__}"
