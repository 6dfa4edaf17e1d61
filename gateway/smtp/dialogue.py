"""The frame of a session: lines in, replies out, mistakes counted, silence timed, an end in good order.

aiosmtpd gives the protocol object and its session.
Its own loop and commands are not used: they change addresses, answer errors with 5xx and their text and keep
the recipients of the failed mail, take lines that end in a bare LF, share size limits between sessions, let
their one timer run while we wait for others, and cancel the relay when the client hangs up.
TLS is asyncio's own: aiosmtpd builds on a class of asyncio's that uvloop does not use.
"""

import asyncio
import socket
import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from aiosmtpd.smtp import SMTP

from gateway import replies
from gateway.replies import Deferred, Refused, Reply
from gateway.smtp.commands import split_line
from gateway.smtp.connection import SERVICE_CLOSING
from gateway.smtp.lines import BUFFER_OCTETS, LineReader, LineTooLong, PeerGone
from gateway.smtp.sessions import Sessions

COMMAND_OCTETS = 512
"""RFC 5321, section 4.5.3.1.4."""

ENVELOPE_OCTETS = 4096
"""MAIL and RCPT: 512, and what SIZE, 8BITMIME, DSN, AUTH and SMTPUTF8 add to it, rounded up generously."""

_BLINK = 0.001
"""Seconds: a timer for no time at all would be one for the usual time."""

MAX_ERRORS = 20
"""Mistakes in one session; the number that Postfix allows (smtpd_hard_error_limit)."""

Verb = Callable[[bytes], Awaitable[None]]
"""A command; it gets its argument without surrounding blanks, empty when there is none."""


class _Nameless:
    """Something without names that `dir` would tell.

    Among all names of a session and of its handler aiosmtpd looks for commands and hooks, which are not used
    here; that would take half of the time of a session with one mail.
    """

    def __dir__(self) -> Sequence[str]:
        return ()


_NO_HANDLER = _Nameless()


class Dialogue(_Nameless, SMTP):
    """One client's session, without its vocabulary."""

    line_length_limit = BUFFER_OCTETS
    _lines: LineReader

    def __init__(
        self,
        hostname: str,
        command_seconds: float,
        patience_seconds: float,
        sessions: Sessions,
        peer: tuple[str, int] | None,
    ) -> None:
        """`command_seconds` is how long the client may be silent between two commands.

        `patience_seconds` is how long it may keep us waiting in all, see `new_patience`.
        `peer` is who the client is, where the socket's other end is a balancer in between.
        """
        # aiosmtpd clears and grows a dict of its class here, which changes the limits of every other session.
        self.command_size_limits = {}
        super().__init__(
            _NO_HANDLER, hostname=hostname, timeout=command_seconds, loop=asyncio.get_running_loop()
        )
        self.command_size_limits.update({"MAIL": ENVELOPE_OCTETS, "RCPT": ENVELOPE_OCTETS})
        self._sessions = sessions
        self._verbs = self.vocabulary()
        self._longest_line = ENVELOPE_OCTETS
        self._peer = peer or ("", 0)
        self._announced = peer is not None
        self._command_seconds = command_seconds
        self._patience_seconds = self._patience_left = patience_seconds
        self._errors = 0
        self.replies_due = 1
        """How many the client waits for: over LMTP several after a content (RFC 2033, section 4.2)."""
        self._listening = False
        self._retiring = False
        self._begun = False

    @abstractmethod
    def vocabulary(self) -> Mapping[str, Verb]:
        """Return the commands of this listener by their verbs in upper case."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """Return what the session is called in a Received field (RFC 3848)."""

    @abstractmethod
    async def crash(self, error: Exception) -> Reply:
        """Journal an error of ours, leave no state behind, return the 4xx that the client gets."""

    @abstractmethod
    async def put_off(self, deferred: Deferred) -> None:
        """Journal why a mail is not taken now, and end it; the client gets the reply that it carries."""

    @abstractmethod
    async def turn_down(self, refused: Refused) -> None:
        """Journal a refusal if the operator should know of it; the client gets the reply that it carries."""

    @abstractmethod
    async def admit(self) -> bool:
        """Decide before the greeting whether there is to be a session; if not, everything is said."""

    @abstractmethod
    def depart(self) -> None:
        """Let go of whatever the session holds; its task may be cancelled already."""

    def new_patience(self) -> None:
        """Let the client keep us waiting as long as in the beginning: it has sent something of worth."""
        self._patience_left = self._patience_seconds

    @abstractmethod
    def in_mail(self) -> bool:
        """Whether a mail is open, which a stop lets the client finish."""

    def retire(self) -> None:
        """Close the session with 421: now if it is idle, else when its mail is done."""
        self._retiring = True
        if self._listening and not self.in_mail() and self.transport is not None:
            self._writer.write(replies.shutting_down().to_wire())
            self._writer.close()

    async def send(self, reply: Reply) -> None:
        """Send a reply; after 421 the session is over (RFC 5321, section 3.8)."""
        self._writer.write(reply.to_wire())
        if reply.code == SERVICE_CLOSING:
            self._writer.close()
        elif self._writer.transport.get_write_buffer_size():
            self._reset_timeout()  # the client may have stopped reading
            await self._writer.drain()
            self._pause_timeout()

    async def content_chunk(self, seconds: float) -> bytes:
        """Return the next bytes of the content, waited for up to `seconds`; raises `PeerGone`."""
        self._reset_timeout(max(seconds, _BLINK))
        try:
            return await self._lines.chunk()
        finally:
            self._pause_timeout()

    async def encrypt(self, context: ssl.SSLContext, handshake_seconds: float) -> None:
        """Go on under TLS; what the client had sent before is gone. The reply that it waits for must be sent.

        Raises OSError when there is no agreement; the connection is lost then, and the session cancelled.
        """
        # Before anything is awaited: what comes from then on came through the handshake.
        self._lines.forget()
        transport = await self.loop.start_tls(
            self._writer.transport,
            self,
            context,
            server_side=True,
            ssl_handshake_timeout=handshake_seconds,
        )
        if transport is None:
            raise ConnectionAbortedError
        self.transport = transport
        # StreamWriter.start_tls waits before the handshake, and what comes then would be lost.
        self._reader._transport = transport  # type: ignore[attr-defined]  # noqa: SLF001  # for flow control
        self._writer._transport = transport  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
        self._over_ssl = True  # an end of file closes a TLS connection in both directions

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session."""
        peer = transport.get_extra_info("peername")
        if not self._announced:
            self._peer = (peer[0], peer[1]) if peer else ("", 0)
        # asyncio does it only for sockets that name their protocol, which inherited ones need not do. Without
        # it the second reply to pipelined commands waits 40 ms for the client's acknowledgement of the first.
        if (connected := transport.get_extra_info("socket")) is not None:
            with suppress(OSError):  # a Unix socket knows no such option
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        if self._handler_coroutine is not None:
            self._sessions.enter(self, self._handler_coroutine)
            self._handler_coroutine.add_done_callback(self._never_begun)

    def _never_begun(self, task: asyncio.Task[None]) -> None:
        """Clean up after a client that was gone before its session had begun: no `finally` has run then."""
        del task
        if not self._begun:
            self._sessions.leave(self)
            self.depart()

    def eof_received(self) -> bool | None:
        """Let the session read what came before the end; aiosmtpd would cancel it, relay and all."""
        return asyncio.StreamReaderProtocol.eof_received(self)

    def _timeout_cb(self) -> None:
        if self.transport is None:
            return
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()  # it does not read: a polite close would wait for it for ever
            return
        self._writer.write(replies.idle_too_long().to_wire())
        self._writer.close()

    def _pause_timeout(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    # The loop.

    async def _handle_client(self) -> None:
        """Serve the session from greeting to goodbye; never raises."""
        self._lines = LineReader(self._reader)
        self._begun = True
        try:
            if await self.admit():
                await self.send(replies.greeting(self.hostname, self.protocol))
            while not self._writer.is_closing():
                await self._serve_command()
        except (PeerGone, ConnectionError):
            pass  # nobody is left to be told
        finally:
            self._sessions.leave(self)
            self.depart()
            self._writer.close()

    async def _serve_command(self) -> None:
        try:
            verb, argument = split_line(await self.next_line(self._longest_line))
            await self._perform(verb, argument)
        except (PeerGone, ConnectionError):
            raise
        except LineTooLong:
            await self._object(replies.line_too_long())
        except Refused as refused:
            await self.turn_down(refused)
            await self._object(refused.reply)
        except Deferred as deferred:
            await self.put_off(deferred)
            await self._answer(deferred.reply)
        except Exception as error:  # noqa: BLE001  # The last line of defence: no text, no state, no 5xx.
            await self._answer(await self.crash(error))

    async def next_line(self, max_octets: int) -> bytes:
        """Return the next line without its line end; raises `Refused` when that is not CRLF.

        Raises `LineTooLong`, and `PeerGone` when there is no next line.
        """
        if self._retiring and not self.in_mail():
            await self.send(replies.shutting_down())
            raise PeerGone
        began = self.loop.time()
        self._reset_timeout(min(self._command_seconds, max(self._patience_left, _BLINK)))
        self._listening = True
        try:
            line = await self._lines.line(max_octets)
        finally:
            self._listening = False
            self._pause_timeout()
            self._patience_left -= self.loop.time() - began
        command = line[:-2]
        if not line.endswith(b"\r\n") or b"\r" in command or b"\x00" in command:
            raise Refused(replies.bad_line())
        return command

    async def _perform(self, verb: str, argument: bytes) -> None:
        perform = self._verbs.get(verb)
        if perform is None:
            raise Refused(replies.unknown_command())
        if len(verb) + len(argument) + len(" \r\n") > self.command_size_limits.get(verb, COMMAND_OCTETS):
            raise LineTooLong
        await perform(argument)

    async def _object(self, reply: Reply) -> None:
        """Answer a mistake; after too many the session is over."""
        self._errors += 1
        await self._answer(reply if self._errors <= MAX_ERRORS else replies.too_many_errors())

    async def _answer(self, reply: Reply) -> None:
        """Send a reply as often as the client waits for one."""
        due, self.replies_due = self.replies_due, 1
        for _ in range(due):
            if not self._writer.is_closing():
                await self.send(reply)
