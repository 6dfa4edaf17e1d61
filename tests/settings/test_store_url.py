"""Where the database is: what PostgreSQL's own library makes of an address that the settings let pass."""

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

from gateway.settings import SettingsInvalid, load
from gateway.settings.store_url import PARAMETERS

REQUIRED = {"GOEN_RELAY__NEXT_HOP": "mail.example.com", "GOEN_WEB__PUBLIC_URL": "https://next.example.com"}


def taken(url: str) -> bool:
    try:
        load(None, REQUIRED | {"GOEN_STORE__URL": url})
    except SettingsInvalid:
        return False
    return True


def test_the_parameters_are_those_of_the_library() -> None:
    """Also those of later releases may stand in the table, but none that this library has may be missing."""
    assert {option.keyword.decode() for option in pq.Conninfo.get_defaults()} <= PARAMETERS


GOOD = [
    "postgresql://goen:p%40ss%2Fw%3For%23d%25@db.example.com:5433/goen",
    "postgresql://goen:a:b$c!d@db/goen?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    "postgresql://[2001:db8::1]:5432/goen",
    "postgresql:///goen?host=/run/postgresql",
    "postgresql://%2Frun%2Fpostgresql/goen",
    "postgresql://db/goen?options=-c%20search_path%3Dgoen&connect_timeout=5&",
    "postgresql://goen:パスワード@db/goen",
    "postgresql://db_1,db_2/goen?port=5432,5433&connect_timeout=-1",
    "postgresql://192.0.2.1/goen",
]


@pytest.mark.parametrize("url", GOOD)
def test_what_the_library_understands_may_stand_in_the_settings(url: str) -> None:
    assert conninfo_to_dict(url)["dbname"] == "goen"
    assert taken(url)


pieces = st.text("a1:@/?#%&=[] 4F0.,", max_size=8)


@given(user=pieces, password=pieces, query=pieces)
def test_the_library_understands_what_the_settings_let_pass_as_we_do(
    user: str, password: str, query: str
) -> None:
    """Whatever stands in its pieces: an address that passes is no mistake to libpq and has the same host."""
    url = f"postgresql://{user}:{password}@db/goen?{query}".strip()  # As every setting is read.
    if not taken(url):
        return
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise AssertionError(url) from error
    assert (parts.get("host"), parts.get("dbname")) == (urlsplit(url).hostname, "goen")


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=12))
def test_every_password_can_be_written(password: str) -> None:
    """A password that is percent-encoded whole passes, and the library decodes it to what it was."""
    url = f"postgresql://goen:{quote(password, safe='')}@db/goen"
    assert taken(url)
    assert conninfo_to_dict(url)["password"] == password
