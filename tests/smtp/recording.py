"""A next hop on a real socket that records what it hears and fails where it is told to; a client to match.

It reads content line by line, unlike the code under test, so that the two can disagree.
"""

import asyncio
import socket
import ssl
import struct
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

from gateway.delivery import Transaction
from gateway.envelope import Envelope
from gateway.verdicts import Verdict, for_all

PATIENCE = 20.0
"""Seconds after which a test that waits for something gives up; no test measures time."""

USUAL_OFFERS = ("PIPELINING", "SIZE 20000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")


class Fault(Enum):
    DROP = auto()
    HANG = auto()


Answer = bytes | Fault
"""What to say in place of the usual reply, line ends included; or a fault."""

_USUAL = {
    "GREETING": b"220 hop.test ESMTP\r\n",
    "HELO": b"250 hop.test\r\n",
    "STARTTLS": b"220 2.0.0 Go\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "RESPONSE": b"235 2.7.0 welcome\r\n",
    "MAIL": b"250 2.1.0 sender fine\r\n",
    "RCPT": b"250 2.1.5 recipient fine\r\n",
    "DATA": b"354 go on\r\n",
    "DOT": b"250 2.0.0 Ok: queued as 4XyZ\r\n",
    "RSET": b"250 2.0.0 forgotten\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}


@dataclass
class Received:
    """A message whose final dot arrived."""

    mail: bytes
    rcpts: list[bytes]
    content: bytes = b""


@dataclass
class RecordingNextHop:
    """Everything a next hop may do to us."""

    offers: tuple[str, ...] = USUAL_OFFERS
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    """Whether TLS begins with the first byte; else STARTTLS is offered. To be set before `start`."""
    answers: defaultdict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    """Verb, GREETING or DOT → the answers to give first, before the usual one."""
    commands: list[bytes] = field(default_factory=list)
    """Each command line heard on any connection, without its line end."""
    messages: list[Received] = field(default_factory=list)
    connections: int = 0
    held: int = 0
    """Answers that wait for `let_go`."""
    open_connections: int = 0
    abandoned: list[bytes] = field(default_factory=list)
    """Contents that broke off before the final dot, as far as they came."""
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _readers: list[asyncio.StreamReader] = field(default_factory=list)
    _gates: dict[str, asyncio.Event] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve,
            "127.0.0.1",
            self.port,
            limit=1 << 25,
            ssl=self.tls if self.implicit else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._stopping.set()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await eventually(lambda: self.open_connections == 0)

    def answer(self, verb: str, *answers: Answer) -> None:
        self.answers[verb].extend(answers)

    def hold(self, verb: str) -> None:
        """Answer this verb only after `let_go`."""
        self._gates[verb] = asyncio.Event()

    def let_go(self) -> None:
        """Give the answers that were held."""
        while self._gates:
            self._gates.popitem()[1].set()

    def heard(self, verb: bytes) -> list[bytes]:
        return [line for line in self.commands if line.upper().startswith(verb)]

    def unread(self) -> list[bytes]:
        """Return what has arrived on each connection behind the command that is being answered."""
        return [bytes(reader._buffer) for reader in self._readers]  # type: ignore[attr-defined]  # asyncio's own

    def close_all(self) -> None:
        """Close every connection, as a server does whose patience is at an end."""
        for writer in tuple(self._writers):
            writer.close()

    def say(self, text: bytes) -> None:
        """Say something on every connection that nobody asked for."""
        for writer in self._writers:
            writer.write(text)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        self._writers.add(writer)
        self._readers.append(reader)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            self._writers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mail = Received(b"", [])
        encrypted = self.implicit
        said = b""
        await self._say(writer, "GREETING")
        while True:
            line = (await reader.readuntil(b"\r\n"))[:-2]
            self.commands.append(line)
            # Behind a 334 comes no command but an answer (RFC 4954, section 4).
            verb = "RESPONSE" if said[:3] == b"334" else line.partition(b" ")[0].upper().decode()
            usual = self._ehlo(encrypted=encrypted) if verb == "EHLO" else None
            said = await self._say(writer, verb, usual)
            if verb == "QUIT":
                return
            if verb == "STARTTLS" and said.startswith(b"220") and self.tls is not None:
                await writer.start_tls(self.tls)
                encrypted = True
            elif verb == "MAIL" and said.startswith(b"2"):
                mail = Received(line, [])
            elif verb == "RCPT" and said.startswith(b"2"):
                mail.rcpts.append(line)
            elif verb == "DATA" and said.startswith(b"354"):
                await self._take(reader, writer, mail)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mail: Received) -> None:
        lines = []
        try:
            while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
                lines.append(line[1:] if line.startswith(b".") else line)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.abandoned.append(b"".join(lines))
            raise
        mail.content = b"".join(lines)
        answers = self.answers["DOT"]
        if not answers or (isinstance(answers[0], bytes) and answers[0].startswith(b"2")):
            self.messages.append(mail)
        await self._say(writer, "DOT")

    async def _say(self, writer: asyncio.StreamWriter, verb: str, usual: bytes | None = None) -> bytes:
        if verb in self._gates:
            self.held += 1
            await self._gates[verb].wait()
        answer: Answer = usual or _USUAL.get(verb, b"500 5.5.1 what?\r\n")
        if self.answers[verb]:
            answer = self.answers[verb].popleft()
        if answer is Fault.DROP:
            raise ConnectionResetError
        if answer is Fault.HANG:
            await self._stopping.wait()
            raise ConnectionResetError
        assert isinstance(answer, bytes)
        writer.write(answer)
        await writer.drain()
        return answer

    def _ehlo(self, *, encrypted: bool) -> bytes:
        words = [*self.offers, *(["STARTTLS"] if self.tls is not None and not encrypted else [])]
        lines = ["hop.test", *words]
        return (
            b"".join(b"250-%s\r\n" % line.encode() for line in lines[:-1])
            + b"250 %s\r\n" % lines[-1].encode()
        )


@dataclass
class RecordingJournal:
    crashes: list[tuple[str, BaseException]] = field(default_factory=list)
    lines: list[tuple[str, int]] = field(default_factory=list)
    """Of each mail that was not taken, our reason and the code of the reply."""
    trace_ids: list[str] = field(default_factory=list)
    """Those of `lines`."""
    turned: list[tuple[str, str]] = field(default_factory=list)
    """Door and reason of each connection that ended outside of any mail."""
    again: int = 0
    """What was counted only, because it had been told before."""

    def crashed(self, trace_id: str, error: BaseException) -> None:
        self.crashes.append((trace_id, error))

    def declined(self, trace_id: str, *, reason: str, reply: int, told: bool = False) -> None:
        assert trace_id.startswith("G-")
        if told:
            self.again += 1
            return
        self.trace_ids.append(trace_id)
        self.lines.append((reason, reply))

    def turned_away(self, door: str, *, reason: str, told: bool = False) -> None:
        if told:
            self.again += 1
        else:
            self.turned.append((door, reason))


@dataclass
class StraightJourney:
    """Delivers each message as it came, after waiting at the gate."""

    envelopes: list[Envelope] = field(default_factory=list)
    done: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    crash: Exception | None = None
    """Raised once, in place of a delivery."""

    def __post_init__(self) -> None:
        self.gate.set()

    async def carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Verdict:
        self.envelopes.append(envelope)
        await self.gate.wait()
        if self.crash is not None:
            crash, self.crash = self.crash, None
            raise crash
        reply = await primary.deliver(content)
        self.done += 1
        return for_all(reply)


class Client:
    """A client that says exactly what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20, ssl=tls))

    async def start_tls(self, tls: ssl.SSLContext) -> None:
        """Say STARTTLS and make the handshake."""
        assert (await self.ask(b"STARTTLS")).startswith(b"220 ")
        await self.writer.start_tls(tls)

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def line(self) -> bytes:
        """Return one line without its line end; empty at the end."""
        async with asyncio.timeout(PATIENCE):
            try:
                line = await self._reader.readline()
            except ConnectionError:
                return b""
        assert not line or line.endswith(b"\r\n"), line
        return line[:-2]

    async def reply(self) -> bytes:
        """Return one whole reply, its lines joined by a line feed."""
        lines = [await self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(await self.line())
        return b"\n".join(lines)

    async def ask(self, command: bytes) -> bytes:
        self.write(command + b"\r\n")
        return await self.reply()

    async def greet(self) -> bytes:
        """Wait for the greeting and return the reply to EHLO."""
        await self.reply()
        return await self.ask(b"EHLO client.test")

    async def open_mail(self) -> None:
        """Get to where DATA may be said."""
        await self.greet()
        await self._open_mail()

    async def open_mail_again(self) -> None:
        """Get there after a handshake, behind which no greeting comes."""
        await self.ask(b"EHLO client.test")
        await self._open_mail()

    async def _open_mail(self) -> None:
        assert (await self.ask(b"MAIL FROM:<hr@example.com>")).startswith(b"250")
        assert (await self.ask(b"RCPT TO:<yamada@example.jp>")).startswith(b"250")

    async def send_mail(self, content: bytes) -> bytes:
        """Send a stuffed content on a session that has been greeted, and return the last reply."""
        self.write(b"MAIL FROM:<hr@example.com>\r\nRCPT TO:<yamada@example.jp>\r\nDATA\r\n")
        replies = [await self.reply() for _ in range(3)]
        assert [reply[:3] for reply in replies] == [b"250", b"250", b"354"], replies
        self.write(content + b".\r\n")
        await self.writer.drain()
        return await self.reply()

    def hang_up(self) -> None:
        """Vanish: the other side gets a reset."""
        if self.writer.transport.is_closing():
            return
        connected = self.writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """Leave as programs do: the other side gets an end of file."""
        self.writer.close()


async def eventually(happened: Callable[[], bool]) -> None:
    """Return when it has happened."""
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110  # What is waited for happens in code that has no event for it.
            await asyncio.sleep(0.001)
