"""Where the database is: an address that libpq understands exactly as we do, because it holds a password.

libpq and Python read a slip in it differently, and then a piece of the password passes for a host or a path.
So whatever could be read in two ways is refused, and no message repeats any of it.
"""

import re
from typing import Annotated
from urllib.parse import parse_qs, unquote

from pydantic import PlainValidator, ValidationInfo

from gateway.settings.values import base_of, is_host, read_text, split_address

_POSTGRES = "postgresql://"
_STRAY_PERCENT = re.compile(r"%(?!(?!00)[0-9A-Fa-f]{2})")

PARAMETERS = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout dbname fallback_application_name
    gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle
    keepalives_interval krbsrvname load_balance_hosts max_protocol_version min_protocol_version
    oauth_client_id oauth_client_secret oauth_issuer oauth_scope options passfile password port replication
    require_auth requirepeer scram_client_key scram_server_key service sslcert sslcertmode sslcompression
    sslcrl sslcrldir sslkey sslkeylogfile sslmode ssl_max_protocol_version ssl_min_protocol_version
    sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user
    """.split()  # noqa: SIM905  # Words in lines can be compared with the manual.
)
"""What may stand behind the ?: "Parameter Key Words" of PostgreSQL 18's libpq, with those for debugging."""

_NUMBERS = frozenset(
    {
        "connect_timeout",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "port",
        "tcp_user_timeout",
    }
)
"""For several hosts `port` is a list with commas."""


def read_store_url(value: object, info: ValidationInfo) -> str:
    """Read where the database is; relative SQLite paths become absolute. No message repeats it."""
    text = read_text(value)
    if text.startswith(_POSTGRES):
        return _read_postgres(text)
    path = text.removeprefix("sqlite:///")
    if path == text:
        raise ValueError('must be "sqlite:///path/to/file" or "postgresql://user:password@host/database"')
    if path in {"", ":memory:"}:
        raise ValueError("must name a file: a database in memory forgets whom a link belongs to")
    return f"sqlite:///{base_of(info) / path}"


def _read_postgres(text: str) -> str:
    _refuse_what_reads_in_two_ways(text.removeprefix(_POSTGRES))
    parts = split_address(text)
    _refuse_unknown_parameters(parts.query)
    # libpq also takes the host, or the directory of a socket, as a parameter.
    hosts = parts.hostname or ",".join(parse_qs(parts.query).get("host", ()))
    if not hosts or len(parts.path) < len("/x"):
        raise ValueError('must name host and database: "postgresql://user:password@db.example.com/goen"')
    for host in map(unquote, hosts.split(",")):
        if not host.startswith(("/", "@")) and not is_host(host):
            raise ValueError("names a host that is neither an address nor a domain name")
    return text


def _refuse_unknown_parameters(query: str) -> None:
    for number, parameter in enumerate(query.removesuffix("&").split("&") if query else (), 1):
        name, *values = (unquote(part) for part in parameter.split("="))
        if name not in PARAMETERS or len(values) != 1:
            raise ValueError(f"has something behind the ? that is no parameter of libpq (parameter {number})")
        if name in _NUMBERS and not re.fullmatch(r"-?[0-9]{1,9}(?:,[0-9]{1,5})*", values[0]):
            raise ValueError(f"has a parameter that must be a number (parameter {number})")


def _refuse_what_reads_in_two_ways(text: str) -> None:
    place, *rest = re.split("[/?]", text, maxsplit=1)
    if "#" in text or place.count("@") > 1 or "@" in "".join(rest):
        raise ValueError(
            "must have one @, before the host;"
            " in a user name or password write @ as %40, / as %2F, ? as %3F and # as %23"
        )
    if re.search(r"\s", text):
        raise ValueError("has a space in it; in a password write it as %20")
    if _STRAY_PERCENT.search(text):
        raise ValueError("has a % without two hexadecimal digits, or %00; write the character % as %25")


StoreUrl = Annotated[str, PlainValidator(read_store_url)]
