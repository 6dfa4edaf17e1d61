"""SIGHUP: new processes with the settings as they are now take over, or everything stays as it was."""

import asyncio
import signal
import smtplib
import socket
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self

from tests.peers.gateway import Gateway
from tests.smtp.recording import RecordingNextHop, eventually

PLAIN = b"From: a@example.com\r\nSubject: plain\r\n\r\nplain\r\n"


CLOSING = 421
DONE = 250


def send(gateway: Gateway, mail: bytes = PLAIN, recipient: str = "b@example.jp") -> None:
    client = smtplib.SMTP("127.0.0.1", gateway.smtp_port, timeout=30)
    try:
        client.sendmail("recruit@example.com", [recipient], mail)
    finally:
        client.close()  # Without QUIT: a process that is finishing says 421 to it.


def greeting(gateway: Gateway) -> bytes:
    with socket.create_connection(("127.0.0.1", gateway.smtp_port), timeout=30) as client:
        return client.recv(512)


def events(gateway: Gateway, name: str) -> list[dict[str, object]]:
    return [line for line in gateway.journal() if line["event"] == name]


async def hang_up(gateway: Gateway) -> None:
    assert gateway.process is not None
    told = len(events(gateway, "reloaded")) + len(events(gateway, "not-reloaded"))
    gateway.process.send_signal(signal.SIGHUP)
    await eventually(lambda: len(events(gateway, "reloaded")) + len(events(gateway, "not-reloaded")) > told)


async def test_a_hangup_signal_brings_the_new_settings(gateway: Gateway) -> None:
    gateway.set("relay", hostname="before.example.com")
    await asyncio.to_thread(gateway.start, "--smtp")
    assert b"before.example.com" in await asyncio.to_thread(greeting, gateway)
    text = (gateway.folder / "goen.toml").read_text()
    (gateway.folder / "goen.toml").write_text(text.replace("before.example.com", "after.example.com"))
    await hang_up(gateway)
    await eventually(lambda: len(gateway.children("mail")) == 1)
    assert b"after.example.com" in await asyncio.to_thread(greeting, gateway)
    assert [line["what"] for line in events(gateway, "started")].count("smtp") == 2


async def test_settings_that_are_wrong_change_nothing_and_the_journal_says_why(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(gateway.start, "--smtp")
    before = gateway.children()
    gateway.set("web", listne="127.0.0.1:1")
    await hang_up(gateway)
    (line,) = events(gateway, "not-reloaded")
    assert "web.listne" in str(line["why"])
    assert "did you mean web.listen?" in str(line["why"])
    assert gateway.children() == before
    await asyncio.to_thread(send, gateway)
    assert len(hop.messages) == 1


async def test_a_generation_that_does_not_start_changes_nothing(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(gateway.start, "--smtp")
    before = gateway.children()
    gateway.set("store", key_file="another.key")  # It does not open what the first one closed.
    await hang_up(gateway)
    (line,) = events(gateway, "not-reloaded")
    assert "did not start" in str(line["why"])
    await asyncio.to_thread(send, gateway)
    assert len(hop.messages) == 1
    assert gateway.children() == before


def send_unless_closing(gateway: Gateway) -> bool:
    """Send a mail; return False when the session is told to come again before the mail is open."""
    client = smtplib.SMTP(timeout=30)
    try:
        if client.connect("127.0.0.1", gateway.smtp_port)[0] == CLOSING:
            return False
        for command in ("EHLO client.example.com", "MAIL FROM:<recruit@example.com>"):
            if client.docmd(command)[0] == CLOSING:
                return False
        if (code := client.docmd("RCPT TO:<b@example.jp>")[0]) != DONE:
            raise smtplib.SMTPResponseException(code, b"RCPT")
        if (code := client.data(PLAIN)[0]) != DONE:
            raise smtplib.SMTPResponseException(code, b"DATA")
    finally:
        client.close()
    return True


@dataclass
class Senders:
    """Clients that send without a pause until they are stopped; whatever goes wrong is kept.

    A session without an open mail may be told to come again (421), as when any mail server restarts.
    """

    gateway: Gateway
    answers: list[bool] = field(default_factory=list)
    """Of each try, whether the mail was taken."""
    wrong: list[str] = field(default_factory=list)
    _enough: Event = field(default_factory=Event)

    async def __aenter__(self) -> Self:
        self._threads = [Thread(target=self._send) for _ in range(3)]
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)  # The next hop they wait for runs in this loop.

    def _send(self) -> None:
        while not self._enough.is_set():
            try:
                self.answers.append(send_unless_closing(self.gateway))
            except (OSError, smtplib.SMTPException) as error:
                self.wrong.append(repr(error))


async def test_no_client_notices_that_generations_change(gateway: Gateway, hop: RecordingNextHop) -> None:
    await asyncio.to_thread(gateway.start, "--smtp")
    async with Senders(gateway) as senders:
        for count in (2, 3, 1):
            text = (gateway.folder / "goen.toml").read_text()
            lines = [f"workers = {count}" if x.startswith("workers") else x for x in text.split("\n")]
            (gateway.folder / "goen.toml").write_text("\n".join(lines))
            await hang_up(gateway)
            await asyncio.sleep(0.5)
    assert senders.wrong == []
    assert senders.answers.count(True) == len(hop.messages) > 0
