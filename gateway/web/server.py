"""The HTTP server: uvicorn on a socket of ours, in a running event loop, beside the SMTP door.

Signals belong to the program: uvicorn would raise SIGTERM again after its own stop, and end the SMTP door
in the middle of a transaction.
It writes no log at all: the addresses of the pages are the candidates' secrets, and uvicorn's own lines
tell of strangers who talk nonsense; what goes wrong in the application is in the journal.

Strangers may connect, so places and time are bounded: the mail door lives on the same file descriptors.
When all places are taken, the connection that has waited longest for its client gives its place up.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

GRACE: Final = 10
"""Seconds for open requests at a stop; none of ours takes longer than a database's patience."""

IDLE: Final = 15
"""Seconds that a connection may stay idle between requests; long enough to load the page's style on it."""

BACKLOG: Final = 128
"""Connections that the kernel holds, and that are accepted at one go before the surplus is sent away."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of this process its visitors may take."""

    connections: int = 128
    """Open at the same time; with the backlog a quarter of the 1024 files that a process usually may open."""
    exchange_seconds: float = 30
    """From the opening, or from the answer before, to the end of the next answer: header and body, however
    slowly they trickle in, our work, which takes a database's patience at most, and the reading of it."""


class WebServer:
    """Serves one application; `start` once, `stop` once."""

    def __init__(self, app: ASGIApp, listener: socket.socket, limits: Limits | None = None) -> None:
        """`listener` is bound, for example by `gateway.ports.bind`; the server closes it at its stop."""
        _silence()
        self._listener = listener
        config = _Config(
            app,
            http=_Connection,
            access_log=False,
            log_config=None,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=GRACE,
        )
        config.limits = limits or Limits()
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._server.server_state.connections)

    async def start(self) -> None:
        """Serve; returns as soon as connections are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait({self._task, up}, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            await self._task  # It failed before it was up; raise what it raised.

    async def stop(self) -> None:
        """Stop accepting, let open requests finish, close the socket."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class _Config(uvicorn.Config):
    """uvicorn's settings, and ours."""

    limits: Limits


class _Connection(H11Protocol):
    """One connection: it has a deadline, and gives its place up when others need it more."""

    def __init__(
        self,
        config: _Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = config.limits
        self._deadline: asyncio.TimerHandle | None = None
        self._waits_since = 0.0
        self._given_up = False

    @property
    def _waits_for_its_client(self) -> bool:
        """Whether nothing is being done for it: the request is not whole, or the answer is on its way."""
        nothing_yet = self.cycle is None
        return nothing_yet or self.cycle.response_complete or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self._begin_exchange()
        self._make_room()

    def on_response_complete(self) -> None:
        self._begin_exchange()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _begin_exchange(self) -> None:
        self._waits_since = self.loop.time()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self._limits.exchange_seconds, self._hang_up)

    def _make_room(self) -> None:
        own_kind = [one for one in self.connections if isinstance(one, _Connection)]
        staying = [one for one in own_kind if not one._given_up]  # noqa: SLF001  # its own kind
        if len(staying) <= self._limits.connections:
            return
        waiting = [one for one in staying if one is not self and one._waits_for_its_client]  # noqa: SLF001
        longest = min(waiting, key=lambda one: one._waits_since, default=self)  # noqa: SLF001
        longest._hang_up()  # noqa: SLF001

    def _hang_up(self) -> None:
        """End it at once: a usual close would wait until the client has read what was written."""
        self._given_up = True
        self.transport.abort()


def _silence() -> None:
    """Keep uvicorn's lines off the standard error, which is the journal; the root logger stays as it is."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
