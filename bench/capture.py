"""Captures per second, and how long each caller waits: `python -m bench.capture [URL] [--seconds N]`.

Each caller captures one marked message after the other, as a door would; the default is a SQLite file in a
temporary folder on the disk of the working directory.
"""

import argparse
import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime

from gateway.keyring import Keyring
from store import ledger
from store.database import Store, open_store
from store.records import Arrival, CopyKind, PlannedCopy, RejectionDetails


async def _capture(store: Store, until: float, waits: list[float]) -> None:
    while time.perf_counter() < until:
        address = f"{os.urandom(6).hex()}@example.jp".encode()
        copy = PlannedCopy(CopyKind.CANDIDATE, (address,), os.urandom(10), RejectionDetails(name="山田 太郎"))
        arrival = Arrival(os.urandom(32), "G-bench", b"hr@example.com", (copy,))
        began = time.perf_counter()
        await store.run(ledger.open_message, arrival, now=datetime.now(UTC))
        waits.append(time.perf_counter() - began)


async def _measure(store: Store, seconds: float, callers: int) -> None:
    waits: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_capture(store, until, waits) for _ in range(callers)))
    waits.sort()
    middle, late = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    print(f"{len(waits) / seconds:,.0f} messages/s, median {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms")


def main() -> None:
    """Measure once and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--callers", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        url = options.url or f"sqlite:///{folder}/goen.db"
        with open_store(url, Keyring(os.urandom(32))) as store:
            store.migrate()
            asyncio.run(_measure(store, options.seconds, options.callers))


if __name__ == "__main__":
    main()
