"""The relay beside Postfix: `python -m bench.relay [--rounds N] [--sessions N]`; needs Postfix.

`smtp-source` sends through each of them to `smtp-sink`, in turns in the same run, so that a noisy machine is
noisy for all.
Postfix answers when a mail is in its queue, and has delivered it when the queue is empty; the gateway answers
when the next server has the mail. So Postfix has two rows.
Each figure is the median of the rounds.
"""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.paced import Pace, marked_mails, send_at, send_marked
from tests.peers.gateway import Gateway
from tests.peers.ports import free_port
from tests.peers.postfix import Postfix

_SBIN = Path("/usr/sbin")
_QUEUES = ("maildrop", "incoming", "active", "deferred")
_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Load:
    """What `smtp-source` sends."""

    name: str
    octets: int
    count: int
    kept: bool
    """Whether a connection is kept for the next mail."""


LOADS = (
    Load("4 kB, connections kept", 4096, 4000, kept=True),
    Load("4 kB, a connection for each", 4096, 2000, kept=False),
    Load("1 MB, connections kept", 1 << 20, 200, kept=True),
)


@dataclass(frozen=True, slots=True)
class Rival:
    """Something between source and sink."""

    name: str
    port: int
    wait: Callable[[], None] = lambda: None
    """Returns when it has delivered all that it has taken."""


def main() -> None:
    """Measure, and print a table for each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2, help="mail processes of the second gateway")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goen-bench-") as name, ExitStack() as closing:
        folder = Path(name)
        folder.chmod(0o755)  # Postfix has users of its own
        sink = closing.enter_context(_sink())
        one = closing.enter_context(_gateway(folder / "one", sink, workers=1))
        more = closing.enter_context(_gateway(folder / "more", sink, workers=options.workers))
        postfix = closing.enter_context(_postfix(folder / "postfix", sink))
        rivals = (
            Rival("nothing between", sink),
            Rival("goen, 1 process", one),
            Rival(f"goen, {options.workers} processes", more),
            Rival("Postfix accepts", postfix.port),
            Rival("Postfix delivers", postfix.port, lambda: _until_empty(postfix)),
        )
        for load in LOADS:
            _print_table(load, _measure(load, rivals, options.rounds, options.sessions))
        _print_delay(asyncio.run(_delays(sink, more)))
        _print_marked(asyncio.run(send_marked(more, marked_mails(1500), sessions=options.sessions)))


def _measure(load: Load, rivals: tuple[Rival, ...], rounds: int, sessions: int) -> dict[str, float]:
    """Return mails per second by rival."""
    seconds: dict[str, list[float]] = {rival.name: [] for rival in rivals}
    for _ in range(rounds):
        for rival in rivals:
            began = time.monotonic()
            _send(load, rival.port, sessions)
            rival.wait()
            seconds[rival.name].append(time.monotonic() - began)
            if rival.name == "Postfix accepts":
                rivals[-1].wait()  # The next one must not share the machine with its queue.
    return {name: load.count / statistics.median(taken) for name, taken in seconds.items()}


def _send(load: Load, port: int, sessions: int) -> None:
    words = [str(_SBIN / "smtp-source"), "-s", str(sessions), "-m", str(load.count), "-l", str(load.octets)]
    words += ["-d"] if load.kept else []
    words += ["-f", "hr@example.com", "-t", "somebody@example.jp", f"inet:127.0.0.1:{port}"]
    subprocess.run(words, check=True, timeout=300)


def _until_empty(postfix: Postfix) -> None:
    folders = [postfix.root / "queue" / name for name in _QUEUES]
    while any(path.is_file() for folder in folders for path in folder.rglob("*")):
        time.sleep(0.005)


def _print_table(load: Load, rates: dict[str, float]) -> None:
    accepts, delivers = rates["Postfix accepts"], rates["Postfix delivers"]
    print(f"\n{load.name}\n{'':22}{'mails/s':>10}{'MB/s':>9}{'of Postfix accepting':>22}{'delivering':>12}")
    for name, rate in rates.items():
        volume = rate * load.octets / 1e6
        print(
            f"{name:22}{rate:10,.0f}{volume:9,.1f}{rate / accepts:22.2f}{rate / delivers:12.2f}", flush=True
        )


async def _delays(direct: int, through: int) -> tuple[Pace, Pace]:
    """Send at a steady pace past the gateway and through it, at the same time."""
    return await asyncio.gather(send_at(direct, 200, seconds=5), send_at(through, 200, seconds=5))


def _print_delay(paces: tuple[Pace, Pace]) -> None:
    print("\n4 kB at 200 mails/s, milliseconds from MAIL to the last reply")
    direct, through = paces
    for name, pace in (("nothing between", direct), ("goen", through)):
        print(f"{name:22}median {pace.median * 1000:6.2f}   p99 {pace.late * 1000:6.2f}")
    added = (through.median - direct.median, through.late - direct.late)
    print(f"{'added':22}median {added[0] * 1000:6.2f}   p99 {added[1] * 1000:6.2f}")


def _print_marked(rate: float) -> None:
    print(f"\nmarked mails, captured, rewritten and signed: {rate:,.0f}/s")


@contextmanager
def _sink() -> Iterator[int]:
    port = free_port()
    words = [str(_SBIN / "smtp-sink"), *(("-u", "nobody") if os.geteuid() == 0 else ())]
    words += [f"inet:127.0.0.1:{port}", "1024"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        _until_open(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _until_open(port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def _gateway(folder: Path, sink: int, *, workers: int) -> Iterator[int]:
    gateway = Gateway.found(folder, next_hop=sink)
    gateway.start("--smtp", "--workers", str(workers))
    try:
        yield gateway.smtp_port
    finally:
        gateway.stop()


@contextmanager
def _postfix(root: Path, sink: int) -> Iterator[Postfix]:
    root.mkdir()
    postfix = Postfix.start(root, "bench", next_hop=sink)
    # As many deliveries at once as an administrator would allow to a smart host of their own.
    postfix.command("postconf", "-e", "default_destination_concurrency_limit = 20")
    postfix.command("postfix", "reload")
    try:
        yield postfix
    finally:
        postfix.stop()


if __name__ == "__main__":
    main()
