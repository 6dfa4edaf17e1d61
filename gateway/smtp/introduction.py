"""Opening a connection to one server: dialled, greeted, encrypted as the policy asks, logged in.

Whatever fails here fails before any mail: another server may be tried, and nothing weaker is.
"""

from asyncio import get_running_loop
from collections.abc import Sequence

from gateway.smtp.broken import Insecure
from gateway.smtp.connection import Connection
from gateway.smtp.dialling import dial
from gateway.smtp.login import log_in
from gateway.smtp.offers import STARTTLS
from gateway.smtp.phases import Meter, Phase, Timeouts
from gateway.smtp.servers import NextHopAddress, TlsPolicy


async def open_connection(
    address: NextHopAddress,
    timeouts: Timeouts,
    *,
    ours: Sequence[tuple[str, int]] = (),
    meter: Meter | None = None,
) -> Connection:
    """Return a connection that is ready for MAIL; raises `Broken`."""
    clock = get_running_loop().time
    began = clock()
    wire = await dial(address.host, address.port, seconds=timeouts.connect, ours=ours)
    if meter is not None:
        meter.took(address.label, Phase.CONNECT, clock() - began)
    connection = Connection(wire, timeouts, server=address.label, meter=meter)
    try:
        await _introduce(connection, address)
    except BaseException:
        connection.abort()
        raise
    return connection


async def _introduce(connection: Connection, address: NextHopAddress) -> None:
    context = address.tls_context
    server_name = address.server_name or address.host
    if address.tls is TlsPolicy.IMPLICIT and context is not None:
        await connection.encrypt(context, server_name)
    await connection.greeting()
    await connection.ehlo(address.helo_name)
    if context is not None and _wants_starttls(connection, address.tls):
        await connection.starttls(context, server_name)
        await connection.ehlo(address.helo_name)
    if address.login is not None:
        await log_in(connection, address.login)


def _wants_starttls(connection: Connection, policy: TlsPolicy) -> bool:
    if policy in {TlsPolicy.NONE, TlsPolicy.IMPLICIT}:
        return False
    if STARTTLS in connection.offers:
        return True
    if policy is TlsPolicy.OPPORTUNISTIC:
        return False
    raise Insecure("STARTTLS is not offered")
