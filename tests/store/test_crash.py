"""`kill -9` of a process in the middle of its work: what it was told is there, and nothing is half-done."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from gateway.keyring import Keyring
from store import provisions, slots, tables
from store.database import Store, open_store
from store.records import SlotKind
from store.transaction import Transaction, verb
from tests.store.story import Story, agency, check_chain

WORK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from gateway.keyring import Keyring
from store.database import open_store
from tests.store.story import LATER, Story
from datetime import timedelta

url, key, run = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3]

def tell(*words):
    sys.stdout.write(" ".join(words) + "\\n")
    sys.stdout.flush()

def live(number):
    story = Story(store)
    link_id = run.encode().rjust(4, b"-") + number.to_bytes(6)
    address = f"{run}-{number}@example.jp"
    entry = story.capture_as(link_id, address)
    tell("captured", link_id.hex())
    story.deliver(entry)
    story.say(link_id)
    tell("consented", link_id.hex())
    for claim in story.claim(f"{run}-{number}", at=LATER + int(run) * timedelta(minutes=10), limit=3):
        story.send(claim)
        tell("sent", claim.submission.key)

with open_store(url, Keyring(key), connections=4) as store:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(live, range(10_000)))
"""
TOLD_BEFORE_THE_KILL = 60
RUNS = 4


@verb
def count_rows(tx: Transaction) -> dict[str, int]:
    return {table._meta.table_name: table.select().count(tx.database) for table in tables.TABLES}


@verb
def link_ids(tx: Transaction) -> set[str]:
    return {bytes(row.link_id).hex() for row in tx.fetch(tables.Delivery.select()) if row.link_id}


@verb
def consented_links(tx: Transaction) -> set[str]:
    answered = {row.delivery_id for row in tx.fetch(tables.ConsentEvent.select())}
    rows = tx.fetch(tables.Delivery.select().where(tables.Delivery.id.in_(answered)))
    return {bytes(row.link_id or b"").hex() for row in rows}


@verb
def outbox_states(tx: Transaction) -> Counter[str]:
    return Counter(row.state for row in tx.fetch(tables.Outbox.select()))


@verb
def sent_keys(tx: Transaction) -> set[str]:
    return {row.key for row in tx.fetch(tables.Submission.select()) if row.sent_at}


def _run_and_kill(url: str, key: bytes, run: int) -> dict[str, set[str]]:
    """Let a process work until it has told enough, kill it, and return what it had told."""
    command = [sys.executable, "-c", WORK, url, key.hex(), str(run)]
    told: dict[str, set[str]] = {"captured": set(), "consented": set(), "sent": set()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        for number, line in enumerate(worker.stdout):
            what, which = line.split()
            told[what].add(which)
            if number == TOLD_BEFORE_THE_KILL:
                worker.kill()
    return told


def _check_nothing_is_half_done(store: Store) -> None:
    rows = store.call(count_rows)
    states = store.call(outbox_states)
    assert rows["message"] == rows["person"] == rows["rejection_case"] == rows["delivery"]
    assert rows["consent_event"] == rows["submission"] == rows["outbox"]
    assert states["done"] == rows["provision_record"] == len(store.call(sent_keys))
    assert set(states) <= {"ready", "leased", "done"}
    assert check_chain(store).broken_at is None
    lines = Counter(line.kind for line in store.call(slots.explain))
    assert lines[SlotKind.ACCRUE] == states["done"]
    assert lines[SlotKind.GRANT] == states["done"] // 3


@pytest.mark.timeout(110)
def test_a_killed_process_leaves_all_it_was_told_and_nothing_by_halves(url: str) -> None:
    key = os.urandom(32)
    with open_store(url, Keyring(key)) as store:
        store.migrate()
        Story(store).partner(agency(ratio=3))
        for run in range(1, RUNS + 1):
            told = _run_and_kill(url, key, run)

            assert told["captured"] <= store.call(link_ids)
            assert told["consented"] <= store.call(consented_links)
            assert told["sent"] <= store.call(sent_keys)
            _check_nothing_is_half_done(store)

        records = {record.submission_key for record in store.call(provisions.list_provisions, limit=10_000)}
        assert records == store.call(sent_keys)
