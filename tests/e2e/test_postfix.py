"""Postfix → gateway → Postfix: what a company's mail meets."""

import re
import smtplib
import subprocess
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.conftest import FoundGateway, StartPostfix
from tests.peers.opendkim import verdicts
from tests.peers.postfix import Postfix

pytestmark = pytest.mark.peers("postfix")

LINK = re.compile(r"http://127\.0\.0\.1:\d+/c/[a-z2-7]{40}")

MARKED = """\
From: =?iso-2022-jp?b?GyRCOk5NUUM0RXYbKEI=?= <recruit@example.com>
To: Taro Yamada <taro.yamada@example.jp>{cc}
Subject: =?iso-2022-jp?b?GyRCQSo5TTdrMkwkTiQ0TyJNbRsoQg==?=
Date: Mon, 23 Nov 2026 10:00:00 +0900
Message-ID: <{name}@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-2022-jp
Content-Transfer-Encoding: 7bit

山田 太郎 様

このたびは弊社の営業職にご応募いただき、誠にありがとうございました。
今回はご期待に沿えない結果となりました。

[[relay:rejection tpl=ja-standard job="営業" stage=final]]

山田様の今後のご活躍をお祈り申し上げます。
"""


def marked(name: str, *, cc: str = "") -> bytes:
    text = MARKED.format(name=name, cc=f"\nCc: {cc}" if cc else "")
    return text.replace("\n", "\r\n").encode("iso-2022-jp")


def send(server: Postfix, mail: bytes, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=30) as client:
        client.sendmail("recruit@example.com", list(recipients), mail, ["BODY=8BITMIME"])


def text_of(delivered: bytes) -> str:
    message = message_from_bytes(delivered, policy=policy.compat32)
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode(message.get_content_charset("utf-8"))


def recipient_of(delivered: bytes) -> str:
    return str(message_from_bytes(delivered)["Delivered-To"])


def test_an_unmarked_mail_of_5_mb_arrives_byte_for_byte(
    start_postfix: StartPostfix, found_gateway: FoundGateway
) -> None:
    sink = start_postfix("sink")
    gateway = found_gateway(next_hop=sink.port)
    gateway.start()
    front = start_postfix("front", next_hop=gateway.smtp_port)
    noise = b"".join(sha256(b"%d" % n).hexdigest().encode() + b" \xe5\xb1\xb1\r\n" for n in range(72_000))
    mail = (
        b"From: <recruit@example.com>\r\nTo: taro@example.jp\r\nDate: Mon, 23 Nov 2026 10:00:00 +0900\r\n"
        b"Message-ID: <big@example.com>\r\nX-Odd:no space\r\n\tand folded \r\nSubject: big\r\n\r\n..dots\r\n"
    ) + noise
    assert len(mail) > 5_000_000
    send(front, mail, "taro@example.jp")
    (delivered,) = sink.wait_for_mails(1)
    expected = mail.replace(b"\r\n", b"\n")
    assert delivered.endswith(expected)
    added = [line.partition(b":")[0] for line in delivered[: -len(expected)].split(b"\n") if line[:1].strip()]
    # One Received from each Postfix, and none from us.
    assert added == [b"Return-Path", b"X-Original-To", b"Delivered-To", b"Received", b"Received"]


@pytest.mark.peers("opendkim")
def test_a_candidate_gets_a_signed_copy_with_a_personal_link(
    start_postfix: StartPostfix, found_gateway: FoundGateway, tmp_path: Path
) -> None:
    sink = start_postfix("sink")
    gateway = found_gateway(next_hop=sink.port)
    gateway.start()
    front = start_postfix("front", next_hop=gateway.smtp_port)
    send(front, marked("one"), "taro.yamada@example.jp")
    (delivered,) = sink.wait_for_mails(1)
    text = text_of(delivered)
    assert len(LINK.findall(text)) == 1
    assert "[[relay" not in text
    before, after = (
        marked("one")
        .decode("iso-2022-jp")
        .replace("\r\n", "\n")
        .split("\n\n", 1)[1]
        .split('[[relay:rejection tpl=ja-standard job="営業" stage=final]]\n')
    )
    assert text.startswith(before)
    assert text.endswith(after)
    judged = verdicts(delivered.replace(b"\n", b"\r\n"), gateway.dns, tmp_path / "dkim")
    assert judged == {"goen-rsa": "pass", "goen-ed25519": "pass"}
    spoiled = delivered.replace(b"\n", b"\r\n").replace(b"Message-ID: <one@", b"Message-ID: <two@")
    assert set(verdicts(spoiled, gateway.dns, tmp_path / "dkim").values()) == {"fail"}


def test_a_colleague_in_cc_gets_the_mail_without_marker_and_without_link(
    start_postfix: StartPostfix, found_gateway: FoundGateway
) -> None:
    sink = start_postfix("sink")
    gateway = found_gateway(next_hop=sink.port)
    gateway.start()
    front = start_postfix("front", next_hop=gateway.smtp_port)
    mail = marked("two", cc="boss@example.com")
    send(front, mail, "taro.yamada@example.jp", "boss@example.com")
    by_recipient = {recipient_of(one): text_of(one) for one in sink.wait_for_mails(2)}
    assert set(by_recipient) == {"taro.yamada@example.jp", "boss@example.com"}
    assert len(LINK.findall(by_recipient["taro.yamada@example.jp"])) == 1
    original = mail.decode("iso-2022-jp").replace("\r\n", "\n").split("\n\n", 1)[1]
    line = '[[relay:rejection tpl=ja-standard job="営業" stage=final]]\n'
    assert by_recipient["boss@example.com"] == original.replace(line, "")


def test_with_the_next_hop_down_the_mail_waits_and_then_arrives_once(
    start_postfix: StartPostfix, found_gateway: FoundGateway
) -> None:
    sink = start_postfix("sink")
    gateway = found_gateway(next_hop=sink.port)
    gateway.start()
    front = start_postfix("front", next_hop=gateway.smtp_port)
    sink.stop()
    send(front, marked("three"), "taro.yamada@example.jp")
    front.wait_for_log("status=deferred")
    assert "451 4.4.1" in front.queue()
    sink.restart()
    front.command("postqueue", "-f")
    (delivered,) = sink.wait_for_mails(1)
    front.wait_for_empty_queue()
    assert len(sink.mails()) == 1
    assert len(LINK.findall(text_of(delivered))) == 1


@pytest.mark.peers("swaks")
def test_swaks_sees_the_id_that_leads_to_the_ledger(
    start_postfix: StartPostfix, found_gateway: FoundGateway, tmp_path: Path
) -> None:
    sink = start_postfix("sink")
    gateway = found_gateway(next_hop=sink.port)
    gateway.start()
    (tmp_path / "mail.eml").write_bytes(marked("four"))
    ran = subprocess.run(
        [
            *("swaks", "--server", f"127.0.0.1:{gateway.smtp_port}", "--from", "recruit@example.com"),
            *("--to", "taro.yamada@example.jp", "--data", f"@{tmp_path / 'mail.eml'}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ran.returncode == 0, ran.stdout
    said = re.search(r"250 2\.0\.0 Ok (G-[A-Z2-7]{16}) \(2\.0\.0 Ok: queued as ([0-9A-Za-z]+)\)", ran.stdout)
    assert said is not None, ran.stdout
    assert said[2] in sink.log()
    invited = [line for line in gateway.journal() if line["event"] == "invited"]
    assert [line["id"] for line in invited] == [said[1]]


def test_no_address_name_or_subject_stands_in_the_journal(
    start_postfix: StartPostfix, found_gateway: FoundGateway
) -> None:
    sink = start_postfix("sink")
    gateway = found_gateway(next_hop=sink.port)
    gateway.start()
    with smtplib.SMTP("127.0.0.1", gateway.smtp_port) as client:
        client.sendmail("recruit@example.com", ["taro.yamada@example.jp"], marked("five"))
    sink.wait_for_mails(1)
    journal = gateway.journal_text()
    assert "invited" in journal
    for personal in ("taro", "yamada", "山田", "recruit@", "example.jp", "営業"):
        assert personal not in journal
