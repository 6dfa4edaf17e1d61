"""The next hop as the journey sees it: mail transactions on borrowed connections.

A connection is kept for the next message while it is young and in step, because opening one costs as much as
a small message. It is given up after any surprise: a reply out of place means that the replies which follow
may belong to other commands.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import replies
from gateway.replies import Deferred
from gateway.smtp.connection import Connection, NextHopAddress, Timeouts
from gateway.smtp.transaction import PooledTransaction
from gateway.smtp.wire import Broken


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How long a connection is kept, and how long nobody knocks where nobody answered."""

    idle_seconds: float = 20
    age_seconds: float = 14 * 60
    """Exchange Online ends a session after some 20 minutes, in the middle of whatever it is doing."""
    messages: int = 100
    breaker_seconds: float = 5
    """How long a next hop that could not be reached is left alone: nobody queues behind a black hole."""
    first_answer_seconds: float = 2
    """How long a session waits for an EHLO that another one asked for; only while none was ever answered."""


class PooledNextHop:
    """Connections to one next hop, and what it offers."""

    def __init__(
        self,
        address: NextHopAddress,
        *,
        timeouts: Timeouts | None = None,
        limits: PoolLimits | None = None,
        offers_seconds: float = 300,
    ) -> None:
        """`offers_seconds` is how long an EHLO reply is believed before the next hop is asked again."""
        self._address = address
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or PoolLimits()
        self._offers_seconds = offers_seconds
        self._offers: Mapping[bytes, bytes] = {}
        self._offers_at: float | None = None
        self._asking: asyncio.Task[None] | None = None
        self._try_again_at = 0.0
        self._trouble = ""
        self._beside_the_path: set[asyncio.Task[None]] = set()
        self._idle: list[tuple[Connection, asyncio.TimerHandle]] = []
        self._closed = False

    async def begin(self) -> PooledTransaction:
        """Borrow a connection for one mail; raises `Deferred` when none can be opened.

        Raises at once when none could be opened a moment ago, and none is idle.
        """
        if (idle := self._from_idle()) is not None:
            return PooledTransaction(self, idle, fresh=False)
        return PooledTransaction(self, await self.open(), fresh=True)

    async def offers(self) -> Mapping[bytes, bytes]:
        """Return the EHLO keywords, in upper case, with their parameters.

        One session asks and waits. For the others, and when the next hop cannot be asked now, its last answer
        stands, however old; raises `Deferred` when it has never answered.
        """
        if not self._offers_fresh():
            if self._asking is None:
                self._asking = self._spawn(self._ask())
                await asyncio.shield(self._asking)
            elif self._offers_at is None:
                await asyncio.wait([self._asking], timeout=self._limits.first_answer_seconds)
        if self._offers_at is None:
            raise Deferred(replies.next_hop_unavailable(), "next hop: has never answered")
        return self._offers

    async def close(self) -> None:
        """Close the idle connections; those that are lent out close when they come back.

        Waits for those that are being reset.
        """
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()
        if self._beside_the_path:
            await asyncio.wait(self._beside_the_path)
        while self._idle:
            connection, expiry = self._idle.pop()
            expiry.cancel()
            connection.leave()
        await asyncio.sleep(0)  # lets the transports close before the loop does

    async def open(self) -> Connection:
        """Open a connection and note what it offers; raises `Deferred`, at once if it was so a moment ago."""
        clock = asyncio.get_running_loop().time
        if clock() < self._try_again_at:
            raise Deferred(replies.next_hop_unavailable(), f"{self._trouble}; not tried again yet")
        try:
            connection = await Connection.open(self._address, self._timeouts)
        except Broken as broken:
            self._try_again_at = clock() + self._limits.breaker_seconds
            self._trouble = f"next hop: {broken}"
            raise Deferred(replies.next_hop_unavailable(), self._trouble) from broken
        self._try_again_at = 0.0  # another attempt may have failed meanwhile
        self._offers = connection.offers
        self._offers_at = clock()
        return connection

    def give_back(self, connection: Connection, *, mail_open: bool) -> None:
        """Take a connection back that is in step; the RSET that an open mail needs is not waited for."""
        if mail_open:
            self._spawn(self._reset(connection))
        else:
            self._keep(connection)

    async def _ask(self) -> None:
        try:
            self._keep(await self.open())
        except Deferred:
            pass  # the last answer stands
        finally:
            self._asking = None

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
        loop = asyncio.get_running_loop()
        worn = (
            connection.messages >= self._limits.messages
            or loop.time() - connection.opened_at >= self._limits.age_seconds
        )
        if self._closed or worn or not connection.usable:
            connection.leave()
            return
        expiry = loop.call_later(self._limits.idle_seconds, self._expire, connection)
        self._idle.append((connection, expiry))

    def _from_idle(self) -> Connection | None:
        """Return the connection used last, which is the least likely to have been closed meanwhile."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, expiry = self._idle.pop()
            expiry.cancel()
            if connection.usable and now - connection.opened_at < self._limits.age_seconds:
                return connection
            connection.leave()
        return None

    def _expire(self, connection: Connection) -> None:
        self._idle = [entry for entry in self._idle if entry[0] is not connection]
        connection.leave()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._beside_the_path.add(task)
        task.add_done_callback(self._beside_the_path.discard)
        return task

    def _offers_fresh(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._offers_at is not None and now - self._offers_at < self._offers_seconds
