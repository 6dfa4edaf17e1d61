"""Real servers around a real gateway process."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.gateway import Gateway
from tests.peers.postfix import Postfix
from tests.smtp.recording import RecordingNextHop


@dataclass(frozen=True)
class Route:
    """A company's mail server, the gateway, and the server that delivers."""

    front: Postfix
    gateway: Gateway
    sink: Postfix


@contextmanager
def open_route(folder: Path, *, store_url: str | None = None) -> Iterator[Route]:
    """Start all three; Postfix lives outside pytest's directory, whose mode keeps out its user."""
    with ExitStack() as closing:

        def start_postfix(name: str, next_hop: int | None = None) -> Postfix:
            root = Path(tempfile.mkdtemp(prefix="goen-postfix-"))
            closing.callback(shutil.rmtree, root)
            postfix = Postfix.start(root, name, next_hop=next_hop)
            closing.callback(postfix.stop)
            return postfix

        sink = start_postfix("sink")
        gateway = Gateway.found(folder / "gateway", next_hop=sink.port, store_url=store_url)
        gateway.start()
        closing.callback(gateway.stop)
        yield Route(start_postfix("front", gateway.smtp_port), gateway, sink)


@pytest.fixture(scope="module")
def route(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Route]:
    """A route that the tests of a module share; each uses recipients of its own."""
    with open_route(tmp_path_factory.mktemp("route")) as opened:
        yield opened


@pytest.fixture
async def hop() -> AsyncIterator[RecordingNextHop]:
    """A next hop that records."""
    started = await RecordingNextHop().start()
    yield started
    await started.stop()


@pytest.fixture
async def gateway(hop: RecordingNextHop, tmp_path: Path) -> AsyncIterator[Gateway]:
    """An installation in front of it, not started yet."""
    founded = await asyncio.to_thread(Gateway.found, tmp_path / "gateway", next_hop=hop.port)
    yield founded
    await asyncio.to_thread(founded.stop)
