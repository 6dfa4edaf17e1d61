"""The next hop as the journey sees it: mail transactions on connections to the first server that is well.

- The servers are tried in their order until one gives a connection. What a server says about a mail is a
  verdict, and no other server is asked for a second opinion.
- A server that failed gets no mail while another one is well; a question of ours finds out when it is back.
- What is offered is what every server offers, by its last answer: a mail may go to any of them.
- A connection is given up after any surprise: a reply out of place means that the replies which follow may
  belong to other commands.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from gateway import replies
from gateway.replies import Deferred, Reply
from gateway.smtp.broken import Broken, Insecure, LoginRefused
from gateway.smtp.connection import Connection
from gateway.smtp.offers import in_common
from gateway.smtp.phases import Meter, Timeouts
from gateway.smtp.pool import ServerPool, ServerState
from gateway.smtp.pool_limits import PoolLimits, ServerJournal, Surroundings
from gateway.smtp.servers import NextHopAddress
from gateway.smtp.transaction import PooledTransaction

T = TypeVar("T")

_REPLIES: Mapping[str, Callable[[], Reply]] = {
    Insecure.word: replies.next_hop_insecure,
    LoginRefused.word: replies.next_hop_bars_us,
}
"""By the word of a `Broken`, where the client hears more than that the next hop cannot be reached."""


class PooledNextHop:
    """The servers of the next hop, in the order in which they are tried."""

    def __init__(
        self,
        *servers: NextHopAddress,
        timeouts: Timeouts | None = None,
        limits: PoolLimits | None = None,
        offers_seconds: float = 300,
        ours: Sequence[tuple[str, int]] = (),
        meter: Meter | None = None,
        journal: ServerJournal | None = None,
    ) -> None:
        """`servers` are at least one.

        `offers_seconds` is how long an EHLO reply is believed before a server is asked again.
        `ours` are the addresses and ports where we listen: a server whose name leads there is not used.
        """
        self._limits = limits or PoolLimits()
        around = Surroundings(
            timeouts=timeouts or Timeouts(),
            limits=self._limits,
            offers_seconds=offers_seconds,
            ours=ours,
            probed=len(servers) > 1,
            meter=meter,
            journal=journal,
        )
        self._pools = {server.label: ServerPool(server, around) for server in servers}

    @property
    def servers(self) -> tuple[ServerState, ...]:
        """How each server stands, in their order."""
        return tuple(pool.state for pool in self._pools.values())

    async def begin(self) -> PooledTransaction:
        """Borrow a connection for one mail; raises `Deferred` when none can be opened.

        Raises at once when none could be opened a moment ago, and none is idle.
        """
        connection, fresh = await self._first_that_can(ServerPool.borrow)
        return PooledTransaction(self, connection, fresh=fresh)

    async def open(self) -> Connection:
        """Open a connection; raises `Deferred`, at once if every server failed a moment ago."""
        return await self._first_that_can(ServerPool.open)

    def give_back(self, connection: Connection, *, mail_open: bool) -> None:
        """Take a connection back that is in step."""
        self._pools[connection.server].give_back(connection, mail_open=mail_open)

    async def offers(self) -> Mapping[bytes, bytes]:
        """Return the EHLO keywords, in upper case, with their parameters.

        One session asks the servers, and waits. For the others, and where a server cannot be asked now, its
        last answer stands, however old; raises `Deferred` when none has ever answered.
        """
        stale = [pool for pool in self._pools.values() if pool.stale]
        if stale:
            await self._ask(stale)
        known = self._known()
        if not known:
            raise Deferred(replies.next_hop_unavailable(), "next-hop-lost: has never answered")
        return in_common(known)

    async def close(self) -> None:
        """Close the idle connections; those that are lent out close when they come back."""
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        await asyncio.sleep(0)  # lets the transports close before the loop does

    async def _first_that_can(self, take: Callable[[ServerPool], Awaitable[T]]) -> T:
        """Ask the servers that are well, in their order, then the others."""
        pools = self._pools.values()
        failures: list[tuple[str, Broken]] = []
        for pool in sorted(pools, key=lambda pool: not pool.up) if len(pools) > 1 else pools:
            try:
                return await take(pool)
            except Broken as broken:
                failures.append((pool.label, broken))
        reason = "; ".join(f"{broken.word}: {server}: {broken}" for server, broken in failures)
        reply = _REPLIES.get(failures[0][1].word, replies.next_hop_unavailable)
        raise Deferred(reply(), reason)

    async def _ask(self, stale: Sequence[ServerPool]) -> None:
        """Have the servers asked, and wait as long as it is of use."""
        ours = [pool.ask() for pool in stale if not pool.asking]
        if ours:
            await asyncio.wait(ours, timeout=self._limits.first_answer_seconds)
            while not self._known() and (pending := [task for task in ours if not task.done()]):
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        elif not self._known():
            await asyncio.wait([pool.ask() for pool in stale], timeout=self._limits.first_answer_seconds)

    def _known(self) -> list[Mapping[bytes, bytes]]:
        return [pool.offers for pool in self._pools.values() if pool.offers is not None]
