"""What goes wrong around the gateway, and what must come out all the same."""

import asyncio
import smtplib
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.conftest import open_route
from tests.e2e.mails import LINK, marked, send, text_of
from tests.peers.gateway import Gateway
from tests.peers.postgres import PostgresServer
from tests.smtp.recording import Fault, RecordingNextHop, eventually


async def test_killed_between_capture_and_delivery_the_retry_delivers_once_with_the_same_link(
    tmp_path: Path,
) -> None:
    """The next hop holds back its answer to the copy's MAIL: captured, and not yet sent."""
    hop = await RecordingNextHop().start()
    gateway = await asyncio.to_thread(Gateway.found, tmp_path / "gateway", next_hop=hop.port)
    await asyncio.to_thread(gateway.start)
    hop.answer("MAIL", b"250 2.1.0 sender fine\r\n", Fault.HANG)
    client = asyncio.create_task(asyncio.to_thread(send_marked, gateway))
    await eventually(lambda: len(hop.heard(b"MAIL")) == 2)
    captured = links_in(gateway)
    assert len(captured) == 1
    await asyncio.to_thread(gateway.kill)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await client
    assert hop.messages == []
    await asyncio.to_thread(gateway.start)
    await asyncio.to_thread(send_marked, gateway)
    await asyncio.to_thread(send_marked, gateway)  # The client whose 250 was lost.
    await asyncio.to_thread(gateway.stop)
    (delivered,) = hop.messages
    assert len(LINK.findall(text_of(delivered.content))) == 1
    assert links_in(gateway) == captured
    await hop.stop()


def send_marked(gateway: Gateway) -> None:
    with smtplib.SMTP("127.0.0.1", gateway.smtp_port, timeout=30) as client:
        client.sendmail("recruit@example.com", ["taro@example.jp"], marked("killed"))


def links_in(gateway: Gateway) -> list[bytes]:
    with sqlite3.connect(gateway.folder / "var" / "goen.sqlite3") as database:
        return [bytes(row[0]) for row in database.execute("SELECT link_id FROM delivery ORDER BY id")]


@pytest.mark.peers("postfix")
def test_without_its_database_the_gateway_passes_ordinary_mail_and_defers_marked_mail(tmp_path: Path) -> None:
    with PostgresServer() as server, open_route(tmp_path, store_url=server.url) as route:
        server.stop()
        send(
            route.front, b"From: <recruit@example.com>\r\nSubject: hi\r\n\r\nordinary\r\n", "plain@example.jp"
        )
        assert route.sink.wait_for_mail_to("plain@example.jp").endswith(b"ordinary\n")
        send(route.front, marked("later"), "later@example.jp")
        route.front.wait_for_log("status=deferred")
        assert "451 4.3.0" in route.front.queue()
        assert route.sink.mails_to("later@example.jp") == []
        server.start()
        route.front.command("postqueue", "-f")
        route.front.wait_for_empty_queue()
        assert len(LINK.findall(text_of(route.sink.wait_for_mail_to("later@example.jp")))) == 1
