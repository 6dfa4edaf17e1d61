"""One id leads from the client's reply to the next hop's queue id, the ledger and the candidate (P14)."""

import asyncio
import json
import re
import smtplib
from pathlib import Path

from tests.e2e.mails import marked
from tests.peers.gateway import Gateway
from tests.smtp.recording import RecordingNextHop


def deliver(port: int, mail: bytes, recipient: str) -> str:
    """Hand over a mail; return the reply to its final dot, as the client's log has it."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo()
        client.mail("recruit@example.com")
        client.rcpt(recipient)
        _, reply = client.data(mail)
    return reply.decode()


async def test_the_id_in_a_reply_leads_to_everything_that_became_of_the_mail(tmp_path: Path) -> None:
    hop = await RecordingNextHop().start()
    gateway = await asyncio.to_thread(Gateway.found, tmp_path / "gateway", next_hop=hop.port)
    try:
        await asyncio.to_thread(gateway.start, "--smtp")
        hop.answer("DOT", b"250 2.0.0 Ok: queued as 4MARKED\r\n", b"250 2.0.0 Ok: queued as 4PLAIN\r\n")
        told = await asyncio.to_thread(deliver, gateway.smtp_port, marked("taro"), "taro@example.jp")
        plain = b"From: a@example.com\r\nMessage-ID: <plain@example.com>\r\n\r\nplain\r\n"
        passed = await asyncio.to_thread(deliver, gateway.smtp_port, plain, "b@example.jp")
    finally:
        await asyncio.to_thread(gateway.stop)
        await hop.stop()
    journal = ("--journal", str(gateway.folder / "journal"), "--json")

    found = re.search(r"G-[A-Z2-7]{16}", told)
    assert found is not None
    story = json.loads(gateway.goen("trace", found[0], *journal))
    (copy,) = story["messages"][0]["copies"]
    assert (copy["queue_id"], copy["case_state"], copy["claimed_by"]) == ("4MARKED", "invited", found[0])
    assert {line["event"] for line in story["journal"]} == {"delivered", "invited"}
    assert json.loads(gateway.goen("trace", "<taro@example.com>", *journal))["messages"] == story["messages"]

    # Other mail gets the next hop's own reply; its queue id leads to our line.
    assert "4PLAIN" in passed
    (line,) = json.loads(gateway.goen("trace", "4PLAIN", *journal))["journal"]
    assert (line["event"], line["reason"], line["queue_id"]) == ("passed", "unmarked", "4PLAIN")
    assert "@" not in json.dumps(story)
