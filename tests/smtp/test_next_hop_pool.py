"""How many connections there are, who gets one, and when one is asked whether it still lives."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred, Reply
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Timeouts
from gateway.smtp.pool_limits import PoolLimits
from gateway.smtp.servers import NextHopAddress
from tests.smtp.recording import Answer, Fault, RecordingNextHop, eventually

SENDER = Sender(b"hr@example.com")
RECIPIENT = Recipient(b"yamada@example.jp")

OpenPool = Callable[..., PooledNextHop]


@pytest.fixture
async def open_pool(hop: RecordingNextHop) -> AsyncIterator[OpenPool]:
    pools: list[PooledNextHop] = []

    def build(
        limits: PoolLimits | None = None, timeouts: Timeouts | None = None, offers_seconds: float = 300
    ) -> PooledNextHop:
        address = NextHopAddress("127.0.0.1", hop.port)
        pools.append(PooledNextHop(address, limits=limits, timeouts=timeouts, offers_seconds=offers_seconds))
        return pools[-1]

    yield build
    for pool in pools:
        await pool.close()


async def deliver(pool: PooledNextHop) -> Reply:
    transaction = await pool.begin()
    try:
        assert await transaction.offer(SENDER, [RECIPIENT], b"x\r\n") is None
        return await transaction.finish()
    finally:
        await transaction.release()


def waiting(pool: PooledNextHop) -> int:
    return pool.servers[0].waiting


def taken(pool: PooledNextHop) -> int:
    return pool.servers[0].connections


async def test_no_more_connections_are_opened_than_allowed(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(PoolLimits(connections=3))
    await asyncio.gather(*(deliver(pool) for _ in range(30)))
    assert hop.connections == 3
    assert len(hop.messages) == 30
    assert pool.servers[0].idle == taken(pool) == 3


async def test_no_connection_in_time_is_deferred_and_leaves_the_queue(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(PoolLimits(connections=1, wait_seconds=0.01))
    held = await pool.begin()
    with pytest.raises(Deferred) as caught:
        await pool.begin()
    assert caught.value.reply.to_wire().startswith(b"451 4.3.2 ")
    assert caught.value.reason == f"next-hop-busy: 127.0.0.1:{hop.port}"
    assert waiting(pool) == 0
    await held.release()
    assert (await deliver(pool)).accepted
    assert hop.connections == 1


async def test_those_who_wait_are_served_in_their_order(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool(PoolLimits(connections=1))
    held = await pool.begin()
    order: list[int] = []

    async def send(number: int) -> None:
        await deliver(pool)
        order.append(number)

    sending = []
    for number in range(4):
        sending.append(asyncio.create_task(send(number)))
        await eventually(lambda n=number: waiting(pool) == n + 1)  # type: ignore[misc]  # bound on purpose
    await held.release()
    await asyncio.gather(*sending)
    assert order == [0, 1, 2, 3]
    assert hop.connections == 1


@pytest.mark.parametrize("end", ["lost", "spoilt", "worn", "cannot be opened"])
async def test_a_connection_that_ends_makes_room_for_whoever_waits(
    open_pool: OpenPool, hop: RecordingNextHop, end: str
) -> None:
    pool = open_pool(PoolLimits(connections=1, messages=1 if end == "worn" else 100, breaker_seconds=0))
    if end == "cannot be opened":
        hop.hold("GREETING")
        hop.answer("GREETING", Fault.DROP)
        first = asyncio.create_task(pool.begin())
        await eventually(lambda: hop.held == 1)
        sending = asyncio.create_task(deliver(pool))
        await eventually(lambda: waiting(pool) == 1)
        hop.let_go()
        with pytest.raises(Deferred):
            await first
    else:
        held = await pool.begin()
        sending = asyncio.create_task(deliver(pool))
        await eventually(lambda: waiting(pool) == 1)
        if end == "lost":
            hop.close_all()
        if end == "spoilt":
            hop.answer("MAIL", b"nonsense\r\n")
            with pytest.raises(Deferred):
                await held.mail(SENDER)
        if end == "worn":
            await held.offer(SENDER, [RECIPIENT], b"x\r\n")
            await held.finish()
        await held.release()
    assert (await sending).accepted
    assert hop.connections == 2
    assert taken(pool) == (0 if end == "worn" else 1)


async def test_whoever_gives_up_waiting_takes_no_connection_away(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    """The connection came in the very moment of the cancelling: the next one gets it."""
    pool = open_pool(PoolLimits(connections=1))
    held = await pool.begin()
    leaving = asyncio.create_task(pool.begin())
    staying = asyncio.create_task(deliver(pool))
    await eventually(lambda: waiting(pool) == 2)
    await held.release()
    leaving.cancel()
    assert (await staying).accepted
    assert leaving.cancelled()
    last = await pool.begin()
    leaving = asyncio.create_task(pool.begin())
    await eventually(lambda: waiting(pool) == 1)
    await last.release()
    leaving.cancel()
    await asyncio.wait([leaving])
    assert (await deliver(pool)).accepted
    assert taken(pool) == 1
    await eventually(lambda: hop.open_connections == 1)


async def test_whoever_waited_behind_a_server_that_failed_does_not_try_it_again(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(PoolLimits(connections=1))
    hop.hold("GREETING")
    hop.answer("GREETING", Fault.DROP)
    first = asyncio.create_task(pool.begin())
    await eventually(lambda: hop.held == 1)
    second = asyncio.create_task(pool.begin())
    await eventually(lambda: waiting(pool) == 1)
    hop.let_go()
    for failed in (first, second):
        with pytest.raises(Deferred):
            await failed
    assert hop.connections == 1
    assert taken(pool) == 0


async def test_a_question_replaces_an_idle_connection_only_where_no_slot_is_left(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(PoolLimits(connections=2), offers_seconds=0)
    await deliver(pool)
    assert b"DSN" in await pool.offers()
    assert hop.heard(b"QUIT") == []
    hop.offers = ()
    assert dict(await pool.offers()) == {}
    assert hop.connections == 3
    assert taken(pool) == 2
    await eventually(lambda: hop.heard(b"QUIT") == [b"QUIT"])


LONG_IDLE = PoolLimits(asked_after_seconds=0)
DEAD: list[Answer] = [
    Fault.DROP,
    Fault.HANG,
    b"421 4.4.2 idle too long\r\n",
    b"502 what?\r\n",
    b"nonsense\r\n",
    b"250 fine\r\n250 twice\r\n",
]


@pytest.mark.parametrize("answer", DEAD, ids=repr)
async def test_a_connection_that_has_been_idle_for_long_is_asked_first(
    open_pool: OpenPool, hop: RecordingNextHop, answer: Answer
) -> None:
    """A firewall may have forgotten it: then a mail would wait minutes for the reply to its MAIL."""
    pool = open_pool(LONG_IDLE, Timeouts(reset=0.05 if answer is Fault.HANG else 10))
    await deliver(pool)
    assert (await deliver(pool)).accepted
    assert hop.connections == 1
    assert hop.heard(b"RSET") == [b"RSET"]
    hop.answer("RSET", answer)
    assert (await deliver(pool)).accepted
    assert hop.connections == 2
    assert len(hop.messages) == 3


async def test_a_connection_that_was_used_a_moment_ago_is_not_asked(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    for _ in range(3):
        await deliver(pool)
    assert hop.heard(b"RSET") == []


async def test_each_connection_is_closed_when_it_has_been_idle_for_long(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(PoolLimits(idle_seconds=0.2))
    first, second = await pool.begin(), await pool.begin()
    await first.release()
    await asyncio.sleep(0.1)
    await second.release()
    await eventually(lambda: len(hop.heard(b"QUIT")) == 2)
    assert taken(pool) == 0


async def test_a_server_name_is_looked_up_and_an_address_without_a_server_passed_over(
    hop: RecordingNextHop,
) -> None:
    """`localhost` is ::1 as well on most machines, where the next hop of this test does not listen."""
    pool = PooledNextHop(NextHopAddress("localhost", hop.port))
    assert (await deliver(pool)).accepted
    await pool.close()


async def test_a_server_name_that_leads_nowhere_is_deferred() -> None:
    pool = PooledNextHop(NextHopAddress("no-such-name.invalid", 25))
    with pytest.raises(Deferred, match="cannot be looked up"):
        await pool.begin()


async def test_a_server_name_that_leads_to_our_own_listener_is_passed_over(hop: RecordingNextHop) -> None:
    home = await RecordingNextHop().start()
    ours = (("127.0.0.1", home.port),)
    alone = PooledNextHop(NextHopAddress("localhost", home.port), ours=(*ours, ("::1", home.port)))
    with pytest.raises(Deferred, match="next-hop-is-ourselves"):
        await alone.begin()
    backed = PooledNextHop(
        NextHopAddress("127.0.0.1", home.port), NextHopAddress("127.0.0.1", hop.port), ours=ours
    )
    assert (await deliver(backed)).accepted
    assert home.connections == 0
    await backed.close()
    await home.stop()
