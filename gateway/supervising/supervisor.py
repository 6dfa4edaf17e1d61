"""What `goen serve` is: a supervisor, mail processes that share the ports, and a process for the pages.

- The supervisor holds every listening socket and takes no mail.
  Each mail process gets one of the sockets that share a port, so the kernel spreads the clients.
  A client that waits in a socket whose process dies is served by the process that takes its place.
- A process that dies is replaced. So is one that gives no sign of life: its loop stands still.
- SIGHUP reads settings, templates, keys and certificates again. A new generation of processes starts with
  them on the same sockets, and only when all of it takes work is the old one told to finish what it has.
  When anything is wrong the old generation stays, and the journal says why.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from gateway.journal import Journal
from gateway.supervising.posts import FAREWELL, SILENCE, START, Duty, Post, resolve
from gateway.supervising.service_manager import ServiceManager


@dataclass(frozen=True, slots=True)
class Plan:
    """What one generation of processes does, with settings that are checked and sockets that are bound."""

    duties: tuple[Duty, ...]
    finish: timedelta
    """How long the mails under way may take after SIGTERM."""
    listening: tuple[tuple[str, str], ...]
    """What listens where, for the journal."""
    unprepared: tuple[str, ...]
    """The settings that are missing before anybody can be invited."""
    close: Callable[[], None] = field(repr=False)
    """Gives up the sockets that no later plan has taken over."""


class Planner(Protocol):
    """Reads the settings and binds the sockets."""

    def plan(self) -> Plan:
        """Return a plan for the settings as they are now; raises what `goen check-config` would say."""

    def fault(self, error: Exception) -> str | None:
        """Return what is wrong in words for the journal, or None for a mistake of this program."""


class StartFailed(Exception):
    """A process of the first generation ended before it took work."""

    def __init__(self, status: int) -> None:
        """`status` is its exit status; it has told the operator why."""
        super().__init__(f"exit status {status}")
        self.status = status


class Supervisor:
    """Keeps the processes of one generation, and changes generations."""

    def __init__(
        self,
        planner: Planner,
        journal: Journal,
        manager: ServiceManager,
        *,
        silence: timedelta = SILENCE,
        start: timedelta = START,
    ) -> None:
        """`silence` and `start` are how long a process may say nothing, once it works and before."""
        self._planner = planner
        self._journal = journal
        self._manager = manager
        self._silence = silence
        self._start = start
        self._retiring: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; every mail under way is finished first. Raises `StartFailed`."""
        loop = asyncio.get_running_loop()
        stop: asyncio.Future[str] = loop.create_future()
        reload = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, resolve, stop, number.name)
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        watchdog = asyncio.create_task(self._satisfy_watchdog())
        try:
            await self._serve(stop, reload)
        finally:
            watchdog.cancel()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _serve(self, stop: asyncio.Future[str], reload: asyncio.Event) -> None:
        generation = await self._first(stop)
        while generation is not None and not stop.done():
            asked = asyncio.ensure_future(reload.wait())
            both: set[asyncio.Future[Any]] = {asked, stop}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if reload.is_set() and not stop.done():
                reload.clear()
                generation = await self._next(generation)
        self._manager.stopping()
        if stop.done():
            self._journal.stopping(stop.result())
        await asyncio.gather(*([generation.retire()] if generation else []), *self._retiring)
        if generation:
            generation.plan.close()
        self._journal.stopped()

    async def _first(self, stop: asyncio.Future[str]) -> "_Generation | None":
        """Start the first generation; None when the stop came before it was ready."""
        generation = self._generation(await asyncio.to_thread(self._planner.plan))
        ready = asyncio.ensure_future(generation.ready())
        both: set[asyncio.Future[Any]] = {ready, stop}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not ready.result():
            return self._welcome(generation)
        ready.cancel()
        await generation.retire()
        generation.plan.close()
        if ready.done() and not stop.done():
            raise StartFailed(next(iter(ready.result().values())))
        return None

    async def _next(self, generation: "_Generation") -> "_Generation":
        """Change to a generation with the settings as they are now, or keep this one and say why."""
        self._manager.reloading()
        try:
            plan = await asyncio.to_thread(self._planner.plan)
        except Exception as error:  # noqa: BLE001  # The old generation goes on, whatever it is.
            why = self._planner.fault(error)
            if why is None:
                self._journal.crashed("", error)
            self._journal.not_reloaded(why or "a mistake of this program")
            self._manager.ready()
            return generation
        following = self._generation(plan)
        if failed := await following.ready():
            await following.retire()
            plan.close()
            self._journal.not_reloaded(f"{', '.join(failed)} did not start; see above")
            self._manager.ready()
            return generation
        self._welcome(following)
        self._journal.reloaded()
        old = asyncio.create_task(self._see_out(generation))
        self._retiring.add(old)
        old.add_done_callback(self._retiring.discard)
        return following

    def _generation(self, plan: Plan) -> "_Generation":
        return _Generation(plan, self._journal, silence=self._silence, start=self._start)

    def _welcome(self, generation: "_Generation") -> "_Generation":
        for name in generation.plan.unprepared:
            self._journal.unprepared(name)
        for what, where in generation.plan.listening:
            self._journal.started(what, where)
        self._manager.ready()
        return generation

    async def _see_out(self, generation: "_Generation") -> None:
        await generation.retire()
        generation.plan.close()

    async def _satisfy_watchdog(self) -> None:
        if self._manager.watchdog_seconds is None:
            return
        while True:
            self._manager.alive()
            await asyncio.sleep(self._manager.watchdog_seconds / 2)


class _Generation:
    """The processes of one plan, each kept alive until the generation retires."""

    def __init__(self, plan: Plan, journal: Journal, *, silence: timedelta, start: timedelta) -> None:
        self.plan = plan
        self._posts = [Post(duty, journal, silence=silence, start=start) for duty in plan.duties]

    async def ready(self) -> dict[str, int]:
        """Wait until every process takes work, or one has failed; return the exit statuses of the failed."""
        waiting = [asyncio.ensure_future(post.first_word()) for post in self._posts]
        try:
            for each in asyncio.as_completed(waiting):
                await each
                if failed := {post.duty.name: post.failed for post in self._posts if post.failed is not None}:
                    return failed
        finally:
            for each in waiting:
                each.cancel()
        return {}

    async def retire(self) -> None:
        """Ask every process to finish, and wait; kill those that take too long."""
        seconds = (self.plan.finish + FAREWELL).total_seconds()
        await asyncio.gather(*(post.retire(seconds) for post in self._posts))
