"""The processes of a running gateway: killed, replaced, handed their sockets."""

import asyncio
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.journal import open_journal
from gateway.supervising.service_manager import ServiceManager
from gateway.supervising.staffing import Staffing, Wanted
from gateway.supervising.supervisor import Supervisor
from tests.e2e.mails import marked
from tests.peers.gateway import GOEN, Gateway, children_of
from tests.smtp.recording import RecordingNextHop, eventually

PLAIN = b"From: a@example.com\r\nSubject: plain\r\n\r\nplain\r\n"


def send(gateway: Gateway, mail: bytes = PLAIN, recipient: str = "b@example.jp") -> None:
    client = smtplib.SMTP("127.0.0.1", gateway.smtp_port, timeout=30)
    try:
        client.sendmail("recruit@example.com", [recipient], mail)
    finally:
        client.close()  # Without QUIT: a process that is finishing says 421 to it.


def events(gateway: Gateway, name: str) -> list[dict[str, object]]:
    return [line for line in gateway.journal() if line["event"] == name]


async def test_a_process_that_is_killed_is_replaced_and_its_port_stays_open(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(gateway.start, "--smtp")
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
    await asyncio.to_thread(gateway.start, "--smtp")
    for _ in range(2):
        await eventually(lambda: bool(gateway.children("mail")))
        gateway.children("mail")[0].kill()
    await asyncio.to_thread(gateway.stop)
    assert len(events(gateway, "stopped")) == 1


async def test_when_the_supervisor_is_killed_the_mail_under_way_arrives_and_nothing_is_left(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(gateway.start, "--smtp")
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
