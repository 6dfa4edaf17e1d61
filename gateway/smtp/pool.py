"""The connections to one server: kept, lent out, counted, and left alone while it cannot be reached.

A connection is kept for the next message while it is young and in step, because opening one costs as much as
a small message.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import replies
from gateway.replies import Deferred
from gateway.smtp.broken import Broken, LeftAlone, LoginRefused
from gateway.smtp.connection import Connection
from gateway.smtp.introduction import open_connection
from gateway.smtp.offers import MAIL_MAX, limit
from gateway.smtp.pool_limits import Surroundings
from gateway.smtp.servers import NextHopAddress
from gateway.smtp.slots import Slots


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server, for metrics."""

    server: str
    up: bool
    """Whether the last attempt to open a connection succeeded, or there was none."""
    connections: int
    """Those that are open or being opened, the idle ones among them."""
    idle: int
    waiting: int
    """Mails that wait for a connection."""


class ServerPool:
    """Connections to one server, and what it offers."""

    def __init__(self, address: NextHopAddress, surroundings: Surroundings) -> None:
        self.label = address.label
        self.offers: Mapping[bytes, bytes] | None = None
        """What the server offered last; None while it has never answered."""
        self.up = True
        self._address = address
        self._around = surroundings
        self._limits = surroundings.limits
        self._offers_at = 0.0
        self._try_again_at = 0.0
        self._trouble: Broken | None = None
        self._idle: list[tuple[Connection, float]] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._slots = Slots(surroundings.limits.connections, surroundings.limits.wait_seconds)
        self._asking: asyncio.Task[None] | None = None
        self._beside_the_path: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def state(self) -> ServerState:
        """How things stand."""
        return ServerState(self.label, self.up, self._slots.taken, len(self._idle), self._slots.waiting)

    @property
    def stale(self) -> bool:
        """Whether the server should be asked again what it offers, and may be."""
        now = _now()
        known = self.offers is not None and now - self._offers_at < self._around.offers_seconds
        return not known and now >= self._try_again_at

    @property
    def asking(self) -> bool:
        """Whether the server is being asked."""
        return self._asking is not None

    async def borrow(self) -> tuple[Connection, bool]:
        """Return a connection, and whether it is a new one.

        Raises `Broken`, at once if one could not be opened a moment ago; `Deferred` when all are taken.
        """
        while (kept := self._from_idle()) is not None:
            connection, since = kept
            if _now() - since < self._limits.asked_after_seconds or await _answers(connection):
                return connection, False
        self._spare()
        came_back = await self._take()
        if came_back is not None:
            return came_back, False
        return await self._open(), True

    async def open(self) -> Connection:
        """Return a new connection; raises as `borrow` does."""
        self._spare()
        if self._idle and self._slots.all_taken:
            self._idle.pop(0)[0].leave()
        while (came_back := await self._take()) is not None:
            came_back.leave()
        return await self._open()

    def give_back(self, connection: Connection, *, mail_open: bool) -> None:
        """Take a connection back that is in step; the RSET that an open mail needs is not waited for."""
        if mail_open:
            self._spawn(self._reset(connection))
        else:
            self._keep(connection)

    def ask(self) -> asyncio.Task[None]:
        """Open a connection to hear what the server offers, unless that is under way; it never raises."""
        if self._asking is None:
            self._asking = self._spawn(self._ask())
        return self._asking

    async def close(self) -> None:
        """Close the idle connections; those that are lent out close when they come back.

        Waits for those that are being reset.
        """
        self._closed = True
        for timer in (self._probe, self._sweep):
            if timer is not None:
                timer.cancel()
        if self._asking is not None:
            self._asking.cancel()
        if self._beside_the_path:
            await asyncio.wait(self._beside_the_path)
        while self._idle:
            self._idle.pop()[0].leave()

    # Opening, and the breaker.

    async def _take(self) -> Connection | None:
        try:
            return await self._slots.take()
        except TimeoutError:
            raise Deferred(replies.next_hop_busy(), f"next-hop-busy: {self.label}") from None

    def _spare(self) -> None:
        """Raise what went wrong a moment ago, so that the server is left alone for a while."""
        if self._trouble is not None and _now() < self._try_again_at:
            raise LeftAlone(self._trouble)

    async def _open(self) -> Connection:
        """Open a connection in a slot that has been taken."""
        try:
            self._spare()  # once more: the wait for the slot may have been long
            connection = await open_connection(
                self._address, self._around.timeouts, ours=self._around.ours, meter=self._around.meter
            )
        except BaseException as error:
            self._slots.free()
            if isinstance(error, Broken) and not isinstance(error, LeftAlone):
                self._note_failure(error)
            raise
        connection.when_gone(self._slots.free)
        self._note_success(connection)
        return connection

    def _note_failure(self, broken: Broken) -> None:
        limits = self._limits
        pause = limits.login_again_seconds if isinstance(broken, LoginRefused) else limits.breaker_seconds
        self._trouble = broken
        self._try_again_at = _now() + pause
        if self._around.meter is not None:
            self._around.meter.failed(self.label, broken.word)
        if self.up and self._around.journal is not None:
            self._around.journal.server_lost(self.label, f"{broken.word}: {broken}")
        self.up = False
        self._probe_later()

    def _probe_later(self) -> None:
        """See to it that a server that is down is asked again, whatever became of the last question."""
        if self._probe is not None:
            self._probe.cancel()
        if self._around.probed and not self.up and not self._closed:
            self._probe = asyncio.get_running_loop().call_at(self._try_again_at, self.ask)

    def _note_success(self, connection: Connection) -> None:
        self._try_again_at = 0.0  # another attempt may have failed meanwhile
        self._trouble = None
        self.offers = connection.offers
        self._offers_at = _now()
        if not self.up and self._around.journal is not None:
            self._around.journal.server_back(self.label)
        self.up = True
        self._probe_later()

    async def _ask(self) -> None:
        try:
            self._keep(await self.open())
        except (Broken, Deferred):
            pass  # the last answer stands
        finally:
            self._asking = None
            self._probe_later()

    # Keeping.

    async def _reset(self, connection: Connection) -> None:
        try:
            await connection.reset()
        except Broken:
            connection.abort()
        except BaseException:
            connection.abort()
            raise
        else:
            self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        """Keep a connection for the next mail, or close it when it has served enough."""
        mails = limit(connection.offers, MAIL_MAX) or self._limits.messages
        worn = (
            connection.messages >= min(mails, self._limits.messages)
            or _now() - connection.opened_at >= self._limits.age_seconds
        )
        if self._closed or worn or not connection.usable:
            connection.leave()
            return
        if self._slots.hand_over(connection):
            return
        self._idle.append((connection, _now()))
        if self._sweep is None:
            self._sweep_at(_now())

    def _from_idle(self) -> tuple[Connection, float] | None:
        """Return the connection used last, which is the least likely to have been closed meanwhile."""
        now = _now()
        while self._idle:
            connection, since = self._idle.pop()
            if connection.usable and now - connection.opened_at < self._limits.age_seconds:
                return connection, since
            connection.leave()
        return None

    def _sweep_at(self, since: float) -> None:
        """Come back when a connection that is idle `since` then has been idle for too long."""
        at = since + self._limits.idle_seconds
        self._sweep = asyncio.get_running_loop().call_at(at, self._close_the_idle)

    def _close_the_idle(self) -> None:
        """Close what nobody wanted for a while; one timer for all: a timer for each costs every mail."""
        self._sweep = None
        end = _now() - self._limits.idle_seconds
        while self._idle and self._idle[0][1] <= end:
            self._idle.pop(0)[0].leave()
        if self._idle:
            self._sweep_at(self._idle[0][1])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._beside_the_path.add(task)
        task.add_done_callback(self._beside_the_path.discard)
        return task


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _answers(connection: Connection) -> bool:
    """Whether a connection that has been idle for long still carries commands; a dead one is closed."""
    try:
        await connection.reset()
    except Broken:
        connection.abort()
        return False
    except BaseException:
        connection.abort()
        raise
    return connection.usable
