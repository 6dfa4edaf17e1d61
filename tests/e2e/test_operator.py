"""The gateway as its operator meets it: start, health, a taken port, a partner out of reach, stop."""

import asyncio
import re
import smtplib
import subprocess
import time
from datetime import UTC, datetime
from typing import Any

from gateway.demo.browser import accept, open_page
from gateway.ports import bind
from tests.e2e.mails import LINK, marked, text_of
from tests.peers.gateway import GOEN, Gateway
from tests.smtp.recording import RecordingNextHop, eventually


def send(gateway: Gateway, mail: bytes, recipient: str) -> None:
    client = smtplib.SMTP("127.0.0.1", gateway.smtp_port, timeout=30)
    client.sendmail("recruit@example.com", [recipient], mail)
    client.close()  # Without QUIT: a gateway that is stopping says 421 to it.


async def test_a_running_gateway_is_healthy(gateway: Gateway) -> None:
    await asyncio.to_thread(gateway.start)
    assert await asyncio.to_thread(gateway.goen, "health") == ""


async def test_a_taken_port_is_named_with_its_holder_and_the_setting(gateway: Gateway) -> None:
    with bind("127.0.0.1", gateway.smtp_port, choose=""):
        ran = await asyncio.to_thread(serve, gateway)
    assert ran.returncode == 1
    assert re.search(rf"Port {gateway.smtp_port} on 127\.0\.0\.1 is in use by .* \(pid \d+\)", ran.stderr)
    assert "relay.listen" in ran.stderr
    assert "Traceback" not in ran.stderr


def serve(gateway: Gateway) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [GOEN, "--settings", str(gateway.folder / "goen.toml"), "serve"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


async def test_asked_to_stop_it_finishes_the_mail_under_way(gateway: Gateway, hop: RecordingNextHop) -> None:
    await asyncio.to_thread(gateway.start)
    hop.hold("DOT")
    client = asyncio.create_task(asyncio.to_thread(send, gateway, marked("stop"), "stop@example.jp"))
    await eventually(lambda: hop.held == 1)
    assert gateway.process is not None
    gateway.process.terminate()
    await eventually(lambda: bool([line for line in gateway.journal() if line["event"] == "stopping"]))
    hop.let_go()
    await client
    await asyncio.to_thread(gateway.stop)
    assert len(hop.messages) == 1
    assert gateway.journal()[-1]["event"] == "stopped"


async def test_a_partner_out_of_reach_leaves_the_submission_waiting_and_the_queue_says_why(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    gateway.set("consent", cooling_off_hours=0)
    await asyncio.to_thread(gateway.start)
    await asyncio.to_thread(send, gateway, marked("queue"), "queue@example.jp")
    (link,) = set(LINK.findall(text_of(hop.messages[0].content)))
    page = await open_page(link)
    await asyncio.sleep(2.1)  # The page counts no answer that comes faster than a person reads.
    answer = await accept(page)
    assert "withdraw" in answer.choices
    end = time.monotonic() + 20
    lines: list[dict[str, Any]] = []
    while time.monotonic() < end and not (lines and lines[0]["last_error"]):
        lines = await asyncio.to_thread(gateway.listing, "queue", "list")
    (line,) = lines
    assert (line["state"], line["partner"], line["attempts"]) == ("ready", "demo-agency", 1)
    assert "connection refused" in line["last_error"]
    assert datetime.fromisoformat(line["next_try"]) > datetime.now(UTC)
