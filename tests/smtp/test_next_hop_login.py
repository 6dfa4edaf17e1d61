"""Logging in at the next hop: which mechanism, with what secret, and what a refusal leads to."""

import asyncio
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.replies import Deferred
from gateway.smtp.broken import LoginRefused
from gateway.smtp.connection import Connection
from gateway.smtp.login import log_in
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Timeouts
from gateway.smtp.pool_limits import PoolLimits
from gateway.smtp.servers import Login, NextHopAddress
from gateway.smtp.wire import Wire
from tests.smtp.recording import Answer, Fault, RecordingNextHop

USER = "relay@example.com"
SECRET = "correct horse battery staple"

OpenPool = Callable[..., PooledNextHop]


def coded(text: str) -> bytes:
    return b64encode(text.encode())


PLAIN = [b"AUTH PLAIN " + coded(f"\0{USER}\0{SECRET}")]
LOGIN = [b"AUTH LOGIN", coded(USER), coded(SECRET)]
XOAUTH2 = [b"AUTH XOAUTH2 " + coded(f"user={USER}\x01auth=Bearer {SECRET}\x01\x01")]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "login.secret"
    file.write_text(SECRET + "\n")
    return file


@pytest.fixture
async def open_pool(hop: RecordingNextHop, secret: Path) -> AsyncIterator[OpenPool]:
    pools: list[PooledNextHop] = []

    def build(
        mechanism: str = "", *, limits: PoolLimits | None = None, timeouts: Timeouts | None = None
    ) -> PooledNextHop:
        address = NextHopAddress("127.0.0.1", hop.port, login=Login(USER, secret, mechanism))
        pools.append(PooledNextHop(address, limits=limits, timeouts=timeouts))
        return pools[-1]

    yield build
    for pool in pools:
        await pool.close()


def write(secret: Path, content: bytes | None) -> None:
    if content is None:
        secret.unlink()
    else:
        secret.write_bytes(content)


async def open_and_leave(pool: PooledNextHop) -> None:
    await (await pool.begin()).release()


@pytest.mark.parametrize(
    ("offered", "mechanism", "said"),
    [
        ("PLAIN LOGIN XOAUTH2", "", PLAIN),
        ("login plain", "", PLAIN),
        ("CRAM-MD5 LOGIN XOAUTH2", "", LOGIN),
        ("XOAUTH2", "", XOAUTH2),
        ("PLAIN LOGIN", "LOGIN", LOGIN),
        ("PLAIN LOGIN XOAUTH2", "XOAUTH2", XOAUTH2),
    ],
)
async def test_the_mechanism_is_chosen_by_what_is_offered_or_as_told(
    open_pool: OpenPool, hop: RecordingNextHop, offered: str, mechanism: str, said: list[bytes]
) -> None:
    hop.offers = (*hop.offers, f"AUTH {offered}")
    if said is LOGIN:
        hop.answer("AUTH", b"334 VXNlcm5hbWU6\r\n")
        hop.answer("RESPONSE", b"334 UGFzc3dvcmQ6\r\n")
    await open_and_leave(open_pool(mechanism))
    assert hop.commands[1:] == said


@pytest.mark.parametrize(
    ("offered", "mechanism"), [("", ""), ("CRAM-MD5 NTLM", ""), ("PLAIN LOGIN", "XOAUTH2"), ("X-PLAIN", "")]
)
async def test_without_a_mechanism_in_common_no_mail_leaves(
    open_pool: OpenPool, hop: RecordingNextHop, offered: str, mechanism: str
) -> None:
    hop.offers = (*hop.offers, *([f"AUTH {offered}"] if offered else []))
    with pytest.raises(Deferred, match=r"login-refused.*does not offer"):
        await open_pool(mechanism).begin()
    assert [line.partition(b" ")[0] for line in hop.commands] == [b"EHLO"]


REFUSALS: list[tuple[str, str, list[Answer]]] = [
    ("PLAIN", "AUTH", [b"535 5.7.8 relay@example.com: wrong password\r\n"]),
    ("PLAIN", "AUTH", [b"454 4.7.0 later\r\n"]),
    ("PLAIN", "AUTH", [b"334 \r\n"]),
    ("PLAIN", "AUTH", [b"250 2.0.0 fine\r\n"]),
    ("PLAIN", "AUTH", [b"504 5.5.4 what?\r\n"]),
    ("LOGIN", "AUTH", [b"535 5.7.8 no\r\n"]),
    ("LOGIN", "AUTH", [b"235 2.7.0 already?\r\n"]),
    ("LOGIN", "RESPONSE", [b"535 5.7.8 no\r\n"]),
    ("LOGIN", "RESPONSE", [b"334 UGFzc3dvcmQ6\r\n", b"535 5.7.8 no\r\n"]),
    ("LOGIN", "RESPONSE", [b"334 UGFzc3dvcmQ6\r\n", b"334 more?\r\n"]),
    ("XOAUTH2", "AUTH", [b"535 5.7.8 no\r\n"]),
    ("XOAUTH2", "AUTH", [b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n"]),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=repr)
async def test_a_refused_login_is_deferred_and_shows_neither_user_nor_secret(
    open_pool: OpenPool, hop: RecordingNextHop, refusal: tuple[str, str, list[Answer]]
) -> None:
    mechanism, verb, answers = refusal
    hop.offers = (*hop.offers, "AUTH PLAIN LOGIN XOAUTH2")
    if mechanism == "LOGIN" and verb == "RESPONSE":
        hop.answer("AUTH", b"334 VXNlcm5hbWU6\r\n")
    if mechanism == "XOAUTH2":
        hop.answer("RESPONSE", b"535 5.7.8 no\r\n")
    hop.answer(verb, *answers)
    with pytest.raises(Deferred) as caught:
        await open_pool(mechanism).begin()
    assert caught.value.reply.to_wire().startswith(b"451 4.3.5 ")
    assert caught.value.reason.startswith("login-refused: 127.0.0.1:")
    told = "".join(traceback.format_exception(caught.value))
    for word in (USER, SECRET, coded(USER).decode(), coded(SECRET).decode(), PLAIN[0].decode()):
        assert word not in told
        assert word not in repr(Login(USER, Path("file")))
    assert not hop.heard(b"MAIL")


BREAKS: list[Answer] = [Fault.DROP, Fault.HANG, b"hello\r\n", b"421 4.3.2 down\r\n"]


@pytest.mark.parametrize("answer", BREAKS, ids=repr)
async def test_a_connection_that_breaks_in_a_login_is_deferred(
    open_pool: OpenPool, hop: RecordingNextHop, answer: Answer
) -> None:
    hop.offers = (*hop.offers, "AUTH PLAIN")
    hop.answer("AUTH", answer)
    with pytest.raises(Deferred) as caught:
        await open_pool(timeouts=Timeouts(greeting=0.05 if answer is Fault.HANG else 60)).begin()
    assert caught.value.reply.code == 451
    assert not hop.heard(b"MAIL")


async def test_after_a_refused_login_the_server_is_left_alone_for_longer(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    """A wrong password that is tried again and again locks the account."""
    hop.offers = (*hop.offers, "AUTH PLAIN")
    hop.answer("AUTH", b"535 5.7.8 no\r\n")
    pool = open_pool(limits=PoolLimits(breaker_seconds=0, login_again_seconds=60))
    for _ in range(3):
        with pytest.raises(Deferred, match="login-refused") as caught:
            await pool.begin()
        assert caught.value.reply.to_wire().startswith(b"451 4.3.5 ")
    assert hop.connections == 1


async def test_the_secret_is_read_anew_for_each_login(
    open_pool: OpenPool, hop: RecordingNextHop, secret: Path
) -> None:
    hop.offers = (*hop.offers, "AUTH XOAUTH2")
    pool = open_pool()
    first = await pool.begin()
    write(secret, b"renewed")
    second = await pool.begin()
    await first.release()
    await second.release()
    assert hop.heard(b"AUTH") == [
        *XOAUTH2,
        b"AUTH XOAUTH2 " + coded(f"user={USER}\x01auth=Bearer renewed\x01\x01"),
    ]


@pytest.mark.parametrize("content", [None, b"", b"\r\n", b"two\nlines", b"with \0 nul", b"x" * 20_000])
async def test_a_secret_that_is_of_no_use_is_not_sent(
    open_pool: OpenPool, hop: RecordingNextHop, secret: Path, content: bytes | None
) -> None:
    hop.offers = (*hop.offers, "AUTH PLAIN")
    write(secret, content)
    with pytest.raises(Deferred, match="login-refused"):
        await open_pool().begin()
    assert hop.heard(b"AUTH") == []


@pytest.mark.parametrize(
    ("peer", "private"),
    [
        (("192.0.2.1", 25), False),
        (("2001:db8::1", 25, 0, 0), False),
        (("fe80::1%eth0", 25, 0, 2), False),
        (("127.0.0.2", 25), True),
        (("::1", 25, 0, 0), True),
        (None, False),
    ],
)
async def test_the_secret_does_not_travel_in_plain_text_to_another_machine(
    secret: Path, peer: tuple[str, int] | None, *, private: bool
) -> None:
    wire = Wire()
    wire.connection_made(asyncio.Transport({"peername": peer} if peer else {}))
    connection = Connection(wire, Timeouts())
    words = "does not offer" if private else "not encrypted"
    with pytest.raises(LoginRefused, match=words):
        await log_in(connection, Login(USER, secret))
