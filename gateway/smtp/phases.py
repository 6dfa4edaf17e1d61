"""The phases of a dialogue with the next hop: how long each may take, and who notes how long it took."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """What the next hop takes time for."""

    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    FINAL_DOT = "final-dot"
    RESET = "reset"


class Meter(Protocol):
    """Who counts what happens at the next hop."""

    def took(self, server: str, phase: Phase, seconds: float) -> None:
        """Note how long a phase took that went well."""

    def failed(self, server: str, word: str) -> None:
        """Note that a connection failed; `word` is that of a `Broken`."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each phase may take, in seconds (after RFC 5321, section 4.5.3.2)."""

    connect: float = 30
    greeting: float = 60
    """The 220, EHLO, STARTTLS and the handshake, each step of the login, each."""
    envelope: float = 120
    """MAIL and RCPT, each. RFC 5321 says five minutes, but our client waits with the same patience."""
    data_start: float = 120
    data_block: float = 180
    """Until there is room for the next slice of the content."""
    final_dot: float = 300
    """RFC 5321 says ten minutes; the client's own ten have begun before ours."""
    reset: float = 10
    """RSET and QUIT: nobody's mail waits for them."""
