"""Who may send through this listener: a pure decision over who the client has proven to be, and the sender.

Nobody but this machine, unless the settings say so: an open relay is found within hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway import replies
from gateway.envelope import Sender
from gateway.replies import Refused
from gateway.smtp.refusals import RefusalReason

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class Login:
    """A user who has proven a password."""

    name: str
    sender_domains: frozenset[bytes] = frozenset()
    """Envelope sender domains in lower case that this user may use; empty: those of the listener."""


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of a client."""

    address: str
    """The address that it connects from."""
    names: frozenset[str] = frozenset()
    """Host names in lower case in its certificate, if one of our authorities has signed that."""
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What a listener asks of its clients."""

    networks: tuple[Network, ...] = LOOPBACK
    """Where clients may connect from without any other proof."""
    sender_domains: frozenset[bytes] = frozenset()
    """Envelope sender domains in lower case; empty: any, for a client that may send at all."""
    client_names: frozenset[str] = frozenset()
    """Names in lower case in a client's certificate that let it in from anywhere."""
    auth: bool = False
    """Whether clients may log in."""
    auth_required: bool = False
    """Whether only those who have logged in may send."""

    def refusal(self, client: Client, sender: Sender) -> Refused | None:
        """Return why this sender may not send through this client; None when it may.

        The null sender passes from an allowed client, because bounces have no domain (RFC 5321, section
        4.5.5).
        """
        if client.login is None:
            if self.auth_required:
                return Refused(replies.login_required(), RefusalReason.LOGIN_MISSING)
            if not (self.client_names & client.names or lets_in(self.networks, client.address)):
                # Where a login would help, the client hears that.
                reply = replies.login_required() if self.auth else replies.peer_not_allowed()
                return Refused(reply, RefusalReason.PEER)
        for domains in (self.sender_domains, client.login.sender_domains if client.login else ()):
            if domains and sender.address and sender.domain not in domains:
                return Refused(replies.sender_not_allowed(), RefusalReason.SENDER_DOMAIN)
        return None


def lets_in(networks: Sequence[Network], peer: str) -> bool:
    """Whether one of the networks holds the address; what is no address is in none."""
    address = client_address(peer)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=1024)
def client_address(peer: str) -> Address | None:
    """Return a client's address, IPv4 where a dual-stack socket shows it as IPv6; None for what is none."""
    try:
        return unmapped(ip_address(peer))
    except ValueError:
        return None


def unmapped(address: Address) -> Address:
    """Return the IPv4 address in `::ffff:a.b.c.d`, as which a dual-stack socket shows an IPv4 client."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
