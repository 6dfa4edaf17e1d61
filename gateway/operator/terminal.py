"""What commands print: listings as a table, tab-separated in a pipe, JSON when asked for; lines in colour."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import islice
from typing import Any

import click

Cell = str | int | datetime | Enum | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows under named columns."""

    columns: tuple[str, ...]
    """Names as they stand in JSON; a terminal shows them with spaces for underscores."""
    rows: Iterable[tuple[Cell, ...]]
    """Read once, from the first to the last."""
    empty: str = "Nothing to show."
    """The sentence that a terminal shows instead of an empty table."""


class Style(Enum):
    """What a line is, for its colour."""

    PLAIN = auto()
    HEADING = auto()
    DIM = auto()
    GOOD = auto()
    WARNING = auto()
    BAD = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text for a person."""

    text: str
    """Without line end; whoever made it has seen to it that it does not steer a terminal."""
    style: Style = Style.PLAIN


_LOOKS: Mapping[Style, Mapping[str, Any]] = {
    Style.PLAIN: {},
    Style.HEADING: {"bold": True},
    Style.DIM: {"dim": True},
    Style.GOOD: {"fg": "green"},
    Style.WARNING: {"fg": "yellow"},
    Style.BAD: {"fg": "red"},
}

PIPE_COLUMNS = 160
"""Width of lines that no terminal shows: the longest that a pager shows at once on most screens."""


def width() -> int:
    """Return how many columns a line may have where standard output goes."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_COLUMNS


def print_lines(lines: Iterable[Line]) -> None:
    """Print to standard output; in colour on a terminal, unless NO_COLOR says otherwise (no-color.org)."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in lines:
        look = _LOOKS[line.style]
        click.echo(click.style(line.text, **look) if colour and look and line.text else line.text)


def show(listing: Listing, *, as_json: bool) -> None:
    """Print a listing to standard output; each row is asked for when its turn comes."""
    if as_json:
        _array(listing)
    elif not sys.stdout.isatty():
        for row in listing.rows:
            click.echo("\t".join(_text(cell) for cell in row))
    else:
        _tables(listing)


def _array(listing: Listing) -> None:
    """Print what `json.dumps` with an indent of 2 would make of a list of objects."""
    opening = "["
    for row in listing.rows:
        values = dict(zip(listing.columns, map(_plain, row), strict=True))
        text = json.dumps(values, ensure_ascii=False, indent=2).translate(_ESCAPED)
        click.echo(opening + "\n  " + text.replace("\n", "\n  "), nl=False)
        opening = ","
    click.echo("[]" if opening == "[" else "\n]")


_TABLE_ROWS = 1000
"""Rows in one table, which must know all of them to find its widths; a longer listing is several tables."""


def _tables(listing: Listing) -> None:
    remaining = iter(listing.rows)
    rows = list(islice(remaining, _TABLE_ROWS))
    if not rows:
        click.echo(listing.empty)
    while rows:
        _table(listing.columns, rows)
        rows = list(islice(remaining, _TABLE_ROWS))


def _table(columns: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        numbers = all(isinstance(row[position], int) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_local(cell)) for cell in row))
    Console().print(table)


_STEERING = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""C0 and C1 controls, and the marks that turn the direction of a line (Unicode, annex 9).

Names and reasons come from other people: none may steer a terminal.
"""

_HARMLESS = str.maketrans(dict.fromkeys(_STEERING, "\ufffd") | dict.fromkeys(map(ord, "\t\r\n"), " "))
_ESCAPED = str.maketrans({code: f"\\u{code:04x}" for code in _STEERING if code > 0x7E})  # noqa: PLR2004
"""What JSON does not escape by itself; above the last printable ASCII character."""


def _plain(cell: Cell) -> str | int | None:
    if isinstance(cell, str) and not isinstance(cell, Enum):
        return cell
    return cell if isinstance(cell, int) or cell is None else _text(cell)


def _text(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="seconds")
    if isinstance(cell, Enum):
        return str(cell.value)
    return "" if cell is None else str(cell).translate(_HARMLESS)


def _local(cell: Cell) -> str:
    """Times for eyes are in the machine's zone, without seconds."""
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M")
    return _text(cell)
