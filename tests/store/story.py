"""The steps of the story that a test needs before its own, with values that say what they are."""

import hashlib
import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from store import consent, ledger, outbox, partners, provisions, tables
from store.database import Store
from store.records import (
    Acknowledgement,
    Answer,
    Arrival,
    ChainCheck,
    Claim,
    ConsentDecision,
    ConsentKind,
    CopyKind,
    Delivery,
    DeliveryState,
    LedgerEntry,
    Partner,
    PlannedCopy,
    Purpose,
    RejectionDetails,
    Settlement,
    SlotPolicy,
)
from store.transaction import Transaction, verb

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=25)
"""After the cooling-off time of these tests."""
COOLING_OFF = timedelta(hours=24)
TEXT_DIGEST = hashlib.sha256(b"the words of the first edition").digest()
NAME = "山田 太郎"
_numbers = itertools.count(1)


@verb
def count_people(tx: Transaction) -> int:
    """Return how many people are in the pool."""
    return tables.Person.select().count(tx.database)


def check_chain(store: Store, *, limit: int = 100) -> ChainCheck:
    """Check the consent chain to its end, so many events at a time."""
    check = store.call(consent.verify_chain, limit=limit)
    while not check.finished:
        check = store.call(consent.verify_chain, check, limit=limit)
    return check


def link() -> bytes:
    """Return ten bytes that no other call returns."""
    return next(_numbers).to_bytes(10)


def candidate(address: str = "taro@example.jp", name: str | None = NAME) -> PlannedCopy:
    details = RejectionDetails(name=name, name_source="addressee-line", job="営業", stage="final")
    return PlannedCopy(CopyKind.CANDIDATE, (address.encode(),), link(), details)


def internal(*addresses: str) -> PlannedCopy:
    return PlannedCopy(CopyKind.INTERNAL, tuple(a.encode() for a in addresses), b"")


def arrival(*copies: PlannedCopy, of: str = "one message", trace_id: str = "G-first") -> Arrival:
    return Arrival(hashlib.sha256(of.encode()).digest(), trace_id, b"hr@example.com", copies)


def agency(
    identity: str = "agency", *, ratio: int = 10, basis: str = "acknowledged", expires: datetime | None = None
) -> Partner:
    return Partner(
        id=identity,
        legal_name="見本エージェント株式会社",
        address="東京都見本区1-1",
        representative="見本 花子",
        licence_no="13-ユ-000000",
        licence_expires=expires,
        country="JP",
        endpoint="https://agency.example.jp/submissions",
        secret="whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        policy=SlotPolicy(ratio, basis),
    )


def answer(
    link_id: bytes,
    kind: ConsentKind = ConsentKind.GRANTED,
    *,
    to: str = "agency",
    digest: bytes = TEXT_DIGEST,
) -> Answer:
    return Answer(link_id, kind, to, Purpose.PROVISION, "ja", "2026-01", digest)


@dataclass
class Story:
    """One store and the people in it, told step by step."""

    store: Store

    def capture(self, *copies: PlannedCopy, of: str = "one message") -> LedgerEntry:
        return self.store.call(ledger.open_message, arrival(*copies, of=of), now=NOW)

    def deliver(self, entry: LedgerEntry, state: DeliveryState = DeliveryState.ACCEPTED) -> None:
        ids = [delivery.id for delivery in entry.deliveries]
        self.store.call(
            ledger.claim_deliveries,
            ids,
            claimed_by="G-first",
            now=NOW,
            lease_until=NOW + timedelta(minutes=5),
        )
        settlements = [Settlement(number, state, 250, "2.0.0 Ok: queued", b"d" * 32) for number in ids]
        self.store.call(ledger.settle, settlements, claimed_by="G-first", now=NOW)

    def invite(self, address: str = "taro@example.jp", name: str | None = NAME) -> Delivery:
        """Carry one rejection of its own to one person; return the delivery with the link."""
        entry = self.capture(candidate(address, name), of=f"message {next(_numbers)}")
        self.deliver(entry)
        return entry.deliveries[0]

    def capture_as(self, link_id: bytes, address: str) -> LedgerEntry:
        """Capture one person under a link of the caller's choice."""
        copy = replace(candidate(address), link_id=link_id)
        return self.capture(copy, of=f"to {address}")

    def partner(self, partner: Partner | None = None) -> None:
        self.store.call(partners.add_partner, partner or agency(), now=NOW)

    def say(
        self, link_id: bytes, kind: ConsentKind = ConsentKind.GRANTED, *, to: str = "agency"
    ) -> ConsentDecision:
        return self.store.call(
            consent.record_answer, answer(link_id, kind, to=to), now=NOW, due_at=NOW + COOLING_OFF
        )

    def claim(self, worker: str = "worker-1", *, at: datetime = LATER, limit: int = 100) -> tuple[Claim, ...]:
        batch = self.store.call(
            outbox.claim_due, now=at, lease_by=worker, lease_until=at + timedelta(minutes=5), limit=limit
        )
        return batch.claims

    def send(self, claim: Claim, *, acknowledged: bool = True) -> None:
        self.store.call(
            provisions.record_sent,
            claim,
            data_items=("name", "email"),
            acknowledgement=Acknowledgement("theirs-1") if acknowledged else None,
            now=LATER,
        )
