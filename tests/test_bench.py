"""What the benches measure is what they say: each mail is rewritten, by the peer beside us as well."""

import email
from pathlib import Path

import pytest

from bench import mails, rewrite, scanner
from gateway.mail import eligible, parts

SMALL = [name for name in mails.MAILS if "MB" not in name]


@pytest.mark.parametrize("name", SMALL)
def test_each_mail_is_rewritten_by_us_and_by_the_peer(name: str) -> None:
    raw, timings = mails.MAILS[name](), rewrite.Timings()
    rewrite.ours(raw, timings)
    rewrite.peer(raw, timings)
    assert {"read", "rewrite", "check", "all of these", "peer: all of these"} <= set(timings)
    assert all(len(taken) == 1 for taken in timings.values())


def test_the_mails_have_the_sizes_that_they_are_named_for() -> None:
    assert 9_800 < len(mails.outlook(10_000)) < 10_200
    raw = mails.with_attachment(100_000)
    assert 98_000 < len(raw) < 102_000
    assert len(eligible.read(raw, stamp_key=b"k").targets) == 2


@pytest.mark.parametrize("name", SMALL)
def test_the_standard_library_finds_no_defect_in_a_mail(name: str) -> None:
    message = email.message_from_bytes(mails.MAILS[name]())
    assert [part.defects for part in message.walk() if part.defects] == []


@pytest.mark.parametrize("name", scanner.SHAPES)
def test_each_shape_is_scanned_within_its_bounds(name: str) -> None:
    raw = scanner.SHAPES[name](20_000)
    root = parts.scan(raw)
    assert parts.join(raw, parts.ranges(root)) == raw
    assert all(part.depth < parts.MAX_DEPTH for part in root.walk())


def test_make_runs_each_bench() -> None:
    root = Path(__file__).parent.parent
    benches = {file.stem for file in (root / "bench").glob("*.py") if "def main()" in file.read_text("utf-8")}
    makefile = (root / "Makefile").read_text("utf-8")
    assert [name for name in sorted(benches) if f"-m bench.{name}" not in makefile] == []
