"""What a connection to the next hop must be before a mail travels on it, with real certificates."""

import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred
from gateway.smtp.broken import Insecure
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Timeouts
from gateway.smtp.servers import NextHopAddress, TlsPolicy
from gateway.smtp.wire import Wire
from tests.smtp.certificates import Authority
from tests.smtp.recording import Fault, RecordingNextHop

OpenPool = Callable[..., PooledNextHop]

STARTTLS_POLICIES = [TlsPolicy.OPPORTUNISTIC, TlsPolicy.REQUIRE, TlsPolicy.VERIFY]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def open_pool(hop: RecordingNextHop, authority: Authority) -> AsyncIterator[OpenPool]:
    pools: list[PooledNextHop] = []

    def build(
        tls: TlsPolicy,
        *,
        context: ssl.SSLContext | None = None,
        server_name: str = "hop.test",
        port: int | None = None,
        timeouts: Timeouts | None = None,
    ) -> PooledNextHop:
        address = NextHopAddress(
            "127.0.0.1",
            port or hop.port,
            tls=tls,
            tls_context=context or context_for(tls, authority),
            server_name=server_name,
        )
        pools.append(PooledNextHop(address, timeouts=timeouts))
        return pools[-1]

    yield build
    for pool in pools:
        await pool.close()


def context_for(tls: TlsPolicy, authority: Authority) -> ssl.SSLContext:
    """Return a context as the settings make it."""
    context = ssl.create_default_context(cafile=authority.file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls in {TlsPolicy.OPPORTUNISTIC, TlsPolicy.REQUIRE}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server(authority: Authority, *names: str, days: int = 30) -> ssl.SSLContext:
    """Return the context of a server with a certificate for these names; negative days: it has expired."""
    shown = authority.certificate(names[0], names, ends=datetime.now(UTC) + timedelta(days=days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    return context


def strange(authority: Authority) -> Authority:
    """Return an authority that nobody trusts."""
    folder = authority.file.parent / "strange"
    folder.mkdir()
    return Authority(folder)


async def deliver(pool: PooledNextHop, content: bytes = b"x: y\r\n") -> None:
    transaction = await pool.begin()
    try:
        assert (await transaction.mail(Sender(b"hr@example.com"))).accepted
        assert (await transaction.rcpt(Recipient(b"yamada@example.jp"))).accepted
        assert (await transaction.deliver(content)).accepted
    finally:
        await transaction.release()


async def implicit_hop(hop: RecordingNextHop, tls: ssl.SSLContext) -> None:
    """Start the next hop again with TLS from the first byte."""
    await hop.stop()
    hop.tls, hop.implicit = tls, True
    await hop.start()


def verbs(hop: RecordingNextHop) -> list[bytes]:
    return [line.partition(b" ")[0] for line in hop.commands]


@pytest.mark.parametrize("tls", STARTTLS_POLICIES)
async def test_tls_is_started_before_any_mail(
    open_pool: OpenPool, hop: RecordingNextHop, authority: Authority, tls: TlsPolicy
) -> None:
    hop.tls = server(authority, "hop.test")
    pool = open_pool(tls)
    content = b"x" * 3_000_000 + b"\r\n"
    await deliver(pool, content)
    await deliver(pool)
    assert hop.connections == 1
    assert verbs(hop)[:4] == [b"EHLO", b"STARTTLS", b"EHLO", b"MAIL"]
    assert hop.messages[0].content == content
    assert b"STARTTLS" not in await pool.offers()


async def test_implicit_tls_begins_with_the_first_byte(
    open_pool: OpenPool, hop: RecordingNextHop, authority: Authority
) -> None:
    await implicit_hop(hop, server(authority, "hop.test"))
    pool = open_pool(TlsPolicy.IMPLICIT)
    await deliver(pool)
    await deliver(pool)
    assert hop.connections == 1
    assert verbs(hop)[:2] == [b"EHLO", b"MAIL"]


async def test_a_certificate_for_an_address_is_good_for_that_address(
    open_pool: OpenPool, hop: RecordingNextHop, authority: Authority
) -> None:
    hop.tls = server(authority, "hop.test", "127.0.0.1")
    await deliver(open_pool(TlsPolicy.VERIFY, server_name=""))


async def test_a_client_certificate_is_shown_where_the_server_wants_one(
    open_pool: OpenPool, hop: RecordingNextHop, authority: Authority
) -> None:
    hop.tls = server(authority, "hop.test")
    hop.tls.verify_mode = ssl.CERT_REQUIRED
    hop.tls.load_verify_locations(authority.file)
    context = context_for(TlsPolicy.VERIFY, authority)
    shown = authority.certificate("gateway.test")
    context.load_cert_chain(shown.certificate, shown.key)
    await deliver(open_pool(TlsPolicy.VERIFY, context=context))
    for version, words in ((ssl.TLSVersion.TLSv1_2, "tls-failed"), (ssl.TLSVersion.TLSv1_3, "127.0.0.1")):
        nothing_to_show = context_for(TlsPolicy.VERIFY, authority)
        nothing_to_show.maximum_version = version
        with pytest.raises(Deferred, match=words):
            await open_pool(TlsPolicy.VERIFY, context=nothing_to_show).begin()
    assert len(hop.messages) == 1


async def test_an_alert_behind_the_handshake_is_a_failure_of_tls() -> None:
    """So a server with TLS 1.3 says that it does not take our certificate."""
    wire = Wire()
    wire.connection_lost(ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] certificate required"))
    with pytest.raises(Insecure):
        await wire.reply(1)


async def test_opportunistic_goes_plain_where_nothing_is_offered(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    await deliver(open_pool(TlsPolicy.OPPORTUNISTIC))
    assert verbs(hop)[:2] == [b"EHLO", b"MAIL"]


@pytest.mark.parametrize("tls", [TlsPolicy.OPPORTUNISTIC, TlsPolicy.REQUIRE])
async def test_what_is_not_verified_takes_any_certificate(
    open_pool: OpenPool, hop: RecordingNextHop, authority: Authority, tls: TlsPolicy
) -> None:
    hop.tls = server(strange(authority), "other.test", days=-30)
    await deliver(open_pool(tls))
    assert b"STARTTLS" in verbs(hop)


def none_offered(hop: RecordingNextHop, _authority: Authority) -> None:
    hop.tls = None


def unknown_authority(hop: RecordingNextHop, authority: Authority) -> None:
    hop.tls = server(strange(authority), "hop.test")


def another_name(hop: RecordingNextHop, authority: Authority) -> None:
    hop.tls = server(authority, "other.test")


def expired(hop: RecordingNextHop, authority: Authority) -> None:
    hop.tls = server(authority, "hop.test", days=-30)


def starttls_deferred(hop: RecordingNextHop, _authority: Authority) -> None:
    hop.answer("STARTTLS", b"454 4.7.0 not now\r\n")


def starttls_refused(hop: RecordingNextHop, _authority: Authority) -> None:
    hop.answer("STARTTLS", b"554 5.7.0 never\r\n")


def plain_text_injected(hop: RecordingNextHop, _authority: Authority) -> None:
    """CVE-2011-0411: a man in the middle puts an EHLO reply behind the server's 220."""
    hop.answer("STARTTLS", b"220 go\r\n250-hop.test\r\n250 DSN\r\n")


def begun_reply_injected(hop: RecordingNextHop, _authority: Authority) -> None:
    hop.answer("STARTTLS", b"220 go\r\n250-hop.te")


def no_handshake(hop: RecordingNextHop, _authority: Authority) -> None:
    hop.tls = None
    hop.offers = (*hop.offers, "STARTTLS")


def old_tls_only(hop: RecordingNextHop, authority: Authority) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        hop.tls = server(authority, "hop.test")
        hop.tls.minimum_version = ssl.TLSVersion.TLSv1
        hop.tls.maximum_version = ssl.TLSVersion.TLSv1_1
    hop.tls.set_ciphers("ALL:@SECLEVEL=0")


Spoil = Callable[[RecordingNextHop, Authority], None]

ANY_POLICY = [
    (starttls_deferred, "refused with 454"),
    (starttls_refused, "refused with 554"),
    (plain_text_injected, "plain text before"),
    (begun_reply_injected, "plain text before"),
    (old_tls_only, "TLS handshake"),
]
VERIFIED = [
    (unknown_authority, "certificate: "),
    (another_name, "certificate: "),
    (expired, "certificate: certificate has expired"),
]
FAILURES = [
    *((tls, spoil, words) for tls in STARTTLS_POLICIES for spoil, words in ANY_POLICY),
    *((tls, none_offered, "not offered") for tls in (TlsPolicy.REQUIRE, TlsPolicy.VERIFY)),
    *((TlsPolicy.VERIFY, spoil, words) for spoil, words in VERIFIED),
    (TlsPolicy.REQUIRE, no_handshake, "TLS handshake"),
]


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_the_tls_that_the_policy_asks_for_no_mail_leaves(
    open_pool: OpenPool,
    hop: RecordingNextHop,
    authority: Authority,
    failure: tuple[TlsPolicy, Spoil, str],
) -> None:
    tls, spoil, words = failure
    hop.tls = server(authority, "hop.test")
    spoil(hop, authority)
    with pytest.raises(Deferred) as caught:
        await open_pool(tls, timeouts=Timeouts(greeting=1)).begin()
    assert caught.value.reply.to_wire().startswith(b"451 4.7.5 ")
    assert caught.value.reason.startswith(f"tls-failed: 127.0.0.1:{hop.port}: "), caught.value.reason
    assert words in caught.value.reason
    assert not hop.heard(b"MAIL")


@pytest.mark.parametrize(("spoil", "words"), VERIFIED)
async def test_implicit_tls_is_verified(
    open_pool: OpenPool, hop: RecordingNextHop, authority: Authority, spoil: Spoil, words: str
) -> None:
    spoil(hop, authority)
    assert hop.tls is not None
    await implicit_hop(hop, hop.tls)
    with pytest.raises(Deferred, match=f"tls-failed.*{words}"):
        await open_pool(TlsPolicy.IMPLICIT).begin()
    assert hop.commands == []


async def test_implicit_tls_is_not_mistaken_for_plain_smtp(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    with pytest.raises(Deferred, match="tls-failed"):
        await open_pool(TlsPolicy.IMPLICIT, timeouts=Timeouts(greeting=1)).begin()
    assert hop.commands == []


async def test_a_server_that_waits_in_the_handshake_is_given_up(
    open_pool: OpenPool, hop: RecordingNextHop
) -> None:
    hop.hold("GREETING")
    with pytest.raises(Deferred, match="tls-failed"):
        await open_pool(TlsPolicy.IMPLICIT, timeouts=Timeouts(greeting=0.05)).begin()
    hop.let_go()


async def test_a_connection_dropped_in_the_middle_of_starttls_is_no_tls(
    open_pool: OpenPool, hop: RecordingNextHop, authority: Authority
) -> None:
    hop.tls = server(authority, "hop.test")
    hop.answer("STARTTLS", Fault.DROP)
    with pytest.raises(Deferred) as caught:
        await open_pool(TlsPolicy.VERIFY).begin()
    assert caught.value.reply.code == 451
    assert not hop.heard(b"MAIL")


@pytest.mark.parametrize("tls", [tls for tls in TlsPolicy if tls is not TlsPolicy.NONE])
def test_every_policy_but_none_needs_a_context(tls: TlsPolicy) -> None:
    with pytest.raises(ValueError, match="TLS context"):
        NextHopAddress("127.0.0.1", 25, tls=tls)
