"""The gateway as an operator runs it, with two servers as next hop, TLS and a login."""

import shutil
import smtplib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.exim import SECRET, USER, Exim
from tests.peers.gateway import Gateway
from tests.peers.ports import free_port
from tests.smtp.certificates import Authority

pytestmark = pytest.mark.peers("exim4")

MAIL = (
    b"From: <hr@example.com>\r\nTo: <yamada@example.jp>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0900\r\n"
    b"Message-ID: <e2e-next-hop@example.com>\r\nX-Odd:no space\r\n\r\n.dot\r\n"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that servers can enter which run as somebody else."""
    root = Path(tempfile.mkdtemp(prefix="goen-next-hop-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def exim(folder: Path) -> Iterator[Exim]:
    shown = Authority(folder).certificate("exim.test", ("exim.test",))
    (folder / "exim").mkdir()
    started = Exim.start(folder / "exim", certificate=shown.certificate, key=shown.key, login_needed=True)
    yield started
    started.stop()


@pytest.fixture
def gateway(folder: Path, exim: Exim, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    found = Gateway.found(folder / "gateway", next_hop=exim.port)
    secret = found.folder / "login.secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    found.set(
        "next_hop",
        tls="implicit",
        server_name="exim.test",
        ca_file=str(folder / "Test Authority.pem"),
        login_user=USER,
        login_secret_file="login.secret",
    )
    servers = f"127.0.0.1:{free_port()}, 127.0.0.1:{exim.tls_port}"
    monkeypatch.setenv("GOEN_RELAY__NEXT_HOP", servers)
    found.start()
    yield found
    found.stop()


def send(gateway: Gateway) -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", gateway.smtp_port) as client:
        client.ehlo()
        client.mail("hr@example.com")
        client.rcpt("yamada@example.jp")
        return client.data(MAIL)


def test_the_second_server_takes_the_mail_encrypted_and_after_a_login(gateway: Gateway, exim: Exim) -> None:
    code, words = send(gateway)
    assert code == 250, words
    [mail] = exim.wait_for_mails(1)
    assert mail.endswith(MAIL.replace(b"\r\n", b"\n"))
    assert b"with esmtpsa" in mail
    lost = [line for line in gateway.journal() if line["event"] == "next-hop-lost"]
    assert lost
    assert all(line["reason"].startswith("next-hop-lost: cannot connect") for line in lost)
    journal = gateway.journal_text()
    assert USER not in journal
    assert SECRET not in journal
