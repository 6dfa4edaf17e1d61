"""The journal's verbs as figures."""

import io

import pytest

from gateway.journal import Journal, open_journal
from gateway.metrics.counts import Counts
from gateway.metrics.figures import (
    COPIES,
    JOURNAL_EVENTS,
    MESSAGES,
    PROCESS_ENDS,
    RELOADS,
    REPORTS,
    SIGNATURE_FAILURES,
    SUBMISSIONS,
    TURNED_AWAY,
    Figure,
)
from gateway.metrics.journal_counts import JournalCounts, code
from gateway.metrics.memory import LANE_OCTETS, Lane


class Office:
    """A journal, and what it has counted."""

    def __init__(self) -> None:
        self.lane = Lane(bytearray(LANE_OCTETS))
        self.stream = io.StringIO()
        self.journal: Journal = open_journal("json", self.stream, JournalCounts(Counts(self.lane)))

    def figure(self, figure: Figure) -> dict[tuple[str, ...], float]:
        return {
            name[1:]: self.lane.values[at]
            for name, (at, _) in self.lane.names.items()
            if name[0] == figure.name
        }


@pytest.fixture
def office() -> Office:
    return Office()


def test_each_outcome_of_a_message_has_its_reason_and_the_kind_of_reply(office: Office) -> None:
    journal = office.journal
    for _ in range(2):
        journal.passed("G-1", reason="unmarked", size=1, recipients=1, reply=250, queue_id="A")
    journal.passed("G-1", reason="cannot-sign", size=1, recipients=1, reply=550, queue_id=None)
    journal.invited("G-1", attempt=1, candidates=2, internal=0, reply=451)
    journal.declined("G-1", reason="peer-not-allowed", reply=550)
    journal.declined("G-1", reason="peer-not-allowed", reply=550, told=True)
    journal.declined("G-1", reason="next-hop-lost: hop.test:25: taro@example.jp", reply=451)
    assert office.figure(MESSAGES) == {
        ("passed", "unmarked", "2xx"): 2,
        ("passed", "cannot-sign", "5xx"): 1,
        ("invited", "marked", "4xx"): 1,
        ("refused", "peer-not-allowed", "5xx"): 2,
        ("deferred", "next-hop-lost", "4xx"): 1,
    }
    assert office.figure(SIGNATURE_FAILURES) == {("cannot-sign",): 1}


def test_what_is_told_once_is_counted_each_time(office: Office) -> None:
    office.journal.turned_away("relay", reason="too-many-connections")
    office.journal.turned_away("relay", reason="too-many-connections", told=True)
    assert office.figure(TURNED_AWAY) == {("relay", "too-many-connections"): 2}
    assert len(office.stream.getvalue().splitlines()) == 1


def test_copies_reports_submissions_and_processes_are_counted_by_outcome(office: Office) -> None:
    journal = office.journal
    journal.delivered("G-1", delivery=1, queue_id="A")
    journal.undelivered("G-1", delivery=2, state="deferred", reason="cannot-sign")
    journal.reported("G-1", recipients=1, reply=250, queue_id=None)
    journal.unreported("G-1", reason="deadline")
    journal.submitted(key="k", partner="agency", acknowledged=True)
    journal.postponed(key="k", partner="agency", error="e", attempt=1)
    journal.buried(key="k", partner="agency", error="e", attempt=9)
    journal.process_ended("mail-1", "killed")
    journal.reloaded()
    journal.not_reloaded("why")
    assert office.figure(COPIES) == {("accepted",): 1, ("deferred",): 1}
    assert office.figure(SIGNATURE_FAILURES) == {("cannot-sign",): 1}
    assert office.figure(REPORTS) == {("sent",): 1, ("failed",): 1}
    assert office.figure(SUBMISSIONS) == {("submitted",): 1, ("postponed",): 1, ("gave-up",): 1}
    assert office.figure(PROCESS_ENDS) == {("mail-1",): 1}
    assert office.figure(RELOADS) == {("reloaded",): 1, ("kept",): 1}
    assert office.figure(JOURNAL_EVENTS)[("gave-up",)] == 1


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("memory-budget", "memory-budget"),
        ("bare CR", "bare CR"),
        ("StoreUnavailable", "StoreUnavailable"),
        ("tls-failed: hop:25: certificate", "tls-failed"),
        ("5.4.6 Too many hops", "5.4.6"),
        ("4.3.0 G-ABCDEFGH", "4.3.0"),
        ("taro@example.jp", "other"),
        ("<taro>", "other"),
        ("", "other"),
        ("x" * 100, "other"),
        ("none\n", "other"),
    ],
)
def test_a_label_is_the_code_that_a_reason_begins_with(reason: str, label: str) -> None:
    assert code(reason) == label
