"""Who may send through this listener: a pure decision over the peer's address and the envelope sender.

Nobody but this machine, unless the settings name networks: an open relay is found within hours.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway import replies
from gateway.envelope import Sender
from gateway.replies import Refused
from gateway.smtp.refusals import RefusalReason

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What a listener asks of its clients."""

    networks: tuple[Network, ...] = LOOPBACK
    """Where clients may connect from."""
    sender_domains: frozenset[bytes] = frozenset()
    """Envelope sender domains in lower case; empty: any, for a peer from `networks`."""

    def refusal(self, peer: str, sender: Sender) -> Refused | None:
        """Return why this sender may not send from the address `peer`; None when it may.

        The null sender passes from an allowed peer, because bounces have no domain (RFC 5321, section 4.5.5).
        """
        if not self._lets_in(peer):
            return Refused(replies.peer_not_allowed(), RefusalReason.PEER)
        if self.sender_domains and sender.address and sender.domain not in self.sender_domains:
            return Refused(replies.sender_not_allowed(), RefusalReason.SENDER_DOMAIN)
        return None

    def _lets_in(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            # A dual-stack socket shows an IPv4 client as ::ffff:a.b.c.d.
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)
