"""Listings on a real terminal, with the columns where a reader's eye expects them."""

import json
import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from gateway.operator.terminal import Line, Listing, Style, print_lines, show

LISTING = """
from datetime import UTC, datetime
from gateway.operator.terminal import Listing, show
from store.records import SlotKind
when = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
rows = [
    ("ab", "株式会社サンプル", 7, SlotKind.GRANT, when, None),
    ("cd", "Sample\\x1b[31m [bold]", 12, SlotKind.ACCRUE, when, ""),
]
columns = ("partner", "name", "quantity", "kind", "at", "last_error")
show(Listing(columns, rows), as_json=False)
show(Listing(("a",), [], empty="Nothing waits."), as_json=False)
"""


COLOURED = """
from gateway.operator.terminal import Line, Style, print_lines
print_lines([Line("plain"), Line("good", Style.GOOD), Line("", Style.BAD)])
"""


LONG = """
from gateway.operator.terminal import Listing, show
show(Listing(("number",), ((n,) for n in range(1500))), as_json=False)
"""


def on_a_terminal(script: str) -> list[str]:
    """Run a script with a terminal of 120 columns as its standard output; return the lines it drew."""
    main, child = pty.openpty()
    environment = {
        **os.environ,
        "COLUMNS": "120",
        "TERM": "xterm",
        "TZ": "Asia/Tokyo",
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen([sys.executable, "-c", script], stdout=child, env=environment) as process:
        os.close(child)
        drawn = b""
        while chunk := read(main):
            drawn += chunk
    os.close(main)
    assert process.returncode == 0
    return drawn.decode().splitlines()


ROOT = Path(__file__).parent.parent


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says EIO when the other side of a terminal is closed.
        return b""


def column_of(line: str, words: str) -> int:
    """Return at which screen column the words begin; a wide character takes two."""
    before = line[: line.index(words)]
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in before)


def test_columns_stand_below_each_other_with_wide_characters_before_them() -> None:
    _, first, second, empty = on_a_terminal(LISTING)
    assert column_of(first, "grant") == column_of(second, "accrue")
    assert column_of(first, "2026-11-23 10:00") == column_of(second, "2026-11-23 10:00"), "local time"
    assert column_of(first, "7") == column_of(second, "12") + 1, "numbers end below each other"
    assert empty == "Nothing waits."


def test_what_stands_in_a_record_cannot_speak_to_the_terminal() -> None:
    """Names come from other people's mail: no escape sequence and no markup of theirs takes effect."""
    second = on_a_terminal(LISTING)[2]
    assert "\x1b[31m" not in second
    assert "[bold]" in second


def test_a_long_listing_is_drawn_in_parts_each_with_its_columns() -> None:
    """The rows may come one by one; a table needs the widths of those it shows."""
    drawn = [line.strip() for line in on_a_terminal(LONG)]
    assert [line for line in drawn if "number" not in line] == [str(n) for n in range(1500)]
    assert [at for at, line in enumerate(drawn) if "number" in line] == [0, 1001]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_the_same_whether_the_rows_come_at_once_or_one_by_one(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(n, "one\ntwo\u2028three") for n in range(count)]
    show(Listing(("number", "text"), iter(rows)), as_json=True)
    shown = capsys.readouterr().out
    expected = [{"number": n, "text": text} for n, text in rows]
    assert json.loads(shown) == expected
    assert shown == json.dumps(expected, ensure_ascii=False, indent=2) + "\n"


def test_lines_have_colour_on_a_terminal_only_and_not_where_it_is_unwanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_a_terminal(COLOURED) == ["plain", "\x1b[32mgood\x1b[0m", ""]
    print_lines([Line("good", Style.GOOD)])
    assert capsys.readouterr().out == "good\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_a_terminal(COLOURED) == ["plain", "good", ""]
