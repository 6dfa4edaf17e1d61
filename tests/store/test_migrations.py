import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import peewee
import pytest

from gateway.keyring import Keyring
from store import tables
from store.database import Store, open_store
from store.errors import StoreTooNew, StoreUnavailable, WrongKey
from store.transaction import Transaction, verb
from tests.store.conftest import OpenStore
from tests.store.story import NOW, Story

NAMES = tuple(sorted(path.stem for path in Path("store/migrations").glob("[0-9]*.py")))

MIGRATE = """
import sys
from gateway.keyring import Keyring
from store.database import open_store

with open_store(sys.argv[1], Keyring(bytes.fromhex(sys.argv[2]))) as store:
    print("here", flush=True)
    sys.stdin.readline()
    print(len(store.migrate()))
"""


@verb
def run_sql(tx: Transaction, statement: str) -> None:
    tx.database.execute_sql(statement)  # type: ignore[no-untyped-call]  # peewee's stubs leave it untyped


def test_migrations_are_applied_in_order_and_once(open_another: OpenStore) -> None:
    store = open_another()

    assert store.migrate() == NAMES
    assert store.migrate() == ()


def test_the_migrated_schema_is_the_one_the_tables_say(
    sqlite_url: str, keyring: Keyring, tmp_path: Path
) -> None:
    """Types, nulls, references and indexes, compared as the statements that made them."""
    with open_store(sqlite_url, keyring) as store:
        store.migrate()
    drawn = peewee.SqliteDatabase(str(tmp_path / "drawn.db"))
    with drawn.connection_context(), drawn.bind_ctx(tables.TABLES):
        for table in tables.TABLES:
            table.create_table(safe=False)

    migrated = _statements(sqlite_url.removeprefix("sqlite:///"))
    assert migrated == _statements(str(tmp_path / "drawn.db"))
    assert len(migrated) > len(tables.TABLES)


def test_four_processes_that_start_at_once_migrate_once(url: str) -> None:
    key = os.urandom(32).hex()
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, url, key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for start in starts:
        assert start.stdout is not None
        start.stdout.readline()
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()

    applied = [int(start.communicate(timeout=60)[0]) for start in starts]

    assert [start.returncode for start in starts] == [0, 0, 0, 0]
    assert sorted(applied) == [0, 0, 0, len(NAMES)]


def test_a_database_that_is_newer_than_the_program_is_refused(store: Store, open_another: OpenStore) -> None:
    later = "9999_of_a_later_program"
    store.call(run_sql, f"INSERT INTO schema_migration (name, applied) VALUES ('{later}', '2030-01-01')")

    with pytest.raises(StoreTooNew, match=later):
        open_another().migrate()


@pytest.mark.usefixtures("store")
def test_a_database_that_was_filled_with_another_key_is_refused_at_the_start(url: str) -> None:
    with open_store(url, Keyring(os.urandom(32))) as wrong, pytest.raises(WrongKey):
        wrong.migrate()


def test_a_migration_keeps_what_is_there(store: Store, open_another: OpenStore) -> None:
    story = Story(store)
    story.partner()
    link_id = story.invite().link_id

    other = Story(open_another())
    other.store.migrate()

    assert other.say(link_id).at == NOW


async def test_a_store_is_ready_once_it_is_migrated(open_another: OpenStore) -> None:
    store = open_another()
    assert not await store.ready()

    store.migrate()

    assert await store.ready()


def test_a_database_that_cannot_be_reached_cannot_be_migrated(keyring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for url in (f"sqlite:///{tmp_path}/file/goen.db", "postgresql://127.0.0.1:1/goen"):
        with open_store(url, keyring) as store, pytest.raises(StoreUnavailable):
            store.migrate()


def _statements(path: str) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name NOT IN (?, ?)",
            ("schema_migration", "sqlite_sequence"),
        )
        return {row[0] for row in rows}
