"""The processes of a running gateway: killed, replaced, given other settings, handed their sockets."""

import asyncio
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Self

import pytest

from gateway.journal import open_journal
from gateway.supervising.service_manager import ServiceManager
from gateway.supervising.staffing import Staffing, Wanted
from gateway.supervising.supervisor import Supervisor
from tests.e2e.mails import marked
from tests.peers.gateway import GOEN, Gateway, children_of
from tests.smtp.recording import RecordingNextHop, eventually

PLAIN = b"From: a@example.com\r\nSubject: plain\r\n\r\nplain\r\n"


CLOSING = 421


@pytest.fixture
async def hop() -> AsyncIterator[RecordingNextHop]:
    started = await RecordingNextHop().start()
    yield started
    await started.stop()


@pytest.fixture
async def gateway(hop: RecordingNextHop, tmp_path: Path) -> AsyncIterator[Gateway]:
    founded = await asyncio.to_thread(Gateway.found, tmp_path / "gateway", next_hop=hop.port)
    yield founded
    await asyncio.to_thread(founded.stop)


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


async def test_a_process_that_is_killed_is_replaced_and_its_port_stays_open(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(gateway.start)
    (mail,) = gateway.children("mail")
    mail.kill()
    await asyncio.to_thread(send, gateway)  # It waits in the socket until the next process takes it.
    (other,) = gateway.children("mail")
    assert other.pid != mail.pid
    assert len(hop.messages) == 1
    (ended,) = events(gateway, "process-ended")
    assert (ended["process"], ended["why"]) == ("mail-1", "killed by SIGKILL")


async def test_the_pages_may_die_without_the_mail(gateway: Gateway, hop: RecordingNextHop) -> None:
    await asyncio.to_thread(gateway.start)
    (pages,), (mail,) = gateway.children("pages"), gateway.children("mail")
    pages.kill()
    await asyncio.to_thread(send, gateway)
    assert len(hop.messages) == 1
    await eventually(lambda: bool(gateway.children("pages")))
    assert gateway.children("mail") == [mail]


async def test_a_stop_waits_for_no_process_that_is_between_two_lives(gateway: Gateway) -> None:
    await asyncio.to_thread(gateway.start)
    for _ in range(2):
        await eventually(lambda: bool(gateway.children("mail")))
        gateway.children("mail")[0].kill()
    await asyncio.to_thread(gateway.stop)
    assert len(events(gateway, "stopped")) == 1


async def test_when_the_supervisor_is_killed_the_mail_under_way_arrives_and_nothing_is_left(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(gateway.start)
    assert gateway.process is not None
    children = gateway.children()
    hop.hold("DOT")
    client = asyncio.create_task(asyncio.to_thread(send, gateway, marked("orphan"), "orphan@example.jp"))
    await eventually(lambda: hop.held == 1)
    gateway.process.kill()
    gateway.process.wait(10)
    gateway.process = None
    await asyncio.sleep(2.5)  # They notice within a second or two, and wait for the mail.
    hop.let_go()
    await client
    for child in children:
        await asyncio.to_thread(child.wait_until_gone)
    assert len(hop.messages) == 1


async def test_a_hangup_signal_brings_the_new_settings(gateway: Gateway) -> None:
    gateway.set("relay", hostname="before.example.com")
    await asyncio.to_thread(gateway.start)
    assert b"before.example.com" in await asyncio.to_thread(greeting, gateway)
    text = (gateway.folder / "goen.toml").read_text()
    (gateway.folder / "goen.toml").write_text(text.replace("before.example.com", "after.example.com"))
    await hang_up(gateway)
    assert b"after.example.com" in await asyncio.to_thread(greeting, gateway)
    await eventually(lambda: len(gateway.children("mail")) == 1)
    assert [line["what"] for line in events(gateway, "started")].count("smtp") == 2


async def test_settings_that_are_wrong_change_nothing_and_the_journal_says_why(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(gateway.start)
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
    await asyncio.to_thread(gateway.start)
    before = gateway.children()
    gateway.set("store", key_file="another.key")  # It does not open what the first one closed.
    await hang_up(gateway)
    (line,) = events(gateway, "not-reloaded")
    assert "did not start" in str(line["why"])
    await asyncio.to_thread(send, gateway)
    assert len(hop.messages) == 1
    assert gateway.children() == before


@dataclass
class Senders:
    """Clients that send without a pause until they are stopped; whatever goes wrong is kept.

    A session may be told to come again before its content (421), as when any mail server restarts.
    """

    gateway: Gateway
    sent: int = 0
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
                send(self.gateway)
            except smtplib.SMTPResponseException as error:
                if error.smtp_code != CLOSING:
                    self.wrong.append(repr(error))
            except smtplib.SMTPRecipientsRefused as error:
                if {code for code, _ in error.recipients.values()} != {CLOSING}:
                    self.wrong.append(repr(error))
            except (OSError, smtplib.SMTPException) as error:
                self.wrong.append(repr(error))
            else:
                self.sent += 1


async def test_no_client_notices_that_generations_change(gateway: Gateway, hop: RecordingNextHop) -> None:
    await asyncio.to_thread(gateway.start)
    async with Senders(gateway) as senders:
        for count in (2, 3, 1):
            text = (gateway.folder / "goen.toml").read_text()
            lines = [f"workers = {count}" if x.startswith("workers") else x for x in text.split("\n")]
            (gateway.folder / "goen.toml").write_text("\n".join(lines))
            await hang_up(gateway)
            await asyncio.sleep(0.5)
    assert senders.wrong == []
    assert senders.sent == len(hop.messages) > 0


async def test_a_process_that_stands_still_is_killed_and_replaced(
    gateway: Gateway, hop: RecordingNextHop, tmp_path: Path
) -> None:
    """With a supervisor in this process, because thirty seconds of silence are too long for a test."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GOEN_")}
    staffing = Staffing(gateway.folder / "goen.toml", environment, Wanted(web=False, worker=False))
    with (tmp_path / "log").open("w", buffering=1) as stream:
        journal = open_journal("json", stream)
        supervisor = Supervisor(staffing, journal, ServiceManager(), silence=timedelta(seconds=3))
        running = asyncio.create_task(supervisor.run())
        try:
            await eventually(lambda: "started" in (tmp_path / "log").read_text())
            (mail,) = [child for child in children_of(os.getpid()) if child.name == "mail"]
            mail.signal(signal.SIGSTOP)
            await asyncio.to_thread(send, gateway)
            assert not mail.alive
            assert "it gave no sign of life" in (tmp_path / "log").read_text()
            assert len(hop.messages) == 1
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await running
            journal.close()


HAND_OVER = """
import os, socket, sys
bound = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1], "w") as note:
    note.write(str(bound.getsockname()[1]))
os.dup2(bound.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "relay"}
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def news(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


@contextmanager
def handed_over(gateway: Gateway, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the mail processes with a socket of somebody else's, as systemd does."""
    command = [sys.executable, "-c", HAND_OVER, str(folder / "port"), str(GOEN)]
    environment = os.environ | {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "400000"}
    with ExitStack() as closing:
        log = closing.enter_context((gateway.folder / "journal").open("ab"))
        process = subprocess.Popen(
            [*command, "--settings", str(gateway.folder / "goen.toml"), "serve", "--smtp"],
            stderr=log,
            env=environment,
        )
        closing.callback(process.wait, 20)
        closing.callback(process.terminate)
        yield process


async def test_systemd_hands_a_socket_over_and_hears_how_the_service_is(
    gateway: Gateway, hop: RecordingNextHop, tmp_path: Path, news: socket.socket
) -> None:
    with handed_over(gateway, tmp_path) as process:

        async def heard(word: bytes) -> None:
            while word not in await asyncio.to_thread(news.recv, 512):
                pass

        await heard(b"READY=1")
        await heard(b"WATCHDOG=1")
        gateway.smtp_port = int((tmp_path / "port").read_text())
        await asyncio.to_thread(send, gateway)
        assert len(hop.messages) == 1
        old = children_of(process.pid)
        process.send_signal(signal.SIGHUP)
        await heard(b"RELOADING=1")
        await heard(b"READY=1")
        # Until they are gone, one of them may take a client and say 421 to it.
        await eventually(lambda: not any(child.alive for child in old))
        await asyncio.to_thread(send, gateway)
        assert len(hop.messages) == 2
        process.terminate()
        await heard(b"STOPPING=1")
