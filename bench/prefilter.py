"""How fast ordinary and hostile mails pass the pre-filter: `python -m bench.prefilter [--megabytes N]`.

For each mail the best of three runs, and the longest time for which a second thread, which only sleeps one
millisecond at a time, could not run meanwhile: so long would the event loop have stood still.
"""

import argparse
import binascii
import os
import quopri
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from gateway.mail import marker, trace

_RUNS = 3
_NAP = 0.001
_SMALL_CALLS = 1000
_ROW = (
    '<tr><td style="font-family:Arial,sans-serif;font-size:14px"><a href="https://example.com/?a={0}&amp;b=2">'
    "Join our next fair</a>&nbsp;<b>You</b> will meet the object of your layout there.</td></tr>\r\n"
)
_JAPANESE = "お世話になっております。選考の結果につきまして、下記の通りご連絡いたします。\r\n"
_HOSTILE = {
    "dashes": b"\n--<a",
    "tags": b"<",
    "brackets": b"[",
    "soft breaks": b"=\r\n",
    "equals signs": b"=",
    "entities": b"&#",
    "escapes": b"\x1b$B",
    "line ends": b"\r\n",
    "comments": b"r<!--",
    "letters": b"j",
    "first word": b"relay",
    "torn word": b"r<>elay<>ej<",
    "second word": b"rejection",
    "base64 parts": b"\n--b\nContent-Transfer-Encoding: base64\n\nAAAA\n",
}


class _Watch:
    """A thread that naps, and the longest time from one awakening to the next."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.perf_counter()
        while not self._done.is_set():
            time.sleep(_NAP)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now


def _mail(kind: str, encoding: str, body: bytes) -> bytes:
    return (
        f"From: hr@example.com\r\nContent-Type: {kind}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode() + body


def _page(size: int) -> bytes:
    rows = b"".join(_ROW.format(number).encode() for number in range(5000))
    return (rows * (size // len(rows) + 1))[:size]


def _base64(data: bytes) -> bytes:
    packed = binascii.b2a_base64(data, newline=False)
    return b"\r\n".join(packed[at : at + 76] for at in range(0, len(packed), 76)) + b"\r\n"


def _pictures(size: int) -> bytes:
    picture = binascii.b2a_base64(os.urandom(1 << 18), newline=False)
    row = b'<p>Look for<img src="data:image/png;base64,' + picture + b'">Japan</p>\r\n' + _page(5000)
    return row * (size // len(row))


def _ordinary(unit: int) -> Iterator[tuple[str, bytes]]:
    """Yield mails without a marker; `unit` is in octets, the sizes are multiples of it."""
    yield (
        "attached file, base64, x10",
        _mail("application/pdf", "base64", _base64(os.urandom(10 * unit * 3 // 4))),
    )
    yield "HTML, base64, x10", _mail("text/html", "base64", _base64(_page(10 * unit * 3 // 4)))
    yield "HTML, 8bit, x20", _mail("text/html", "8bit", _page(20 * unit))
    yield "HTML with pictures inside, x20", _mail("text/html", "8bit", _pictures(20 * unit))
    encoded = quopri.encodestring(_page(unit)).replace(b"\n", b"\r\n")
    yield "HTML, quoted-printable, x20", _mail("text/html", "quoted-printable", encoded * 20)
    encoded = quopri.encodestring(_JAPANESE.encode() * (unit // 300)).replace(b"\n", b"\r\n")
    yield "Japanese, quoted-printable, x20", _mail("text/plain", "quoted-printable", encoded * 20)
    yield "Japanese, 8bit, x20", _mail("text/plain", "8bit", _JAPANESE.encode() * (20 * unit // 115))


def _hostile(unit: int) -> Iterator[tuple[str, bytes]]:
    header = _mail("text/html", "quoted-printable", b"")
    for name, word in _HOSTILE.items():
        yield f"hostile: {name}, x4", header + word * (4 * unit // len(word))


def _print(name: str, mail: bytes, ask: Callable[[bytes], object]) -> None:
    with _Watch() as watch:
        took = min(_timed(ask, mail) for _ in range(_RUNS))
    print(
        f"{name:36} {len(mail) / 1e6:6.1f} MB {took * 1e3:8.1f} ms {len(mail) / took / 1e6:8,.0f} MB/s"
        f"   stall {watch.longest * 1e3:5.1f} ms"
    )


def _print_small(name: str, mail: bytes, ask: Callable[[bytes], object]) -> None:
    def often(mail: bytes) -> None:
        for _ in range(_SMALL_CALLS):
            ask(mail)

    took = min(_timed(often, mail) for _ in range(_RUNS)) / _SMALL_CALLS
    print(f"{name:36} {len(mail) / 1e3:6.1f} kB {took * 1e6:8.1f} µs")


def _timed(ask: Callable[[bytes], object], mail: bytes) -> float:
    began = time.perf_counter()
    ask(mail)
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each mail; the first shows what the machine itself makes a thread wait."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=1, help="the unit of the sizes")
    unit = int(parser.parse_args().megabytes * 1e6)
    _print("nothing, for 0.1 s", b"", lambda _: time.sleep(0.1))
    small = _mail("text/html", "8bit", _page(4000))
    _print_small("marker, small mail", small, marker.might_be_marked)
    _print_small("faults, small mail", small, trace.fault)
    for name, mail in (*_ordinary(unit), *_hostile(unit)):
        _print(name, mail, marker.might_be_marked)
    _print("faults, x50", _page(50 * unit), trace.fault)
    _print("faults, only line ends, x50", b"\r\n" * (25 * unit), trace.fault)


if __name__ == "__main__":
    main()
