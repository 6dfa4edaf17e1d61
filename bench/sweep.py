"""What the engine makes of real mails that you have: `python -m bench.sweep FOLDER_OR_MBOX…`.

Into each mail a marker is planted as composers write it, by bytes, in the leaf's own charset and encoding:
in all alternatives of its own text, and where it asks for nothing: the Subject, a quote, an attached message,
an attached text.
Each is then read, rewritten, checked and signed as in production.
The outcome is verified with the standard library's `email` as the independent reader, and byte by byte.

It prints counts and file names, never content, and ends with status 1 when something is wrong.
What says that a mail is bulk or automatic is taken out first, because nobody's template says so;
`--as-they-are` leaves it.
"""

import argparse
import base64
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import planting
from gateway.mail import check, dkim_sign, eligible, footer, marker
from gateway.mail.footer import Footer

LINK = "https://relay.example.jp/c/4f7q"
FOOTER = Footer(
    text=f"ご希望の方へのご案内\n{LINK}\n",
    html=f'<p>&#12372;&#26696;&#20869; <a href="{LINK}">{LINK}</a></p>',
    ascii=f"For those who wish\n{LINK}\n",
)
_KEY = dkim_sign.SigningKey(
    domain=b"example.com",
    selector=b"sweep",
    algorithm="ed25519-sha256",
    private_key=base64.b64encode(b"a seed of thirty-two octets....."),
)
_FROM_LINE = re.compile(rb"(?:\A|\n\r?\n)(?=From [^\r\n]*[0-9]{2}:[0-9]{2}[^\r\n]*\n)")
_NOT_COMPOSED = re.compile(
    rb"(?:list-[a-z-]*|mailing-list|precedence|auto-submitted|x-auto-response-suppress|resent-[a-z-]*)\s*:",
    re.IGNORECASE,
)
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_SLOWEST = 5


@dataclass(slots=True)
class Tally:
    """What was seen so far."""

    mails: int = 0
    octets: int = 0
    seconds: float = 0.0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By what was planted and what became of it."""
    unplanted: int = 0
    """Mails without a text of their own that a marker could be planted in."""
    unsigned: int = 0
    slowest: list[tuple[float, str]] = field(default_factory=list)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)
    """One line for each mail that was changed where it must not be, or at which something raised."""


def mails(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each mail in a folder, a file or an mbox; line ends as they are."""
    files = sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]
    for file in files:
        raw = file.read_bytes()
        starts = [match.end() for match in _FROM_LINE.finditer(raw)] if raw.startswith(b"From ") else []
        if not starts:
            yield str(file), raw
            continue
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(raw)], strict=True), 1):
            yield f"{file}#{number}", raw[start:end].partition(b"\n")[2]


def as_sent(raw: bytes, *, composed: bool) -> bytes:
    """Return a mail with CRLF line ends, and unless it stays as it is, without what makes it bulk mail."""
    raw = re.sub(rb"\r*\n|\r", b"\r\n", raw)
    if not composed:
        return raw
    end = raw.find(b"\r\n\r\n") + 2
    header = raw[: end if end > 1 else len(raw)]
    kept = (match[0] for match in _FIELD.finditer(header) if _NOT_COMPOSED.match(match[0]) is None)
    return b"".join(kept) + raw[len(header) :]


def outcome(planted: planting.Planted, tally: Tally) -> str:
    """Carry one planted mail through the engine and say what became of it."""
    raw = planted.raw
    began = time.perf_counter()
    if not marker.might_be_marked(raw):
        return "unmarked"
    reading = eligible.read(raw, stamp_key=b"sweep")
    if reading.unfit is not None or reading.marker is None:
        return str(reading.unfit or "unmarked")
    try:
        copy = footer.rewrite(raw, reading, FOOTER)
        check.check(raw, copy, reading, FOOTER)
        check.check(raw, footer.rewrite(raw, reading, None), reading, None)
    except check.CheckFailed as failed:
        return f"check-failed: {failed}"
    except footer.CannotRewrite as cannot:
        return f"cannot-carry: {cannot}"
    tally.seconds += time.perf_counter() - began
    try:
        dkim_sign.sign(copy, _KEY)
    except dkim_sign.CannotSign:
        tally.unsigned += 1
    fault = planting.fault(planted, copy, FOOTER, LINK)
    return f"wrong: {fault}" if fault else "rewritten"


def sweep(name: str, raw: bytes, tally: Tally) -> None:
    """Plant, carry and judge one mail in each way; never raises."""
    tally.mails += 1
    tally.octets += len(raw)
    began = time.perf_counter()
    try:
        _sweep(name, raw, tally)
    except Exception:  # noqa: BLE001  # whatever it is, it is the finding
        frame = traceback.extract_tb(sys.exc_info()[2])[-1]
        tally.defects.append(f"{name}: {sys.exc_info()[0]} in {frame.name}, line {frame.lineno}")
    tally.slowest.append((time.perf_counter() - began, name))
    tally.slowest = sorted(tally.slowest, reverse=True)[:_SLOWEST]


def _sweep(name: str, raw: bytes, tally: Tally) -> None:
    own = planting.in_the_body(raw)
    if own is None:
        tally.unplanted += 1
    for planted in (own, *planting.where_it_asks_for_nothing(raw)):
        if planted is None:
            continue
        found = outcome(planted, tally)
        key = (planted.where, found)
        tally.outcomes[key] += 1
        tally.examples.setdefault(key, []).append(name)
        changed = found.startswith(("rewritten", "wrong", "check-failed", "cannot-carry"))
        if found.startswith(("wrong", "check-failed")) or (changed and not planted.leaves):
            tally.defects.append(f"{name}: {planted.where}: {found}")


def report(tally: Tally, *, examples: int) -> Iterator[str]:
    """Yield the lines of the report."""
    megabytes = tally.octets / 1e6
    pace = tally.seconds / megabytes if megabytes else 0.0
    yield f"{tally.mails} mails, {megabytes:.1f} MB, {pace:.4f} s/MB to read, rewrite and check"
    yield f"{tally.unplanted} without a text to plant a marker in, {tally.unsigned} copies not signed"
    for where in sorted({where for where, _ in tally.outcomes}):
        rows = [(count, found) for (place, found), count in tally.outcomes.items() if place == where]
        total = sum(count for count, _ in rows)
        yield f"marker in {where}: {total}"
        for count, found in sorted(rows, reverse=True):
            yield f"  {count:7d}  {count / total:6.1%}  {found}"
            for name in tally.examples[where, found][:examples] if found != "rewritten" else ():
                yield f"             {name}"
    yield from (f"slow: {seconds:.3f} s {name}" for seconds, name in tally.slowest)
    yield from (f"DEFECT {line}" for line in tally.defects)


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep over what is named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER_OR_MBOX")
    parser.add_argument("--as-they-are", action="store_true", help="leave the marks of bulk mail")
    parser.add_argument("--examples", type=int, default=0, metavar="N", help="name N files per outcome")
    options = parser.parse_args(arguments)
    tally = Tally()
    for path in options.paths:
        for name, raw in mails(path):
            sweep(name, as_sent(raw, composed=not options.as_they_are), tally)
    for line in report(tally, examples=options.examples):
        print(line)
    return 1 if tally.defects else 0


if __name__ == "__main__":
    sys.exit(main())
