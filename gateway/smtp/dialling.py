"""From a server's name to a connected socket: looked up anew each time, all its addresses tried.

A and AAAA records only, never MX: where mail goes is the operator's decision, not a domain's.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import closing
from ipaddress import ip_address

from gateway.smtp.broken import Dropped, LeadsHome, Silent
from gateway.smtp.wire import Wire

STAGGER_SECONDS = 0.25
"""The head start of each address before the next one is tried beside it (RFC 8305, section 5)."""


async def dial(host: str, port: int, *, seconds: float, ours: Sequence[tuple[str, int]] = ()) -> Wire:
    """Connect to the first address that answers; raises `Dropped`, `Silent` or `LeadsHome`.

    `ours` are addresses and ports where we listen ourselves: what ends there is not tried.
    """
    try:
        async with asyncio.timeout(seconds):
            found = await _addresses(host, port)
            addresses = [address for address in found if not leads_home(address, port, ours)]
            if not addresses:
                raise LeadsHome("its address is that of our own listener")
            return await first_to_answer(addresses, port)
    except TimeoutError as error:
        raise Silent("no connection in time") from error
    except socket.gaierror as error:
        raise Dropped("its name cannot be looked up") from error
    except OSError as error:
        raise Dropped(f"cannot connect: {type(error).__name__}") from error


def leads_home(address: str, port: int, ours: Sequence[tuple[str, int]]) -> bool:
    """Whether a connection to `address` ends at one of our own listeners, as far as this machine can tell."""
    hosts = {host for host, taken in ours if taken == port}
    if not hosts:
        return False
    loopback = ip_address(address).is_loopback
    if address in hosts or (loopback and "localhost" in hosts):
        return True
    families = {family(host) for host in hosts if host != "localhost" and ip_address(host).is_unspecified}
    # A listener on :: takes IPv4 as well, unless it was told not to.
    met = family(address) in families or socket.AF_INET6 in families
    return met and (loopback or _is_of_this_machine(address, port))


def family(address: str) -> socket.AddressFamily:
    """Return the address family of an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _is_of_this_machine(address: str, port: int) -> bool:
    """Whether the system would send from this very address to it; nothing is sent."""
    with closing(socket.socket(family(address), socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((address, port))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == address)


async def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def first_to_answer(addresses: Sequence[str], port: int) -> Wire:
    """Race the addresses, each with a head start before the next; the losers are closed."""
    waiting = list(addresses)
    racing: set[asyncio.Task[Wire]] = set()
    failure: Exception | None = None
    try:
        while waiting or racing:
            if waiting:
                racing.add(asyncio.create_task(_connect(waiting.pop(0), port)))
            pause = STAGGER_SECONDS if waiting else None
            done, racing = await asyncio.wait(racing, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                failure = failure or _failure(task)
            if winners := [task.result() for task in done if _failure(task) is None]:
                for late in winners[1:]:
                    late.abort()
                return winners[0]
    finally:
        for task in racing:
            task.add_done_callback(_hang_up)
            task.cancel()
    raise failure or OSError("no address")


def _failure(task: asyncio.Task[Wire]) -> Exception | None:
    error = task.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return error


def _hang_up(task: asyncio.Task[Wire]) -> None:
    """Close a connection that came about in the moment of its cancelling."""
    if not task.cancelled() and task.exception() is None:
        task.result().abort()


async def _connect(address: str, port: int) -> Wire:
    _, wire = await asyncio.get_running_loop().create_connection(Wire, address, port)
    return wire
