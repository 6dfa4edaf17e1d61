"""What an operator reads when a command fails: a sentence without any secret, and the exit code."""

import errno
import importlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.keyring import Keyring
from gateway.operator.failures import _KNOWN, FAILED, explain
from store.database import open_store
from store.errors import StoreUnavailable

SECRET = "correct-horse"


def raised(work: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # Which one it is, is the test's question.
        work()
    return caught.value


def migrating(url: str) -> Exception:
    with open_store(url, Keyring(bytes(32))) as store:
        return raised(store.migrate)


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, name, *_ in _KNOWN])
def test_every_error_that_is_known_by_name_has_this_name(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    assert issubclass(kind, Exception)
    assert (kind.__module__, kind.__name__) == (module, name)


def test_a_database_that_refuses_connections_is_told_in_the_drivers_words() -> None:
    assert explain(migrating("postgresql://goen@127.0.0.1:9/goen")) == (
        FAILED,
        "The database cannot be used now: Connection refused",
    )


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:sec@{SECRET}@127.0.0.1:1/goen",
        f"postgresql://u@127.0.0.1:1/goen?sslmode={SECRET}",
        f"postgresql://u@127.0.0.1/goen?port={SECRET}",
    ],
)
def test_what_the_driver_quotes_is_not_shown(url: str) -> None:
    """The settings let none of these pass; should one come through, its pieces are not for eyes."""
    explained = explain(migrating(url))
    assert explained is not None
    assert SECRET not in explained[1]
    assert explained[1].startswith("The database cannot be used now")


def test_words_that_nobody_knows_lead_to_the_setting_and_to_the_log() -> None:
    error = StoreUnavailable("the database cannot be used now (Odd)")
    error.__cause__ = RuntimeError(f"password {SECRET} is odd")
    assert explain(error) == (
        FAILED,
        "The database cannot be used now: RuntimeError; check store.url, and read the database's own log",
    )


def test_what_postgresql_says_is_repeated_without_the_names_in_it() -> None:
    error = StoreUnavailable("the database cannot be used now (OperationalError)")
    error.__cause__ = RuntimeError(
        f'connection to "db", port 5432 failed: database "{SECRET}" does not exist'
    )
    assert explain(error) == (FAILED, "The database cannot be used now: database … does not exist")


def test_sqlite_and_the_system_may_speak_because_they_know_no_secret(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = migrating(f"sqlite:///{tmp_path}/file/var/goen.sqlite3")
    assert explain(error) == (FAILED, "The database cannot be used now: Not a directory")
    locked = StoreUnavailable("the database cannot be used now (SQLITE_BUSY)")
    locked.__cause__ = sqlite3.OperationalError("database is locked")
    assert explain(locked) == (FAILED, "The database cannot be used now: database is locked")
    assert explain(StoreUnavailable("the store is closed")) == (
        FAILED,
        "The database cannot be used now: the store is closed",
    )


def test_a_full_disk_is_a_sentence_and_other_errors_of_the_system_are_mistakes_of_ours() -> None:
    assert explain(OSError(errno.ENOSPC, "No space left on device")) == (
        FAILED,
        "What this command writes has no space: No space left on device.",
    )
    assert explain(OSError(errno.EPIPE, "Broken pipe")) is None
    assert explain(ValueError(SECRET)) is None
