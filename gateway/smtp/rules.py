"""What a door promises and asks, and whom it calls: all that a session gets from wiring."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from gateway.delivery import Transaction
from gateway.envelope import Envelope
from gateway.smtp.access import AccessRules
from gateway.smtp.budget import MemoryBudget
from gateway.smtp.crowd import Crowd
from gateway.smtp.door_login import Logins
from gateway.smtp.tenant import TenantProof
from gateway.verdicts import Verdict


class Encryption(StrEnum):
    """When a session is encrypted."""

    NONE = "none"
    OPTIONAL = "optional"
    """STARTTLS is offered."""
    REQUIRED = "required"
    """STARTTLS comes before everything else."""
    IMPLICIT = "implicit"
    """The handshake comes before the greeting (RFC 8314, section 3)."""


class NextHop(Protocol):
    """Where mail goes, as the door needs it."""

    async def begin(self) -> Transaction:
        """Borrow a connection; raises `Deferred` when there is none."""

    async def offers(self) -> Mapping[bytes, bytes]:
        """Return the EHLO keywords in upper case with their parameters; raises `Deferred`."""


class Journey(Protocol):
    """What becomes of a message after its final dot."""

    async def carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Verdict:
        """Carry the message and return what the client hears."""


class DoorJournal(Protocol):
    """What the operator hears of the door."""

    def crashed(self, trace_id: str, error: BaseException) -> None:
        """Note an error of ours; only its class may be written down."""

    def declined(self, trace_id: str, *, reason: str, reply: int, told: bool = False) -> None:
        """Note that a mail was not taken, and our reason; `told`: as before in this session."""

    def turned_away(self, door: str, *, reason: str, told: bool = False) -> None:
        """Note that a connection ended before a session could begin, or outside of any mail.

        `told`: as another did a moment ago.
        """


@dataclass(frozen=True, slots=True)
class DoorRules:
    """What one listener promises and asks."""

    hostname: str
    """Our name in the greeting."""
    access: AccessRules = field(default_factory=AccessRules)
    max_message_octets: int = 50 * 1024 * 1024
    command_seconds: float = 300
    """How long a client may be silent between commands (RFC 5321, section 4.5.3.2.7)."""
    data_seconds: float = 180
    """How long it may be silent within the content; counted anew with each read."""
    lmtp: bool = False
    """Whether it speaks LMTP: each recipient gets a reply of its own."""
    name: str = "relay"
    """What the journal calls this door."""
    encryption: Encryption = Encryption.NONE
    tls_context: ssl.SSLContext | None = None
    """For `encryption` other than NONE."""
    handshake_seconds: float = 30
    """How long a TLS handshake may take; a good one takes some round trips."""
    proxy_protocol_from: tuple[IPv4Network | IPv6Network, ...] = ()
    """Balancers whose first words are a PROXY header."""
    proxy_header_seconds: float = 5
    """How long a balancer has for its header, which it sends at once."""
    tenant: TenantProof = field(default_factory=TenantProof)
    max_recipients: int = 1000
    """Recipients of one mail; RFC 5321, section 4.5.3.1.8 wants at least 100."""
    max_mails: int = 10_000
    """MAIL commands in one session, so that no client stays for ever with the settings of long ago."""
    patience_seconds: float = 900
    """How long a session may keep us waiting for commands in all, between two contents."""
    content_seconds: float = 300
    """How long a content may take whatever its size, and one second more for each KiB of it."""


@dataclass(frozen=True, slots=True)
class Household:
    """Whom a door calls."""

    next_hop: NextHop
    journey: Journey
    journal: DoorJournal
    new_trace_id: Callable[[], str]
    memory: MemoryBudget = field(default_factory=MemoryBudget)
    crowd: Crowd = field(default_factory=Crowd)
    logins: Logins | None = None
    """Who may log in; None where no door asks for it."""
