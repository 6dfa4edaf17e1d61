"""Several servers: which one gets a mail, what moves mail to the next one, and what brings it back."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred, OutcomeUnknown, Reply
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Phase, Timeouts
from gateway.smtp.pool_limits import PoolLimits
from gateway.smtp.servers import NextHopAddress
from tests.smtp.recording import Answer, Fault, RecordingNextHop, eventually

SENDER = Sender(b"hr@example.com")
RECIPIENT = Recipient(b"yamada@example.jp")

NEVER_BACK = PoolLimits(breaker_seconds=3600)
BACK_AT_ONCE = PoolLimits(breaker_seconds=0.01)

OpenPool = Callable[..., PooledNextHop]


@dataclass
class Heard:
    """What journal and meter were told."""

    lines: list[str] = field(default_factory=list)
    phases: list[tuple[str, Phase]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def server_lost(self, server: str, reason: str) -> None:
        self.lines.append(f"lost {server} {reason}")

    def server_back(self, server: str) -> None:
        self.lines.append(f"back {server}")

    def took(self, server: str, phase: Phase, seconds: float) -> None:
        assert seconds >= 0
        self.phases.append((server, phase))

    def failed(self, server: str, word: str) -> None:
        self.failures.append((server, word))


@pytest.fixture
async def second() -> AsyncIterator[RecordingNextHop]:
    started = await RecordingNextHop().start()
    yield started
    await started.stop()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def open_pool(hop: RecordingNextHop, second: RecordingNextHop, heard: Heard) -> AsyncIterator[OpenPool]:
    pools: list[PooledNextHop] = []

    def build(limits: PoolLimits = NEVER_BACK, timeouts: Timeouts | None = None) -> PooledNextHop:
        servers = (NextHopAddress("127.0.0.1", hop.port), NextHopAddress("127.0.0.1", second.port))
        pool = PooledNextHop(*servers, limits=limits, timeouts=timeouts, meter=heard, journal=heard)
        pools.append(pool)
        return pool

    yield build
    for pool in pools:
        await pool.close()


async def deliver(pool: PooledNextHop, content: bytes = b"x: y\r\n") -> Reply:
    transaction = await pool.begin()
    try:
        reply = await transaction.mail(SENDER)
        if reply.accepted:
            reply = await transaction.rcpt(RECIPIENT)
        return await transaction.deliver(content) if reply.accepted else reply
    finally:
        await transaction.release()


async def test_the_first_server_gets_all_the_mail(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop
) -> None:
    pool = open_pool()
    await asyncio.gather(*(deliver(pool) for _ in range(5)))
    assert len(hop.messages) == 5
    assert second.messages == []


CANNOT_BEGIN: list[tuple[str, Answer]] = [
    ("GREETING", Fault.DROP),
    ("GREETING", Fault.HANG),
    ("GREETING", b"421 4.3.2 busy\r\n"),
    ("GREETING", b"450 4.3.2 busy\r\n"),
    ("GREETING", b"554 5.7.1 no service\r\n"),
    ("GREETING", b"HTTP/1.1 400 Bad Request\r\n"),
    ("GREETING", b"22"),
    ("EHLO", Fault.DROP),
    ("EHLO", Fault.HANG),
    ("EHLO", b"421 4.3.2 busy\r\n"),
    ("EHLO", b"451 4.3.2 busy\r\n"),
    ("EHLO", b"nonsense\r\n"),
]


@pytest.mark.parametrize(("verb", "answer"), CANNOT_BEGIN, ids=repr)
async def test_a_server_that_does_not_begin_is_passed_over(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, verb: str, answer: Answer
) -> None:
    pool = open_pool(timeouts=Timeouts(greeting=0.05 if answer in {Fault.HANG, b"22"} else 60))
    hop.answer(verb, answer)
    for _ in range(3):
        assert (await deliver(pool)).accepted
    assert len(second.messages) == 3
    assert hop.connections == 1
    assert [state.up for state in pool.servers] == [False, True]


async def test_a_server_that_is_not_there_is_passed_over(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, heard: Heard
) -> None:
    await hop.stop()
    pool = open_pool()
    for _ in range(3):
        assert (await deliver(pool)).accepted
    assert len(second.messages) == 3
    [line] = heard.lines
    assert line.startswith(f"lost 127.0.0.1:{hop.port} next-hop-lost: cannot connect")
    assert heard.failures == [(f"127.0.0.1:{hop.port}", "next-hop-lost")]


@pytest.mark.parametrize("answer", [b"550 5.7.1 no\r\n", b"451 4.7.1 later\r\n"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_a_verdict_is_a_verdict_and_no_other_server_is_asked(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, verb: str, answer: bytes
) -> None:
    hop.answer(verb, answer)
    assert (await deliver(open_pool())).to_wire() == answer
    assert second.connections == 0


@pytest.mark.parametrize("answer", [Fault.DROP, b"421 4.4.2 idle too long\r\n"])
async def test_a_mail_whose_first_server_went_while_idle_goes_to_the_second(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, answer: Answer
) -> None:
    pool = open_pool()
    await deliver(pool)
    hop.answer("MAIL", answer)
    hop.answer("GREETING", b"554 5.3.2 no more\r\n")
    assert (await deliver(pool)).accepted
    assert len(hop.messages) == len(second.messages) == 1


async def test_a_mail_whose_first_server_goes_before_data_goes_to_the_second(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop
) -> None:
    hop.answer("DATA", Fault.DROP)
    pool = open_pool()
    transaction = await pool.begin()
    await transaction.mail(SENDER)
    await transaction.rcpt(RECIPIENT)
    hop.answer("GREETING", b"554 5.3.2 no more\r\n")
    assert (await transaction.deliver(b"x\r\n")).accepted
    await transaction.release()
    assert hop.messages == []
    assert [message.content for message in second.messages] == [b"x\r\n"]


@pytest.mark.parametrize("answer", [Fault.DROP, Fault.HANG, b"nonsense\r\n"])
async def test_after_the_content_has_left_no_other_server_is_asked(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, answer: Answer
) -> None:
    hop.answer("DOT", answer)
    with pytest.raises(OutcomeUnknown):
        await deliver(open_pool(timeouts=Timeouts(final_dot=0.05 if answer is Fault.HANG else 60)))
    assert second.connections == 0


async def test_mail_returns_to_the_first_server_after_a_question_of_ours(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, heard: Heard
) -> None:
    hop.answer("GREETING", *[Fault.DROP] * 3)
    pool = open_pool(BACK_AT_ONCE)
    await deliver(pool)
    await eventually(lambda: pool.servers[0].up)
    assert hop.heard(b"EHLO") != []
    assert hop.heard(b"MAIL") == [], "no mail has tried it out"
    await deliver(pool)
    assert len(hop.messages) == len(second.messages) == 1
    name = f"127.0.0.1:{hop.port}"
    assert heard.lines == [f"lost {name} next-hop-lost: closed by the next hop", f"back {name}"]


async def test_no_mail_waits_for_the_first_server_while_it_is_asked(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop
) -> None:
    hop.answer("GREETING", Fault.DROP)
    pool = open_pool(BACK_AT_ONCE)
    await deliver(pool)
    hop.hold("GREETING")
    await eventually(lambda: hop.held >= 1)
    await deliver(pool)
    assert len(second.messages) == 2
    hop.let_go()
    await eventually(lambda: pool.servers[0].up)


async def test_with_every_server_down_the_mail_is_deferred_and_each_is_named(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop
) -> None:
    await hop.stop()
    second.answer("GREETING", b"554 5.7.1 no\r\n")
    pool = open_pool()
    with pytest.raises(Deferred) as caught:
        await pool.begin()
    assert caught.value.reply.to_wire().startswith(b"451 4.4.1 ")
    first, other = caught.value.reason.split("; ")
    assert first.startswith(f"next-hop-lost: 127.0.0.1:{hop.port}: cannot connect")
    assert other == f"next-hop-unwilling: 127.0.0.1:{second.port}: the greeting is 554"
    with pytest.raises(Deferred, match="not tried again yet"):
        await pool.begin()


async def test_an_idle_connection_to_a_server_that_fails_is_the_last_resort(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop
) -> None:
    pool = open_pool()
    kept, other = await pool.begin(), await pool.begin()
    hop.answer("GREETING", *[b"421 4.3.2 enough\r\n"] * 5)
    third = await pool.begin()
    await kept.release()
    await deliver(pool)
    assert len(second.messages) == 1
    second.answer("MAIL", Fault.DROP)
    second.answer("GREETING", Fault.DROP)
    with pytest.raises(Deferred):
        await deliver(pool)
    await deliver(pool)
    assert len(hop.messages) == 1
    await other.release()
    await third.release()


async def test_only_what_every_server_offers_is_offered(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop
) -> None:
    hop.offers = ("PIPELINING", "SIZE 3000", "8BITMIME", "DSN")
    second.offers = ("8BITMIME", "SIZE 2000", "SMTPUTF8")
    assert dict(await open_pool().offers()) == {b"SIZE": b"2000", b"8BITMIME": b""}


@pytest.mark.parametrize(("theirs", "both"), [("SIZE", b"3000"), ("SIZE 0", b"3000"), ("SIZE x", b"3000")])
async def test_a_server_without_a_limit_does_not_lower_the_limit(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, theirs: str, both: bytes
) -> None:
    hop.offers, second.offers = ("SIZE 3000",), (theirs,)
    assert (await open_pool().offers())[b"SIZE"] == both


async def test_a_server_that_has_never_answered_takes_nothing_from_the_offers(
    open_pool: OpenPool, second: RecordingNextHop
) -> None:
    await second.stop()
    assert b"DSN" in await open_pool().offers()


async def test_a_server_that_hangs_delays_the_offers_of_the_others_only_a_moment(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.hold("GREETING")
    pool = open_pool(PoolLimits(first_answer_seconds=0.05))
    assert b"DSN" in await pool.offers()
    hop.let_go()


async def test_a_session_that_lands_on_a_server_without_what_it_was_promised_is_deferred(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop
) -> None:
    second.offers = ("PIPELINING",)
    await hop.stop()
    pool = open_pool()
    transaction = await pool.begin()
    with pytest.raises(Deferred) as caught:
        await transaction.mail(Sender(b"hr@example.com", b"BODY=8BITMIME"))
    assert caught.value.reply.to_wire().startswith(b"451 4.3.0 ")
    assert caught.value.reason == f"extension-lost: 127.0.0.1:{second.port}: 8BITMIME"
    assert (await transaction.mail(SENDER)).accepted
    with pytest.raises(Deferred, match=r"extension-lost.*DSN"):
        await transaction.rcpt(Recipient(b"yamada@example.jp", b"NOTIFY=NEVER"))
    await transaction.release()
    assert [line for line in second.commands if b"=" in line] == []


async def test_the_meter_hears_of_each_phase_and_of_each_failure(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, heard: Heard
) -> None:
    pool = open_pool()
    await deliver(pool)
    name = f"127.0.0.1:{hop.port}"
    phases = ("connect", "greeting", "ehlo", "mail", "rcpt", "data", "final-dot")
    assert heard.phases == [(name, Phase(phase)) for phase in phases]
    hop.answer("RCPT", b"nonsense\r\n")
    with pytest.raises(Deferred):
        await deliver(pool)
    assert heard.failures == [(name, "next-hop-nonsense")]
    second.answer("RCPT", b"never asked\r\n")
    [first, other] = pool.servers
    assert (first.server, first.up, first.connections, first.idle, first.waiting) == (name, True, 0, 0, 0)
    assert other.connections == 0


def faults(seed: int) -> Iterator[tuple[int, str, Answer]]:
    """Yield which server fails next, where, and how."""
    chance = random.Random(seed)
    kinds: list[Answer] = [Fault.DROP, b"421 4.3.2 going down\r\n", b"451 4.3.0 later\r\n"]
    while True:
        verb = chance.choice(["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT", "RSET"])
        yield chance.randrange(2), verb, chance.choice(kinds if verb != "DOT" else kinds[1:])


@pytest.mark.parametrize("seed", range(5))
async def test_under_load_with_servers_that_fail_no_mail_is_lost_and_none_comes_twice(
    open_pool: OpenPool, hop: RecordingNextHop, second: RecordingNextHop, *, seed: int
) -> None:
    """Invariant: a mail is at exactly one server when its sender was told 2xx, and else at none.

    The connection that breaks between the dot and its reply is left out: then nobody can know (RFC 1047).
    """
    pool = open_pool(BACK_AT_ONCE)
    coming = faults(seed)
    told: dict[bytes, bool] = {}

    async def send(number: int) -> None:
        content = b"%d\r\n" % number
        told[content] = False
        with suppress(Deferred):
            told[content] = (await deliver(pool, content)).accepted

    for number in range(0, 200, 10):
        await eventually(lambda: any(server.up for server in pool.servers))
        for _ in range(3):
            which, verb, fault = next(coming)
            (hop, second)[which].answer(verb, fault)
        await asyncio.gather(*(send(n) for n in range(number, number + 10)))
    arrived = [message.content for server in (hop, second) for message in server.messages]
    assert sorted(arrived) == sorted(content for content, accepted in told.items() if accepted)
    assert len(arrived) > 60, "mail arrives all the same"
