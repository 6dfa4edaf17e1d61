import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred, OutcomeUnknown, Reply
from gateway.smtp.connection import Connection
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Timeouts
from gateway.smtp.pool_limits import PoolLimits
from gateway.smtp.servers import NextHopAddress
from gateway.smtp.transaction import PooledTransaction
from tests.smtp.recording import USUAL_OFFERS, Answer, Fault, RecordingNextHop, eventually

HASTY = {
    "GREETING": Timeouts(greeting=0.05),
    "EHLO": Timeouts(greeting=0.05),
    "MAIL": Timeouts(envelope=0.05),
    "RCPT": Timeouts(envelope=0.05),
    "DATA": Timeouts(data_start=0.05),
    "DOT": Timeouts(final_dot=0.05),
    "RSET": Timeouts(reset=0.05),
}
"""Patience for everything but the verb that hangs, so that a slow machine does not fail elsewhere."""

SENDER = Sender(b"hr@example.com", b"SIZE=5")
RECIPIENT = Recipient(b"yamada@example.jp", b"NOTIFY=NEVER")

OpenPool = Callable[..., PooledNextHop]


@pytest.fixture
async def open_pool(hop: RecordingNextHop) -> AsyncIterator[OpenPool]:
    pools: list[PooledNextHop] = []

    def build(
        *,
        timeouts: Timeouts | None = None,
        limits: PoolLimits | None = None,
        offers_seconds: float = 300,
    ) -> PooledNextHop:
        address = NextHopAddress("127.0.0.1", hop.port, helo_name=b"gw.test")
        pools.append(PooledNextHop(address, timeouts=timeouts, limits=limits, offers_seconds=offers_seconds))
        return pools[-1]

    yield build
    for pool in pools:
        await pool.close()


def idle_of(pool: PooledNextHop) -> list[Connection]:
    """Return the connections that wait for a mail."""
    return [connection for server in pool._pools.values() for connection, _ in server._idle]


async def deliver(pool: PooledNextHop, content: bytes = b"x: y\r\n") -> Reply:
    transaction = await pool.begin()
    try:
        assert (await transaction.mail(SENDER)).accepted
        assert (await transaction.rcpt(RECIPIENT)).accepted
        return await transaction.deliver(content)
    finally:
        await transaction.release()


async def test_a_mail_leaves_with_its_parameters_and_the_reply_comes_back_whole(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.answer("DOT", b"250-2.0.0 Ok\r\n250 \xff queued\r\n")
    reply = await deliver(open_pool())
    assert reply == Reply(250, (b"2.0.0 Ok", b"\xff queued"))
    [message] = hop.messages
    assert message.mail == b"MAIL FROM:<hr@example.com> SIZE=5"
    assert message.rcpts == [b"RCPT TO:<yamada@example.jp> NOTIFY=NEVER"]


async def test_a_connection_serves_one_mail_after_another(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool()
    for _ in range(3):
        await deliver(pool)
    assert hop.connections == 1
    assert hop.heard(b"RSET") == []
    assert len(hop.messages) == 3


async def test_two_mails_at_once_have_a_connection_each(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool()
    first, second = await pool.begin(), await pool.begin()
    await first.mail(SENDER)
    await second.mail(Sender(b"other@example.com"))
    await first.rcpt(RECIPIENT)
    await second.rcpt(RECIPIENT)
    await asyncio.gather(first.deliver(b"1\r\n"), second.deliver(b"2\r\n"))
    await first.release()
    await second.release()
    assert hop.connections == 2
    assert {(m.mail, m.content) for m in hop.messages} == {
        (b"MAIL FROM:<hr@example.com> SIZE=5", b"1\r\n"),
        (b"MAIL FROM:<other@example.com>", b"2\r\n"),
    }


@pytest.mark.parametrize("answer", [Fault.DROP, b"421 4.4.2 idle too long\r\n"])
async def test_a_connection_closed_while_idle_is_replaced_once(
    open_pool: OpenPool, hop: RecordingNextHop, answer: Answer
) -> None:
    pool = open_pool()
    await deliver(pool)
    hop.answer("MAIL", answer)
    assert (await deliver(pool)).accepted
    assert hop.connections == 2
    assert len(hop.messages) == 2


async def test_a_connection_that_only_asked_for_the_offers_counts_as_idle(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    await pool.offers()
    hop.answer("MAIL", Fault.DROP)
    assert (await deliver(pool)).accepted
    assert hop.connections == 2


async def test_a_second_connection_that_fails_is_not_replaced(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    await deliver(pool)
    hop.answer("MAIL", Fault.DROP, Fault.DROP)
    with pytest.raises(Deferred):
        await deliver(pool)
    assert hop.connections == 2


async def test_a_fresh_connection_that_fails_is_not_replaced(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.answer("MAIL", Fault.DROP)
    with pytest.raises(Deferred):
        await deliver(open_pool())
    assert hop.connections == 1


async def test_a_closed_idle_connection_is_not_lent_out(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool()
    await deliver(pool)
    hop.close_all()
    await eventually(lambda: not idle_of(pool)[0].usable)
    await deliver(pool)
    assert len(hop.heard(b"MAIL")) == 2


async def test_a_connection_on_which_the_next_hop_spoke_unasked_is_not_lent_out(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    await deliver(pool)
    hop.say(b"250 surprise\r\n")
    await eventually(lambda: not idle_of(pool)[0].usable)
    await deliver(pool)
    assert hop.connections == 2


async def test_a_next_hop_that_floods_us_with_replies_is_cut_off(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    await deliver(pool)
    hop.say(b"250 more\r\n" * 5000)
    await eventually(lambda: hop.open_connections == 0)
    assert (await deliver(pool)).accepted


async def test_two_replies_to_one_final_dot_spoil_the_connection(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    """The second would be taken for the reply to the next mail's MAIL."""
    pool = open_pool()
    hop.answer("DOT", b"250 one\r\n250 two\r\n")
    assert (await deliver(pool)).lines == (b"one",)
    await deliver(pool)
    assert hop.connections == 2


@pytest.mark.parametrize("nonsense", [b"\r\n", b"hello\r\n", b"x" * 10_000])
@pytest.mark.parametrize("verb", ["RCPT", "DOT"])
async def test_a_reply_with_nonsense_behind_it_counts_and_the_connection_is_given_up(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str, nonsense: bytes
) -> None:
    """Taken for no reply at all, a 250 to the final dot would send the mail again and again."""
    pool = open_pool()
    hop.answer(verb, b"250 2.0.0 Ok: queued as 4XyZ\r\n" + nonsense)
    transaction = await pool.begin()
    await transaction.mail(SENDER)
    assert (await transaction.rcpt(RECIPIENT)).code == 250
    if verb == "DOT":
        assert (await transaction.deliver(b"x\r\n")).queue_id == "4XyZ"
    await transaction.release()
    await deliver(pool)
    assert hop.connections == 2


@pytest.mark.parametrize("answer", [b"550 5.7.1 no\r\n", b"451 4.3.0 later\r\n", b"571 5.7.1 no\r\n"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_a_refusal_comes_back_as_it_is_and_the_connection_is_kept(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str, answer: bytes
) -> None:
    pool = open_pool()
    hop.answer(verb, answer)
    transaction = await pool.begin()
    reply = await transaction.mail(SENDER)
    if reply.accepted:
        reply = await transaction.rcpt(RECIPIENT)
    if reply.accepted:
        reply = await transaction.deliver(b"x\r\n")
    await transaction.release()
    assert reply.to_wire() == answer
    assert hop.messages == []
    await eventually(lambda: idle_of(pool) != [])
    await deliver(pool)
    assert hop.connections == 1
    assert len(hop.messages) == 1


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT", "RSET"])
async def test_a_next_hop_that_is_closing_is_believed(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str
) -> None:
    pool = open_pool()
    hop.answer(verb, *[b"421 4.3.2 going down\r\n"] * (2 if verb == "DATA" else 1))
    transaction = await pool.begin()
    reply = await transaction.mail(SENDER)
    if reply.accepted and verb != "RSET":
        reply = await transaction.rcpt(RECIPIENT)
        if reply.accepted:
            reply = await transaction.deliver(b"x\r\n")
        assert reply.code == 421
    await transaction.release()
    await deliver(pool)
    assert hop.connections == (3 if verb == "DATA" else 2)


BROKEN: list[Answer] = [
    Fault.DROP,
    Fault.HANG,
    b"hello\r\n",
    b"999 what\r\n",
    b"250-begun\r\n",
    b"250-begun\r\n550 changed\r\n",
    b"250 bare line end\n",
    b"334 go on\r\n",
    b"x" * 10_000,
]


@pytest.mark.parametrize("ending", [Fault.DROP, b"421 4.4.2 idle too long\r\n"])
async def test_a_transaction_that_the_next_hop_ends_before_the_content_is_begun_again(
    open_pool: OpenPool, hop: RecordingNextHop, ending: Answer
) -> None:
    """A client may take longer for its content than the next hop is willing to wait for DATA."""
    hop.answer("RCPT", b"250 yes\r\n", b"550 no\r\n", b"251 yes\r\n")
    hop.answer("DATA", ending)
    transaction = await open_pool().begin()
    await transaction.mail(SENDER)
    for name in (b"a", b"b", b"c"):
        await transaction.rcpt(Recipient(name + b"@example.jp", b"NOTIFY=NEVER"))
    assert (await transaction.deliver(b"x: y\r\n")).accepted
    await transaction.release()
    [message] = hop.messages
    assert message.mail == b"MAIL FROM:<hr@example.com> SIZE=5"
    assert message.rcpts == [
        b"RCPT TO:<a@example.jp> NOTIFY=NEVER",
        b"RCPT TO:<c@example.jp> NOTIFY=NEVER",
    ]
    assert message.content == b"x: y\r\n"
    assert hop.connections == 2


@pytest.mark.parametrize("farewell", [b"", b"421 4.4.2 idle too long\r\n"])
async def test_a_transaction_that_was_ended_while_it_waited_is_begun_again(
    open_pool: OpenPool, hop: RecordingNextHop, farewell: bytes
) -> None:
    pool = open_pool()
    transactions = [await pool.begin() for _ in range(2)]
    for transaction in transactions:
        await transaction.mail(SENDER)
        await transaction.rcpt(RECIPIENT)
    hop.say(farewell)
    if not farewell:
        hop.close_all()
    for transaction in transactions:
        await eventually(lambda t=transaction: not t._connection.usable)  # type: ignore[misc]  # bound on purpose
    for transaction in transactions:
        assert (await transaction.deliver(b"1\r\n")).accepted
    for transaction in transactions:
        await transaction.release()
    assert [message.content for message in hop.messages] == [b"1\r\n"] * 2


async def test_a_transaction_is_begun_again_only_once(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    hop.answer("DATA", Fault.DROP, Fault.DROP)
    with pytest.raises(Deferred):
        await deliver(open_pool())
    assert hop.connections == 2
    assert hop.messages == []


@pytest.mark.parametrize("answer", [b"450 4.7.1 later\r\n", b"550 5.7.1 no\r\n", Fault.DROP])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_a_transaction_that_is_judged_otherwise_the_second_time_is_deferred(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str, answer: Answer
) -> None:
    """The client has been told that all its recipients are fine; no reply to DATA can take one back."""
    pool = open_pool()
    transaction = await pool.begin()
    await transaction.mail(SENDER)
    await transaction.rcpt(RECIPIENT)
    hop.answer("DATA", Fault.DROP)
    hop.answer(verb, answer)
    with pytest.raises(Deferred) as caught:
        await transaction.deliver(b"x\r\n")
    await transaction.release()
    assert caught.value.reply.temporary
    assert "example" not in caught.value.reason
    assert not isinstance(caught.value, OutcomeUnknown)
    assert len(hop.heard(b"DATA")) == 1
    assert hop.messages == []


async def test_content_that_has_begun_to_leave_is_not_sent_again(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    hop.answer("DOT", Fault.DROP)
    with pytest.raises(OutcomeUnknown):
        await deliver(pool)
    transaction = await transmitted(pool)
    hop.close_all()
    await eventually(lambda: hop.open_connections == 0)
    with pytest.raises(Deferred):
        await transaction.finish()
    assert len(hop.heard(b"DATA")) == 2
    assert hop.connections == 2


@pytest.mark.parametrize("answer", BROKEN, ids=repr)
@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
async def test_whatever_goes_wrong_is_deferred_and_after_the_dot_unknown(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str, answer: Answer
) -> None:
    pool = open_pool(timeouts=HASTY[verb])
    hop.answer(verb, answer, *[answer] * (verb == "DATA" and answer is Fault.DROP))
    with pytest.raises(Deferred) as caught:
        await deliver(pool)
    assert isinstance(caught.value, OutcomeUnknown) is (verb == "DOT")
    assert caught.value.reply.temporary
    assert "example" not in caught.value.reason
    expected = b"4.4.1" if verb in {"GREETING", "EHLO"} else b"4.4.2"
    assert caught.value.reply.lines[0].startswith(expected)
    if answer is not Fault.HANG:
        await eventually(lambda: hop.open_connections == 0)
    await deliver(open_pool())
    assert hop.messages[-1].content == b"x: y\r\n"


async def test_the_patience_of_one_phase_does_not_end_in_the_next(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    """One timer serves them all: it rings for MAIL while DATA, which may take longer, is being answered."""
    hop.hold("DATA")
    sending = asyncio.create_task(deliver(open_pool(timeouts=Timeouts(envelope=0.3))))
    await eventually(lambda: hop.held == 1)
    await asyncio.sleep(0.5)
    hop.let_go()
    assert (await sending).accepted


async def test_nobody_there_in_time_is_deferred(open_pool: OpenPool) -> None:
    with pytest.raises(Deferred, match="no connection in time"):
        await open_pool(timeouts=Timeouts(connect=0)).begin()


async def test_a_next_hop_that_takes_no_introduction_is_deferred(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.answer("EHLO", b"502 what?\r\n")
    hop.answer("HELO", b"502 what?\r\n")
    with pytest.raises(Deferred, match="HELO refused"):
        await open_pool().begin()


async def test_nobody_there_is_deferred(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    await hop.stop()
    with pytest.raises(Deferred, match="cannot connect"):
        await open_pool().begin()


async def test_a_greeting_that_refuses_is_deferred(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    hop.answer("GREETING", b"554 5.7.1 no service\r\n")
    with pytest.raises(Deferred):
        await open_pool().begin()


async def test_a_refusal_before_the_content_has_all_been_sent_is_the_reply(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    hop.answer("DATA", b"354 go on\r\n552 5.3.4 too big\r\n")
    assert (await deliver(pool)).to_wire() == b"552 5.3.4 too big\r\n"
    await eventually(lambda: hop.open_connections == 0)
    assert hop.messages == []


async def test_content_without_its_final_dot_is_dropped_by_the_next_hop(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    transaction = await transmitted(open_pool())
    await transaction.release()
    await eventually(lambda: hop.abandoned != [])
    assert hop.abandoned == [b".x\r\n"]
    assert hop.messages == []


async def test_the_final_dot_may_come_later(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool()
    transactions = [await transmitted(pool) for _ in range(3)]
    assert hop.messages == []
    for transaction in transactions:
        assert (await transaction.finish()).accepted
        await transaction.release()
    assert [message.content for message in hop.messages] == [b".x\r\n"] * 3


@pytest.mark.parametrize("answer", [Fault.DROP, Fault.HANG, b"nonsense\r\n"])
async def test_a_late_dot_without_reply_is_an_unknown_outcome(
    open_pool: OpenPool, hop: RecordingNextHop, answer: Answer
) -> None:
    transaction = await transmitted(open_pool(timeouts=HASTY["DOT"]))
    hop.answer("DOT", answer)
    with pytest.raises(OutcomeUnknown):
        await transaction.finish()
    await transaction.release()


@pytest.mark.parametrize("said", [b"452 4.3.1 full\r\n", b"250 too early\r\n"])
async def test_a_reply_before_a_late_dot_keeps_the_dot_back(
    open_pool: OpenPool, hop: RecordingNextHop, said: bytes
) -> None:
    transaction = await transmitted(open_pool())
    hop.say(said)
    connection = transaction._connection
    assert connection is not None
    await eventually(lambda: connection._wire.waiting is not None)
    if said.startswith(b"4"):
        assert (await transaction.finish()).to_wire() == said
    else:
        with pytest.raises(Deferred, match="before the final dot"):
            await transaction.finish()
    await transaction.release()
    await eventually(lambda: hop.open_connections == 0)
    assert hop.messages == []


async def test_a_connection_lost_before_a_late_dot_is_merely_deferred(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    transaction = await transmitted(open_pool())
    hop.close_all()
    connection = transaction._connection
    assert connection is not None
    await eventually(lambda: not connection._wire.quiet)
    with pytest.raises(Deferred) as caught:
        await transaction.finish()
    assert not isinstance(caught.value, OutcomeUnknown)
    await transaction.release()


async def transmitted(pool: PooledNextHop) -> PooledTransaction:
    transaction = await pool.begin()
    assert await transaction.offer(SENDER, [RECIPIENT], b".x\r\n") is None
    return transaction


async def test_release_resets_an_open_mail(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool()
    transaction = await pool.begin()
    await transaction.mail(SENDER)
    await transaction.release()
    await eventually(lambda: idle_of(pool) != [])
    assert hop.heard(b"RSET") == [b"RSET"]
    await deliver(pool)
    assert hop.connections == 1


@pytest.mark.parametrize("answer", [b"550 5.7.1 no\r\n", b"451 4.7.1 later\r\n"])
async def test_a_connection_is_reset_after_its_content_was_refused(
    open_pool: OpenPool, hop: RecordingNextHop, answer: bytes
) -> None:
    """Postfix keeps the mail open when its smtpd_end_of_data_restrictions refuse the content."""
    pool = open_pool()
    hop.answer("DOT", answer)
    assert (await deliver(pool)).to_wire() == answer
    await eventually(lambda: idle_of(pool) != [])
    assert hop.heard(b"RSET") == [b"RSET"]


async def test_release_does_not_wait_for_the_next_hop(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    """A reply to the client may be due; nobody's mail waits for a RSET."""
    pool = open_pool()
    transaction = await pool.begin()
    await transaction.mail(SENDER)
    hop.hold("RSET")
    await transaction.release()
    await eventually(lambda: hop.held == 1)
    assert idle_of(pool) == []
    hop.let_go()
    await eventually(lambda: idle_of(pool) != [])
    await deliver(pool)
    assert hop.connections == 1


async def test_closing_the_pool_waits_for_what_is_being_reset(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    transaction = await pool.begin()
    await transaction.mail(SENDER)
    hop.hold("RSET")
    await transaction.release()
    await eventually(lambda: hop.held == 1)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    hop.let_go()
    await closing
    await eventually(lambda: hop.heard(b"QUIT") == [b"QUIT"])


@pytest.mark.parametrize("answer", [Fault.DROP, Fault.HANG, b"502 what?\r\n", b"nonsense\r\n"])
async def test_release_never_raises(open_pool: OpenPool, hop: RecordingNextHop, answer: Answer) -> None:
    pool = open_pool(timeouts=HASTY["RSET"])
    transaction = await pool.begin()
    await transaction.mail(SENDER)
    hop.answer("RSET", answer)
    await transaction.release()
    await deliver(pool)
    assert hop.connections == 2


async def test_a_transaction_given_back_takes_no_more_commands(open_pool: OpenPool) -> None:
    transaction = await open_pool().begin()
    await transaction.release()
    with pytest.raises(Deferred):
        await transaction.mail(SENDER)


async def test_a_connection_with_a_reply_outstanding_is_given_up(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    transaction = await open_pool().begin()
    hop.answer("MAIL", Fault.HANG)
    asking = asyncio.create_task(transaction.mail(SENDER))
    await eventually(lambda: hop.heard(b"MAIL") != [])
    asking.cancel()
    await asyncio.wait([asking])
    connection = transaction._connection
    await transaction.release()
    assert connection is not None
    assert not connection.usable


@dataclass(frozen=True)
class Wear:
    limits: PoolLimits
    connections: int


@pytest.mark.parametrize("wear", [Wear(PoolLimits(messages=2), 2), Wear(PoolLimits(age_seconds=0), 4)])
async def test_a_worn_connection_is_closed_politely(
    open_pool: OpenPool, hop: RecordingNextHop, wear: Wear
) -> None:
    pool = open_pool(limits=wear.limits)
    for _ in range(4):
        await deliver(pool)
    assert hop.connections == wear.connections
    await eventually(lambda: len(hop.heard(b"QUIT")) == wear.connections)


async def test_an_idle_connection_is_closed(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool(limits=PoolLimits(idle_seconds=0.01))
    await deliver(pool)
    await eventually(lambda: hop.open_connections == 0)
    assert hop.heard(b"QUIT") == [b"QUIT"]
    assert idle_of(pool) == []


async def test_closing_the_pool_closes_what_comes_back_later(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    await deliver(pool)
    lent = await pool.begin()
    await pool.close()
    await lent.release()
    await eventually(lambda: hop.open_connections == 0)


async def test_offers_are_asked_once_while_they_are_fresh(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    hop.offers = ("size 100", "8BitMime", "AUTH PLAIN LOGIN", "dsn")
    pool = open_pool()
    offers = await asyncio.gather(*(pool.offers() for _ in range(5)))
    assert all(
        dict(o) == {b"SIZE": b"100", b"8BITMIME": b"", b"AUTH": b"PLAIN LOGIN", b"DSN": b""} for o in offers
    )
    assert hop.connections == 1
    await deliver(pool)
    assert hop.connections == 1, "the connection that asked carries the mail"


async def test_offers_are_asked_again_when_they_are_old(open_pool: OpenPool, hop: RecordingNextHop) -> None:
    pool = open_pool(offers_seconds=0)
    assert b"DSN" in await pool.offers()
    hop.offers = ()
    assert b"DSN" not in await pool.offers()


async def test_old_offers_stand_while_the_next_hop_is_down(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    """Offering less would make clients convert their mail, or bounce it."""
    pool = open_pool(offers_seconds=0)
    await pool.offers()
    await hop.stop()
    assert len(await pool.offers()) == len(USUAL_OFFERS)


async def test_offers_of_a_next_hop_that_never_answered_are_deferred(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    await hop.stop()
    with pytest.raises(Deferred):
        await open_pool().offers()


async def test_those_who_wait_for_offers_that_fail_do_not_ask_again_one_by_one(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.answer("EHLO", *[Fault.DROP] * 5)
    pool = open_pool()
    results = await asyncio.gather(*(pool.offers() for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Deferred] * 5
    assert hop.connections == 1


async def test_while_one_session_asks_for_offers_the_others_go_on_with_the_last_answer(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(offers_seconds=0)
    await pool.offers()
    hop.hold("GREETING")
    first = asyncio.create_task(pool.offers())
    await eventually(lambda: hop.held == 1)
    for _ in range(3):
        assert b"DSN" in await pool.offers()
    assert not first.done()
    hop.let_go()
    assert b"DSN" in await first
    assert hop.connections == 2


async def test_while_one_session_asks_for_the_first_time_the_others_wait_only_a_moment(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(limits=PoolLimits(first_answer_seconds=0.05))
    hop.hold("GREETING")
    first = asyncio.create_task(pool.offers())
    await eventually(lambda: hop.held == 1)
    with pytest.raises(Deferred):
        await pool.offers()
    assert not first.done()
    hop.let_go()
    assert b"DSN" in await first
    assert hop.connections == 1


async def test_a_session_that_goes_while_it_asks_does_not_take_the_answer_with_it(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    hop.hold("GREETING")
    first = asyncio.create_task(pool.offers())
    await eventually(lambda: hop.held == 1)
    second = asyncio.create_task(pool.offers())
    first.cancel()
    hop.let_go()
    assert b"DSN" in await second
    assert hop.connections == 1


@pytest.mark.parametrize("verb", ["GREETING", "EHLO"])
async def test_a_next_hop_that_failed_is_left_alone_for_a_while(
    open_pool: OpenPool, hop: RecordingNextHop, verb: str
) -> None:
    """Behind a black hole every MAIL would wait for its own connection, and every EHLO for its answer."""
    pool = open_pool()
    hop.answer(verb, Fault.DROP)
    with pytest.raises(Deferred):
        await pool.begin()
    for _ in range(3):
        with pytest.raises(Deferred, match="not tried again yet"):
            await pool.begin()
        with pytest.raises(Deferred):
            await pool.offers()
    assert hop.connections == 1


async def test_a_next_hop_that_failed_is_tried_again_later(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool(limits=PoolLimits(breaker_seconds=0))
    hop.answer("GREETING", Fault.DROP)
    with pytest.raises(Deferred):
        await pool.begin()
    await deliver(pool)
    assert hop.connections == 2


async def test_a_next_hop_that_answers_another_session_is_not_left_alone(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    hop.hold("EHLO")
    slow = asyncio.create_task(pool.begin())
    await eventually(lambda: hop.held == 1)
    hop.answer("GREETING", Fault.DROP)
    with pytest.raises(Deferred):
        await pool.begin()
    hop.let_go()
    await slow
    await pool.begin()
    assert hop.connections == 3


async def test_an_idle_connection_serves_while_no_new_one_is_tried(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    pool = open_pool()
    first, second = await pool.begin(), await pool.begin()
    await first.release()
    hop.answer("GREETING", Fault.DROP)
    await pool.begin()
    with pytest.raises(Deferred):
        await pool.begin()
    await second.release()
    await deliver(pool)
    assert hop.connections == 3


async def test_a_next_hop_without_ehlo_offers_nothing_and_takes_mail(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.answer("EHLO", b"502 what?\r\n")
    pool = open_pool()
    assert dict(await pool.offers()) == {}
    transaction = await pool.begin()
    assert (await transaction.mail(Sender(b"hr@example.com"))).accepted
    assert (await transaction.rcpt(Recipient(b"yamada@example.jp"))).accepted
    assert (await transaction.deliver(b"x\r\n")).accepted
    await transaction.release()
    assert hop.heard(b"HELO") == [b"HELO gw.test"]


@pytest.mark.parametrize("address", [b"a@b>\r\nDATA\r\n", b"a\nb", b"a\x00b"])
async def test_no_command_is_smuggled_in_an_address(
    open_pool: OpenPool, hop: RecordingNextHop, address: bytes
) -> None:
    transaction = await open_pool().begin()
    with pytest.raises(ValueError, match="one line"):
        await transaction.mail(Sender(address))
    await transaction.release()
    assert hop.heard(b"MAIL") == []
