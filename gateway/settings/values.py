"""The kinds of values that stand in settings, each with the function that reads it.

A reader takes what TOML or the environment gave, or a value that is already of its kind.
It returns the value, or raises ValueError with words that continue the sentence the setting's name begins.
"""

import ipaddress
import os
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, PlainValidator, ValidationInfo

from gateway.regular_file import read_regular

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK_NETWORKS: tuple[Network, ...] = (
    ipaddress.IPv4Network("127.0.0.0/8"),  # RFC 1122, section 3.2.1.3
    ipaddress.IPv6Network("::1/128"),  # RFC 4291, section 2.5.3
)
SMTP_PORT = 25  # RFC 5321, section 4.5.4.2
_HIGHEST_PORT = 65535
_LONGEST_DOMAIN = 253  # RFC 1035, section 3.1: 255 octets on the wire
_LABEL = (
    r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"  # RFC 1035, section 2.3.1; underscores are seen in practice
)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ENDPOINT = re.compile(r"(?:\[(?P<ipv6>[^][]+)\]|(?P<host>[^][:]+))(?::(?P<port>[0-9]{1,5}))?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""How an octet that is no UTF-8 arrives in the environment (PEP 383)."""
_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a TCP port: to listen on, or to connect to."""

    host: str
    """A name or an address; IPv6 without brackets."""
    port: int
    """1 to 65535; for a listener also 0: the system chooses."""

    @property
    def loopback(self) -> bool:
        """Whether it can be reached from this machine only."""
        address = ip_address(self.host)
        return self.host == "localhost" if address is None else address.is_loopback

    @property
    def unspecified(self) -> bool:
        """Whether it stands for every address of this machine: 0.0.0.0 or ::."""
        address = ip_address(self.host)
        return address is not None and address.is_unspecified

    def __str__(self) -> str:
        """Return `host:port`, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return `host` as an address, or None when it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def read_listener(value: object) -> Endpoint:
    """Read `address:port` to listen on; the host is an address or localhost, the port is required."""
    endpoint = _read_endpoint(value, default_port=None, example="127.0.0.1:2525")
    if endpoint.host != "localhost" and ip_address(endpoint.host) is None:
        raise ValueError(f"must begin with an address of this machine or localhost, not {endpoint.host}")
    return endpoint


def read_next_hop(value: object) -> Endpoint:
    """Read `host:port` or `host` to connect to; the port defaults to 25."""
    endpoint = _read_endpoint(value, default_port=SMTP_PORT, example="mail.example.com:25")
    if endpoint.unspecified:
        raise ValueError(f"{endpoint.host} is an address to listen on; name the mail server to deliver to")
    if endpoint.port == 0:
        raise ValueError("port 0 cannot be connected to")
    return endpoint


def read_next_hops(value: object) -> tuple[Endpoint, ...]:
    """Read one `host:port` to connect to, or a list of them in the order in which they are tried."""
    given = value if isinstance(value, list | tuple) else (value,)
    if not given:
        raise ValueError("must name at least one mail server")
    found = tuple(read_next_hop(entry) for entry in given)
    for endpoint in found:
        if found.count(endpoint) > 1:
            raise ValueError(f"names {endpoint} twice")
    return found


def _read_endpoint(value: object, *, default_port: int | None, example: str) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    text = read_text(value)
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise ValueError(f'must look like "{example}", with an IPv6 address in brackets: "[::1]:2525"')
    if match["port"] is None and default_port is None:
        raise ValueError(f'needs a port: "{example}"')
    port = int(match["port"]) if match["port"] else default_port or 0
    if port > _HIGHEST_PORT:
        raise ValueError(f"port {port} is above {_HIGHEST_PORT}")
    if match["ipv6"] is not None:
        address = ip_address(match["ipv6"])
        if address is None or address.version != 6:  # noqa: PLR2004  # IPv6
            raise ValueError("has something in brackets that is not an IPv6 address")
        return Endpoint(str(address), port)
    return Endpoint(_read_host(match["host"]), port)


def _read_host(text: str) -> str:
    if ip_address(text) is not None:
        return text
    if re.fullmatch(r"[0-9.]+", text):
        raise ValueError(f"{text} is neither an address nor a name")
    return read_domain(text)


def is_host(text: str) -> bool:
    """Whether `text` is an address or a name that can be looked up."""
    try:
        return ip_address(text) is not None or bool(_read_host(text))
    except ValueError:
        return False


def read_domain(value: object) -> str:
    """Read a domain or host name; in lower case, without a dot at the end, IDNs as A-labels (RFC 5890)."""
    text = read_text(value).lower().removesuffix(".")
    if "@" in text:
        raise ValueError("must be a domain alone, without @ and what stands before it")
    if not text.isascii():
        raise ValueError(f"must be written in ASCII: {text} has a form that begins with xn--")
    if len(text) > _LONGEST_DOMAIN or not _DOMAIN.fullmatch(text):
        raise ValueError('must be a domain name such as "example.com"')
    return text


def read_address(value: object) -> str:
    """Read a mail address; in lower case. It is personal data, so no message repeats it."""
    text = read_text(value).lower()
    local_part, _, domain = text.rpartition("@")
    if not local_part or re.search(r"[\s<>]", text):
        raise ValueError('must be a mail address alone, such as "name@example.com"')
    return f"{local_part}@{read_domain(domain)}"


def read_network(value: object) -> Network:
    """Read an address or a network in CIDR notation; the whole internet is refused."""
    if isinstance(value, Network):
        return value
    text = read_text(value)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError('must be an address or a network such as "10.1.0.0/16"') from None
    if network.prefixlen == 0:
        raise ValueError("would let everyone in the world send through this gateway: an open relay")
    if "/" in text and ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(f'has bits set behind the prefix; did you mean "{network}"?')
    return network


def read_text(value: object) -> str:
    """Read a line of text: stripped, not empty, without control characters."""
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")  # noqa: TRY004  # pydantic collects ValueErrors only
    text = value.strip()
    if not text:
        raise ValueError("must not be empty")
    if _SURROGATE.search(text):
        raise ValueError("must be UTF-8")
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    return text


def read_optional_domain(value: object) -> str | None:
    """Read a domain or host name; a missing or empty one is None."""
    return None if value is None or value == "" else read_domain(value)


def read_optional_text(value: object) -> str | None:
    """Read a line of text; a missing or empty one is None."""
    return None if value is None or value == "" else read_text(value)


def read_whole_number(value: object) -> int:
    """Read a whole number, also from the text that the environment holds."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")  # noqa: TRY004  # pydantic collects ValueErrors only
    return value


def read_web_url(value: object) -> str:
    """Read the beginning of web addresses: https, or http on this machine only; no slash at the end."""
    text = read_text(value)
    parts = split_address(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError('must be a web address such as "https://next.example.com"')
    if not text.isascii() or " " in text:
        raise ValueError("must be written in ASCII without spaces, an international domain with xn--")
    if ":" not in parts.hostname:
        _read_host(parts.hostname)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user name, no ? and no #")
    if parts.scheme == "http" and not Endpoint(parts.hostname, 0).loopback:
        raise ValueError(
            "must begin with https, because the links in it are secrets; http serves localhost only"
        )
    return text.rstrip("/")


def read_path(value: object, info: ValidationInfo) -> Path:
    """Read the path of a file that need not be there yet."""
    return base_of(info) / (value if isinstance(value, Path) else read_text(value))


def read_present_file(value: object, info: ValidationInfo) -> Path:
    """Read the path of a file that must be there."""
    path = read_path(value, info)
    if not os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises where a directory may not be entered
        raise ValueError(f"names {path}, which is not a file that can be seen from here")
    return path


def read_private_file(value: object, info: ValidationInfo) -> Path:
    """Read the path of a file with a secret, which others must not read or change; its group may read it."""
    path = read_present_file(value, info)
    try:
        mode = read_regular(path, limit=0).mode
    except OSError as error:
        raise ValueError(f"names {path}, which cannot be read: {error.strerror}; check its owner") from None
    if mode & _OPEN_TO_OTHERS:
        raise ValueError(f"names {path}, which others can use; run: chmod g-w,o-rwx {shlex.quote(str(path))}")
    return path


def read_optional_present_file(value: object, info: ValidationInfo) -> Path | None:
    """Read the path of a file that must be there; a missing or empty value is None."""
    return None if value is None or value == "" else read_present_file(value, info)


def read_optional_private_file(value: object, info: ValidationInfo) -> Path | None:
    """Read the path of a file with a secret; a missing or empty value is None."""
    return None if value is None or value == "" else read_private_file(value, info)


def base_of(info: ValidationInfo) -> Path:
    """Return the directory where relative paths start."""
    base = (info.context or {}).get("base")
    return base if isinstance(base, Path) else Path()


def split_address(text: str) -> SplitResult:
    """Split a web or database address; ValueError without its text, which may hold a password."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  # raises when it is no port
    except ValueError:
        # The exception's own text may show the password.
        raise ValueError("is not a web or database address") from None
    return parts


Listener = Annotated[Endpoint, PlainValidator(read_listener)]
Domain = Annotated[str, PlainValidator(read_domain)]
Address = Annotated[str, PlainValidator(read_address)]
AllowedNetwork = Annotated[Network, PlainValidator(read_network)]
OptionalDomain = Annotated[str | None, PlainValidator(read_optional_domain)]
OptionalText = Annotated[str | None, PlainValidator(read_optional_text)]
WholeNumber = Annotated[int, BeforeValidator(read_whole_number)]
WebUrl = Annotated[str, PlainValidator(read_web_url)]
FilePath = Annotated[Path, PlainValidator(read_path)]
PrivateFile = Annotated[Path, PlainValidator(read_private_file)]
OptionalPresentFile = Annotated[Path | None, PlainValidator(read_optional_present_file)]
OptionalPrivateFile = Annotated[Path | None, PlainValidator(read_optional_private_file)]
