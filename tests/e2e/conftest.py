"""Real servers around a real gateway process."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.gateway import Gateway
from tests.peers.postfix import Postfix

StartPostfix = Callable[..., Postfix]
FoundGateway = Callable[..., Gateway]


@pytest.fixture
def start_postfix() -> Iterator[StartPostfix]:
    """Start Postfix instances that are stopped after the test."""
    started: list[Postfix] = []

    def start(name: str, *, next_hop: int | None = None) -> Postfix:
        # Not under pytest's own directory: its mode keeps out the user that Postfix runs as.
        root = Path(tempfile.mkdtemp(prefix="goen-postfix-"))
        started.append(Postfix.start(root, name, next_hop=next_hop))
        return started[-1]

    yield start
    for instance in started:
        instance.stop()
        shutil.rmtree(instance.root)


@pytest.fixture
def found_gateway(tmp_path: Path) -> Iterator[FoundGateway]:
    """Found gateways whose processes end with the test."""
    founded: list[Gateway] = []

    def found(*, next_hop: int, store_url: str | None = None) -> Gateway:
        folder = tmp_path / f"gateway-{len(founded)}"
        founded.append(Gateway.found(folder, next_hop=next_hop, store_url=store_url))
        return founded[-1]

    yield found
    for gateway in founded:
        gateway.stop()
