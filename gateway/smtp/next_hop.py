"""The next hop as the journey sees it: mail transactions on borrowed connections.

A connection is kept for the next message while it is young and in step, because opening one costs as much as
a small message. It is given up after any surprise: a reply out of place means that the replies which follow
may belong to other commands.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from gateway import replies
from gateway.replies import Deferred
from gateway.smtp.connection import Connection, NextHopAddress, Timeouts
from gateway.smtp.transaction import PooledTransaction
from gateway.smtp.wire import Broken

ASK_AGAIN_SECONDS = 1.0
"""After an EHLO that failed: sessions that waited for it do not each wait for their own."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How long a connection is kept."""

    idle_seconds: float = 20
    age_seconds: float = 14 * 60
    """Exchange Online ends a session after some 20 minutes, in the middle of whatever it is doing."""
    messages: int = 100


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
        self._ask_again_at = 0.0
        self._asking = asyncio.Lock()
        self._idle: list[tuple[Connection, asyncio.TimerHandle]] = []
        self._closed = False

    async def begin(self) -> PooledTransaction:
        """Borrow a connection for one mail; raises `Deferred` when none can be opened."""
        if (idle := self._from_idle()) is not None:
            return PooledTransaction(self, idle, fresh=False)
        return PooledTransaction(self, await self.open(), fresh=True)

    async def offers(self) -> Mapping[bytes, bytes]:
        """Return the EHLO keywords, in upper case, with their parameters.

        When the next hop cannot be asked now, its last answer stands, however old; raises `Deferred` when it
        has never answered.
        """
        async with self._asking:
            clock = asyncio.get_running_loop().time
            if not self._offers_fresh() and clock() >= self._ask_again_at:
                try:
                    self.give_back(await self.open())
                except Deferred:
                    self._ask_again_at = clock() + ASK_AGAIN_SECONDS
        if self._offers_at is None:
            raise Deferred(replies.next_hop_unavailable(), "next hop: has never answered")
        return self._offers

    async def close(self) -> None:
        """Close the idle connections; those that are lent out close when they come back."""
        self._closed = True
        while self._idle:
            connection, expiry = self._idle.pop()
            expiry.cancel()
            connection.leave()
        await asyncio.sleep(0)  # lets the transports close before the loop does

    async def open(self) -> Connection:
        """Open a connection and note what it offers; raises `Deferred`."""
        try:
            connection = await Connection.open(self._address, self._timeouts)
        except Broken as broken:
            raise Deferred(replies.next_hop_unavailable(), f"next hop: {broken}") from broken
        self._offers = connection.offers
        self._offers_at = asyncio.get_running_loop().time()
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection that is in step for the next mail, or close it when it has served enough."""
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

    def _offers_fresh(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._offers_at is not None and now - self._offers_at < self._offers_seconds
