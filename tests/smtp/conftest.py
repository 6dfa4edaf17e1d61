"""A whole door on real sockets: client, door, pool and a next hop that can fail."""

import asyncio
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from gateway.smtp.crowd import Crowd
from gateway.smtp.listener import Listener, listen
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Timeouts
from gateway.smtp.pool_limits import PoolLimits
from gateway.smtp.rules import DoorRules, Household
from gateway.smtp.servers import NextHopAddress
from tests.smtp.recording import Client, RecordingJournal, RecordingNextHop, StraightJourney


@dataclass
class House:
    """A running door and everything around it."""

    hop: RecordingNextHop
    pool: PooledNextHop
    journal: RecordingJournal
    journey: StraightJourney
    listener: Listener
    crowd: Crowd
    clients: list[Client] = field(default_factory=list)

    async def client(self, tls: ssl.SSLContext | None = None) -> Client:
        client = await Client.connect(self.listener.port, tls)
        self.clients.append(client)
        return client


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on both loops: uvloop serves where it is installed, and its transports differ."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def hop() -> AsyncIterator[RecordingNextHop]:
    """A next hop; its journal must be empty of surprises only if the test says so."""
    started = await RecordingNextHop().start()
    yield started
    await started.stop()


@pytest.fixture
async def open_house(hop: RecordingNextHop) -> AsyncIterator[OpenHouse]:
    houses: list[House] = []

    async def build(
        rules: DoorRules | None = None,
        *,
        timeouts: Timeouts | None = None,
        limits: PoolLimits | None = None,
        offers_seconds: float = 300,
        **called: Any,
    ) -> House:
        pool = PooledNextHop(
            NextHopAddress("127.0.0.1", hop.port, helo_name=b"gw.test"),
            timeouts=timeouts,
            limits=limits,
            offers_seconds=offers_seconds,
        )
        journal, journey, numbers = RecordingJournal(), StraightJourney(), itertools.count(1)
        household = Household(pool, journey, journal, lambda: f"G-{next(numbers)}", **called)
        listener = await listen(
            socket.create_server(("127.0.0.1", 0)), rules or DoorRules("gw.test"), household
        )
        houses.append(House(hop, pool, journal, journey, listener, household.crowd))
        return houses[-1]

    yield build
    for house in houses:
        for client in house.clients:
            client.hang_up()
        await house.listener.stop(5)
        await house.pool.close()
