"""Asking a running gateway whether it lives, from outside, as a client would.

Not whether its database does: what restarts a container that is not well must not take ordinary mail down
with the database, which that mail does without. `/readyz` tells both, for monitoring.
"""

import http.client
import socket
import ssl

from gateway.settings import Endpoint, ListenerSettings, Settings
from gateway.settings.values import ip_address

PATIENCE = 5
"""Seconds for each question; a container check that hangs is no check."""


def ask(settings: Settings, *, smtp: bool, web: bool) -> list[str]:
    """Return what is wrong, one sentence each; empty when all that was asked is well."""
    complaints = [
        _ask_web(settings.web.listen) if web else None,
        *(_ask_door(door) for door in settings.relay.doors if smtp),
    ]
    return [complaint for complaint in complaints if complaint]


def _ask_web(endpoint: Endpoint) -> str | None:
    connection = http.client.HTTPConnection(_reachable(endpoint), endpoint.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/livez")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"The pages at {endpoint} do not answer: {_reason(error)}."
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"The pages at {endpoint} answer {status}."


def _ask_door(door: ListenerSettings) -> str | None:
    """Read the greeting only, so that a check every few seconds costs a few packets."""
    endpoint = door.listen
    try:
        with socket.create_connection((_reachable(endpoint), endpoint.port), timeout=PATIENCE) as plain:
            if _must_announce(plain.getsockname()[0], door):
                plain.sendall(b"PROXY UNKNOWN\r\n")
            client = _encrypted(plain) if door.encryption == "implicit" else plain
            greeting = client.recv(512)
            client.sendall(b"QUIT\r\n")
    except OSError as error:
        return f"The SMTP door at {endpoint} does not answer: {_reason(error)}."
    return None if greeting.startswith(b"220") else f"The SMTP door at {endpoint} does not greet with 220."


def _must_announce(address: str, door: ListenerSettings) -> bool:
    """Whether the door takes us for one of its load balancers."""
    found = ip_address(address)
    return found is not None and any(found in network for network in door.proxy_protocol_from)


def _encrypted(plain: socket.socket) -> ssl.SSLSocket:
    """Make a handshake with whoever is there: the question is whether, not who."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _reachable(endpoint: Endpoint) -> str:
    """Return the address to ask: a listener on every address is asked on loopback."""
    if not endpoint.unspecified:
        return endpoint.host
    return "::1" if ":" in endpoint.host else "127.0.0.1"


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__
