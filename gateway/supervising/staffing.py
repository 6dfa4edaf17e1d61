"""What `goen serve` needs: which sockets are bound, and which processes share them.

Several mail processes share the port of a door; each has at least one of the sockets that are bound to it.
When there are fewer processes than before, each takes several, so that no client waits where nobody looks.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from gateway.journal import open_journal
from gateway.keyring import Keyring
from gateway.metrics.counts import Counts
from gateway.metrics.journal_counts import JournalCounts
from gateway.metrics.memory import Memory
from gateway.operator.failures import FAILED, explain
from gateway.ports import bind_shares, more_shares
from gateway.preparing import prepare
from gateway.serving import DRAIN_MARGIN
from gateway.settings import Endpoint, Settings, find, load
from gateway.supervising.posts import Duty
from gateway.supervising.service_manager import Handed, ServiceManager, handed_over
from gateway.supervising.supervisor import Plan, StartFailed, Supervisor


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asked for on the command line."""

    smtp: bool = True
    web: bool = True
    worker: bool = True
    workers: int | None = None
    """How many mail processes; None: as the settings say."""


def supervise(settings_file: Path | None, wanted: Wanted) -> int:
    """Run the gateway until it is told to stop; return the exit status. Raises what the first plan raises."""
    handed, manager = handed_over(os.environ), ServiceManager.of(os.environ)
    staffing = Staffing(settings_file, os.environ, wanted, handed)
    settings = load(find(settings_file, os.environ), os.environ)
    journal = open_journal(settings.journal.format, tally=JournalCounts(Counts(staffing.memory.claim())))
    try:
        asyncio.run(Supervisor(staffing, journal, manager).run())
    except StartFailed as failed:
        return failed.status if failed.status > 0 else FAILED
    finally:
        journal.close()
    return 0


@dataclass(slots=True)
class _Bound:
    """The sockets at one address, and how many plans use them."""

    sockets: list[socket.socket]
    handed: bool
    """Whether the service manager opened it; such a socket stays open for later plans."""
    plans: int = 0


@dataclass(slots=True)
class Staffing:
    """Makes plans from the settings as they are, with the sockets that it has and the ones that it needs."""

    settings_file: Path | None
    """As `--settings` named it."""
    environment: Mapping[str, str]
    wanted: Wanted
    handed: Handed = field(default_factory=Handed)
    memory: Memory = field(default_factory=Memory.create)
    """Where all processes count."""
    _bound: dict[tuple[str, Endpoint], _Bound] = field(default_factory=dict)

    def plan(self) -> Plan:
        """Return a plan; raises what is wrong with settings, files or ports."""
        path = find(self.settings_file, self.environment)
        settings = load(path, self.environment)
        prepare(settings)
        Keyring.open(settings.store.key_file, create=True)
        count = self.wanted.workers or settings.relay.workers or len(os.sched_getaffinity(0))
        named = () if path is None else ("--settings", str(path.absolute()))
        with ExitStack() as undoing:
            doors = [
                self._sockets(undoing, name, endpoint, count)
                for name, endpoint in _doors(settings)
                if self.wanted.smtp
            ]
            web = self._sockets(undoing, "web", settings.web.listen, 1) if self.wanted.web else []
            read_at = settings.metrics.listen
            metrics = self._sockets(undoing, "metrics", read_at, 1) if read_at else []
            duties = [
                _mail_duty(named, number, count, doors) for number in range(count if self.wanted.smtp else 0)
            ]
            if self.wanted.web or self.wanted.worker or metrics:
                duties.append(self._pages_duty(named, web, metrics))
            duties = [_counting(duty, self.memory.descriptor) for duty in duties]
            closing = undoing.pop_all()
        return Plan(
            duties=tuple(duties),
            finish=timedelta(seconds=settings.relay.deadline_seconds) + DRAIN_MARGIN,
            listening=self._listening([name for name, _ in _doors(settings)], doors, web, metrics),
            unprepared=settings.unprepared,
            close=closing.close,
        )

    def fault(self, error: Exception) -> str | None:
        """Return the words that the command line would print, on one line."""
        explained = explain(error)
        return None if explained is None else " ".join(explained[1].split())

    def _sockets(self, undoing: ExitStack, name: str, endpoint: Endpoint, count: int) -> list[socket.socket]:
        """Return the sockets at an address, at least `count` if they are ours; `undoing` lets go of them."""
        at = (name if endpoint.port == 0 else "", endpoint)
        known = self._bound.get(at)
        if known is None:
            known = self._bound[at] = self._bind(name, endpoint, count)
        elif len(known.sockets) < count and not known.handed:
            port = known.sockets[0].getsockname()[1]
            missing = count - len(known.sockets)
            known.sockets += more_shares(endpoint.host, port, missing, choose=_setting(name))
        known.plans += 1
        undoing.callback(partial(self._let_go, at))
        return known.sockets

    def _bind(self, name: str, endpoint: Endpoint, count: int) -> _Bound:
        handed = self.handed.take(name, endpoint.host, endpoint.port)
        if handed is not None:
            return _Bound([handed], handed=True)
        shares = bind_shares(endpoint.host, endpoint.port, count, choose=_setting(name))
        return _Bound(list(shares), handed=False)

    def _let_go(self, at: tuple[str, Endpoint]) -> None:
        bound = self._bound[at]
        bound.plans -= 1
        if bound.plans == 0:
            del self._bound[at]
            for each in bound.sockets if not bound.handed else ():
                each.close()

    def _pages_duty(
        self, named: tuple[str, ...], web: list[socket.socket], metrics: list[socket.socket]
    ) -> Duty:
        arguments = [*named, "serve-part"]
        arguments += [word for bound in metrics for word in ("--metrics-fd", str(bound.fileno()))]
        arguments += [word for bound in web for word in ("--web-fd", str(bound.fileno()))]
        arguments += ["--worker"] if self.wanted.worker else []
        name = "pages" if self.wanted.web or self.wanted.worker else "metrics"
        return Duty(name, tuple(arguments), tuple(bound.fileno() for bound in (*web, *metrics)))

    def _listening(
        self,
        names: list[str],
        doors: list[list[socket.socket]],
        web: list[socket.socket],
        metrics: list[socket.socket],
    ) -> tuple[tuple[str, str], ...]:
        found = [("pages", _shown(web[0]))] if web else []
        found += [("metrics", _shown(metrics[0]))] if metrics else []
        found += [("worker", "outbox")] if self.wanted.worker else []
        named = zip(names, doors, strict=False)
        return (*found, *(("smtp", f"{_shown(sockets[0])} ({name})") for name, sockets in named))


def _mail_duty(named: tuple[str, ...], number: int, count: int, doors: list[list[socket.socket]]) -> Duty:
    arguments, descriptors = [*named, "serve-part"], list[int]()
    for door, sockets in enumerate(doors):
        # One socket that the service manager handed over is everybody's.
        for bound in sockets[number::count] or sockets[:1]:
            arguments += ["--smtp-fd", f"{door}:{bound.fileno()}"]
            descriptors.append(bound.fileno())
    return Duty(f"mail-{number + 1}", tuple(arguments), tuple(descriptors))


def _counting(duty: Duty, descriptor: int) -> Duty:
    """Return the duty with the memory to count in."""
    arguments = (*duty.arguments, "--counts-fd", str(descriptor))
    return replace(duty, arguments=arguments, descriptors=(*duty.descriptors, descriptor))


def _doors(settings: Settings) -> list[tuple[str, Endpoint]]:
    return [(door.name, door.listen) for door in settings.relay.doors]


def _setting(name: str) -> str:
    """Return the words that name the setting of a listener."""
    where = {"relay": "relay.listen", "web": "web.listen", "metrics": "metrics.listen"}.get(
        name, f"relay.listeners ({name})"
    )
    return f"{where} in the settings"


def _shown(bound: socket.socket) -> str:
    if bound.family == socket.AF_UNIX:
        return str(bound.getsockname())
    host, port = bound.getsockname()[:2]
    return str(Endpoint(host, port))
