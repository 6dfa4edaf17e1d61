"""The dialog files of tests/dialogs, spoken to a real door in three ways: by line, by byte, and in groups.

A group is what a client may send in one piece: up to DATA, and from the content on (RFC 2920, section 3.1).

    hop offers A|B 1     the next hop's EHLO keywords; `hop offers` alone: none
    hop MAIL 550 5.1.0   the next hop's next answer to this verb, instead of the usual one
    hop DROP MAIL        the next hop closes the connection there
    hop down             there is no next hop
    door lmtp            the door speaks LMTP
    c -> EHLO x          the client says this line
    c => a\\x00\\r\\n       the client says these bytes, escapes as in Python, nothing added
    c <- 250 ok          the client hears exactly this line
    c <~ ^250            the client hears a line that matches
    hop <- MAIL FROM:<>  the next hop heard this line, after those named above it
    hop has text         the next hop took one more message whose content is this, escapes as in Python

After the last line the client hears nothing more.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from gateway.smtp.access import AccessRules
from gateway.smtp.rules import DoorRules
from tests.smtp.conftest import OpenHouse
from tests.smtp.recording import PATIENCE, Client, Fault, RecordingNextHop

DIALOGS = sorted((Path(__file__).parent.parent / "dialogs").glob("*.txt"))

RULES = DoorRules(
    "gw.test",
    access=AccessRules(sender_domains=frozenset({b"example.com", b"example.jp", b"docomo.example"})),
    max_message_octets=10_000,
)

Manner = Literal["line by line", "byte by byte", "in groups"]


@dataclass
class Dialog:
    """One file, read."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    """`say` and the bytes as latin-1, or `hear` and a pattern, in their order."""
    setup: list[str] = field(default_factory=list)
    hop_hears: list[bytes] = field(default_factory=list)
    hop_has: list[bytes] = field(default_factory=list)
    lmtp: bool = False

    @classmethod
    def read(cls, path: Path) -> "Dialog":
        dialog = cls()
        for line in path.read_text("utf-8").splitlines():
            dialog._add(line)
        return dialog

    def _add(self, line: str) -> None:
        kind, text = line[:5], line[5:]
        if kind in {"c -> ", "c ->"}:
            self.steps.append(("say", text.encode().decode("latin-1") + "\r\n"))
        elif kind == "c => ":
            self.steps.append(("say", _unescape(text).decode("latin-1")))
        elif kind == "c <- ":
            self.steps.append(("hear", f"^{re.escape(text)}$"))
        elif kind == "c <~ ":
            self.steps.append(("hear", text))
        elif line.startswith("hop <- "):
            self.hop_hears.append(line.removeprefix("hop <- ").encode())
        elif line.startswith("hop has"):
            self.hop_has.append(_unescape(line.removeprefix("hop has").removeprefix(" ")))
        elif line == "door lmtp":
            self.lmtp = True
        elif line.startswith("hop "):
            self.setup.append(line.removeprefix("hop "))
        else:
            assert not line or line.startswith("#"), f"not a line of a dialog: {line}"


async def _prepare(hop: RecordingNextHop, setup: list[str]) -> None:
    for line in setup:
        word, _, rest = line.partition(" ")
        if word == "offers":
            hop.offers = tuple(rest.split("|")) if rest else ()
        elif word == "DROP":
            hop.answer(rest, Fault.DROP)
        elif word == "down":
            await hop.stop()
        else:
            hop.answer(word, _unescape(rest) + b"\r\n")


@pytest.mark.parametrize("manner", ["line by line", "byte by byte", "in groups"])
@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
async def test_each_dialog_goes_as_written(
    path: Path, manner: Manner, hop: RecordingNextHop, open_house: OpenHouse
) -> None:
    dialog = Dialog.read(path)
    await _prepare(hop, dialog.setup)
    house = await open_house(replace(RULES, lmtp=dialog.lmtp))
    client = await house.client()
    speak = _in_groups if manner == "in groups" else _step_by_step
    async with asyncio.timeout(PATIENCE):
        async for heard, pattern in speak(client, dialog, manner):
            assert re.search(pattern, heard), f"heard {heard!r}, expected {pattern}"
    await house.listener.stop(PATIENCE)
    await house.pool.close()
    assert not house.journal.crashes
    assert [message.content for message in house.hop.messages] == dialog.hop_has
    commands = iter(house.hop.commands)
    for expected in dialog.hop_hears:
        assert expected in commands, f"the next hop did not hear {expected!r} in time: {house.hop.commands}"


async def _step_by_step(client: Client, dialog: Dialog, manner: Manner) -> AsyncIterator[tuple[str, str]]:
    for kind, text in dialog.steps:
        if kind == "hear":
            yield (await client.line()).decode("utf-8", "replace"), text
        elif manner == "byte by byte":
            for byte in text.encode("latin-1"):
                client.write(bytes([byte]))
                await asyncio.sleep(0)
        else:
            client.write(text.encode("latin-1"))
    client.writer.write_eof()
    assert await client.line() == b"", "the client hears more than is written"


async def _in_groups(client: Client, dialog: Dialog, manner: Manner) -> AsyncIterator[tuple[str, str]]:
    del manner
    for group in _groups(dialog.steps):
        client.write(b"".join(text.encode("latin-1") for kind, text in group if kind == "say"))
        for kind, text in group:
            if kind == "hear":
                yield (await client.line()).decode("utf-8", "replace"), text
    client.writer.write_eof()
    assert await client.line() == b"", "the client hears more than is written"


def _groups(steps: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    group: list[tuple[str, str]] = []
    data_said = False
    for kind, text in steps:
        if kind == "say" and data_said:
            yield group
            group = []
        group.append((kind, text))
        data_said = text[:4].upper() == "DATA" if kind == "say" else data_said
    yield group


def _unescape(text: str) -> bytes:
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


def test_there_are_dialogs() -> None:
    assert len(DIALOGS) >= 60
