"""The servers of the next hop as the settings describe them, each ready to be connected to."""

from collections.abc import Mapping
from ssl import SSLContext

from gateway.settings import Settings
from gateway.smtp.servers import Login, NextHopAddress, TlsPolicy


def servers_of(
    settings: Settings, tls_contexts: Mapping[str, SSLContext], hostname: str
) -> tuple[NextHopAddress, ...]:
    """Return the servers in the order in which they are tried; `tls_contexts` are by policy."""
    wanted = settings.next_hop
    policies = [TlsPolicy(wanted.policy_for(server)) for server in settings.relay.next_hop]
    return tuple(
        NextHopAddress(
            host=server.host,
            port=server.port,
            helo_name=hostname.encode("idna"),
            tls=policy,
            tls_context=tls_contexts.get(policy),
            server_name=wanted.server_name or "",
            login=_login(settings),
        )
        for server, policy in zip(settings.relay.next_hop, policies, strict=True)
    )


def listening(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return the addresses and ports where our own doors are, as far as the settings tell."""
    return tuple((door.listen.host, door.listen.port) for door in settings.relay.doors if door.listen.port)


def _login(settings: Settings) -> Login | None:
    wanted = settings.next_hop
    if wanted.login_user is None or wanted.login_secret_file is None:
        return None
    mechanism = "" if wanted.login_mechanism == "auto" else wanted.login_mechanism.upper()
    return Login(wanted.login_user, wanted.login_secret_file, mechanism)
