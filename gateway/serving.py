"""Running what wiring built in one process: start, signs of life, and a stop that drops no transaction."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from gateway.journal import Journal, open_journal
from gateway.looks import looks_around
from gateway.metrics.memory import Memory
from gateway.metrics.meters import look_around
from gateway.metrics.metrics import Metrics
from gateway.replies import Deferred
from gateway.settings import Settings
from gateway.smtp.listener import Listener, listen
from gateway.smtp.stranger import prove_closed
from gateway.web.server import WebServer
from gateway.wiring import House, build
from store.errors import StoreError, StoreUnavailable
from store.partners import list_partners

T = TypeVar("T")

DRAIN_MARGIN = timedelta(seconds=20)
"""What a stop waits longer than a message may take: for the store, and for the reply to reach the client."""

MIGRATE_SECONDS = 60
"""How long the start waits for the database to be brought up to date; mail is then taken all the same."""

MIGRATE_AGAIN_SECONDS = 5

SIGN_OF_LIFE_SECONDS = 1

FIRST_QUESTION_SECONDS = 2
"""How long the start waits for the next hop's EHLO; one that is down must not keep us from starting."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Bound sockets; a part that does not run in this process has none."""

    smtp: tuple[tuple[int, socket.socket], ...]
    """Each with the number of its door, in the order of the settings from 0; a door may have several."""
    web: socket.socket | None
    metrics: socket.socket | None = None


def serve_part(
    settings: Settings, sockets: Sockets, *, worker: bool, alive: int, counts: int | None = None
) -> None:
    """Be one of the supervisor's processes: serve until SIGTERM, or until the supervisor is gone.

    `alive` is the descriptor of the pipe on which it waits for signs of life.
    `counts` is the descriptor of the memory in which it counts. Every mail under way is finished first.
    """
    metrics = None if counts is None else Metrics(Memory.adopt(counts))
    journal = open_journal(settings.journal.format, tally=metrics.tally if metrics else None)
    try:
        run(_serve(settings, sockets, journal, metrics, worker=worker, alive=alive))
    finally:
        journal.close()


def inherited(smtp: Sequence[str], web: int | None, metrics: int | None = None) -> Sockets:
    """Return the sockets that the supervisor has bound; `smtp` has `door:descriptor` for each."""
    pairs = [(int(door), int(descriptor)) for door, _, descriptor in (text.partition(":") for text in smtp)]
    return Sockets(
        tuple((door, _adopted(descriptor)) for door, descriptor in pairs),
        None if web is None else _adopted(web),
        None if metrics is None else _adopted(metrics),
    )


def _adopted(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)  # noqa: FBT003  # takes no keyword
    bound = socket.socket(fileno=descriptor)
    bound.settimeout(0)
    return bound


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the fastest loop that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


async def _serve(
    settings: Settings,
    sockets: Sockets,
    journal: Journal,
    metrics: Metrics | None,
    *,
    worker: bool,
    alive: int,
) -> None:
    house = build(settings, journal, metrics=metrics)
    # The supervisor reads the settings again, and starts other processes with them.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    async with (
        stop_signal() as stopped,
        _signs_of_life(alive, stopped) as at_work,
        running(house, sockets, worker=worker) as migrating,
    ):
        at_work.set()
        if worker and migrating.done():
            await _look_for_partners(house)
        waiting: set[asyncio.Future[Any]] = {stopped, migrating}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            await migrating  # Raises a wrong key, or a newer database, that showed itself only now.
        await stopped


@asynccontextmanager
async def _signs_of_life(alive: int, stopped: asyncio.Future[str]) -> AsyncIterator[asyncio.Event]:
    """Write an octet a second while the loop goes round, the first when the event that this gives is set.

    The signs go on until everything is closed. When nobody is left to read them, this process stops.
    """
    at_work = asyncio.Event()

    async def write() -> None:
        await at_work.wait()
        with contextlib.suppress(BrokenPipeError):
            while True:
                with contextlib.suppress(BlockingIOError):
                    os.write(alive, b".")
                await asyncio.sleep(SIGN_OF_LIFE_SECONDS)
        if not stopped.done():
            stopped.set_result("the supervisor is gone")

    os.set_blocking(alive, False)
    writing = asyncio.create_task(write())
    try:
        yield at_work
    finally:
        writing.cancel()


async def _look_for_partners(house: House) -> None:
    """Tell the operator when there is nobody to offer; a store out of reach has been told of already."""
    now = datetime.now(UTC)
    with contextlib.suppress(StoreError):
        if not any(partner.may_be_offered(now) for partner in await house.store.run(list_partners)):
            house.journal.unprepared("a partner with a live licence: goen partner add")


@asynccontextmanager
async def stop_signal() -> AsyncIterator[asyncio.Future[str]]:
    """Give a future that SIGTERM or SIGINT resolves with the signal's name; a second one changes nothing."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[str] = loop.create_future()

    def stop(name: str) -> None:
        if not stopped.done():
            stopped.set_result(name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    try:
        yield stopped
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(house: House, sockets: Sockets, *, worker: bool) -> AsyncIterator[asyncio.Task[None]]:
    """Start the parts; on leaving, stop taking work, finish what is under way, and close everything.

    Gives the task that brings the database up to date; it is done already unless that is out of reach.
    """
    async with AsyncExitStack() as closing:
        closing.callback(house.store.close)
        closing.push_async_callback(house.way_out.aclose)
        closing.push_async_callback(house.next_hop.close)
        closing.push_async_callback(house.delivery.close)
        migrating = await _migrate(house, closing)
        if sockets.web is not None:
            server = WebServer(house.app, sockets.web)
            await server.start()
            closing.push_async_callback(server.stop)
        if sockets.metrics is not None and house.metrics_app is not None:
            reading = WebServer(house.metrics_app, sockets.metrics)
            await reading.start()
            closing.push_async_callback(reading.stop)
        if worker:
            working = asyncio.create_task(house.worker.run())
            closing.push_async_callback(_stop_worker, house, working)
        listeners: list[Listener] = []
        if house.counts is not None:
            looks = looks_around(house, house.counts, sockets.smtp, listeners)
            looking = asyncio.create_task(look_around(house.counts, looks))
            closing.push_async_callback(_cancel, looking)
        if sockets.smtp:
            await _learn_what_the_next_hop_offers(house)
            closing.push_async_callback(_stop_listeners, house, listeners)
            for door, bound in sockets.smtp:
                await prove_closed(house.door_rules[door], house.household)
                listeners.append(await listen(bound, house.door_rules[door], house.household))
        yield migrating


async def _learn_what_the_next_hop_offers(house: House) -> None:
    """Ask before the first client does, who would otherwise be promised next to nothing."""
    with contextlib.suppress(Deferred, TimeoutError):
        async with asyncio.timeout(FIRST_QUESTION_SECONDS):
            await house.next_hop.offers()


async def _stop_listeners(house: House, listeners: Sequence[Listener]) -> None:
    """Stop all doors at once: each waits for its own mails."""
    seconds = (house.patience + DRAIN_MARGIN).total_seconds()
    await asyncio.gather(*(listener.stop(seconds) for listener in listeners))


async def _stop_worker(house: House, working: asyncio.Task[None]) -> None:
    house.worker.stop()
    await working


async def _migrate(house: House, closing: AsyncExitStack) -> asyncio.Task[None]:
    """Bring the database up to date; when it is out of reach, go on trying: ordinary mail needs none.

    Raises what no waiting will mend: a wrong key, a database that is newer than this program.
    """
    out_of_reach = asyncio.Event()
    task = asyncio.create_task(_migrate_until_done(house, out_of_reach))
    told = asyncio.create_task(out_of_reach.wait())
    await asyncio.wait({task, told}, timeout=MIGRATE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if task.done():
        await task
    else:
        house.journal.store_down("start")
        closing.push_async_callback(_cancel, task)
    return task


async def _migrate_until_done(house: House, out_of_reach: asyncio.Event) -> None:
    while True:
        try:
            await asyncio.to_thread(house.store.migrate)
        except StoreUnavailable:
            out_of_reach.set()
            await asyncio.sleep(MIGRATE_AGAIN_SECONDS)
        else:
            return


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, StoreError):
        await task
