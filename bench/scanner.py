"""How long the scanner takes over mails that are made to be slow: `python -m bench.scanner [--megabytes N]`.

The scanner alone, and the whole reading that decides whether a mail may be rewritten.
It is the best of three runs, in processor time.
"""

import argparse
import time
from collections.abc import Callable

from gateway.mail import eligible, parts

_RUNS = 3
_HEAD = b"From: hr@example.com\r\nMIME-Version: 1.0\r\n"
_MULTIPART = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n"
_LEVELS = 2_000
"""More than twenty times as deep as the scanner goes."""


def _below(size: int, level: Callable[[int], bytes], levels: int = _LEVELS) -> bytes:
    """Return nested multiparts, as large as asked by what stands in each."""
    head = _HEAD + _MULTIPART % b"0"
    filling = b"x" * 75 + b"\r\n"
    each = filling * max(size // levels // len(filling), 1)
    return head + b"".join(level(number) + each for number in range(levels))


def _nested(number: int) -> bytes:
    return b"--%d\r\n" % number + _MULTIPART % (b"%d" % (number + 1))


def _same(number: int) -> bytes:
    del number
    return b"--0\r\n" + _MULTIPART % b"0"


def _many(size: int, word: bytes, boundary: bytes = b"0") -> bytes:
    return _HEAD + _MULTIPART % boundary + word * (size // len(word))


_LONG = b"b" * 69
SHAPES: dict[str, Callable[[int], bytes]] = {
    "nested, each level its own boundary": lambda size: _below(size, _nested),
    "nested 99 levels, then only dashes": lambda size: _below(1, _nested, 99) + b"\r\n--" * (size // 4),
    "nested, the same boundary everywhere": lambda size: _below(size, _same),
    "nested 99 levels, closed and opened": lambda size: (
        _below(1, _nested, 99) + b"--98--\r\n--98\r\n\r\n\r\n" * (size // 18)
    ),
    "empty parts": lambda size: _many(size, b"--0\r\n\r\n"),
    "parts without header": lambda size: _many(size, b"--0\r\n"),
    "lines of two dashes": lambda size: _many(size, b"--\r\n"),
    "lines of two dashes, bare line feeds": lambda size: _many(size, b"\n--"),
    "almost the boundary, one more octet": lambda size: _many(size, b"--" + _LONG + b"x\r\n", _LONG),
    "almost the boundary, one octet less": lambda size: _many(size, b"--" + _LONG[1:] + b"\r\n", _LONG),
    "boundaries with long white space": lambda size: _many(size, b"--0" + b" " * 900 + b"x\r\n"),
    "closing delimiters": lambda size: _many(size, b"--0--\r\n"),
    "a header of empty fields": lambda size: b"a:\r\n" * (size // 4) + b"\r\n",
    "a header of no fields": lambda size: b"x\r\n" * (size // 3) + b"\r\n",
    "a field of many lines": lambda size: b"a: b\r\n" + b" \r\n" * (size // 3) + b"\r\n",
    "a field of line feeds and tabs": lambda size: b"a: b" + b"\n\t" * (size // 2),
    "a Content-Type of semicolons": lambda size: _HEAD + b"Content-Type: a/b" + b";" * size + b"\r\n\r\n",
    "parts with headers of many fields": lambda size: _many(size, b"--0\r\n" + b"a:\r\n" * 100 + b"\r\n"),
    "one line": lambda size: _many(size, b"-"),
    "line ends": lambda size: _many(size, b"\r\n"),
    "only carriage returns": lambda size: b"\r" * size,
}


def _read(raw: bytes) -> object:
    return eligible.read(raw, stamp_key=b"a key of the bench")


def _best(work: Callable[[bytes], object], raw: bytes) -> float:
    taken = []
    for _ in range(_RUNS):
        began = time.process_time()
        work(raw)
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    """Print a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=5)
    size = int(parser.parse_args().megabytes * 1e6)
    for name, shape in SHAPES.items():
        raw = shape(size)
        root = parts.scan(raw)
        number = sum(1 for _ in root.walk())
        scanned = _best(parts.scan, raw) * 1e3
        read = _best(_read, raw) * 1e3
        size_and_parts = f"{len(raw) / 1e6:5.1f} MB {number:6,} parts"
        print(f"{name:38} {size_and_parts}   scan {scanned:6.1f} ms   read {read:6.1f} ms")


if __name__ == "__main__":
    main()
