"""Where the servers of the next hop are, and how each wants to be talked to."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class TlsPolicy(StrEnum):
    """What a connection must be before a mail travels on it; there is no fallback from any of them."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    """Encrypted when STARTTLS is offered; what is offered must then work. The certificate is not checked."""
    REQUIRE = "require"
    """Encrypted; the certificate is not checked."""
    VERIFY = "verify"
    """Encrypted, with a certificate for the server's name from a trusted authority."""
    IMPLICIT = "implicit"
    """As `VERIFY`, with TLS from the first byte (RFC 8314, section 3.3)."""


@dataclass(frozen=True, slots=True)
class Login:
    """How we prove to a server who we are (RFC 4954)."""

    user: str = field(repr=False)
    secret_file: Path
    """The password or, for XOAUTH2, the access token; read anew for each login, because others renew it."""
    mechanism: str = ""
    """PLAIN, LOGIN or XOAUTH2; empty: the first of them that the server offers."""


@dataclass(frozen=True, slots=True)
class NextHopAddress:
    """One server of the next hop."""

    host: str
    """A name, looked up anew for each connection, or an address."""
    port: int
    helo_name: bytes = b"localhost"
    """What we call ourselves in EHLO."""
    tls: TlsPolicy = TlsPolicy.NONE
    tls_context: ssl.SSLContext | None = field(default=None, repr=False)
    """Needed by every policy but `NONE`; says which certificates are accepted, and may have one of ours."""
    server_name: str = ""
    """The name that the certificate must have; empty: `host`."""
    login: Login | None = None

    def __post_init__(self) -> None:
        if self.tls is not TlsPolicy.NONE and self.tls_context is None:
            raise ValueError(f"tls = {self.tls} needs a TLS context")

    @property
    def label(self) -> str:
        """`host:port`, with an IPv6 address in brackets: how journal and metrics name the server."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
