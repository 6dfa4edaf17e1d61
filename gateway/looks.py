"""How things stand in one process: what is noted of the house once a second, because it changes too often."""

from collections import Counter
from collections.abc import Callable, Sequence
from socket import socket

from gateway.metrics import figures
from gateway.metrics.counts import Counts
from gateway.metrics.meters import note_servers
from gateway.smtp.listener import Listener
from gateway.wiring import House


def looks_around(
    house: House, counts: Counts, doors: Sequence[tuple[int, socket]], listeners: Sequence[Listener]
) -> Sequence[Callable[[], None]]:
    """Return what notes how things stand; `listeners` open in the order of `doors`, one after the other."""
    part = "mail" if doors else "pages"

    def process() -> None:
        counts.set(figures.PROCESSES, part, value=1)

    def mail() -> None:
        note_servers(counts, house.next_hop.servers)
        counts.set(figures.CONTENT, value=house.household.memory.used)
        counts.set(figures.CONTENT_BUDGET, value=house.household.memory.max_octets)
        sessions = Counter({house.door_rules[door].name: 0 for door, _ in doors})
        for (door, _), listener in zip(doors, listeners, strict=False):
            sessions[house.door_rules[door].name] += listener.sessions
        for name, count in sessions.items():
            counts.set(figures.SESSIONS, name, value=count)

    return [process, mail] if doors else [process]
