"""The loop that takes due submissions to partners.

It wakes at an interval, works until nothing is due, and sleeps again.
Several may run, in one process or on several nodes: what one has claimed, no other gets.
When the store is out of reach it waits longer each time, up to a minute, and goes on by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from gateway.journal import Journal
from store.errors import StoreUnavailable

INTERVAL = timedelta(seconds=5)
"""How long a due submission waits at most for an idle worker; each look is one short transaction."""

BATCH = 10
"""Submissions sent side by side: enough that a slow partner does not hold up the others."""

_LONGEST_BACK_OFF = timedelta(minutes=1)


class OutboxWorker:
    """One loop; `run` is its whole life."""

    def __init__(
        self,
        submit_due: Callable[[int], Awaitable[int]],
        *,
        journal: Journal,
        interval: timedelta = INTERVAL,
        batch: int = BATCH,
    ) -> None:
        """`submit_due` deals with up to so many due submissions and returns how many; 0 ends the round."""
        self._submit_due = submit_due
        self._journal = journal
        self._interval = interval
        self._batch = batch
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Make `run` return after the submissions it is sending."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`; an error never ends the loop."""
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._work()
                failures = 0
            except StoreUnavailable:
                failures += 1
                self._journal.store_down("outbox worker")
            except Exception as error:  # noqa: BLE001  # The loop must outlive a mistake in one submission.
                failures += 1
                self._journal.crashed("outbox-worker", error)
            await self._sleep(failures)

    async def _work(self) -> None:
        """Submit until nothing is due."""
        while not self._stopping.is_set():
            if not await self._submit_due(self._batch):
                return

    async def _sleep(self, failures: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause(self._interval, failures).total_seconds()):
                await self._stopping.wait()


def pause(interval: timedelta, failures: int) -> timedelta:
    """Return how long to sleep after so many failed looks in a row: doubled by each, a minute at most."""
    if not failures:
        return interval
    doublings = min(failures, 32)  # Beyond it the limit is long reached, and the number would overflow.
    return max(interval, min(interval * (1 << doublings), _LONGEST_BACK_OFF))
