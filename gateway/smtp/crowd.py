"""How many clients are connected: in all, and from each address.

The address is the client's as far as it is known: the one that a load balancer announced, if one did.
"""

from collections import Counter
from ipaddress import IPv6Address

from gateway import replies
from gateway.smtp.access import client_address
from gateway.smtp.refusals import TurnedAway

SORRY = {
    TurnedAway.TOO_MANY: replies.too_many_connections,
    TurnedAway.TOO_MANY_OF_PEER: replies.too_many_connections_of_peer,
}
"""What a client hears for whom there is no room."""

_NEIGHBOURS = 64
"""Bits of an IPv6 address that belong to its network: a host has the rest to itself (RFC 4291)."""

_SILENCE_SECONDS = 60


class Crowd:
    """The clients that are connected."""

    def __init__(self, max_all: int = 1000, max_per_peer: int = 100) -> None:
        """A peer on this machine counts among all, and has no limit of its own."""
        self._max_all = max_all
        self._max_per_peer = max_per_peer
        self._all = 0
        self._by_peer: Counter[str] = Counter()
        self._told: dict[TurnedAway, float] = {}

    def enter(self, peer: str) -> TurnedAway | None:
        """Count a client in, or return why there is no room for it."""
        key = neighbourhood(peer)
        if self._all >= self._max_all:
            return TurnedAway.TOO_MANY
        if key and self._by_peer[key] >= self._max_per_peer:
            return TurnedAway.TOO_MANY_OF_PEER
        self._all += 1
        if key:
            self._by_peer[key] += 1
        return None

    def leave(self, peer: str) -> None:
        """Count a client out that had been counted in."""
        self._all -= 1
        if key := neighbourhood(peer):
            self._by_peer[key] -= 1
            if not self._by_peer[key]:
                del self._by_peer[key]

    def worth_telling(self, reason: TurnedAway, now: float) -> bool:
        """Whether this reason was not told within the last minute: a flood must not fill the journal."""
        told = self._told.get(reason)
        if told is not None and now - told < _SILENCE_SECONDS:
            return False
        self._told[reason] = now
        return True


def neighbourhood(peer: str) -> str:
    """Return what counts as one peer: an IPv4 address, an IPv6 /64; empty for this machine or none."""
    address = client_address(peer)
    if address is None or address.is_loopback:
        return ""
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> (128 - _NEIGHBOURS) << (128 - _NEIGHBOURS)))
    return str(address)
