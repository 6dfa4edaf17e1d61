"""How many connections to one server may be open at once, and who is next when one becomes free."""

import asyncio
from collections import deque
from contextlib import suppress

from gateway.smtp.connection import Connection


class Slots:
    """Rights to open a connection; a connection that comes back serves whoever waits as well as a right."""

    def __init__(self, count: int, wait_seconds: float) -> None:
        """`wait_seconds` is how long somebody waits for a turn."""
        self._count = count
        self._wait_seconds = wait_seconds
        self._free = count
        self._queue: deque[asyncio.Future[Connection | None]] = deque()

    @property
    def taken(self) -> int:
        """How many connections are open or being opened."""
        return self._count - self._free

    @property
    def all_taken(self) -> bool:
        """Whether whoever asks now has to wait."""
        return not self._free

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._queue)

    async def take(self) -> Connection | None:
        """Return None for the right to open a connection, or one that came back; raises `TimeoutError`."""
        if self._free:
            self._free -= 1
            return None
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await turn
        except BaseException:
            self._withdraw(turn)
            raise

    def free(self) -> None:
        """Give back the right to a connection that has ended."""
        if not self._next(None):
            self._free += 1

    def hand_over(self, connection: Connection) -> bool:
        """Give a connection to whoever has waited longest; False when nobody waits."""
        return self._next(connection)

    def _next(self, given: Connection | None) -> bool:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(given)
                return True
        return False

    def _withdraw(self, turn: "asyncio.Future[Connection | None]") -> None:
        """Leave the queue; what was given in the same moment goes to the next, or is closed."""
        if turn.cancelled():
            with suppress(ValueError):  # whoever gives may have seen it first
                self._queue.remove(turn)
            return
        given = turn.result()
        if given is None:
            self.free()
        elif not self._next(given):
            given.leave()
