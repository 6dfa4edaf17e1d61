"""What a session may hold, and how long it may keep us waiting."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.budget import MemoryBudget
from gateway.smtp.content import ContentReader
from gateway.smtp.crowd import Crowd, neighbourhood
from gateway.smtp.refusals import TurnedAway
from gateway.smtp.rules import DoorRules
from tests.smtp.conftest import OpenHouse
from tests.smtp.recording import Client, RecordingNextHop, eventually

FULL = b"452 4.3.1 Too much mail is under way, please try again later"


# The budget of content.


async def test_fifty_clients_with_ten_megabytes_each_stay_within_the_budget(open_house: OpenHouse) -> None:
    """P12: over the budget 452, and what is taken arrives whole."""
    memory = MemoryBudget(60_000_000)
    house = await open_house(DoorRules("gw.test"), memory=memory)
    content = (b"x" * 998 + b"\r\n") * 10_000
    clients = [await house.client() for _ in range(50)]

    async def send(client: Client) -> bytes:
        await client.greet()
        return await client.send_mail(content)

    outcomes = [reply[:3] for reply in await asyncio.gather(*map(send, clients))]
    assert set(outcomes) <= {b"250", b"452"}
    assert b"452" in outcomes
    assert b"250" in outcomes
    assert memory.peak <= memory.max_octets
    assert memory.used == 0
    assert [len(m.content) for m in house.hop.messages] == [len(content)] * outcomes.count(b"250")


async def test_an_announced_size_is_reserved_and_given_back(
    open_house: OpenHouse, hop: RecordingNextHop
) -> None:
    memory = MemoryBudget(1000)
    house = await open_house(DoorRules("gw.test"), memory=memory)
    first, second = await house.client(), await house.client()
    for client in (first, second):
        await client.greet()
    assert (await first.ask(b"MAIL FROM:<hr@example.com> SIZE=600")).startswith(b"250")
    assert await second.ask(b"MAIL FROM:<hr@example.com> SIZE=600") == FULL
    assert await second.ask(b"RCPT TO:<a@example.jp>") == FULL
    assert house.journal.lines == [("memory-budget", 452)]
    assert (await second.ask(b"MAIL FROM:<hr@example.com> SIZE=1001")).startswith(b"552 5.3.4")
    assert (await first.ask(b"RSET")).startswith(b"250")
    assert memory.used == 0
    assert (await second.ask(b"MAIL FROM:<hr@example.com> SIZE=600")).startswith(b"250")
    await second.ask(b"EHLO again")
    assert memory.used == 0
    hop.answer("MAIL", b"550 5.1.0 no\r\n", b"451 4.1.0 later\r\n")
    for _ in range(2):
        await second.ask(b"MAIL FROM:<hr@example.com> SIZE=600")
        assert memory.used == 0


@pytest.mark.parametrize("leave", [Client.hang_up, Client.close])
async def test_a_client_that_leaves_gives_its_room_back(open_house: OpenHouse, leave: object) -> None:
    memory = MemoryBudget(1000)
    house = await open_house(DoorRules("gw.test"), memory=memory)
    client = await house.client()
    await client.greet()
    await client.ask(b"MAIL FROM:<hr@example.com> SIZE=100")
    await client.ask(b"RCPT TO:<a@example.jp>")
    await client.ask(b"DATA")
    client.write(b"x" * 500 + b"\r\n")
    await eventually(lambda: memory.used > 100)
    assert callable(leave)
    leave(client)
    await eventually(lambda: memory.used == 0)


async def test_content_that_finds_no_room_is_read_away_and_may_come_again(open_house: OpenHouse) -> None:
    memory = MemoryBudget(100_000)
    house = await open_house(DoorRules("gw.test"), memory=memory)
    holder, client = await house.client(), await house.client()
    for one in (holder, client):
        await one.greet()
    await holder.ask(b"MAIL FROM:<hr@example.com> SIZE=60000")
    assert await client.send_mail(b"x" * 60_000 + b"\r\n") == FULL
    assert memory.used == 60_000
    assert house.journey.envelopes == []
    await holder.ask(b"RSET")
    assert (await client.send_mail(b"x" * 60_000 + b"\r\n")).startswith(b"250")
    assert (await client.send_mail(b"x" * 100_000 + b"\r\n")).startswith(b"552")
    assert memory.used == 0


async def test_room_is_held_until_the_mail_is_done(open_house: OpenHouse) -> None:
    memory = MemoryBudget(1000)
    house = await open_house(DoorRules("gw.test"), memory=memory)
    client = await house.client()
    house.journey.gate.clear()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x" * 398 + b"\r\n.\r\n")
    await eventually(lambda: len(house.journey.envelopes) == 1)
    assert memory.used == 400
    client.hang_up()
    await asyncio.sleep(0.01)
    assert memory.used == 400
    house.journey.gate.set()
    await eventually(lambda: memory.used == 0)


async def test_an_error_and_a_stop_give_room_back(open_house: OpenHouse) -> None:
    memory = MemoryBudget(1000)
    house = await open_house(DoorRules("gw.test"), memory=memory)
    client = await house.client()
    await client.greet()
    house.journey.crash = RuntimeError("boom")
    assert (await client.send_mail(b"x\r\n")).startswith(b"451")
    assert memory.used == 0
    house.journey.gate.clear()
    client.write(b"MAIL FROM:<hr@example.com>\r\nRCPT TO:<a@example.jp>\r\nDATA\r\n")
    for _ in range(3):
        await client.reply()
    client.write(b"x\r\n.\r\n")
    await eventually(lambda: memory.used == 3)
    await house.listener.stop(0.05)
    assert memory.used == 0


@given(st.lists(st.integers(0, 60)), st.lists(st.sampled_from([b"ab", b"\r\n", b".", b"\r\n.\r\n"])))
def test_the_budget_is_never_exceeded_nor_lost(announced: list[int], pieces: list[bytes]) -> None:
    """Invariant: whatever is announced and read, at most the maximum is reserved, and all comes back."""
    memory = MemoryBudget(100)
    mails = []
    for size in announced:
        room = memory.open()
        room.cover(size)
        reader = ContentReader(50, room)
        mails.append(room)
        for piece in pieces:
            if reader.feed(piece) is not None:
                break
        assert 0 <= memory.used <= memory.max_octets
        assert room.octets >= len(reader.content())
        assert not ((reader.too_big or reader.crowded_out) and room.octets)
    for room in (*mails, *mails):
        room.shrink(0)
    assert memory.used == 0


# Connections.


async def test_when_too_many_are_connected_one_more_hears_421(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", name="branch"), crowd=Crowd(max_all=1))
    first = await house.client()
    await first.greet()
    for _ in range(3):
        turned_away = await house.client()
        assert await turned_away.reply() == b"421 4.3.2 Too many connections, please try again later"
        assert await turned_away.line() == b""
    assert house.journal.turned == [("branch", "too-many-connections")]
    await first.ask(b"QUIT")
    await eventually(lambda: house.crowd._all == 0)
    assert (await (await house.client()).reply()).startswith(b"220")


def test_one_address_does_not_take_the_room_of_all() -> None:
    crowd = Crowd(max_all=5, max_per_peer=2)
    for peer in ("192.0.2.1", "::ffff:192.0.2.1"):
        assert crowd.enter(peer) is None
    assert crowd.enter("192.0.2.1") is TurnedAway.TOO_MANY_OF_PEER
    assert crowd.enter("2001:db8::1") is None
    assert crowd.enter("2001:db8::2") is None
    assert crowd.enter("2001:db8::3") is TurnedAway.TOO_MANY_OF_PEER
    assert crowd.enter("127.0.0.1") is None
    assert crowd.enter("127.0.0.1") is TurnedAway.TOO_MANY
    crowd.leave("192.0.2.1")
    assert crowd.enter("192.0.2.1") is None


def test_this_machine_has_no_limit_of_its_own() -> None:
    crowd = Crowd(max_all=5, max_per_peer=1)
    assert [crowd.enter(peer) for peer in ("127.0.0.1", "127.0.0.1", "::1", "", "")] == [None] * 5


def test_nothing_is_kept_of_those_who_have_left() -> None:
    crowd = Crowd()
    peers = [f"192.0.2.{number}" for number in range(1, 200)]
    for peer in itertools.chain(peers, peers):
        assert crowd.enter(peer) is None
    for peer in itertools.chain(peers, peers):
        crowd.leave(peer)
    assert (crowd._all, len(crowd._by_peer)) == (0, 0)


def test_a_flood_is_told_of_once_a_minute() -> None:
    crowd = Crowd()
    told = [crowd.worth_telling(TurnedAway.TOO_MANY, now) for now in (0.0, 1.0, 59.0, 61.0, 62.0)]
    assert told == [True, False, False, True, False]
    assert crowd.worth_telling(TurnedAway.TOO_MANY_OF_PEER, 62.0)


@pytest.mark.parametrize(
    ("peer", "key"),
    [("2001:db8:1:2:3::4", "2001:db8:1:2::"), ("::ffff:192.0.2.1", "192.0.2.1"), ("nonsense", "")],
)
def test_an_ipv6_network_is_one_peer(peer: str, key: str) -> None:
    assert neighbourhood(peer) == key


# Slow clients.

TIMEOUT = b"421 4.4.2 Timeout, closing the connection"


async def test_content_that_trickles_ends_though_each_read_is_in_time(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", content_seconds=0.3))
    client = await house.client()
    await client.open_mail()
    await client.ask(b"DATA")
    reply = asyncio.create_task(client.reply())
    while not reply.done():
        client.write(b"x")
        await asyncio.sleep(0.02)
    assert await reply == TIMEOUT
    await eventually(lambda: house.hop.heard(b"RSET") != [])


async def test_content_that_flows_may_take_as_long_as_it_is_large(open_house: OpenHouse) -> None:
    """Each KiB gives a second more."""
    house = await open_house(DoorRules("gw.test", content_seconds=0.05))
    client = await house.client()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x" * 20_000 + b"\r\n")
    await client.writer.drain()
    await asyncio.sleep(0.2)
    assert (await client.ask(b".")).startswith(b"250")


async def test_commands_that_lead_nowhere_do_not_keep_a_session(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", patience_seconds=0.3))
    client = await house.client()
    await client.greet()
    heard = b"250"
    while heard.startswith(b"250"):
        await asyncio.sleep(0.02)
        heard = await client.ask(b"NOOP")
    assert heard == TIMEOUT


async def test_each_mail_gives_new_patience(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", patience_seconds=0.5))
    client = await house.client()
    await client.greet()
    for _ in range(4):
        await asyncio.sleep(0.2)
        assert (await client.send_mail(b"x\r\n")).startswith(b"250")


async def test_a_command_that_trickles_has_the_time_of_one_command(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", command_seconds=0.3))
    client = await house.client()
    await client.greet()
    reply = asyncio.create_task(client.reply())
    while not reply.done():
        client.write(b"x")
        await asyncio.sleep(0.02)
    assert await reply == TIMEOUT


# Recipients and mails (RFC 9422).


async def test_what_limits_promises_is_what_holds(open_house: OpenHouse, hop: RecordingNextHop) -> None:
    house = await open_house(DoorRules("gw.test", max_recipients=2, max_mails=3))
    client = await house.client()
    assert b"LIMITS RCPTMAX=2 MAILMAX=3" in await client.greet()
    await client.ask(b"MAIL FROM:<hr@example.com>")
    hop.answer("RCPT", b"550 5.1.1 no\r\n")
    codes = [(await client.ask(b"RCPT TO:<%d@example.jp>" % number))[:9] for number in range(4)]
    assert codes == [b"550 5.1.1", b"250 2.1.5", b"250 2.1.5", b"452 4.5.3"]
    await client.ask(b"DATA")
    assert (await client.ask(b"x\r\n.")).startswith(b"250")
    assert len(hop.messages[0].rcpts) == 2
    for _ in range(2):
        assert (await client.send_mail(b"x\r\n")).startswith(b"250")
    assert (await client.ask(b"MAIL FROM:<hr@example.com>")).startswith(b"421 4.7.0")
    assert await client.line() == b""


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [("LIMITS RCPTMAX=50", 50), ("LIMITS MAILMAX=5 rcptmax=7 X=1", 7), ("LIMITS RCPTMAX=x", 1000)],
)
async def test_the_next_hops_own_limit_is_mirrored(
    open_house: OpenHouse, hop: RecordingNextHop, theirs: str, shown: int
) -> None:
    hop.offers = (theirs,)
    house = await open_house()
    client = await house.client()
    assert b"LIMITS RCPTMAX=%d MAILMAX=10000" % shown in await client.greet()
