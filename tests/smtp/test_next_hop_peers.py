"""Real servers as next hop: Exim and Postfix, in plain text, encrypted, and with a login."""

import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.envelope import Recipient, Sender
from gateway.replies import Deferred
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.servers import Login, NextHopAddress, TlsPolicy
from tests.peers.exim import SECRET, USER, Exim
from tests.peers.postfix import Postfix
from tests.smtp.certificates import Authority

SENDER = Sender(b"hr@example.com", b"BODY=8BITMIME RET=HDRS ENVID=x+2By")
RECIPIENTS = [
    Recipient(b"yamada@example.jp", b"NOTIFY=NEVER ORCPT=rfc822;yamada@example.jp"),
    Recipient(b'"a..b"@docomo.example'),
]
CONTENT = (
    b"From: <hr@example.com>\r\nTo: yamada@example.jp\r\nDate: Mon, 23 Nov 2026 10:00:00 +0900\r\n"
    b"Message-ID: <next-hop@example.com>\r\nX-Odd:no space\r\n\tand folded \r\n\r\n"
    b"..dots\r\n.\xe5\xb1\xb1\r\n" + b"x" * 900 + b"\r\n"
)
STORED = CONTENT.replace(b"\r\n", b"\n")


@pytest.fixture(scope="module")
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def folder(closing: ExitStack) -> Path:
    """Return a directory for servers that run as somebody else; pytest's own is closed to them."""
    root = Path(tempfile.mkdtemp(prefix="goen-next-hop-"))
    closing.callback(shutil.rmtree, root)
    return root


@pytest.fixture(scope="module")
def authority(closing: ExitStack) -> Authority:
    return Authority(folder(closing))


@pytest.fixture(scope="module")
def exim(closing: ExitStack, authority: Authority) -> Exim:
    shown = authority.certificate("exim.test", ("exim.test",))
    started = Exim.start(folder(closing), certificate=shown.certificate, key=shown.key)
    closing.callback(started.stop)
    return started


@pytest.fixture(scope="module")
def strict_exim(closing: ExitStack, authority: Authority) -> Exim:
    shown = authority.certificate("exim.test", ("exim.test",))
    started = Exim.start(folder(closing), certificate=shown.certificate, key=shown.key, login_needed=True)
    closing.callback(started.stop)
    return started


@pytest.fixture(scope="module")
def postfix(closing: ExitStack, authority: Authority) -> Postfix:
    shown = authority.certificate("postfix.test", ("postfix.test",))
    started = Postfix.start(folder(closing), "sink", certificate=(shown.certificate, shown.key))
    closing.callback(started.stop)
    return started


async def deliver_twice(server: NextHopAddress, third: str = "nobody@example.jp") -> None:
    """Deliver a mail as the door does, and one as the copies are delivered, on one connection."""
    pool = PooledNextHop(server)
    try:
        transaction = await pool.begin()
        replies = await transaction.mail_and_rcpts(SENDER, [*RECIPIENTS, Recipient(third.encode())])
        assert [reply.accepted for reply in replies[:3]] == [True] * 3
        assert (await transaction.deliver(CONTENT)).queue_id
        await transaction.release()
        transaction = await pool.begin()
        assert await transaction.offer(SENDER, RECIPIENTS, CONTENT) is None
        assert (await transaction.finish()).queue_id
        await transaction.release()
        assert pool.servers[0].idle == 1
    finally:
        await pool.close()


@pytest.mark.peers("exim4")
@pytest.mark.parametrize("tls", list(TlsPolicy))
async def test_exim_takes_our_mail(exim: Exim, authority: Authority, tls: TlsPolicy) -> None:
    before = len(list((exim.root / "mail").glob("new/*")))
    server = NextHopAddress(
        "127.0.0.1",
        exim.tls_port if tls is TlsPolicy.IMPLICIT else exim.port,
        helo_name=b"gw.test",
        tls=tls,
        tls_context=context_for(tls, authority),
        server_name="exim.test",
    )
    await deliver_twice(server)
    mails = exim.wait_for_mails(before + 4)[before:]
    assert len(mails) == 4
    assert all(mail.endswith(STORED) for mail in mails)
    encrypted = [b"with esmtps" in mail for mail in mails]
    assert encrypted == [tls is not TlsPolicy.NONE] * 4


@pytest.mark.peers("exim4")
@pytest.mark.parametrize("mechanism", ["", "PLAIN", "LOGIN"])
async def test_exim_lets_us_log_in(
    strict_exim: Exim, authority: Authority, tmp_path: Path, mechanism: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    server = NextHopAddress(
        "127.0.0.1",
        strict_exim.port,
        tls=TlsPolicy.VERIFY,
        tls_context=context_for(TlsPolicy.VERIFY, authority),
        server_name="exim.test",
        login=Login(USER, secret, mechanism),
    )
    before = len(list((strict_exim.root / "mail").glob("new/*")))
    await deliver_twice(server)
    mails = strict_exim.wait_for_mails(before + 4)[before:]
    assert all(b"with esmtpsa" in mail for mail in mails)
    secret.write_text("wrong")
    with pytest.raises(Deferred, match=r"login-refused.* 535") as caught:
        await PooledNextHop(server).begin()
    assert caught.value.reply.to_wire().startswith(b"451 4.3.5 ")


@pytest.mark.peers("exim4")
async def test_exim_without_our_login_does_not_take_our_mail(strict_exim: Exim) -> None:
    pool = PooledNextHop(NextHopAddress("127.0.0.1", strict_exim.port))
    transaction = await pool.begin()
    refusal = await transaction.offer(SENDER, RECIPIENTS, CONTENT)
    assert refusal is not None
    assert refusal.permanent
    await transaction.release()
    await pool.close()


@pytest.mark.peers("postfix")
@pytest.mark.parametrize("tls", [TlsPolicy.NONE, TlsPolicy.OPPORTUNISTIC, TlsPolicy.VERIFY])
async def test_postfix_takes_our_mail(postfix: Postfix, authority: Authority, tls: TlsPolicy) -> None:
    third = f"third{len(postfix.mails())}@example.jp"
    server = NextHopAddress(
        "127.0.0.1",
        postfix.port,
        helo_name=b"gw.test",
        tls=tls,
        tls_context=context_for(tls, authority),
        server_name="postfix.test",
    )
    await deliver_twice(server, third)
    mail = postfix.wait_for_mail_to(third)
    postfix.wait_for_empty_queue()
    assert mail.endswith(STORED)
    assert (b"with ESMTPS " in mail) is (tls is not TlsPolicy.NONE)


def context_for(tls: TlsPolicy, authority: Authority) -> ssl.SSLContext | None:
    """Return a context as the settings make it."""
    if tls is TlsPolicy.NONE:
        return None
    context = ssl.create_default_context(cafile=authority.file)
    if tls in {TlsPolicy.OPPORTUNISTIC, TlsPolicy.REQUIRE}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
