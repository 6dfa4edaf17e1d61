from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import peewee
import pytest
from playhouse.migrations import Runner  # type: ignore[import-untyped]  # peewee's stubs leave playhouse out

from gateway.keyring import Keyring
from store import ledger, tracing
from store.database import Store, open_store
from store.engines import engine_for
from store.records import CaseState, ConsentKind, CopyKind, DeliveryState, QueueState
from store.stories import TracedArrival
from tests.store.story import LATER, NOW, Story, arrival, candidate, internal


def test_every_trace_id_under_which_a_message_came_leads_to_it(store: Store) -> None:
    copies = (candidate(), internal("hr@example.com"))
    store.call(ledger.open_message, arrival(*copies), now=NOW)
    again = NOW + timedelta(minutes=5)
    store.call(ledger.open_message, arrival(*copies, trace_id="G-second"), now=again)
    store.call(ledger.open_message, arrival(candidate(), of="another", trace_id="G-other"), now=NOW)

    (first,) = store.call(tracing.find_by_trace_id, "G-first")
    assert store.call(tracing.find_by_trace_id, "G-second") == (first,)
    assert first.arrivals == (TracedArrival("G-first", NOW), TracedArrival("G-second", again))
    assert first.mail_from == "hr@example.com"
    assert [(copy.kind, copy.recipients, copy.state, copy.case_state) for copy in first.copies] == [
        (CopyKind.CANDIDATE, ("taro@example.jp",), DeliveryState.PENDING, CaseState.CAPTURED),
        (CopyKind.INTERNAL, ("hr@example.com",), DeliveryState.PENDING, None),
    ]
    assert store.call(tracing.find_by_trace_id, "G-nobody") == ()


def test_the_story_goes_from_the_next_hops_reply_to_the_partners(store: Store) -> None:
    story = Story(store)
    story.partner()
    link_id = story.invite().link_id
    story.say(link_id)
    (claim,) = story.claim()
    story.send(claim)
    story.say(link_id, ConsentKind.WITHDRAWN)

    (message,) = store.call(tracing.find_by_trace_id, "G-first")
    (copy,) = message.copies
    assert (copy.state, copy.attempts, copy.claimed_by, copy.settled_at) == ("accepted", 1, "G-first", NOW)
    assert (copy.reply_code, copy.reply_text) == (250, "2.0.0 Ok: queued")
    assert copy.case_state is CaseState.ACKNOWLEDGED
    assert [(answer.kind, answer.partner_id, answer.at) for answer in copy.answers] == [
        (ConsentKind.GRANTED, "agency", NOW),
        (ConsentKind.WITHDRAWN, "agency", NOW),
    ]
    (submission,) = copy.submissions
    assert submission.key == claim.submission.key
    assert (submission.state, submission.attempts) == (QueueState.DONE, 1)
    assert (submission.sent_at, submission.acknowledged_at) == (LATER, LATER)
    assert submission.partner_reference == "theirs-1"


@pytest.mark.parametrize("asked", ["<a.b@example.com>", "a.b@example.com", " <a.b@example.com>\n"])
def test_a_message_id_leads_to_its_messages_with_and_without_brackets(store: Store, asked: str) -> None:
    for number, of in enumerate(("one", "two")):
        came = replace(arrival(candidate(), of=of, trace_id=f"G-{number}"), message_id=b"<a.b@example.com>")
        store.call(ledger.open_message, came, now=NOW)
    store.call(ledger.open_message, arrival(candidate(), of="without", trace_id="G-2"), now=NOW)
    found = store.call(tracing.find_by_message_id, asked)
    assert [message.arrivals[0].trace_id for message in found] == ["G-1", "G-0"]


def test_a_message_without_message_id_is_not_found_by_an_empty_one(store: Store) -> None:
    store.call(ledger.open_message, arrival(candidate()), now=NOW)
    for asked in ("", "<>", " "):
        assert store.call(tracing.find_by_message_id, asked) == ()


def test_the_database_does_not_tell_a_message_id(sqlite_url: str, keyring: Keyring) -> None:
    with open_store(sqlite_url, keyring) as store:
        store.migrate()
        came = replace(arrival(candidate()), message_id=b"<secret-name@example.com>")
        store.call(ledger.open_message, came, now=NOW)
    for file in Path(sqlite_url.removeprefix("sqlite:///")).parent.iterdir():
        assert b"secret-name" not in file.read_bytes()


def test_the_migration_gives_a_message_that_is_there_its_first_arrival(url: str, keyring: Keyring) -> None:
    database = engine_for(url, 1)
    database.prepare()
    with database.database.connection_context():
        Runner(database.database, "store/migrations").up("0001_first_tables")
        values = {
            "fingerprint": bytes(32),
            "trace_id": "G-old",
            "mail_from": keyring.encrypt(b"hr@example.com", field="message.mail_from"),
            "attempts": 3,
            "first_seen": NOW.isoformat(timespec="microseconds"),
            "last_seen": LATER.isoformat(timespec="microseconds"),
        }
        peewee.Insert(peewee.Table("message", tuple(values)), values).execute(database.database)
    with open_store(url, keyring) as store:
        assert store.migrate() == ("0002_tracing",)
        (message,) = store.call(tracing.find_by_trace_id, "G-old")
    assert message.arrivals == (TracedArrival("G-old", NOW),)
