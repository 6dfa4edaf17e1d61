"""The two databases: how each is opened, locked for migration, and what its errors mean.

SQLite: one writer thread commits verbs in groups, because each durable commit costs an fsync.
PostgreSQL: several threads, each with a connection of its own, which is dropped at the first sign of trouble.
A peewee connection that the server has dropped stays broken for ever unless somebody drops it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import peewee

from store.errors import StoreError, StoreUnavailable

_SQLITE_GROUP = 64
"""Verbs per commit: measured, 50 tasks: 6,413 verbs a second against 1,101 with a commit for each."""
_BUSY_SECONDS = 5
_CONNECT_SECONDS = 10
_LOCK_TIMEOUT = "-c lock_timeout=10s"
"""A node that hangs in a transaction must not hang the others; the URL's own options come later and win."""
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Seconds, seconds, probes, milliseconds: a server that vanished is noticed within half a minute."""
_ADVISORY_LOCK = 0x476F656E
"""`Goen` in ASCII: an application's advisory lock key on PostgreSQL is any number all its nodes agree on."""
_SERIALISATION_STATES = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialisation failure and of a deadlock: nothing was done, and trying again helps."""

DATABASE_ERRORS = (peewee.PeeweeException, sqlite3.Error, OSError)
"""sqlite3.Error too: rows are fetched outside of peewee's own wrapping of errors."""


class Engine(Protocol):
    """One of the two databases."""

    database: peewee.Database
    threads: int
    group: int
    """How many verbs may share a commit."""

    def prepare(self) -> None:
        """Do what must be done before a connection can be opened."""
        ...

    def migration_lock(self) -> AbstractContextManager[None]:
        """Return a context with an open connection in which no other process migrates."""
        ...

    def may_be_tried_again(self, error: BaseException) -> bool:
        """Whether the failed transaction has surely done nothing and a second try can succeed."""
        ...

    def has_lost_transaction(self) -> bool:
        """Whether the database has ended the transaction that this thread thinks it is in."""
        ...


class SqliteEngine:
    """One file, its directory and its write-ahead log; never on a network file system."""

    threads = 1
    group = _SQLITE_GROUP

    def __init__(self, path: Path) -> None:
        self._path = path
        self.database: peewee.Database = peewee.SqliteDatabase(
            str(path),
            pragmas={"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1},
            timeout=_BUSY_SECONDS,
            lock_type="IMMEDIATE",
            returning_clause=True,
        )

    def prepare(self) -> None:
        """Create directory (0700) and file (0600) if missing; WAL and index inherit the file's mode.

        A file that is there is not opened: closing that handle would drop the locks of this process's other
        connections ("How To Corrupt An SQLite Database File", section 2.2).
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    @contextmanager
    def migration_lock(self) -> Iterator[None]:
        """Lock a file beside the database: SQLite's own locks must not be disturbed."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(f"{self._path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self.prepare()
            with self.database.connection_context():
                yield
        finally:
            os.close(handle)

    def may_be_tried_again(self, error: BaseException) -> bool:  # noqa: ARG002  # The protocol's signature.
        """Never: SQLite has already waited, and there is no server that could have come back."""
        return False

    def has_lost_transaction(self) -> bool:
        """Whether SQLite itself has rolled back, as it may on a full disk or an I/O error."""
        return not _connection(self.database).in_transaction


class PostgresEngine:
    """A server that several nodes share."""

    group = 1

    def __init__(self, url: str, threads: int) -> None:
        self.threads = threads
        given = parse_qs(urlsplit(url).query)
        ours: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "goen"} | _KEEPALIVE
        self.database: peewee.Database = peewee.PostgresqlDatabase(
            url,
            prefer_psycopg3=True,
            options=" ".join((_LOCK_TIMEOUT, *given.get("options", ()))),
            **{name: value for name, value in ours.items() if name not in given},
        )

    def prepare(self) -> None:
        """Nothing: the server is there or it is not."""

    @contextmanager
    def migration_lock(self) -> Iterator[None]:
        """Hold an advisory lock for the life of one connection."""
        with self.database.connection_context():
            patience = peewee.fn.set_config("lock_timeout", "0", False)  # noqa: FBT003  # Not for one transaction only.
            peewee.Select(columns=[patience]).execute(self.database)
            lock = peewee.fn.pg_advisory_lock(_ADVISORY_LOCK)
            peewee.Select(columns=[lock]).execute(self.database)
            yield

    def may_be_tried_again(self, error: BaseException) -> bool:
        """Whether the connection was lost, or the server chose this transaction as a deadlock's victim."""
        if _sqlstate(error) in _SERIALISATION_STATES:
            return True
        if (
            not isinstance(error, peewee.OperationalError | peewee.InterfaceError)
            or self.database.is_closed()
        ):
            return False
        return bool(_connection(self.database).closed)

    def has_lost_transaction(self) -> bool:
        """Never seen from inside: after an error PostgreSQL refuses everything until the rollback."""
        return False


def engine_for(url: str, connections: int) -> Engine:
    """Return the engine for `sqlite:///path` or `postgresql://…`; ValueError for anything else."""
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        if not path or path == ":memory:":
            raise ValueError("a SQLite store needs a file: sqlite:///path")
        return SqliteEngine(Path(path))
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return PostgresEngine("postgresql://" + url.removeprefix(scheme), connections)
    raise ValueError("a store URL begins with sqlite:/// or postgresql://")


def drop_connection(database: peewee.Database) -> None:
    """Forget this thread's connection, whatever state it is in."""
    if not database.is_closed():
        connection = _connection(database)
        database.dispose()
        with suppress(Exception):  # It may be broken already; that is why it is dropped.
            connection.close()


def translated(error: Exception) -> Exception:
    """Return the store's error for one of the database's, or the error itself.

    The driver's text is left out: PostgreSQL quotes the values of a row in it.
    """
    if not isinstance(error, DATABASE_ERRORS):
        return error
    name = _error_name(error)
    if isinstance(error, peewee.IntegrityError | peewee.ProgrammingError | peewee.DataError):
        return StoreError(f"the database refused a statement ({name})")
    return StoreUnavailable(f"the database cannot be used now ({name})")


def _connection(database: peewee.Database) -> Any:
    """Return the driver's connection of this thread; sqlite3 and psycopg have no common type."""
    connect: Callable[[], Any] = database.connection
    return connect()


def _error_name(error: BaseException) -> str:
    cause = _driver_error(error)
    name = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
    state = _sqlstate(error)
    return f"{name} {state}" if state else str(name)


def _sqlstate(error: BaseException) -> str | None:
    state: str | None = getattr(_driver_error(error), "sqlstate", None)
    return state


def _driver_error(error: BaseException) -> BaseException:
    """Return the driver's exception that peewee has wrapped, or the error itself."""
    original: BaseException | None = getattr(error, "orig", None)
    return original or error
