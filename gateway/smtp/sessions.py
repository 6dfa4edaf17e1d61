"""The sessions and relays that are under way, so that a stop can wait for them (P13)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

FAREWELL_SECONDS = 1.0
"""How long cancelled work may take to give its connections back; it has had its time already."""


class Session(Protocol):
    """A client's session, as far as a stop needs to know it."""

    def retire(self) -> None:
        """Say 421 now if idle, else when the open mail is done."""


class Sessions:
    """Everything that a stop has to wait for."""

    def __init__(self) -> None:
        self._open: set[Session] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._retiring = False

    @property
    def count(self) -> int:
        """How many sessions are open."""
        return len(self._open)

    def enter(self, session: Session, task: asyncio.Task[None]) -> None:
        """Note a new session and the task that serves it."""
        self._open.add(session)
        self._track(task)
        if self._retiring:
            session.retire()

    def leave(self, session: Session) -> None:
        """Forget a session that has ended."""
        self._open.discard(session)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start work that outlives its session."""
        task = asyncio.get_running_loop().create_task(work)
        self._track(task)
        return task

    async def drain(self, seconds: float) -> None:
        """Retire every session and wait until all work is done; what is left after `seconds` is cancelled."""
        self._retiring = True
        for session in tuple(self._open):
            session.retire()
        await self._settle(seconds)
        for task in tuple(self._tasks):
            task.cancel()
        await self._settle(FAREWELL_SECONDS)

    async def _settle(self, seconds: float) -> None:
        """Wait until all work is done, work that begins meanwhile included, for up to `seconds`."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while self._tasks and (left := deadline - clock()) > 0:
            await asyncio.wait(self._tasks, timeout=left)

    def _track(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
