"""The proof at start that a door relays for nobody else: a session of a stranger, who must hear 5xx.

The stranger has an address that no network of the door holds, no certificate and no login, and is under TLS
already, so that nothing but the rules of access stands in its way. It speaks to the door's own code with the
door's own rules, over a connection that exists in memory only; behind the door nothing is reached. What it
does not prove is what stands in front of the door: a balancer or a NAT that hides where clients come from.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, collapse_addresses, ip_address
from typing import Any

from gateway.delivery import Transaction
from gateway.envelope import Envelope
from gateway.replies import Deferred, next_hop_unavailable
from gateway.smtp.access import LOOPBACK, AccessRules, Address, Network, lets_in
from gateway.smtp.door import Door
from gateway.smtp.rules import DoorRules, Encryption, Household
from gateway.smtp.sessions import Sessions
from gateway.verdicts import Verdict

_PATIENCE_SECONDS = 10
_USUAL_STRANGERS = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1")
"""Addresses for documentation (RFC 5737, RFC 3849), which nobody has."""


class OpenRelay(Exception):
    """A door would take mail from anybody."""

    def __init__(self, door: str, stranger: str) -> None:
        """`stranger` is the address that should have been refused; empty when there is none left."""
        what = f"the address {stranger} may send through it" if stranger else "its networks hold everybody"
        super().__init__(f"The door {door} is an open relay: {what}. Correct its allowed_networks.")


async def prove_closed(rules: DoorRules, household: Household) -> None:
    """Raise `OpenRelay` unless the door refuses strangers, of IPv4 and of IPv6."""
    for version in (4, 6):
        stranger = stranger_to(rules.access.networks, version)
        if stranger is None and not rules.access.auth_required:
            raise OpenRelay(rules.name, "")
        address = str(stranger or _USUAL_STRANGERS[0])
        for sender in _senders(rules.access):
            if not await _is_refused(rules, household, address, sender):
                raise OpenRelay(rules.name, address)


def stranger_to(networks: Sequence[Network], version: int) -> Address | None:
    """Return an address that none of the networks holds; None when they hold them all."""
    for text in _USUAL_STRANGERS:
        address = ip_address(text)
        if address.version == version and not lets_in(networks, text):
            return address
    return next(_beside(networks, version), None)


def _beside(networks: Sequence[Network], version: int) -> Iterator[Address]:
    """Yield the addresses right above and below the networks that are in none of them."""
    kind = IPv4Address if version == 4 else IPv6Address  # noqa: PLR2004  # as the ipaddress module says it
    same = [network for network in (*networks, *LOOPBACK) if network.version == version]
    highest = int(kind(2**32 - 1 if kind is IPv4Address else 2**128 - 1))
    for network in collapse_addresses(same):  # type: ignore[type-var]  # All are of one version.
        for number in (int(network.network_address) - 1, int(network.broadcast_address) + 1):
            if 0 <= number <= highest:
                yield kind(number)


def _senders(access: AccessRules) -> tuple[bytes, ...]:
    """Return the envelope senders to try: one that would be allowed, and the null sender."""
    domain = next(iter(access.sender_domains), b"example.com")
    return (b"probe@" + domain, b"")


async def _is_refused(rules: DoorRules, household: Household, address: str, sender: bytes) -> bool:
    nobody = _Nobody()
    quiet = replace(household, next_hop=nobody, journey=nobody, journal=nobody)
    # The handshake is taken for done: before it everybody is refused, which would prove nothing.
    under_tls = replace(rules, encryption=Encryption.NONE, proxy_protocol_from=())
    door = Door(under_tls, replace(quiet, crowd=type(household.crowd)()), Sessions())
    wire = _Wire(address)
    door.connection_made(wire)
    door.data_received(b"EHLO probe.invalid\r\nMAIL FROM:<" + sender + b">\r\nQUIT\r\n")
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await wire.closed.wait()
    door.connection_lost(None)
    replies = [line for line in bytes(wire.said).split(b"\r\n") if line[3:4] == b" "]
    return len(replies) > 2 and replies[2].startswith(b"5")  # noqa: PLR2004  # after greeting and EHLO


class _Wire(asyncio.Transport):
    """A connection in memory."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 40_000)})
        self.said = bytearray()
        self.closed = asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the address, and that there is TLS but no certificate."""
        if name == "sslcontext":
            return True
        return super().get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what the door says."""
        self.said += data

    def close(self) -> None:
        """Note the end."""
        self.closed.set()

    def abort(self) -> None:
        """Note the end."""
        self.closed.set()

    def is_closing(self) -> bool:
        """Whether the end was noted."""
        return self.closed.is_set()

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


class _Nobody:
    """A next hop that has none, a journey that goes nowhere, a journal that says nothing."""

    async def begin(self) -> Transaction:
        """Defer: a stranger who comes as far as this was not refused."""
        raise Deferred(next_hop_unavailable(), "probe")

    async def offers(self) -> Mapping[bytes, bytes]:
        """Offer nothing."""
        return {}

    async def carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Verdict:
        """Carry nothing; no mail can come as far as this."""
        raise NotImplementedError

    def crashed(self, trace_id: str, error: BaseException) -> None:
        """Say nothing."""

    def declined(self, trace_id: str, *, reason: str, reply: int, told: bool = False) -> None:
        """Say nothing."""

    def turned_away(self, door: str, *, reason: str, told: bool = False) -> None:
        """Say nothing."""
