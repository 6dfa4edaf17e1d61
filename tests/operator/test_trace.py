"""`goen trace` on a real ledger and a real journal."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import main
from gateway.journal import open_journal
from gateway.keyring import Keyring
from gateway.operator.trace_journal import JournalReader
from store import ledger
from store.database import open_store
from store.records import ConsentKind, DeliveryState, Settlement
from tests.store.story import NAME, NOW, Story, arrival, candidate

MARKED, AGAIN, PLAIN, UNKNOWN = (f"G-{letter * 16}" for letter in "ABCD")
ESCAPE = "\u202e"
"""Turns the direction of what follows."""

SUBMISSION = "the-key-of-the-submission"
OF_MARKED = ["contradiction", "delivered", "invited", "submitted"]

Ask = Callable[..., Result]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """What the gateway has written, as a log system keeps it."""
    stream = io.StringIO()
    written = open_journal("json", stream)
    written.contradicting(MARKED, what="name", sources=("marker", "addressee-line"))
    written.passed(PLAIN, reason="unmarked", size=5, recipients=1, reply=250, queue_id="4XyZ")
    written.delivered(AGAIN, delivery=1, queue_id="5Abc")
    written.invited(AGAIN, attempt=2, candidates=1, internal=0, reply=250)
    written.submitted(key=SUBMISSION, partner="agency", acknowledged=True)
    written.submitted(key="other", partner="agency", acknowledged=True)
    written.passed(UNKNOWN, reason="4XyZ", size=5, recipients=1, reply=250, queue_id="4XyZ2")
    lines = stream.getvalue().splitlines()
    path = tmp_path / "journal"
    head = "Nov 23 09:00:00 mail goen[7]: "
    path.write_text(
        "\n".join([lines[0], head + lines[1], f'{head}{{"id": "{MARKED}", broken', *lines[2:], ""])
    )
    return path


@pytest.fixture
def ask(tmp_path: Path, journal: Path) -> Ask:
    """Ask about a message that came twice, was delivered, and whose candidate was submitted."""
    (tmp_path / "goen.toml").write_text(
        '[relay]\nnext_hop = "127.0.0.1:25"\n[web]\npublic_url = "https://x.test"\n'
    )
    (tmp_path / "var").mkdir()
    key = tmp_path / "var" / "goen.key"
    with open_store(f"sqlite:///{tmp_path}/var/goen.sqlite3", Keyring.open(key, create=True)) as store:
        store.migrate()
        story = Story(store)
        story.partner()
        copy = candidate()
        came = replace(arrival(copy, trace_id=MARKED), message_id=b"<notice-7@example.com>")
        store.call(ledger.open_message, came, now=NOW)
        entry = store.call(ledger.open_message, replace(came, trace_id=AGAIN), now=NOW)
        ids = [delivery.id for delivery in entry.deliveries]
        store.call(ledger.claim_deliveries, ids, claimed_by=AGAIN, now=NOW, lease_until=NOW)
        words = f"2.0.0 Ok: {ESCAPE} queued as 5Abc (taro@example.jp)"
        settled = [Settlement(ids[0], DeliveryState.ACCEPTED, 250, words, bytes(32))]
        store.call(ledger.settle, settled, claimed_by=AGAIN, now=NOW)
        story.say(copy.link_id, ConsentKind.GRANTED)
        claims = story.claim()
        story.send(*claims)
        journal.write_text(journal.read_text().replace(SUBMISSION, claims[0].submission.key))

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(main, ["-c", str(tmp_path / "goen.toml"), "trace", *arguments], **options)

    return run


@pytest.mark.parametrize("asked", [MARKED, AGAIN, "<notice-7@example.com>", "notice-7@example.com"])
def test_every_id_leads_to_the_queue_id_the_candidate_and_the_partner(ask: Ask, asked: str) -> None:
    result = ask(asked, "--json")
    assert result.exit_code == 0, result.output
    (message,) = json.loads(result.stdout)["messages"]
    (copy,) = message["copies"]
    (submission,) = copy["submissions"]
    assert [came["trace_id"] for came in message["arrivals"]] == [MARKED, AGAIN]
    assert (copy["state"], copy["reply_code"], copy["status"], copy["queue_id"]) == (
        *("accepted", 250, "2.0.0"),
        "5Abc",
    )
    assert (copy["case_id"], copy["case_state"]) == (1, "acknowledged")
    assert [answer["kind"] for answer in copy["answers"]] == ["granted"]
    assert (submission["partner_id"], submission["state"]) == ("agency", "done")
    assert submission["partner_reference"] == "theirs-1"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_names_and_addresses_are_shown_only_when_asked_for(ask: Ask, form: tuple[str, ...]) -> None:
    shy = ask(MARKED, *form).output
    assert "queue" in shy
    assert "@" not in shy
    frank = ask(MARKED, *form, "--show-personal").output
    assert "hr@example.com" in frank
    assert frank.count("taro@example.jp") == 2
    assert NAME not in frank
    assert ESCAPE not in frank


def test_a_person_reads_one_line_for_each_step(ask: Ask, journal: Path) -> None:
    lines = ask(MARKED, "--journal", str(journal)).output.splitlines()
    beginnings = [
        f"{MARKED}  came 2026-11-23T09:00:00+00:00",
        f"  again 2026-11-23T09:00:00+00:00 as {AGAIN}",
        f"  copy 1 (candidate): accepted; try 1, the last as {AGAIN}",
        "    next hop 2026-11-23T09:00:00+00:00: 250 2.0.0, queue id 5Abc",
        "    candidate, case 1: acknowledged",
        "    answer 2026-11-23T09:00:00+00:00: granted for agency",
        "    submission ",
        "Journal",
    ]
    assert [line[: len(start)] for line, start in zip(lines, beginnings, strict=False)] == beginnings
    assert [line.split()[1] for line in lines[len(beginnings) :]] == OF_MARKED


def test_a_queue_id_leads_through_the_journal_to_the_ledger(ask: Ask, journal: Path) -> None:
    found = json.loads(ask("5Abc", "--journal", str(journal), "--json").stdout)
    assert [line["event"] for line in found["journal"]] == OF_MARKED
    assert [came["trace_id"] for came in found["messages"][0]["arrivals"]] == [MARKED, AGAIN]


@pytest.mark.parametrize("asked", [PLAIN, "4XyZ"])
def test_mail_that_passed_is_found_in_the_journal_alone(ask: Ask, journal: Path, asked: str) -> None:
    result = ask(asked, "--journal", "-", "--json", input=journal.read_bytes())
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["messages"] == []
    assert [(line["id"], line["queue_id"]) for line in found["journal"]] == [(PLAIN, "4XyZ")]


def test_a_ledger_that_cannot_be_asked_does_not_keep_the_journal_from_telling(
    ask: Ask, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOEN_STORE__URL", "postgresql://127.0.0.1:1/goen")
    result = ask(MARKED, "--journal", str(journal), "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["ledger_asked"], found["messages"]) == (False, [])
    assert [line["event"] for line in found["journal"]] == ["contradiction"]
    assert "The ledger cannot be asked now" in result.stderr
    alone = ask(MARKED)
    assert alone.exit_code == 1
    assert "The database cannot be used now" in alone.stderr


@pytest.mark.parametrize(
    ("asked", "with_journal", "words"),
    [
        (PLAIN, False, f"goen trace {PLAIN} --journal FILE"),
        ("4XyZ", False, "goen trace 4XyZ --journal FILE"),
        ("G-EEEEEEEEEEEEEEEE", True, "an older journal"),
        ("<nobody@example.com>", True, "take the queue id"),
        ("", True, "neither in the ledger nor"),
    ],
)
def test_an_unknown_id_fails_with_a_hint_where_to_look(
    ask: Ask, journal: Path, asked: str, words: str, *, with_journal: bool
) -> None:
    result = ask(asked, *(["--journal", str(journal)] if with_journal else []))
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stdout == ""


def test_a_journal_that_is_not_there_is_wrong_usage(ask: Ask) -> None:
    assert ask(PLAIN, "--journal", "absent").exit_code == 2


def test_what_is_no_line_of_a_journal_is_passed_over() -> None:
    lines = [
        b"",
        b"\xff\xfe{\n",
        b'["G-1"]\n',
        b'{"id": "G-1"}\n',
        b'{"id": "G-1", "event": "passed"}\n',
        b'{"id": "G-1", "event": "passed", "timestamp": "t", "deep": {}}\n',
        os.urandom(100),
    ]
    with JournalReader(io.BytesIO(b"".join(lines))) as reader:
        (line,) = reader.lines(["G-1"])
        assert (line.at, line.event, line.fields) == ("t", "passed", {"id": "G-1"})
        assert list(reader.lines(["G-1"])) == [line]
        assert list(reader.lines([])) == []
