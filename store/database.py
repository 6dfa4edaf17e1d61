"""The store: opens the database, migrates it, and runs verbs in transactions.

    verb ── store.call (waits) or await store.run ──► queue ──► thread ──► transaction ──► COMMIT ──► records

A caller hears of success only after COMMIT.
Verbs that wait at the same time share a commit on SQLite, each in its own savepoint.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Protocol, Self, TypeVar

from playhouse.migrations import Runner  # type: ignore[import-untyped]  # peewee's stubs leave playhouse out

from store.engines import DATABASE_ERRORS, Engine, drop_connection, engine_for, translated
from store.errors import StoreError, StoreTooNew, StoreUnavailable
from store.tables import StoreFact
from store.transaction import FieldCipher, Transaction, Verb, verb

__all__ = ["FieldCipher", "Store", "Transaction", "Verb", "open_store", "verb"]

P = ParamSpec("P")
R = TypeVar("R")

_MIGRATIONS = Path(__file__).parent / "migrations"
_TRIES = 3
_KEY_CHECK = "key-check"


class Meter(Protocol):
    """Who notes how long verbs take; called on the loop's thread."""

    def answered(self, verb: str, seconds: float) -> None:
        """Note how long a verb took, from the asking to the answer."""

    def failed(self, verb: str) -> None:
        """Note that the database could not be used for a verb."""


class _Job:
    """One verb with its arguments, waiting for its turn, and the future that will hold its result."""

    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


class Store:
    """A database with its threads; made by `open_store`, ended by `close`."""

    def __init__(self, engine: Engine, cipher: FieldCipher, meter: Meter | None = None) -> None:
        self._engine = engine
        self._meter = meter
        self._tx = Transaction(engine.database, cipher)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"store-{n}", daemon=True) for n in range(engine.threads)
        ]
        for thread in self._threads:
            thread.start()

    def call(self, work: Verb[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a verb and wait for its commit; not from a coroutine.

        Raises the verb's own errors, StoreUnavailable when the database cannot be used, and StoreError when
        it refuses a statement.
        """
        return self._submit(work, *args, **kwargs).result()

    async def run(self, work: Verb[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a verb without holding up the event loop; errors as in `call`.

        A cancelled caller does not stop a verb that has begun.
        """
        if self._meter is None:
            return await asyncio.wrap_future(self._submit(work, *args, **kwargs))
        began = time.perf_counter()
        try:
            answer = await asyncio.wrap_future(self._submit(work, *args, **kwargs))
        except StoreUnavailable:
            self._meter.failed(work.name)
            raise
        self._meter.answered(work.name, time.perf_counter() - began)
        return answer

    async def ready(self) -> bool:
        """Whether a transaction can be had now and the tables are there."""
        try:
            await self.run(_look)
        except StoreError:
            return False
        return True

    def migrate(self) -> tuple[str, ...]:
        """Apply the migrations that are missing, one process at a time; return their names in order.

        Raises StoreTooNew when the database knows migrations that this program does not, WrongKey when it was
        filled with another key, StoreUnavailable when it cannot be reached.
        """
        try:
            with self._engine.migration_lock():
                runner = Runner(self._engine.database, str(_MIGRATIONS))
                unknown = [row.name for row in runner.status() if row.path is None]
                if unknown:
                    raise StoreTooNew(unknown)
                applied = tuple(runner.up())
                self._check_key()
                return applied
        except DATABASE_ERRORS as error:
            raise translated(error) from error

    def close(self) -> None:
        """Finish the verbs that wait, close all connections, end the threads; a second call does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def _check_key(self) -> None:
        """Keep one sealed value, so that a lost key is noticed at start and not at the first candidate."""
        with self._engine.database.atomic():
            row = self._tx.first(StoreFact.select().where(StoreFact.name == _KEY_CHECK))
            if row is None:
                sealed = self._tx.seal(_KEY_CHECK, "store_fact.value")
                self._tx.add_new(StoreFact.insert(name=_KEY_CHECK, value=sealed), StoreFact.name)
            else:
                self._tx.unseal(row.value, "store_fact.value")

    def _submit(self, work: Verb[P, R], *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        job = _Job(lambda tx: work(tx, *args, **kwargs))
        with self._closing:  # No job can slip in behind the signs that end the threads.
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._jobs.put(job)
        return job.future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._settle([job, *self._more_jobs(self._engine.group - 1)])
        drop_connection(self._engine.database)

    def _more_jobs(self, limit: int) -> Iterable[_Job]:
        """Yield what waits already, up to `limit`."""
        for _ in range(limit):
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._jobs.put(None)  # The sign to end is for the loop.
                return
            yield job

    def _settle(self, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        try:
            outcomes = self._commit(jobs)
        except Exception as error:  # noqa: BLE001  # The border of a thread: the callers get the error.
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.future.set_exception(_for_caller(outcome))
            else:
                job.future.set_result(outcome)

    def _commit(self, jobs: list[_Job]) -> list[Any]:
        """Run the jobs in one transaction; return after COMMIT, for each its result or its error."""
        for attempt in range(1, _TRIES + 1):
            progress = _Progress()
            try:
                return self._transact(jobs, progress)
            except DATABASE_ERRORS as error:
                again = not progress.committing and self._engine.may_be_tried_again(error)
                drop_connection(self._engine.database)
                if attempt == _TRIES or not again:
                    raise
        raise AssertionError("unreachable")

    def _transact(self, jobs: list[_Job], progress: "_Progress") -> list[Any]:
        database = self._engine.database
        if database.is_closed():
            self._engine.prepare()
            database.connect()
        with database.atomic():
            alone = len(jobs) == 1
            outcomes = [job.work(self._tx) if alone else self._guarded(job) for job in jobs]
            progress.committing = True
        return outcomes

    def _guarded(self, job: _Job) -> Any:
        """Run one job of several in its own savepoint; return its result or its error."""
        try:
            with self._engine.database.atomic():
                return job.work(self._tx)
        except Exception as error:
            # A full disk can make SQLite roll everything back; then no other job of the group has succeeded.
            if self._engine.has_lost_transaction():
                raise
            return error


@dataclass(slots=True)
class _Progress:
    committing: bool = False
    """From here on the outcome of a failure is unknown, and a second try might do the work twice."""


def open_store(url: str, cipher: FieldCipher, *, connections: int = 8, meter: Meter | None = None) -> Store:
    """Return the store behind `sqlite:///path` (relative) or `sqlite:////path`, or `postgresql://…`.

    Nothing is opened yet: an unreachable database shows itself as StoreUnavailable at the first verb, and
    each verb tries anew. `connections` is for PostgreSQL. ValueError for a URL that is neither.
    """
    return Store(engine_for(url, connections), cipher, meter)


@verb
def _look(tx: Transaction) -> None:
    tx.first(StoreFact.select())


def _for_caller(error: Exception) -> Exception:
    known = translated(error)
    if known is not error:
        known.__cause__ = error
    return known
