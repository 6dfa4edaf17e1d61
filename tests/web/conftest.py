"""One captured candidate with a link, on a real store, and a visitor who follows it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from gateway.candidate_journey import CandidateJourney, Terms
from gateway.journal import Journal, open_journal
from gateway.keyring import Keyring
from gateway.partners.outcome import Outcome
from gateway.partners.payload import Payload, Provider
from gateway.partners.standard_webhooks import encode_secret
from gateway.rendering import Organisation, Rendering
from gateway.web.app import build_app
from store import ledger, partners
from store.database import Store, open_store
from store.records import Arrival, CopyKind, Partner, PlannedCopy, RejectionDetails
from tests.web.visitor import LINK_ID, PUBLIC_URL, Clock, Records, Visitor

COOLING_OFF = timedelta(hours=24)


class NoWayOut:
    """Pages send nothing to partners."""

    async def send(self, partner: Partner, payload: Payload, *, at: datetime) -> Outcome:
        raise AssertionError(f"a page sent {payload.key} to {partner.id} at {at}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def rendering() -> Rendering:
    return Rendering()


@pytest.fixture
def organisation() -> Organisation:
    return Organisation(
        legal_name="株式会社サンプル商事",
        address="東京都千代田区例町1-2-3",
        privacy_officer="管理本部 個人情報係 privacy@example.com",
        purpose_notice_url="https://example.com/privacy",
    )


@pytest.fixture
def partner() -> Partner:
    return Partner(
        id="aozora",
        legal_name="株式会社あおぞら人材",
        address="東京都港区例町4-5-6",
        representative="代表 例子",
        licence_no="13-ユ-000000",
        licence_expires=None,
        country="JP",
        endpoint="http://127.0.0.1:9/submissions",
        secret=encode_secret(bytes(range(32))),
    )


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(bytes(32))


@pytest.fixture
def store(tmp_path: Path, keyring: Keyring, partner: Partner, clock: Clock) -> Iterator[Store]:
    """A store that knows one partner and one captured candidate, 山田 太郎."""
    house = open_store(f"sqlite:///{tmp_path / 'goen.db'}", keyring)
    house.migrate()
    house.call(partners.add_partner, partner, now=clock())
    details = RejectionDetails(name="山田 太郎", name_source="marker", job="営業", stage="final")
    copy = PlannedCopy(CopyKind.CANDIDATE, (b"taro.yamada@example.jp",), LINK_ID, details)
    arrival = Arrival(bytes(32), "G-TEST", b"saiyo@example.com", (copy,))
    house.call(ledger.open_message, arrival, now=clock())
    yield house
    house.close()


@pytest.fixture
def token(keyring: Keyring) -> str:
    return keyring.link_token(LINK_ID)


@pytest.fixture
def candidates(store: Store, keyring: Keyring, clock: Clock, journal: Journal) -> CandidateJourney:
    return CandidateJourney(
        store=store,
        links=keyring,
        way_out=NoWayOut(),
        journal=journal,
        clock=clock,
        worker="test",
        terms=Terms(
            provider=Provider("株式会社サンプル商事", "東京都千代田区例町1-2-3", "privacy@example.com"),
            cooling_off=COOLING_OFF,
            lease=timedelta(minutes=5),
        ),
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def reported(log: Path) -> Callable[[], list[dict[str, Any]]]:
    """The journal's lines so far."""
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def journal(log: Path) -> Iterator[Journal]:
    with log.open("w") as stream:
        yield open_journal("json", stream)


@pytest.fixture
def app(
    candidates: CandidateJourney,
    rendering: Rendering,
    organisation: Organisation,
    journal: Journal,
    clock: Clock,
) -> Starlette:
    async def ready() -> bool:
        return True

    return build_app(
        candidates=candidates,
        rendering=rendering,
        organisation=organisation,
        edition=rendering.editions[-1],
        public_url=PUBLIC_URL,
        journal=journal,
        clock=clock,
        ready=ready,
        cooling_off=COOLING_OFF,
    )


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """A client inside the process; an exception that the application lets out fails the test."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC_URL) as client:
        yield client


@pytest.fixture
def visitor(client: httpx2.AsyncClient, clock: Clock, token: str) -> Visitor:
    return Visitor(client, clock, f"/c/{token}")


@pytest.fixture
def records(store: Store, tmp_path: Path) -> Records:
    return Records(store, tmp_path / "goen.db")
