"""A whole gateway on real sockets, with a next hop that records and fails where it is told to."""

import base64
import io
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.copies import RecipientRules, Scribe
from gateway.delivery import CopyDelivery
from gateway.journal import open_journal
from gateway.keyring import Keyring, new_ed25519_key
from gateway.mail.dkim_sign import SigningKey
from gateway.message_journey import MessageJourney
from gateway.rendering import Rendering
from gateway.reporting import Reporter
from gateway.smtp.listener import listen
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.phases import Timeouts
from gateway.smtp.pool_limits import PoolLimits
from gateway.smtp.rules import DoorRules, Household
from gateway.smtp.servers import NextHopAddress
from store.database import Store, Verb, open_store
from store.errors import StoreUnavailable
from store.partners import add_partner
from store.records import Partner
from tests.smtp.recording import Client, RecordingNextHop

PARTNER = Partner(
    id="demo-agency",
    legal_name="サンプル人材紹介株式会社",
    address="東京都渋谷区サンプル坂4-5-6",
    representative="見本 花子",
    licence_no="13-ユ-000000",
    licence_expires=None,
    country="JP",
    endpoint="http://127.0.0.1:9/submissions",
    secret="whsec_" + base64.b64encode(bytes(32)).decode(),
)


class FailingStore(Store):
    """A store that is out of reach for chosen verbs, so many times."""

    failures: dict[str, int]

    async def run(self, work: Verb[Any, Any], *args: Any, **kwargs: Any) -> Any:
        name = work.__name__  # type: ignore[attr-defined]  # update_wrapper gives it one.
        if self.failures.get(name, 0):
            self.failures[name] -= 1
            raise StoreUnavailable("switched off by the test")
        return await super().run(work, *args, **kwargs)


class FailingStream(io.StringIO):
    """A journal's stream whose reader may be gone."""

    fails = False

    def write(self, text: str) -> int:
        if self.fails:
            raise BrokenPipeError
        return super().write(text)


@dataclass
class Gateway:
    """The gateway under test, and what it wrote."""

    port: int
    hop: RecordingNextHop
    store: FailingStore
    journal: FailingStream
    delivery: CopyDelivery
    clients: list[Client] = field(default_factory=list)

    async def send(self, mail: bytes, *recipients: str, sender: str = "recruit@example.com") -> bytes:
        """Send one mail in a session of its own; return the last reply."""
        client = await Client.connect(self.port)
        self.clients.append(client)
        await client.greet()
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{address}>" for address in recipients), "DATA"]
        for command in commands:
            reply = await client.ask(command.encode())
            if reply[:1] not in b"23":
                return reply
        client.write(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        reply = await client.reply()
        client.close()
        return reply

    def hang_up(self) -> None:
        for client in self.clients:
            client.hang_up()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the journal's lines of one kind."""
        lines = [json.loads(line) for line in self.journal.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    @property
    def reasons(self) -> list[str]:
        """Why mails passed as they came."""
        return [line["reason"] for line in self.events("passed")]


OpenGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture(scope="session")
def rendering() -> Rendering:
    return Rendering()


@pytest.fixture
async def open_gateway(tmp_path: Path, rendering: Rendering) -> AsyncIterator[OpenGateway]:
    keyring = Keyring(os.urandom(32))
    async with AsyncExitStack() as closing:

        async def build(
            *,
            complete: bool = True,
            partners: tuple[Partner, ...] = (PARTNER,),
            changes: Callable[[Scribe], Scribe] = lambda scribe: scribe,
            lease: timedelta = timedelta(seconds=330),
            timeouts: Timeouts | None = None,
            patience: timedelta = timedelta(seconds=60),
            connections: int = 50,
            lmtp: bool = False,
        ) -> Gateway:
            hop = await RecordingNextHop().start()
            closing.push_async_callback(hop.stop)
            store = open_store(f"sqlite:///{tmp_path}/goen.db", keyring)
            store.__class__ = FailingStore
            assert isinstance(store, FailingStore)
            store.failures = {}
            closing.callback(store.close)
            store.migrate()
            for partner in partners:
                await store.run(add_partner, partner, now=datetime.now(UTC))
            journal_stream = FailingStream()
            journal = open_journal("json", journal_stream)
            pool = PooledNextHop(
                NextHopAddress("127.0.0.1", hop.port, helo_name=b"gw.test"),
                timeouts=timeouts,
                limits=PoolLimits(connections=connections),
            )
            closing.push_async_callback(pool.close)
            scribe = Scribe(
                footers=rendering,
                company="株式会社サンプル商事",
                rules=RecipientRules(frozenset({b"example.com"}), frozenset({b"agency.example.org"})),
                link_id=keyring.new_link_id,
                link_url=lambda link_id: f"https://goen.example.com/c/{keyring.link_token(link_id)}",
                signing_keys={
                    b"example.com": (
                        SigningKey(b"example.com", b"s1", "ed25519-sha256", new_ed25519_key()[0]),
                    )
                },
                stamp_key=keyring.stamp_key,
                hostname="gw.test",
            )
            delivery = CopyDelivery(
                next_hop=pool,
                store=store,
                journal=journal,
                clock=lambda: datetime.now(UTC),
                lease=lease,
                copies_at_once=connections,
            )
            closing.push_async_callback(delivery.close)
            journey = MessageJourney(
                store=store,
                scribe=changes(scribe) if complete else None,
                delivery=delivery,
                reporter=Reporter(delivery, journal, lambda: datetime.now(UTC), "gw.test"),
                journal=journal,
                clock=lambda: datetime.now(UTC),
                patience=patience,
            )
            numbers = itertools.count(1)
            household = Household(pool, journey, journal, lambda: f"G-{next(numbers)}")
            listener = await listen(
                socket.create_server(("127.0.0.1", 0)), DoorRules("gw.test", lmtp=lmtp), household
            )
            closing.push_async_callback(listener.stop, 5)
            gateway = Gateway(listener.port, hop, store, journal_stream, delivery)
            closing.callback(gateway.hang_up)
            return gateway

        yield build


def without_keys(scribe: Scribe) -> Scribe:
    """Take away the signing keys."""
    return replace(scribe, signing_keys={})
