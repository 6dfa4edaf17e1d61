"""Which address is connected to, and which is one of our own."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.smtp.dialling import dial, first_to_answer, leads_home
from tests.smtp.recording import RecordingNextHop, eventually


@pytest.fixture
def black_hole(hop: RecordingNextHop) -> Iterator[str]:
    """An address on which nobody answers, on the port of the next hop: its backlog is full."""
    with ExitStack() as closing:
        listener = closing.enter_context(socket.socket())
        listener.bind(("127.0.0.2", hop.port))
        listener.listen(0)
        for _ in range(4):
            filler = closing.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003  # the library's own signature
            filler.connect_ex(("127.0.0.2", hop.port))
        yield "127.0.0.2"


async def test_an_address_that_does_not_answer_does_not_hold_up_the_next(
    hop: RecordingNextHop, black_hole: str
) -> None:
    wire = await first_to_answer([black_hole, "127.0.0.1"], hop.port)
    assert (await wire.reply(5)).code == 220
    wire.abort()
    await eventually(lambda: hop.open_connections == 0)


async def test_the_first_address_that_answers_wins_and_the_others_are_closed(hop: RecordingNextHop) -> None:
    wire = await first_to_answer(["127.0.0.1"] * 3, hop.port)
    assert (await wire.reply(5)).code == 220
    await eventually(lambda: hop.open_connections <= 1)
    wire.abort()


async def test_when_no_address_answers_the_first_error_counts(hop: RecordingNextHop) -> None:
    await hop.stop()
    with pytest.raises(ConnectionRefusedError):
        await first_to_answer(["127.0.0.1", "127.0.0.2"], hop.port)


async def test_dialling_an_address_needs_no_look_up(hop: RecordingNextHop) -> None:
    wire = await dial("127.0.0.1", hop.port, seconds=5)
    assert (await wire.reply(5)).code == 220
    wire.abort()


def own_address() -> str:
    """Return the address with which this machine would speak to others; loopback where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


OURS = [
    ("127.0.0.1", "127.0.0.1", True),
    ("127.0.0.1", "127.0.0.2", False),
    ("127.0.0.1", "::1", False),
    ("localhost", "127.0.0.1", True),
    ("localhost", "::1", True),
    ("localhost", "192.0.2.1", False),
    ("0.0.0.0", "127.0.0.1", True),
    ("0.0.0.0", "127.8.8.8", True),
    ("0.0.0.0", "192.0.2.1", False),
    ("0.0.0.0", own_address(), True),
    ("0.0.0.0", "::1", False),
    ("::", "::1", True),
    ("::", "127.0.0.1", True),
    ("::", own_address(), True),
    ("::", "2001:db8::1", False),
    ("192.0.2.7", "192.0.2.7", True),
]


@pytest.mark.parametrize(("listener", "address", "home"), OURS)
def test_an_address_that_leads_home_is_known(listener: str, address: str, *, home: bool) -> None:
    assert leads_home(address, 2525, [(listener, 2525)]) is home
    assert not leads_home(address, 25, [(listener, 2525)])
    assert not leads_home(address, 2525, [])
