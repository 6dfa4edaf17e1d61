"""The meters that the next hop, the database and the scribe are given, and the look at how things stand."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Final, Protocol

from gateway.metrics import figures
from gateway.metrics.counts import Counts

LOOK_SECONDS: Final = 1
"""How often a process notes how things stand; Prometheus asks every 15 seconds or so."""


class NextHopMeter:
    """Notes what the next hop takes time for; satisfies the pool's `Meter`."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def took(self, server: str, phase: str, seconds: float) -> None:
        """Note how long a phase took."""
        self._counts.observe(figures.NEXT_HOP, server, phase, seconds=seconds)

    def failed(self, server: str, word: str) -> None:
        """Note that a connection failed."""
        self._counts.add(figures.NEXT_HOP_FAILURES, server, word)


class StoreMeter:
    """Notes how long the database took; satisfies the store's `Meter`."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def answered(self, verb: str, seconds: float) -> None:
        """Note how long an answer took."""
        self._counts.observe(figures.STORE, verb, seconds=seconds)

    def failed(self, verb: str) -> None:
        """Note that no answer came."""
        self._counts.add(figures.STORE_FAILURES, verb)


class CopyMeter:
    """Notes how long the writing of a copy took; from any thread."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._lock = Lock()
        counts.place(figures.REWRITE)

    def wrote(self, seconds: float) -> None:
        """Note the time of one copy."""
        with self._lock:
            self._counts.observe(figures.REWRITE, seconds=seconds)


class Server(Protocol):
    """How a server of the next hop stands."""

    @property
    def server(self) -> str:
        """Host and port."""

    @property
    def up(self) -> bool:
        """Whether it could be reached."""

    @property
    def connections(self) -> int:
        """All that are open or being opened."""

    @property
    def idle(self) -> int:
        """Those that wait for a mail."""

    @property
    def waiting(self) -> int:
        """Mails that wait for one."""


def note_servers(counts: Counts, servers: Iterable[Server]) -> None:
    """Note how the pools of connections stand."""
    for each in servers:
        counts.set(figures.NEXT_HOP_CONNECTIONS, each.server, "idle", value=each.idle)
        counts.set(figures.NEXT_HOP_CONNECTIONS, each.server, "lent", value=each.connections - each.idle)
        counts.set(figures.NEXT_HOP_WAITING, each.server, value=each.waiting)
        counts.set(figures.NEXT_HOP_UP, each.server, value=each.up)


async def look_around(counts: Counts, looks: Sequence[Callable[[], None]]) -> None:
    """Note how things stand, again and again, and how late the loop comes to it; until cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        for look in looks:
            look()
        due = clock() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        counts.observe(figures.LOOP_LAG, seconds=max(0.0, clock() - due))
