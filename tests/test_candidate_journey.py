"""One person's story against the real store and real partners over real sockets; only the clock is ours."""

import asyncio
import contextlib
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.candidate_journey import RETRY_LADDER, CandidateJourney, Terms, WayOut
from gateway.demo.agency import DemoAgency
from gateway.journal import open_journal
from gateway.keyring import Keyring
from gateway.partners.https import SignedHttps
from gateway.partners.outcome import Outcome
from gateway.partners.payload import Payload, Provider
from gateway.partners.standard_webhooks import encode_secret
from gateway.workers.outbox import OutboxWorker
from store import ledger, outbox, partners, provisions, slots
from store.database import Store, open_store
from store.errors import StoreUnavailable, UnknownRecord
from store.records import (
    Arrival,
    CaseState,
    ConsentKind,
    CopyKind,
    DeliveryState,
    Partner,
    PlannedCopy,
    QueueState,
    RejectionDetails,
    Settlement,
)
from tests.peers.asgi import serving
from tests.peers.ports import free_port
from tests.peers.postgres import PostgresServer
from tests.peers.scripted_partner import answer, scripted_partner
from tests.smtp.recording import eventually

SECRET = encode_secret(bytes(range(32)))
COOLING_OFF = timedelta(hours=24)
LEASE = timedelta(minutes=5)
TEXT = sha256(b"the text as it was shown").digest()


@dataclass(slots=True)
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@dataclass(slots=True)
class Office:
    """A store with one partner and what is needed to tell stories about candidates."""

    store: Store
    keyring: Keyring
    clock: Clock
    way_out: SignedHttps
    log: io.StringIO

    def journey(self, worker: str = "worker-1") -> CandidateJourney:
        return CandidateJourney(
            store=self.store,
            links=self.keyring,
            way_out=self.way_out,
            journal=open_journal("json", self.log),
            clock=self.clock,
            worker=worker,
            terms=Terms(
                provider=Provider("株式会社サンプル商事", "東京都千代田区例町1-2-3", "privacy@example.com"),
                cooling_off=COOLING_OFF,
                lease=LEASE,
            ),
        )

    def partner(
        self, endpoint: str, *, identity: str = "demo-agency", licence_expires: datetime | None = None
    ) -> None:
        add_partner(self.store, endpoint, self.clock(), identity=identity, licence_expires=licence_expires)

    def invite(self, number: int = 1) -> str:
        """Capture a candidate as a delivered rejection does; return the token of the link."""
        return invite(self.store, self.keyring, self.clock(), number)

    async def consent(
        self, token: str, kind: ConsentKind = ConsentKind.GRANTED, *, to: str = "demo-agency"
    ) -> None:
        await self.journey().answer(
            token,
            kind=kind,
            partner_id=to,
            language="ja",
            text_edition="2026-11",
            text_digest=TEXT,
        )

    async def queue(self) -> list[tuple[QueueState, int, str | None]]:
        lines = await self.store.run(outbox.list_queue, states=tuple(QueueState))
        return [(line.state, line.attempts, line.last_error) for line in lines]

    async def due_in(self) -> timedelta:
        (line,) = await self.store.run(outbox.list_queue, states=[QueueState.READY])
        return line.due_at - self.clock()

    async def counted(self) -> int:
        return (await self.store.run(slots.summarise))[0].counted

    async def provided(self) -> int:
        records = await self.store.run(provisions.list_provisions, limit=10)
        return len(records)


def add_partner(
    store: Store,
    endpoint: str,
    now: datetime,
    *,
    identity: str = "demo-agency",
    licence_expires: datetime | None = None,
) -> None:
    partner = Partner(
        id=identity,
        legal_name="株式会社デモエージェント",
        address="東京都港区例町4-5-6",
        representative="代表 例子",
        licence_no="13-ユ-000000",
        licence_expires=licence_expires,
        country="JP",
        endpoint=endpoint,
        secret=SECRET,
    )
    store.call(partners.add_partner, partner, now=now)


def invite(store: Store, keyring: Keyring, now: datetime, number: int) -> str:
    link_id = number.to_bytes(10, "big")
    copy = PlannedCopy(
        kind=CopyKind.CANDIDATE,
        recipients=(f"candidate{number}@example.jp".encode(),),
        link_id=link_id,
        details=RejectionDetails(name="山田 太郎", name_source="marker", job="営業", stage="final"),
    )
    arrival = Arrival(
        fingerprint=sha256(link_id).digest(),
        trace_id=f"G-{number:016}",
        mail_from=b"recruit@example.com",
        copies=(copy,),
    )
    entry = store.call(ledger.open_message, arrival, now=now)
    delivery = entry.deliveries[0]
    store.call(
        ledger.claim_deliveries,
        [delivery.id],
        claimed_by="t",
        now=now,
        lease_until=now + timedelta(minutes=5),
    )
    settled = Settlement(delivery.id, DeliveryState.ACCEPTED, 250, "2.0.0 Ok", TEXT)
    store.call(ledger.settle, [settled], claimed_by="t", now=now)
    return keyring.link_token(link_id)


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(os.urandom(32))


@pytest.fixture
async def office(tmp_path: Path, keyring: Keyring) -> AsyncIterator[Office]:
    async with SignedHttps() as way_out:
        with open_store(f"sqlite:///{tmp_path}/goen.db", keyring) as store:
            store.migrate()
            yield Office(store, keyring, Clock(), way_out, io.StringIO())


@pytest.fixture
def agency(tmp_path: Path, office: Office) -> DemoAgency:
    return DemoAgency(tmp_path / "agency", secret=SECRET, clock=office.clock)


async def test_a_consent_leads_to_the_partner_and_onto_the_slot_ledger(
    office: Office, agency: DemoAgency
) -> None:
    """The whole way: nothing before the cooling-off is over, then sent, recorded, acknowledged, counted."""
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        token = office.invite()
        await office.consent(token)
        office.clock.forward(COOLING_OFF - timedelta(seconds=1))
        assert await office.journey().submit_due(10) == 0
        office.clock.forward(timedelta(seconds=1))
        assert await office.journey().submit_due(10) == 1
        assert await office.journey().submit_due(10) == 0
    assert len(agency.received) == 1
    assert '"email":"candidate1@example.jp"' in agency.received[0].payload
    (record,) = await office.store.run(provisions.list_provisions, limit=10)
    assert record.submission_key == agency.received[0].key
    assert "candidate.email" in record.data_items
    assert record.provided_at == office.clock()
    assert await office.queue() == [(QueueState.DONE, 1, None)]
    invitation = await office.journey().invitation(token)
    assert invitation is not None
    assert invitation.state is CaseState.ACKNOWLEDGED
    assert await office.counted() == 1


async def test_ten_acknowledged_persons_earn_a_slot(office: Office, agency: DemoAgency) -> None:
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        for number in range(1, 11):
            await office.consent(office.invite(number))
        office.clock.forward(COOLING_OFF)
        while await office.journey().submit_due(4):
            pass
    (summary,) = await office.store.run(slots.summarise)
    assert (summary.counted, summary.granted, summary.available) == (10, 1, 1)
    assert len({entry.reference for entry in agency.received}) == 10


async def test_a_withdrawal_within_the_cooling_off_leaves_no_trace_at_the_partner(
    office: Office, agency: DemoAgency
) -> None:
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        token = office.invite()
        await office.consent(token)
        await office.consent(token, ConsentKind.WITHDRAWN)
        office.clock.forward(COOLING_OFF * 2)
        assert await office.journey().submit_due(10) == 0
    assert agency.received == ()
    assert [state for state, _, _ in await office.queue()] == [QueueState.DROPPED]
    assert await office.provided() == 0


async def test_a_withdrawal_between_two_tries_stops_the_second(office: Office, agency: DemoAgency) -> None:
    port = free_port()
    office.partner(f"http://127.0.0.1:{port}/submissions")
    token = office.invite()
    await office.consent(token)
    office.clock.forward(COOLING_OFF)
    assert await office.journey().submit_due(10) == 1
    await office.consent(token, ConsentKind.WITHDRAWN)
    office.clock.forward(timedelta(days=7))
    async with serving(agency.routes(), port):
        assert await office.journey().submit_due(10) == 0
    assert agency.received == ()
    assert [state for state, _, _ in await office.queue()] == [QueueState.DROPPED]
    assert await office.provided() == 0


@pytest.mark.parametrize(
    ("reply", "state", "provided"),
    [
        ("500 Broken", QueueState.DEAD, 1),
        ("401 No", QueueState.DROPPED, 0),
        ("410 Gone", QueueState.DEAD, 0),
    ],
)
async def test_a_withdrawal_after_a_try_leaves_a_record_if_the_partner_may_have_it(
    office: Office, reply: str, state: QueueState, provided: int
) -> None:
    async with scripted_partner(answer(reply)) as scripted:
        office.partner(scripted.endpoint)
        token = office.invite()
        await office.consent(token)
        office.clock.forward(COOLING_OFF)
        await office.journey().submit_due(10)
    await office.consent(token, ConsentKind.WITHDRAWN)
    assert [line[0] for line in await office.queue()] == [state]
    assert await office.provided() == provided


async def test_declining_sends_nothing(office: Office) -> None:
    office.partner("http://127.0.0.1:9/")
    await office.consent(office.invite(), ConsentKind.DECLINED)
    office.clock.forward(COOLING_OFF)
    assert await office.journey().submit_due(10) == 0
    assert await office.queue() == []


async def test_an_unreachable_partner_shows_why_and_when_it_is_tried_again(office: Office) -> None:
    port = free_port()
    office.partner(f"http://127.0.0.1:{port}/submissions")
    await office.consent(office.invite())
    office.clock.forward(COOLING_OFF)
    await office.journey().submit_due(10)
    reason = f"partner demo-agency: connection refused at 127.0.0.1:{port}"
    assert await office.queue() == [(QueueState.READY, 1, reason)]
    assert await office.due_in() == RETRY_LADDER[0]


async def test_each_failure_climbs_the_ladder_and_the_last_is_for_a_person(office: Office) -> None:
    office.partner(f"http://127.0.0.1:{free_port()}/")
    await office.consent(office.invite())
    office.clock.forward(COOLING_OFF)
    for wait in RETRY_LADDER:
        assert await office.journey().submit_due(10) == 1
        assert await office.due_in() == wait
        office.clock.forward(wait)
    assert await office.journey().submit_due(10) == 1
    assert [(state, tries) for state, tries, _ in await office.queue()] == [
        (QueueState.DEAD, len(RETRY_LADDER) + 1)
    ]
    assert "gave-up" in office.log.getvalue()


@pytest.mark.parametrize(("asked", "waited"), [("30", RETRY_LADDER[0]), ("7200", timedelta(hours=2))])
async def test_a_partner_may_ask_for_more_time_but_not_for_less(
    office: Office, asked: str, waited: timedelta
) -> None:
    async with scripted_partner(answer("503 Busy", b"", f"Retry-After: {asked}")) as scripted:
        office.partner(scripted.endpoint)
        await office.consent(office.invite())
        office.clock.forward(COOLING_OFF)
        await office.journey().submit_due(10)
    assert await office.due_in() == waited


async def test_a_partner_that_is_gone_is_not_asked_again(office: Office) -> None:
    async with scripted_partner(answer("410 Gone")) as scripted:
        office.partner(scripted.endpoint)
        await office.consent(office.invite())
        office.clock.forward(COOLING_OFF)
        await office.journey().submit_due(10)
        office.clock.forward(timedelta(days=30))
        assert await office.journey().submit_due(10) == 0
        assert len(scripted.requests) == 1
    assert await office.queue() == [(QueueState.DEAD, 1, "partner demo-agency: answered 410")]


async def test_a_slip_in_the_endpoint_loses_no_candidate(office: Office, agency: DemoAgency) -> None:
    """Refused by a wrong address until the ladder's end, and sent as soon as the address is corrected."""
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submission")
        await office.consent(office.invite())
        office.clock.forward(COOLING_OFF)
        for wait in RETRY_LADDER:
            await office.journey().submit_due(10)
            office.clock.forward(wait)
        await office.journey().submit_due(10)
        reason = "partner demo-agency: answered 404"
        assert await office.queue() == [(QueueState.DEAD, len(RETRY_LADDER) + 1, reason)]
        office.partner(f"{base}/submissions")
        assert await office.journey().submit_due(10) == 1
    assert len(agency.received) == 1
    assert await office.queue() == [(QueueState.DONE, 1, None)]


async def test_a_partner_that_takes_it_without_acknowledging_earns_no_slot_yet(office: Office) -> None:
    async with scripted_partner(answer("202 Accepted")) as scripted:
        office.partner(scripted.endpoint)
        token = office.invite()
        await office.consent(token)
        office.clock.forward(COOLING_OFF)
        await office.journey().submit_due(10)
    invitation = await office.journey().invitation(token)
    assert invitation is not None
    assert invitation.state is CaseState.SUBMITTED
    assert await office.provided() == 1
    assert await office.counted() == 0


async def test_a_lost_reply_leads_to_one_effect(office: Office, agency: DemoAgency) -> None:
    """The agency has it, the reply is lost: the second try has the same key and gets the same answer."""
    async with serving(agency.routes()) as base, reply_eater(base) as lossy:
        office.partner(f"{lossy.endpoint}/submissions")
        await office.consent(office.invite())
        office.clock.forward(COOLING_OFF)
        await office.journey().submit_due(10)
        assert len(agency.received) == 1
        assert await office.counted() == 0
        lossy.lets_through = True
        office.clock.forward(RETRY_LADDER[0])
        await office.journey().submit_due(10)
    assert len(agency.received) == 1
    assert await office.queue() == [(QueueState.DONE, 2, None)]
    assert await office.counted() == 1


async def test_one_bad_partner_does_not_hold_up_the_others_in_a_batch(
    office: Office, agency: DemoAgency
) -> None:
    async with serving(agency.routes()) as base, reply_eater(base) as lossy:
        office.partner(f"{lossy.endpoint}/submissions")
        for number in (1, 2, 3):
            await office.consent(office.invite(number))
        office.clock.forward(COOLING_OFF)
        assert await office.journey().submit_due(10) == 3
    assert len(agency.received) == 3
    assert [state for state, _, _ in await office.queue()] == [QueueState.READY] * 3


async def test_a_batch_of_which_nothing_may_leave_does_not_end_the_workers_round(
    office: Office, agency: DemoAgency
) -> None:
    """Three wait for a licence and are due first; the worker, which looks once a day, reaches the fourth."""
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        office.partner("https://expired.example.jp/", identity="expired", licence_expires=office.clock())
        for number in (1, 2, 3):
            await office.consent(office.invite(number), to="expired")
        office.clock.forward(timedelta(seconds=1))
        await office.consent(office.invite(4))
        office.clock.forward(COOLING_OFF)
        worker = OutboxWorker(
            office.journey().submit_due,
            journal=open_journal("json", office.log),
            interval=timedelta(days=1),
            batch=2,
        )
        running = asyncio.create_task(worker.run())
        await eventually(lambda: bool(agency.received))
        worker.stop()
        await running
    assert len(agency.received) == 1
    assert [state for state, _, _ in await office.queue()].count(QueueState.READY) == 3


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/nodes.db"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with PostgresServer() as server:
        yield server.url


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def nodes(request: pytest.FixtureRequest, office: Office) -> Iterator[list[Office]]:
    """Two nodes on one database, once of each kind."""
    url: str = request.getfixturevalue(request.param)
    with open_store(url, office.keyring) as first, open_store(url, office.keyring) as second:
        first.migrate()
        yield [replace(office, store=first), replace(office, store=second)]


async def test_workers_on_two_nodes_share_the_queue_and_send_nothing_twice(nodes: list[Office]) -> None:
    replies = [answer("200 OK", b'{"status": "acknowledged", "reference": "A"}')] * 20
    async with scripted_partner(*replies) as scripted:
        nodes[0].partner(scripted.endpoint)
        for number in range(1, 21):
            await nodes[0].consent(nodes[0].invite(number))
        nodes[0].clock.forward(COOLING_OFF)
        workers = [node.journey(f"worker-{n}") for n, node in enumerate(nodes * 4)]
        claimed = await asyncio.gather(*(worker.submit_due(3) for worker in workers))
    keys = [request.split(b"webhook-id: ")[1].split(b"\r\n")[0] for request in scripted.requests]
    assert sum(claimed) == 20
    assert len(keys) == len(set(keys)) == 20
    assert await nodes[1].counted() == 20


async def test_a_worker_that_was_too_slow_records_nothing(office: Office, agency: DemoAgency) -> None:
    """Its lease ran out while it was sending, another worker took over; the effect is one."""
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        await office.consent(office.invite())
        office.clock.forward(COOLING_OFF)
        slow = office.journey("slow")
        overtaken = Overtaken(office)
        slow._way_out = overtaken
        assert await slow.submit_due(10) == 1
    assert overtaken.others_claimed == 1
    assert len(agency.received) == 1
    assert await office.provided() == 1
    assert await office.counted() == 1
    assert "lease ran out" in office.log.getvalue()


async def test_a_worker_killed_between_sending_and_recording_has_no_second_effect(
    office: Office, agency: DemoAgency, tmp_path: Path
) -> None:
    master = os.urandom(32)
    url = f"sqlite:///{tmp_path}/killed.db"
    with open_store(url, Keyring(master)) as store:
        store.migrate()
        there = Office(store, Keyring(master), office.clock, office.way_out, office.log)
        async with serving(agency.routes()) as base:
            there.partner(f"{base}/submissions")
            await there.consent(there.invite())
            office.clock.forward(COOLING_OFF)
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.peers.doomed_worker",
                url,
                master.hex(),
                office.clock().isoformat(),
                cwd=Path(__file__).parent.parent,
            )
            assert await child.wait() == -signal.SIGKILL
            assert len(agency.received) == 1
            assert await there.queue() == [(QueueState.LEASED, 1, None)]
            assert await there.journey().submit_due(10) == 0
            office.clock.forward(LEASE)
            assert await there.journey().submit_due(10) == 1
        assert len(agency.received) == 1
        assert await there.queue() == [(QueueState.DONE, 2, None)]
        assert await there.provided() == 1
        assert await there.counted() == 1


async def test_a_mistake_of_ours_is_put_off_by_its_name_and_stops_no_other_submission(
    office: Office, agency: DemoAgency
) -> None:
    """Two of three fail in two ways while they are sent; both are journalled, and the queue says why."""
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        for number in (1, 2, 3):
            await office.consent(office.invite(number))
        office.clock.forward(COOLING_OFF)
        journey = office.journey()
        journey._way_out = Stumbles(office.way_out, [KeyError("candidate1"), ValueError("山田")])
        assert await journey.submit_due(10) == 3
    assert len(agency.received) == 1
    assert sorted(await office.queue()) == [
        (QueueState.DONE, 1, None),
        (QueueState.READY, 1, "KeyError"),
        (QueueState.READY, 1, "ValueError"),
    ]
    crashed = [line for line in office.log.getvalue().splitlines() if '"crashed"' in line]
    assert ["KeyError" in line for line in crashed] == [True, False]
    assert ["ValueError" in line for line in crashed] == [False, True]
    assert "candidate1" not in office.log.getvalue()
    assert "山田" not in office.log.getvalue()


async def test_a_mistake_of_ours_climbs_the_ladder_and_is_at_last_for_a_person(office: Office) -> None:
    office.partner("http://127.0.0.1:9/")
    await office.consent(office.invite())
    office.clock.forward(COOLING_OFF)
    journey = office.journey()
    journey._way_out = Stumbles(office.way_out, [KeyError()] * (len(RETRY_LADDER) + 1))
    for wait in RETRY_LADDER:
        assert await journey.submit_due(10) == 1
        assert await office.due_in() == wait
        office.clock.forward(wait)
    await journey.submit_due(10)
    assert await office.queue() == [(QueueState.DEAD, len(RETRY_LADDER) + 1, "KeyError")]


async def test_a_mistake_that_cannot_even_be_recorded_is_journalled_and_hides_no_other(
    office: Office,
) -> None:
    """Its lease was lost meanwhile; the other's store failure still reaches the loop."""
    office.partner("http://127.0.0.1:9/")
    for number in (1, 2):
        await office.consent(office.invite(number))
    office.clock.forward(COOLING_OFF)
    journey = office.journey()
    journey._way_out = Stumbles(Overtaken(office), [None, StoreUnavailable("gone")], late=KeyError())
    with pytest.raises(StoreUnavailable):
        await journey.submit_due(10)
    crashed = [line for line in office.log.getvalue().splitlines() if '"crashed"' in line]
    assert ["KeyError" in line for line in crashed] == [True, False]
    assert ["LeaseLost" in line for line in crashed] == [False, True]


async def test_a_store_that_fails_after_sending_leaves_the_lease_to_run_out(
    office: Office, agency: DemoAgency
) -> None:
    """The provision is not recorded and not forgotten: the next try has the same key."""
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        await office.consent(office.invite())
        office.clock.forward(COOLING_OFF)
        journey = office.journey()
        journey._way_out = ClosesStore(office)
        with pytest.raises(StoreUnavailable):
            await journey.submit_due(10)
    assert len(agency.received) == 1


async def test_a_token_that_is_not_ours_leads_nowhere(office: Office) -> None:
    journey = office.journey()
    for token in ("", "x", "a" * 40, "ü" * 40, office.keyring.link_token(bytes(10))):
        assert await journey.invitation(token) is None
        if office.keyring.link_id(token) is None:
            with pytest.raises(UnknownRecord):
                journey.nonce(token)
        with pytest.raises(UnknownRecord):
            await office.consent(token)


async def test_a_nonce_tells_its_age_for_its_own_link_only(office: Office) -> None:
    journey = office.journey()
    mine, other = office.invite(1), office.invite(2)
    nonce = journey.nonce(mine)
    office.clock.forward(timedelta(seconds=3))
    assert journey.nonce_age(mine, nonce) == timedelta(seconds=3)
    assert journey.nonce_age(other, nonce) is None
    assert journey.nonce_age(mine, "nonsense") is None


async def test_looking_at_an_invitation_changes_nothing(office: Office) -> None:
    office.partner("http://127.0.0.1:9/")
    token = office.invite()
    journey = office.journey()
    first = await journey.invitation(token)
    journey.nonce(token)
    assert await journey.invitation(token) == first
    assert await office.queue() == []


async def test_the_journal_names_no_person(office: Office, agency: DemoAgency) -> None:
    async with serving(agency.routes()) as base:
        office.partner(f"{base}/submissions")
        await office.consent(office.invite())
        office.clock.forward(COOLING_OFF)
        await office.journey().submit_due(10)
    log = office.log.getvalue()
    assert "submitted" in log
    assert "candidate1" not in log
    assert "山田" not in log


@dataclass(slots=True)
class Overtaken:
    """A way out so slow that the lease runs out and another worker does the work."""

    office: Office
    others_claimed: int = 0

    async def send(self, partner: Partner, payload: Payload, *, at: datetime) -> Outcome:
        outcome = await self.office.way_out.send(partner, payload, at=at)
        self.office.clock.forward(LEASE)
        self.others_claimed = await self.office.journey("quick").submit_due(10)
        return outcome


@dataclass(slots=True)
class Stumbles:
    """A way out that raises one mistake after the other, and after them lets everything through."""

    way_out: WayOut
    mistakes: list[Exception | None]
    late: Exception | None = None
    """Raised instead of each outcome that was let through."""

    async def send(self, partner: Partner, payload: Payload, *, at: datetime) -> Outcome:
        mistake = self.mistakes.pop(0) if self.mistakes else None
        if mistake is not None:
            raise mistake
        outcome = await self.way_out.send(partner, payload, at=at)
        if self.late is not None:
            raise self.late
        return outcome


@dataclass(slots=True)
class ClosesStore:
    """A way out during which the database goes away."""

    office: Office

    async def send(self, partner: Partner, payload: Payload, *, at: datetime) -> Outcome:
        outcome = await self.office.way_out.send(partner, payload, at=at)
        self.office.store.close()
        return outcome


@dataclass(slots=True)
class ReplyEater:
    """Where it listens, and whether replies come through."""

    endpoint: str
    lets_through: bool = False


@contextlib.asynccontextmanager
async def reply_eater(base: str) -> AsyncIterator[ReplyEater]:
    """Stand before a server: hand each request on, wait for its reply, and break the line instead."""
    port = int(base.rpartition(":")[2])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        ours.write(head + await reader.readexactly(length))
        reply = await theirs.readuntil(b"}")
        if eater.lets_through:
            writer.write(reply)
            await writer.drain()
        ours.close()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    eater = ReplyEater(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield eater
