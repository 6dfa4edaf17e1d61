"""The HTTP server: uvicorn on a socket of ours, in a running event loop, beside the SMTP door.

Signals belong to the program: uvicorn would raise SIGTERM again after its own stop, and end the SMTP door
in the middle of a transaction.
It writes no access log, because the addresses of the pages are the candidates' secrets.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

GRACE: Final = 10
"""Seconds for open requests at a stop; none of ours takes longer than a database's patience."""

IDLE: Final = 15
"""Seconds that a connection may stay idle between requests; long enough to load the page's style on it."""


class WebServer:
    """Serves one application; `start` once, `stop` once."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        """`listener` is bound, for example by `gateway.ports.bind`; the server closes it at its stop."""
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

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
