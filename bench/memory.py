"""How much memory one copy of a marked mail takes beside the mail: `python -m bench.memory`.

Each figure is by how much a fresh process grows at the most while it reads, rewrites, checks, stamps and
signs one mail, as a multiple of that mail; the mail itself is not counted, the finished copy is.
It is the peak of resident memory, as Linux tells it in /proc.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import mails
from bench.rewrite import ours, peer

_SIZES = (1_000_000, 10_000_000, 25_000_000)
_WORK: dict[str, Callable[[bytes], None]] = {
    "ours": lambda raw: ours(raw, {}),
    "peer": lambda raw: peer(raw, {}),
}


def _mails() -> Iterator[tuple[str, bytes]]:
    for size in _SIZES:
        yield f"{size // 1_000_000} MB with attachment", mails.with_attachment(size)
    yield "1 MB of HTML, quoted-printable", mails.outlook(1_000_000)


def _grown(who: str, file: str) -> int:
    """Return the octets by which this process grew; everything is warm before."""
    _WORK[who](mails.outlook(10_000))
    raw = Path(file).read_bytes()
    before = _resident("VmRSS")
    # Forgets the peak so far; see proc(5).
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    _WORK[who](raw)
    return _resident("VmHWM") - before


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _asked(who: str, file: Path) -> int:
    command = [sys.executable, "-m", "bench.memory", who, str(file)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print a line for each mail, or in a process of its own one figure."""
    if len(sys.argv) > 1:
        print(_grown(*sys.argv[1:]))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mail.eml"
        for name, raw in _mails():
            file.write_bytes(raw)
            times = {who: _asked(who, file) / len(raw) for who in _WORK}
            print(
                f"{name:34} " + "   ".join(f"{who} {grown:5.1f} x the mail" for who, grown in times.items())
            )


if __name__ == "__main__":
    main()
