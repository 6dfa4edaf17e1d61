"""What systemd and a service agree on through the environment: sockets handed over, and how the service is.

See sd_listen_fds(3) and sd_notify(3). Without a service manager nothing here does anything.
"""

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from time import clock_gettime_ns

FIRST_SOCKET = 3
"""The descriptor of the first socket handed over (SD_LISTEN_FDS_START)."""

_MONOTONIC = 1
"""CLOCK_MONOTONIC on Linux, which is what RELOADING=1 must tell the time of."""


@dataclass(frozen=True, slots=True)
class Handed:
    """Listening sockets that the service manager has opened."""

    sockets: tuple[tuple[str, socket.socket], ...] = ()
    """Each with the name that its unit gives it (FileDescriptorName=)."""

    def take(self, name: str, host: str, port: int) -> socket.socket | None:
        """Return the socket of that name, else the one bound to that address, else None."""
        for given, bound in self.sockets:
            if given == name:
                return bound
        for _, bound in self.sockets:
            if bound.family != socket.AF_UNIX and bound.getsockname()[:2] == (host, port):
                return bound
        return None


def handed_over(environment: MutableMapping[str, str]) -> Handed:
    """Return the sockets meant for this process, and take the variables away: children have their own."""
    process, count, names = (
        environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    )
    if process != str(os.getpid()) or not count.isdigit():
        return Handed()
    given = names.split(":")
    found: list[tuple[str, socket.socket]] = []
    for number in range(int(count)):
        descriptor = FIRST_SOCKET + number
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # takes no keyword
        bound = socket.socket(fileno=descriptor)
        bound.settimeout(0)
        found.append((given[number] if number < len(given) else "", bound))
    return Handed(tuple(found))


@dataclass(slots=True)
class ServiceManager:
    """Tells systemd how the service is."""

    address: str = ""
    """Of the socket that takes the news; empty when nobody listens. A name that begins with @ is abstract."""
    watchdog_seconds: float | None = None
    """How often it wants a sign of life at least; None: not at all."""

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> "ServiceManager":
        """Read the environment, and take the variables away."""
        address, interval, process = (
            environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        )
        ours = interval.isdigit() and int(interval) > 0 and process in ("", str(os.getpid()))
        return cls(address, int(interval) / 1e6 if ours else None)

    def ready(self) -> None:
        """All processes take work, also after a reload."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The settings are being read again."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={clock_gettime_ns(_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """No new work is taken."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The supervisor's loop goes round."""
        self._tell("WATCHDOG=1")

    def _tell(self, news: str) -> None:
        """Send one datagram; whether it arrives is the service manager's own affair."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as news_socket:
            news_socket.settimeout(0)
            try:
                news_socket.sendto(news.encode(), address)
            except OSError:
                return
