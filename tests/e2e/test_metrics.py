"""The figures of a running gateway with two mail processes, read as Prometheus reads them."""

import asyncio
import signal
import smtplib
import sqlite3
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from tests.e2e.mails import marked
from tests.peers.gateway import Gateway
from tests.peers.ports import free_port
from tests.smtp.recording import PATIENCE, RecordingNextHop, eventually

PLAIN = b"From: a@example.com\r\nSubject: plain\r\n\r\nplain\r\n"

PASSED = "goen_messages_total{outcome=passed,reason=unmarked,reply=2xx}"

Figures = Mapping[str, float]
"""By name and labels, as `name{label=value,…}` in the order of the labels' names."""


class Watched:
    """A gateway whose figures are read."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port

    def start(self, *arguments: str) -> None:
        self.gateway.start(*arguments)

    async def send(self, mail: bytes = PLAIN, *recipients: str) -> None:
        await asyncio.to_thread(self._send, mail, recipients or ("b@example.jp",))

    def _send(self, mail: bytes, recipients: tuple[str, ...]) -> None:
        with smtplib.SMTP("127.0.0.1", self.gateway.smtp_port, timeout=30) as client:
            try:
                client.sendmail("recruit@example.com", list(recipients), mail)
            except smtplib.SMTPDataError:
                return

    async def figures(self) -> Figures:
        return await asyncio.to_thread(self._figures)

    def text(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            text: str = answer.read().decode()
        return text

    def _figures(self) -> Figures:
        return {
            f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}": sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }

    async def until(self, true: Callable[[Figures], bool]) -> Figures:
        """Read the figures until something is true of them: states are noted once a second."""
        async with asyncio.timeout(PATIENCE):
            while not true(found := await self.figures()):  # noqa: ASYNC110  # It is another process's.
                await asyncio.sleep(0.2)
        return found


def only(figures: Figures, name: str) -> Figures:
    return {key.removeprefix(name): value for key, value in figures.items() if key.startswith(f"{name}{{")}


@pytest.fixture
async def hop() -> AsyncIterator[RecordingNextHop]:
    started = await RecordingNextHop().start()
    yield started
    await started.stop()


@pytest.fixture
async def watched(hop: RecordingNextHop, tmp_path: Path) -> AsyncIterator[Watched]:
    gateway = await asyncio.to_thread(Gateway.found, tmp_path / "gateway", next_hop=hop.port)
    port = free_port()
    gateway.set("metrics", listen=f"127.0.0.1:{port}")
    settings = gateway.folder / "goen.toml"
    settings.write_text(settings.read_text().replace("workers = 1\n", "workers = 2\n"))
    yield Watched(gateway, port)
    await asyncio.to_thread(gateway.stop)


async def test_mails_of_each_kind_are_counted_once_and_a_database_that_hangs_hides_only_its_own(
    watched: Watched, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(watched.start)
    for _ in range(8):
        await watched.send()
    hop.answer("DOT", b"550 5.7.1 not from you\r\n")
    await watched.send()
    await watched.send(b"From: a@example.com\r\n\r\nnul \0\r\n")
    await watched.send(marked("taro"), "taro@example.jp", "hanako@example.jp")
    hop.answer("DOT", b"451 4.2.0 later\r\n")
    await watched.send(marked("jiro"), "jiro@example.jp")

    found = await watched.figures()
    server = f"127.0.0.1:{hop.port}"
    assert only(found, "goen_messages_total") == {
        "{outcome=passed,reason=unmarked,reply=2xx}": 8,
        "{outcome=passed,reason=unmarked,reply=5xx}": 1,
        "{outcome=refused,reason=NUL,reply=5xx}": 1,
        "{outcome=invited,reason=marked,reply=2xx}": 1,
        "{outcome=invited,reason=marked,reply=4xx}": 1,
    }
    assert only(found, "goen_copies_total") == {"{state=accepted}": 2, "{state=deferred}": 1}
    assert only(found, "goen_ledger_cases") == {"{state=captured}": 1, "{state=invited}": 2}
    assert only(found, "goen_ledger_copies") == {"{state=deferred}": 1}
    assert only(found, "goen_build_info") == {f"{{version={__version__}}}": 1}
    assert found["goen_rewrite_seconds_count{}"] == 3
    assert found["goen_store_seconds_count{verb=open_message}"] == 2
    # 9 ordinary mails and 3 copies reached their final dot.
    assert found[f"goen_next_hop_seconds_count{{phase=final-dot,server={server}}}"] == 12
    assert found[f"goen_next_hop_seconds_bucket{{le=+Inf,phase=final-dot,server={server}}}"] == 12
    assert "example" not in await asyncio.to_thread(watched.text)

    with closing(sqlite3.connect(watched.gateway.folder / "var" / "goen.sqlite3")) as other:
        other.execute("BEGIN EXCLUSIVE")
        found = await watched.until(lambda now: only(now, "goen_ledger_cases") == {})
        assert len(only(found, "goen_messages_total")) == 5
        other.rollback()
    await watched.until(lambda now: only(now, "goen_ledger_cases") != {})


async def test_a_process_that_ends_takes_no_figure_with_it_also_where_there_are_no_pages(
    watched: Watched, hop: RecordingNextHop
) -> None:
    await asyncio.to_thread(watched.start, "--smtp")
    for _ in range(6):
        await watched.send()
    for child in watched.gateway.children("mail"):
        child.kill()
    found = await watched.until(lambda now: "goen_process_ends_total{process=mail-2}" in now)
    found = await watched.until(lambda now: now.get("goen_processes{part=mail}") == 2)
    assert found[PASSED] == 6
    assert only(found, "goen_process_ends_total") == {"{process=mail-1}": 1, "{process=mail-2}": 1}

    await watched.send()
    before, watched.port = watched.port, free_port()
    settings = watched.gateway.folder / "goen.toml"
    settings.write_text(settings.read_text().replace(f"127.0.0.1:{before}", f"127.0.0.1:{watched.port}"))
    assert watched.gateway.process is not None
    watched.gateway.process.send_signal(signal.SIGHUP)
    await eventually(lambda: "reloaded" in watched.gateway.journal_text())
    await watched.until(lambda now: now.get("goen_reloads_total{outcome=reloaded}") == 1)
    await watched.send()
    found = await watched.until(lambda now: now.get("goen_processes{part=mail}") == 2)
    assert found[PASSED] == 8
    assert found[f"goen_next_hop_up{{server=127.0.0.1:{hop.port}}}"] == 1
    assert found["goen_content_budget_bytes{}"] == 2 * 256 * 1024 * 1024


async def test_a_mail_under_way_shows_in_the_states(watched: Watched, hop: RecordingNextHop) -> None:
    await asyncio.to_thread(watched.start)
    hop.hold("DOT")
    sending = asyncio.create_task(watched.send())
    lent = f"goen_next_hop_connections{{server=127.0.0.1:{hop.port},state=lent}}"
    found = await watched.until(lambda now: now.get("goen_content_bytes{}", 0) > 0)
    assert found["goen_sessions{door=relay}"] == 1
    assert found[lent] == 1
    hop.let_go()
    await sending
    found = await watched.until(lambda now: now["goen_content_bytes{}"] == 0)
    assert found[lent] == 0
    assert found["goen_loop_lag_seconds_count{}"] > 0
