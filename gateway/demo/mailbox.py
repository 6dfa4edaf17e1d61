"""An embedded mailbox: a small SMTP server that keeps each mail as a file, to stand as the next hop.

It keeps the bytes exactly as they came, with dot-stuffing undone and nothing else (RFC 5321, section 4.5.2),
and answers 250 only after they are on the disk.
It speaks PIPELINING, 8BITMIME, SIZE, SMTPUTF8 and ENHANCEDSTATUSCODES; it has no TLS, no authentication
and no limit but the size: bind it to the loopback only.

    0001.eml        the mail
    0001.json       its envelope and the time
    originals/      mails as they entered the gateway, by the SHA-256 of their Message-ID
"""

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesHeaderParser
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

SIZE_MAX = 64 * 1024 * 1024
"""Octets of one mail: above what large providers take, so that the next hop is not the limit in a trial."""

_NUMBER = re.compile(r"[0-9]{4}|[1-9][0-9]{4,8}")
"""A number as it stands in a file's name."""

_SILENCE_MAX = 300
"""Seconds without a command (RFC 5321, section 4.5.3.2.7)."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that arrived."""

    number: int
    """1, 2, 3 …, in the order of arrival, over restarts too."""
    mail_from: str
    """Without < and >; bytes that are not UTF-8 are surrogates."""
    rcpt_tos: tuple[str, ...]
    received_at: datetime
    raw: bytes = field(repr=False)


class Mailbox:
    """The folder with the mails, and the server that fills it."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime]) -> None:
        """`folder` is created; mails already there stay."""
        self._folder = folder
        self._clock = clock
        self._numbering = threading.Lock()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        (folder / "originals").mkdir(parents=True, exist_ok=True)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and return the port; raises OSError when it is in use."""
        self._server = await asyncio.start_server(self._converse, host, port, limit=SIZE_MAX)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening and cut the open sessions; a mail whose final dot has come is still kept."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)

    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of all mails, oldest first."""
        mails, envelopes = (
            {path.stem for path in self._folder.glob(f"*.{kind}") if _NUMBER.fullmatch(path.stem)}
            for kind in ("eml", "json")
        )
        return tuple(sorted(int(name) for name in mails & envelopes))

    def letters(self) -> tuple[Letter, ...]:
        """Return all mails, oldest first."""
        return tuple(self.letter(number) for number in self.numbers())

    def letter(self, number: int) -> Letter:
        """Return one mail; raises FileNotFoundError when there is none with this number."""
        raw = (self._folder / f"{number:04}.eml").read_bytes()
        envelope = json.loads((self._folder / f"{number:04}.json").read_bytes())
        return Letter(
            number=number,
            mail_from=envelope["mail_from"],
            rcpt_tos=tuple(envelope["rcpt_tos"]),
            received_at=datetime.fromisoformat(envelope["received_at"]),
            raw=raw,
        )

    def keep(self, mail_from: bytes, rcpt_tos: tuple[bytes, ...], raw: bytes) -> int:
        """Write a mail to the disk, durably, and return its number; safe from any thread."""
        envelope = {
            "mail_from": mail_from.decode("utf-8", "surrogateescape"),
            "rcpt_tos": [address.decode("utf-8", "surrogateescape") for address in rcpt_tos],
            "received_at": self._clock().isoformat(),
        }
        with self._numbering:
            number = 1 + max(self.numbers(), default=0)
            while (self._folder / f"{number:04}.eml").exists():  # Somebody else's, without an envelope.
                number += 1
            _write(self._folder / f"{number:04}.json", json.dumps(envelope).encode("ascii"))
            # Last: a mail is there when its own file is.
            _write(self._folder / f"{number:04}.eml", raw)
        return number

    def keep_original(self, raw: bytes) -> None:
        """Remember a mail as it entered the gateway, to be shown beside its copies; needs a Message-ID."""
        if message_id := _message_id(raw):
            _write(self._original_path(message_id), raw)

    def original_of(self, letter: Letter) -> bytes | None:
        """Return the mail from which the gateway made this one, if it was kept."""
        message_id = _message_id(letter.raw)
        if not message_id:
            return None
        try:
            return self._original_path(message_id).read_bytes()
        except FileNotFoundError:
            return None

    def _original_path(self, message_id: str) -> Path:
        digest = sha256(message_id.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / "originals" / f"{digest}.eml"

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # asyncio calls this in a task of its own.
        self._open[task] = writer
        try:
            await _Session(self, reader, writer).converse()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # The client is gone or talks nonsense; what it had not finished is not kept.
        finally:
            del self._open[task]
            writer.close()


class _Session:
    """One SMTP conversation."""

    def __init__(self, mailbox: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._writer = writer
        self._mail_from: bytes | None = None
        self._rcpt_tos: list[bytes] = []

    async def converse(self) -> None:
        self._say("220 mailbox.test ESMTP demo mailbox")
        while True:
            await self._writer.drain()
            async with asyncio.timeout(_SILENCE_MAX):
                line = await self._reader.readuntil(b"\r\n")
            verb, _, rest = line[:-2].partition(b" ")
            command = verb.upper()
            if command == b"QUIT":
                self._say("221 2.0.0 Bye")
                await self._writer.drain()
                return
            if command == b"DATA":
                await self._data()
            else:
                self._say(self._VERBS.get(command, _Session._unknown)(self, rest))

    def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode("ascii"))

    def _reset(self) -> None:
        self._mail_from = None
        self._rcpt_tos = []

    def _ehlo(self, _: bytes) -> str:
        self._reset()
        offers = ["PIPELINING", "8BITMIME", f"SIZE {SIZE_MAX}", "SMTPUTF8"]
        return "\r\n".join(
            ["250-mailbox.test", *(f"250-{offer}" for offer in offers), "250 ENHANCEDSTATUSCODES"]
        )

    def _helo(self, _: bytes) -> str:
        self._reset()
        return "250 mailbox.test"

    def _mail(self, rest: bytes) -> str:
        if self._mail_from is not None:
            return "503 5.5.1 Nested MAIL"
        path = re.fullmatch(rb"FROM: ?<([^>]*)>(.*)", rest, re.IGNORECASE)
        if path is None:
            return "501 5.5.4 MAIL FROM:<address>"
        for parameter in path[2].upper().split():
            if size := re.fullmatch(rb"SIZE=([0-9]{1,20})", parameter):
                if int(size[1]) > SIZE_MAX:
                    return "552 5.3.4 Too large"
            elif parameter not in {b"BODY=7BIT", b"BODY=8BITMIME", b"SMTPUTF8"}:
                return "555 5.5.4 Parameter not known"
        self._mail_from = path[1]
        return "250 2.1.0 Ok"

    def _rcpt(self, rest: bytes) -> str:
        if self._mail_from is None:
            return "503 5.5.1 MAIL first"
        path = re.fullmatch(rb"TO: ?<([^>]+)>", rest, re.IGNORECASE)
        if path is None:
            return "501 5.5.4 RCPT TO:<address>"
        self._rcpt_tos.append(path[1])
        return "250 2.1.5 Ok"

    async def _data(self) -> None:
        if self._mail_from is None or not self._rcpt_tos:
            self._say("503 5.5.1 RCPT first")
            return
        self._say("354 End with <CR><LF>.<CR><LF>")
        await self._writer.drain()
        raw = await self._read_mail()
        if raw is None:
            self._say("552 5.3.4 Too large")
        else:
            number = await asyncio.to_thread(self._mailbox.keep, self._mail_from, tuple(self._rcpt_tos), raw)
            self._say(f"250 2.0.0 Ok: kept as {number:04}")
        self._reset()

    async def _read_mail(self) -> bytes | None:
        """Read to the final dot; None when the mail is larger than SIZE_MAX."""
        mail = bytearray()
        size = 0
        while True:
            async with asyncio.timeout(_SILENCE_MAX):
                line = await self._reader.readuntil(b"\r\n")
            if line == b".\r\n":
                return bytes(mail) if size <= SIZE_MAX else None
            content = line[1:] if line.startswith(b".") else line
            size += len(content)
            if size <= SIZE_MAX:
                mail += content

    def _rset(self, _: bytes) -> str:
        self._reset()
        return "250 2.0.0 Ok"

    def _noop(self, _: bytes) -> str:
        return "250 2.0.0 Ok"

    def _unknown(self, _: bytes) -> str:
        return "502 5.5.2 Command not known"

    _VERBS: ClassVar[dict[bytes, Callable[["_Session", bytes], str]]] = {
        b"EHLO": _ehlo,
        b"HELO": _helo,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"RSET": _rset,
        b"NOOP": _noop,
    }


def _message_id(raw: bytes) -> str:
    found = BytesHeaderParser().parsebytes(raw.partition(b"\r\n\r\n")[0]).get("Message-ID", "")
    return str(found).strip()


def _write(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it is there whole or not at all."""
    draft = path.with_suffix(".part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
