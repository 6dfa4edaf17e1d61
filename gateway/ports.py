"""Sockets to listen on, and, when a port is taken, by whom.

Linux tells who holds a port only to the same user or to root; elsewhere the holder stays unknown.
"""

import errno
import socket
from contextlib import suppress
from pathlib import Path


class PortInUse(Exception):
    """Another program listens where we want to."""

    def __init__(self, host: str, port: int, holder: str | None, choose: str) -> None:
        """`holder` is what `holder_of` found; `choose` names the setting or option for another port."""
        by = f" by {holder}" if holder else ""
        super().__init__(
            f"Port {port} on {host} is in use{by}. Stop that program, or choose another port with {choose}."
        )
        self.host = host
        self.port = port
        self.holder = holder


class CannotListen(Exception):
    """The address is not this machine's, or the port needs rights that we do not have."""

    def __init__(self, host: str, port: int, error: OSError, choose: str) -> None:
        """`error` is the system's; its words name no person."""
        super().__init__(f"Cannot listen on {host} port {port}: {error.strerror}. Change it with {choose}.")


def bind_shares(host: str, port: int, count: int, *, choose: str) -> tuple[socket.socket, ...]:
    """Return `count` sockets bound to one port, over which the kernel spreads what comes (SO_REUSEPORT).

    Raises as `bind` does: nobody else may listen there, not even another program that would share.
    """
    with bind(host, port, choose=choose) as trial:
        port = trial.getsockname()[1]
    return more_shares(host, port, count, choose=choose)


def more_shares(host: str, port: int, count: int, *, choose: str) -> tuple[socket.socket, ...]:
    """Return `count` more sockets on a port that the caller's own sockets share already."""
    found: list[socket.socket] = []
    try:
        while len(found) < count:
            found.append(bind(host, port, choose=choose, shared=True))
    except BaseException:
        for bound in found:
            bound.close()
        raise
    return tuple(found)


def bind(host: str, port: int, *, choose: str, shared: bool = False) -> socket.socket:
    """Return a bound stream socket; port 0 takes any free one. Raises `PortInUse` or `CannotListen`.

    `choose` names the setting or option that picks another address, for the error.
    `shared` lets sockets of the same user, bound in the same way, share the port.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotListen(host, port, error, choose) from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
        listener.listen(0)  # Two sockets may be bound to one port; only listening shows that it is taken.
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port, holder_of(port), choose) from error
        raise CannotListen(host, port, error, choose) from error
    listener.settimeout(0)
    return listener


def holder_of(port: int) -> str | None:
    """Return `name (pid 123)` of the process that listens on a local TCP port, if it can be seen."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def _listening(table: Path, port: int) -> list[str]:
    """Return `socket:[inode]` of each listening socket on the port; see proc(5), /proc/net/tcp."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    listen = "0A"
    return [
        f"socket:[{row[9]}]"
        for row in rows
        if row[3] == listen and int(row[1].rpartition(":")[2], 16) == port
    ]
