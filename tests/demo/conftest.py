"""A mailbox that listens, and its pages over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.demo.mailbox import Mailbox
from gateway.demo.mailbox_pages import routes
from tests.peers.asgi import serving

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Running:
    """A mailbox, its SMTP port and the base URL of its pages."""

    mailbox: Mailbox
    port: int
    base: str


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mailbox", clock=lambda: NOW)


@pytest.fixture
async def running(mailbox: Mailbox) -> AsyncIterator[Running]:
    port = await mailbox.start()
    async with serving(routes(mailbox)) as base:
        yield Running(mailbox, port, base)
    await mailbox.stop()
