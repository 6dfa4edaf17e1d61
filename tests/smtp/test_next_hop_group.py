"""Commands to the next hop in one write (RFC 2920), and what each reply in the group means for the mail."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred, OutcomeUnknown
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Timeouts
from gateway.smtp.servers import NextHopAddress
from tests.smtp.recording import Answer, Fault, RecordingNextHop, eventually

SENDER = Sender(b"hr@example.com")
ONE = [Recipient(b"one@example.jp")]
THREE = [Recipient(name + b"@example.jp") for name in (b"one", b"two", b"three")]
CONTENT = b".dot\r\n"

OpenPool = Callable[..., PooledNextHop]
WITHOUT = ("8BITMIME",)
"""The offers of a next hop that takes one command at a time."""


@pytest.fixture
async def open_pool(hop: RecordingNextHop) -> AsyncIterator[OpenPool]:
    pools: list[PooledNextHop] = []

    def build(timeouts: Timeouts | None = None) -> PooledNextHop:
        pools.append(PooledNextHop(NextHopAddress("127.0.0.1", hop.port), timeouts=timeouts))
        return pools[-1]

    yield build
    for pool in pools:
        await pool.close()


def verbs(hop: RecordingNextHop) -> list[bytes]:
    """Return the first words of what was heard after EHLO."""
    return [line.partition(b" ")[0] for line in hop.commands if not line.startswith(b"EHLO")]


def idle(pool: PooledNextHop) -> int:
    return pool.servers[0].idle


@pytest.mark.parametrize("offers", [("PIPELINING",), WITHOUT])
async def test_a_copy_is_offered_and_finished(
    open_pool: OpenPool, hop: RecordingNextHop, offers: tuple[str, ...]
) -> None:
    hop.offers = offers
    pool = open_pool()
    transaction = await pool.begin()
    assert await transaction.offer(SENDER, THREE, CONTENT) is None
    assert hop.messages == []
    assert (await transaction.finish()).accepted
    await transaction.release()
    [message] = hop.messages
    assert message.rcpts == [b"RCPT TO:<%s@example.jp>" % name for name in (b"one", b"two", b"three")]
    assert message.content == CONTENT
    assert idle(pool) == 1


async def test_a_group_leaves_in_one_write_where_it_may(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    hop.hold("MAIL")
    transaction = await open_pool().begin()
    offering = asyncio.create_task(transaction.offer(SENDER, THREE, CONTENT))
    await eventually(lambda: hop.held == 1)
    behind = b"".join(b"RCPT TO:<%s>\r\n" % r.address for r in THREE) + b"DATA\r\n"
    await eventually(lambda: hop.unread() == [behind])
    hop.let_go()
    assert await offering is None
    await transaction.release()


async def test_without_pipelining_each_command_waits_for_its_reply(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.offers = WITHOUT
    hop.hold("MAIL")
    transaction = await open_pool().begin()
    offering = asyncio.create_task(transaction.offer(SENDER, THREE, CONTENT))
    await eventually(lambda: hop.held == 1)
    await asyncio.sleep(0.01)
    assert hop.unread() == [b""]
    hop.let_go()
    assert await offering is None
    await transaction.release()


NO: list[Answer] = [b"550 5.1.1 nobody\r\n", b"451 4.7.1 later\r\n"]


@pytest.mark.parametrize("answer", NO)
@pytest.mark.parametrize("offers", [("PIPELINING",), WITHOUT])
async def test_a_refused_sender_ends_a_copy(
    open_pool: OpenPool, hop: RecordingNextHop, offers: tuple[str, ...], answer: bytes
) -> None:
    hop.offers = offers
    hop.answer("MAIL", answer)
    hop.answer("RCPT", b"503 5.5.1 MAIL first\r\n")
    hop.answer("DATA", b"503 5.5.1 MAIL first\r\n")
    pool = open_pool()
    transaction = await pool.begin()
    reply = await transaction.offer(SENDER, ONE, CONTENT)
    assert reply is not None
    assert reply.to_wire() == answer
    await transaction.release()
    assert hop.messages == []
    assert idle(pool) == 1, "every command has had its reply"


@pytest.mark.parametrize("answer", NO)
@pytest.mark.parametrize("data", [b"554 5.5.1 no valid recipients\r\n", b"354 go on\r\n"])
async def test_a_copy_that_nobody_may_have_is_ended_by_a_dot_alone(
    open_pool: OpenPool, hop: RecordingNextHop, data: bytes, answer: bytes
) -> None:
    """RFC 2920, section 3.1: DATA was on its way already, and 354 wants content."""
    hop.answer("RCPT", *[answer] * 3)
    hop.answer("DATA", data)
    hop.answer("DOT", b"554 5.5.1 no valid recipients\r\n")
    pool = open_pool()
    transaction = await pool.begin()
    reply = await transaction.offer(SENDER, THREE, CONTENT)
    assert reply is not None
    assert reply.to_wire() == answer
    await transaction.release()
    assert hop.messages == []
    assert hop.abandoned == []
    await eventually(lambda: idle(pool) == 1)
    assert len(hop.heard(b"RSET")) == (0 if data.startswith(b"354") else 1)


@pytest.mark.parametrize("answer", NO)
async def test_a_copy_that_one_may_not_have_is_given_up_without_a_dot(
    open_pool: OpenPool, hop: RecordingNextHop, answer: bytes
) -> None:
    """A dot would send an empty mail to the others."""
    hop.answer("RCPT", b"250 fine\r\n", answer, b"250 fine\r\n")
    transaction = await open_pool().begin()
    reply = await transaction.offer(SENDER, THREE, CONTENT)
    assert reply is not None
    assert reply.to_wire() == answer
    await transaction.release()
    await eventually(lambda: hop.open_connections == 0)
    assert hop.messages == []
    assert hop.abandoned == [b""]


async def test_a_refused_sender_and_a_354_make_no_sense(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    hop.answer("MAIL", b"550 5.7.1 no\r\n")
    transaction = await open_pool().begin()
    reply = await transaction.offer(SENDER, ONE, CONTENT)
    assert reply is not None
    assert reply.code == 550
    await transaction.release()
    await eventually(lambda: hop.open_connections == 0)
    assert hop.messages == []


@pytest.mark.parametrize("answer", NO)
async def test_refused_data_ends_a_copy(open_pool: OpenPool, hop: RecordingNextHop, answer: bytes) -> None:
    hop.answer("DATA", answer)
    pool = open_pool()
    transaction = await pool.begin()
    reply = await transaction.offer(SENDER, THREE, CONTENT)
    assert reply is not None
    assert reply.to_wire() == answer
    await transaction.release()
    await eventually(lambda: idle(pool) == 1)
    assert hop.heard(b"RSET") == [b"RSET"]


NONSENSE: list[Answer] = [Fault.HANG, b"hello\r\n", b"354 early\r\n", b"250-a\r\n550 b\r\n", b"999 x\r\n"]


@pytest.mark.parametrize("offers", [("PIPELINING",), WITHOUT])
@pytest.mark.parametrize("answer", NONSENSE, ids=repr)
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_group_that_goes_wrong_is_deferred_and_leaves_nothing(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str, answer: Answer, offers: tuple[str, ...]
) -> None:
    if (verb, answer) == ("DATA", b"354 early\r\n"):
        answer = b"250 2.0.0 content?\r\n"
    hop.offers = offers
    hop.answer(verb, answer)
    patience = 0.05 if answer is Fault.HANG else 60
    transaction = await open_pool(Timeouts(envelope=patience, data_start=patience)).begin()
    with pytest.raises(Deferred) as caught:
        await transaction.offer(SENDER, THREE, CONTENT)
    assert not isinstance(caught.value, OutcomeUnknown)
    await transaction.release()
    if answer is not Fault.HANG:
        await eventually(lambda: hop.open_connections == 0)
    assert hop.messages == []


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("ending", [Fault.DROP, b"421 4.4.2 idle too long\r\n"])
async def test_a_group_on_a_connection_that_was_idle_is_begun_again_once(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str, ending: Answer
) -> None:
    pool = open_pool()
    await (await pool.begin()).release()
    hop.answer(verb, ending)
    transaction = await pool.begin()
    assert await transaction.offer(SENDER, THREE, CONTENT) is None
    assert (await transaction.finish()).accepted
    await transaction.release()
    assert hop.connections == 2
    [message] = hop.messages
    assert len(message.rcpts) == 3


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_group_on_a_new_connection_is_not_begun_again(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str
) -> None:
    hop.answer(verb, Fault.DROP)
    transaction = await open_pool().begin()
    with pytest.raises(Deferred):
        await transaction.offer(SENDER, THREE, CONTENT)
    await transaction.release()
    assert hop.connections == 1


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_next_hop_that_is_closing_says_so_for_the_whole_group(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str
) -> None:
    hop.answer(verb, b"421 4.3.2 going down\r\n")
    transaction = await open_pool().begin()
    reply = await transaction.offer(SENDER, THREE, CONTENT)
    assert reply is not None
    assert reply.code == 421
    await transaction.release()
    await eventually(lambda: hop.open_connections == 0)
    assert hop.messages == []


@pytest.mark.parametrize("offers", [("PIPELINING",), WITHOUT])
async def test_sender_and_recipients_are_answered_one_by_one(
    open_pool: OpenPool, hop: RecordingNextHop, offers: tuple[str, ...]
) -> None:
    hop.offers = offers
    hop.answer("MAIL", b"250 2.1.0 m\r\n")
    hop.answer("RCPT", b"250 2.1.5 one\r\n", b"550 5.1.1 two\r\n", b"251 2.1.5 three\r\n")
    transaction = await open_pool().begin()
    replies = await transaction.mail_and_rcpts(SENDER, THREE)
    assert [(reply.code, reply.lines[0][-3:]) for reply in replies] == [
        (250, b"0 m"),
        (250, b"one"),
        (550, b"two"),
        (251, b"ree"),
    ]
    assert (await transaction.deliver(CONTENT)).accepted
    await transaction.release()
    [message] = hop.messages
    assert message.rcpts == [b"RCPT TO:<one@example.jp>", b"RCPT TO:<three@example.jp>"]
    assert verbs(hop) == [b"MAIL", b"RCPT", b"RCPT", b"RCPT", b"DATA"]


@pytest.mark.parametrize("offers", [("PIPELINING",), WITHOUT])
async def test_behind_a_refused_sender_no_recipient_is_answered(
    open_pool: OpenPool, hop: RecordingNextHop, offers: tuple[str, ...]
) -> None:
    hop.offers = offers
    hop.answer("MAIL", b"550 5.1.8 who?\r\n")
    transaction = await open_pool().begin()
    [reply] = await transaction.mail_and_rcpts(SENDER, THREE)
    assert reply.code == 550
    await transaction.release()


async def test_a_group_that_was_ended_while_it_waited_for_data_is_begun_again_with_those_accepted(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.answer("RCPT", b"250 yes\r\n", b"550 no\r\n", b"250 yes\r\n")
    transaction = await open_pool().begin()
    await transaction.mail_and_rcpts(SENDER, THREE)
    hop.answer("DATA", Fault.DROP)
    assert (await transaction.deliver(CONTENT)).accepted
    await transaction.release()
    [message] = hop.messages
    assert message.rcpts == [b"RCPT TO:<one@example.jp>", b"RCPT TO:<three@example.jp>"]


async def test_no_more_recipients_are_asked_about_than_the_next_hop_takes(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.offers = ("PIPELINING", "LIMITS rcptmax=2 MAILMAX=1")
    pool = open_pool()
    transaction = await pool.begin()
    codes = [reply.code for reply in await transaction.mail_and_rcpts(SENDER, THREE)]
    assert codes == [250, 250, 250, 452]
    assert (await transaction.rcpt(THREE[0])).code == 452
    assert len(hop.heard(b"RCPT")) == 2
    assert (await transaction.deliver(CONTENT)).accepted
    await transaction.release()
    assert idle(pool) == 0, "MAILMAX"
    transaction = await pool.begin()
    reply = await transaction.offer(SENDER, THREE, CONTENT)
    assert reply is not None
    assert reply.code == 452
    await transaction.release()
    assert len(hop.messages) == 1


@pytest.mark.parametrize("limits", ["", "RCPTMAX", "RCPTMAX=", "RCPTMAX=0", "RCPTMAX=1234567", "X=1"])
async def test_a_limit_that_is_none_limits_nothing(
    open_pool: OpenPool, hop: RecordingNextHop, limits: str
) -> None:
    hop.offers = ("PIPELINING", f"LIMITS {limits}")
    transaction = await open_pool().begin()
    assert len(await transaction.mail_and_rcpts(SENDER, THREE)) == 4
    await transaction.release()
