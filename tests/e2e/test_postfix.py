"""Postfix → gateway → Postfix: what a company's mail meets."""

import re
import smtplib
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.conftest import Route
from tests.e2e.mails import LINK, marked, send, text_of
from tests.peers.opendkim import verdicts

pytestmark = pytest.mark.peers("postfix")


def test_an_unmarked_mail_of_5_mb_arrives_byte_for_byte(route: Route) -> None:
    noise = b"".join(sha256(b"%d" % n).hexdigest().encode() + b" \xe5\xb1\xb1\r\n" for n in range(72_000))
    mail = (
        b"From: <recruit@example.com>\r\nTo: taro@example.jp\r\nDate: Mon, 23 Nov 2026 10:00:00 +0900\r\n"
        b"Message-ID: <big@example.com>\r\nX-Odd:no space\r\n\tand folded \r\nSubject: big\r\n\r\n..dots\r\n"
    ) + noise
    assert len(mail) > 5_000_000
    send(route.front, mail, "big@example.jp")
    delivered = route.sink.wait_for_mail_to("big@example.jp")
    expected = mail.replace(b"\r\n", b"\n")
    assert delivered.endswith(expected)
    added = [line.partition(b":")[0] for line in delivered[: -len(expected)].split(b"\n") if line[:1].strip()]
    # One Received from each Postfix, and none from us.
    assert added == [b"Return-Path", b"X-Original-To", b"Delivered-To", b"Received", b"Received"]


@pytest.mark.peers("opendkim")
def test_a_candidate_gets_a_signed_copy_with_a_personal_link(route: Route, tmp_path: Path) -> None:
    send(route.front, marked("one"), "one@example.jp")
    delivered = route.sink.wait_for_mail_to("one@example.jp")
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
    judged = verdicts(delivered.replace(b"\n", b"\r\n"), route.gateway.dns, tmp_path / "dkim")
    assert judged == {"goen-rsa": "pass", "goen-ed25519": "pass"}
    spoiled = delivered.replace(b"\n", b"\r\n").replace(b"Message-ID: <one@", b"Message-ID: <two@")
    assert set(verdicts(spoiled, route.gateway.dns, tmp_path / "dkim").values()) == {"fail"}


def test_a_colleague_in_cc_gets_the_mail_without_marker_and_without_link(route: Route) -> None:
    mail = marked("two", cc="boss@example.com")
    send(route.front, mail, "two@example.jp", "boss@example.com")
    assert len(LINK.findall(text_of(route.sink.wait_for_mail_to("two@example.jp")))) == 1
    original = mail.decode("iso-2022-jp").replace("\r\n", "\n").split("\n\n", 1)[1]
    line = '[[relay:rejection tpl=ja-standard job="営業" stage=final]]\n'
    assert text_of(route.sink.wait_for_mail_to("boss@example.com")) == original.replace(line, "")


def test_with_the_next_hop_down_the_mail_waits_and_then_arrives_once(route: Route) -> None:
    route.sink.stop()
    send(route.front, marked("three"), "three@example.jp")
    route.front.wait_for_log("status=deferred")
    assert "451 4.4.1" in route.front.queue()
    route.sink.restart()
    route.front.command("postqueue", "-f")
    route.front.wait_for_empty_queue()
    delivered = route.sink.wait_for_mail_to("three@example.jp")
    assert len(LINK.findall(text_of(delivered))) == 1


@pytest.mark.peers("swaks")
def test_swaks_sees_the_id_that_leads_to_the_ledger(route: Route, tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(marked("four"))
    ran = subprocess.run(
        [
            *("swaks", "--server", f"127.0.0.1:{route.gateway.smtp_port}", "--from", "recruit@example.com"),
            *("--to", "four@example.jp", "--data", f"@{tmp_path / 'mail.eml'}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ran.returncode == 0, ran.stdout
    said = re.search(r"250 2\.0\.0 Ok (G-[A-Z2-7]{16}) \(2\.0\.0 Ok: queued as ([0-9A-Za-z]+)\)", ran.stdout)
    assert said is not None, ran.stdout
    assert said[2] in route.sink.log()
    invited = [line for line in route.gateway.journal() if line["event"] == "invited"]
    assert said[1] in {line["id"] for line in invited}


def test_no_address_name_or_subject_stands_in_the_journal(route: Route) -> None:
    with smtplib.SMTP("127.0.0.1", route.gateway.smtp_port) as client:
        client.sendmail("recruit@example.com", ["five@example.jp"], marked("five"))
    route.sink.wait_for_mail_to("five@example.jp")
    journal = route.gateway.journal_text()
    assert "invited" in journal
    for personal in ("five@", "Yamada", "山田", "recruit@", "example.jp", "営業"):
        assert personal not in journal
