"""The demonstration partner, before our own way out, the independent library, and forgers."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import standardwebhooks

from gateway.demo.agency import BODY_MAX, DemoAgency
from gateway.partners.https import SignedHttps
from gateway.partners.outcome import Sent, TryLater
from gateway.partners.payload import Payload
from gateway.partners.standard_webhooks import encode_secret, sign
from store.records import Acknowledgement, Partner
from tests.peers.asgi import serving

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
SECRET = encode_secret(bytes(range(32)))
BODY = '{"candidate":{"name":"山田 太郎"},"version":"1"}'.encode()


@dataclass(frozen=True, slots=True)
class Running:
    """An agency and where it listens."""

    agency: DemoAgency
    base: str
    client: httpx2.AsyncClient

    async def post(self, body: bytes, headers: dict[str, str]) -> httpx2.Response:
        return await self.client.post(f"{self.base}/submissions", content=body, headers=headers)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    agency = DemoAgency(tmp_path / "agency", secret=SECRET, clock=lambda: NOW)
    async with serving(agency.routes()) as base, httpx2.AsyncClient(trust_env=False) as client:
        yield Running(agency, base, client)


def signed(key: str = "sub-1", body: bytes = BODY, at: datetime = NOW) -> dict[str, str]:
    return sign(SECRET, message_id=key, at=at, body=body) | {"Idempotency-Key": key}


async def test_a_submission_is_acknowledged_with_a_reference(running: Running) -> None:
    reply = await running.post(BODY, signed())
    assert reply.status_code == 200
    assert reply.json() == {"status": "acknowledged", "reference": "AG-0001"}
    (entry,) = running.agency.received
    assert (entry.key, entry.reference, entry.payload) == ("sub-1", "AG-0001", BODY.decode())
    assert entry.received_at == "2026-11-23T01:02:03+00:00"


async def test_the_same_key_twice_has_one_effect_and_one_answer(running: Running) -> None:
    first = await running.post(BODY, signed())
    later = await running.post(BODY, signed(at=NOW + timedelta(minutes=1)))
    other = await running.post(BODY, signed("sub-2"))
    assert first.json() == later.json()
    assert other.json()["reference"] == "AG-0002"
    assert len(running.agency.received) == 2


async def test_tries_side_by_side_with_one_key_have_one_effect(running: Running) -> None:
    replies = await asyncio.gather(*(running.post(BODY, signed()) for _ in range(20)))
    assert {reply.text for reply in replies} == {'{"status":"acknowledged","reference":"AG-0001"}'}
    assert len(running.agency.received) == 1


async def test_the_independent_librarys_signature_is_good(running: Running) -> None:
    signature = standardwebhooks.Webhook(SECRET).sign("sub-1", NOW, BODY.decode())
    headers = {
        "webhook-id": "sub-1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": f"v1,bm90IHRoaXM= {signature}",
        "idempotency-key": "sub-1",
    }
    assert (await running.post(BODY, headers)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "sub-2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA"},
    ],
)
async def test_a_forged_submission_is_refused_and_not_kept(running: Running, change: dict[str, str]) -> None:
    assert (await running.post(BODY, signed() | change)).status_code == 401
    assert (await running.post(BODY + b" ", signed())).status_code == 401
    assert (await running.post(BODY, {})).status_code == 401
    assert running.agency.received == ()


async def test_a_submission_without_an_id_is_refused_even_when_signed(running: Running) -> None:
    headers = {
        "webhook-id": "",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(SECRET).sign("", NOW, BODY.decode()),
        "idempotency-key": "",
    }
    assert (await running.post(BODY, headers)).status_code == 401


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_an_old_or_future_signature_is_refused(running: Running, minutes: int) -> None:
    assert (await running.post(BODY, signed(at=NOW + timedelta(minutes=minutes)))).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"candidate":7}', b"[" * 100_000])
async def test_what_is_signed_but_no_submission_is_refused(running: Running, body: bytes) -> None:
    assert (await running.post(body, signed(body=body))).status_code == 422
    assert running.agency.received == ()


async def test_the_idempotency_key_must_be_the_signed_one(running: Running) -> None:
    """Else a replay with a new key would have a second effect."""
    assert (await running.post(BODY, signed() | {"Idempotency-Key": "sub-2"})).status_code == 422


async def test_a_body_without_end_is_not_read_to_it(running: Running) -> None:
    body = b"x" * (BODY_MAX + 1)
    assert (await running.post(body, signed(body=body))).status_code == 413


async def test_what_was_received_survives_a_restart(running: Running, tmp_path: Path) -> None:
    await running.post(BODY, signed())
    again = DemoAgency(tmp_path / "agency", secret=SECRET, clock=lambda: NOW)
    assert again.received == running.agency.received
    async with serving(again.routes()) as base:
        reply = await running.client.post(f"{base}/submissions", content=BODY, headers=signed())
    assert reply.json()["reference"] == "AG-0001"
    assert len(again.received) == 1


@pytest.mark.parametrize("torn", [b'{"key": "sub-2", "refer', b"{"])
async def test_a_line_torn_by_a_crash_is_forgotten_and_the_book_goes_on(
    running: Running, tmp_path: Path, torn: bytes
) -> None:
    """It was never acknowledged, so the gateway sends it again."""
    await running.post(BODY, signed())
    book = tmp_path / "agency" / "submissions.jsonl"
    with book.open("ab") as file:
        file.write(torn)
    again = DemoAgency(tmp_path / "agency", secret=SECRET, clock=lambda: NOW)
    async with serving(again.routes()) as base:
        await running.client.post(f"{base}/submissions", content=BODY, headers=signed("sub-2"))
    third = DemoAgency(tmp_path / "agency", secret=SECRET, clock=lambda: NOW)
    assert [entry.key for entry in third.received] == ["sub-1", "sub-2"]


async def test_the_page_and_the_list_show_what_was_received(running: Running) -> None:
    body = '{"candidate":{"name":"<b>太郎</b>"},"version":"1"}'.encode()
    await running.post(body, signed(body=body))
    page = await running.client.get(f"{running.base}/")
    assert page.status_code == 200
    assert "AG-0001" in page.text
    assert "&lt;b&gt;太郎&lt;/b&gt;" in page.text
    assert "<b>太郎" not in page.text
    listed = (await running.client.get(f"{running.base}/submissions.json")).json()
    assert listed[0]["payload"] == json.loads(body)


async def test_an_empty_book_has_a_page(running: Running) -> None:
    page = await running.client.get(f"{running.base}/")
    assert "Nothing yet" in page.text


async def test_looking_changes_nothing(running: Running) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert (
            await running.client.request(method, f"{running.base}/submissions", headers=signed())
        ).status_code == 405
    assert running.agency.received == ()


async def test_our_way_out_and_the_agency_understand_each_other(running: Running) -> None:
    """Also that a wrong secret on one side leaves time for a person to mend it."""
    partner = Partner(
        id="demo-agency",
        legal_name="株式会社デモエージェント",
        address="東京都港区例町4-5-6",
        representative="代表 例子",
        licence_no="13-ユ-000000",
        licence_expires=None,
        country="JP",
        endpoint=f"{running.base}/submissions",
        secret=SECRET,
    )
    payload = Payload(key="sub-1", values=(("candidate.name", "山田 太郎"),), data_items=())
    stranger = dataclasses.replace(partner, secret=encode_secret(bytes(32)))
    async with SignedHttps() as way_out:
        assert await way_out.send(partner, payload, at=NOW) == Sent(Acknowledgement("AG-0001"))
        refused = await way_out.send(stranger, payload, at=NOW)
        assert isinstance(refused, TryLater)
        assert refused.reason == "partner demo-agency: answered 401"
