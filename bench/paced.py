"""Clients for what `smtp-source` cannot send: mails at a steady pace, and marked mails that all differ."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

_BODY = b"x" * 70 + b"\r\n"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long mails took."""

    seconds: tuple[float, ...]
    """From MAIL to the last reply, ascending."""

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def late(self) -> float:
        """The 99th percentile."""
        return self.seconds[len(self.seconds) * 99 // 100]


class Client:
    """One kept connection that sends one mail after the other, command by command."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Connect and introduce ourselves."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        await client._reply()
        await client._say(b"EHLO bench.example.com")
        return client

    async def send(self, mail: bytes, recipient: bytes = b"somebody@example.jp") -> None:
        """Send one mail; `mail` has CRLF line ends and no line that begins with a dot."""
        await self._say(b"MAIL FROM:<hr@example.com>")
        await self._say(b"RCPT TO:<" + recipient + b">")
        await self._say(b"DATA")
        await self._say(mail + b".")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _say(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")
        await self._reply()

    async def _reply(self) -> None:
        while (line := await self._reader.readline())[3:4] == b"-":
            pass
        if line[:1] not in b"23" or not line:
            raise RuntimeError(f"refused: {line!r}")


async def send_at(port: int, rate: float, *, seconds: float) -> Pace:
    """Send a 4 kB mail every 1/`rate` seconds, each on a connection that is free."""
    mail = b"From: hr@example.com\r\nSubject: bench\r\n\r\n" + _BODY * 56
    free: list[Client] = [await Client.connect(port) for _ in range(20)]
    taken: list[float] = []

    async def one() -> None:
        client = free.pop() if free else await Client.connect(port)
        began = time.perf_counter()
        await client.send(mail)
        taken.append(time.perf_counter() - began)
        free.append(client)

    begin = time.perf_counter()
    tasks: list[asyncio.Task[None]] = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(begin + number / rate - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    for client in free:
        client.close()
    return Pace(tuple(sorted(taken)))


def marked_mails(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield recipient and mail: a rejection of 4 kB, each with a Message-ID of its own."""
    text = "この度はご応募いただき、誠にありがとうございました。\r\n" * 40
    for _ in range(count):
        name = os.urandom(6).hex()
        yield (
            f"{name}@example.jp".encode(),
            (
                f"From: hr@example.com\r\nTo: {name}@example.jp\r\nMessage-ID: <{name}@example.com>\r\n"
                "Date: Mon, 23 Nov 2026 10:00:00 +0900\r\nSubject: bench\r\nMIME-Version: 1.0\r\n"
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                f"山田 太郎 様\r\n\r\n{text}\r\n[[relay:rejection]]\r\n"
            ).encode(),
        )


async def send_marked(port: int, mails: Iterator[tuple[bytes, bytes]], *, sessions: int) -> float:
    """Send all mails over some connections; return how many per second."""
    count = 0

    async def work() -> None:
        nonlocal count
        client = await Client.connect(port)
        for recipient, mail in mails:
            await client.send(mail, recipient)
            count += 1
        client.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(sessions)))
    return count / (time.perf_counter() - began)
