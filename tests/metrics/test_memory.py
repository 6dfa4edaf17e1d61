import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.metrics import memory
from gateway.metrics.counts import MOST, Counts
from gateway.metrics.exposition import add_up
from gateway.metrics.figures import (
    CONTENT,
    JOURNAL_EVENTS,
    LOOP_LAG,
    NEXT_HOP,
    NEXT_HOP_UP,
    Figure,
    Kind,
)
from gateway.metrics.memory import LANE_OCTETS, Lane, Memory

WORK = """
import sys
from gateway.metrics.counts import Counts
from gateway.metrics.figures import CONTENT, JOURNAL_EVENTS
from gateway.metrics.memory import Memory

counts = Counts(Memory(int(sys.argv[1])).claim())
for _ in range(int(sys.argv[2])):
    counts.add(JOURNAL_EVENTS, "passed")
counts.set(CONTENT, value=100)
print("here", flush=True)
sys.stdin.readline()
"""

PASSED = (JOURNAL_EVENTS.name, "passed")


@pytest.fixture
def shared() -> Iterator[Memory]:
    made = Memory.create()
    yield made
    os.close(made.descriptor)


@contextmanager
def process(shared: Memory, events: int) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a process that has counted so many events and lives on."""
    command = [sys.executable, "-c", WORK, str(shared.descriptor), str(events)]
    with subprocess.Popen(
        command, pass_fds=[shared.descriptor], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as counting:
        assert counting.stdout is not None
        counting.stdout.readline()
        try:
            yield counting
        finally:
            counting.kill()


def test_what_several_processes_count_is_added_up_also_after_they_were_killed(shared: Memory) -> None:
    with process(shared, 3) as first, process(shared, 4):
        assert add_up(shared.read()) == {PASSED: (7,), (CONTENT.name,): (200,)}
        first.kill()
        first.wait()
        assert add_up(shared.read()) == {PASSED: (7,), (CONTENT.name,): (100,)}
    with process(shared, 5):
        found = list(shared.read())
        assert [reading.held for reading in found].count(True) == 1
        assert len(found) == 2  # The third process has taken the place of the first.
        assert add_up(found) == {PASSED: (12,), (CONTENT.name,): (100,)}


def test_a_reader_that_counts_itself_keeps_its_own_lane(shared: Memory) -> None:
    counts = Counts(shared.claim())
    counts.add(JOURNAL_EVENTS, "passed")
    list(shared.read())
    with process(shared, 1):
        counts.add(JOURNAL_EVENTS, "passed")
        assert add_up(shared.read())[PASSED] == (3,)
        assert [reading.values[PASSED] for reading in shared.read()] == [(2,), (1,)]


def test_a_process_without_a_lane_counts_where_nobody_sees_it(
    shared: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "LANES", 1)
    with process(shared, 1):
        Counts(shared.claim()).add(JOURNAL_EVENTS, "passed")
        assert add_up(shared.read())[PASSED] == (1,)


def test_the_least_of_several_processes_counts_where_one_is_enough_to_worry() -> None:
    one, other = bytearray(LANE_OCTETS), bytearray(LANE_OCTETS)
    Counts(Lane(one)).set(NEXT_HOP_UP, "hop:25", value=True)
    Counts(Lane(other)).set(NEXT_HOP_UP, "hop:25", value=False)
    assert add_up(map(reading_of, (one, other))) == {(NEXT_HOP_UP.name, "hop:25"): (0,)}


def test_a_successor_forgets_the_states_of_its_predecessor_and_keeps_what_was_counted() -> None:
    region = bytearray(LANE_OCTETS)
    first = Counts(Lane(region))
    first.set(CONTENT, value=5)
    first.observe(LOOP_LAG, seconds=0.003)
    second = Counts(Lane(region))
    assert list(add_up([reading_of(region)])) == [(LOOP_LAG.name,)]
    second.observe(LOOP_LAG, seconds=0.003)
    values = add_up([reading_of(region)])[(LOOP_LAG.name,)]
    assert values[LOOP_LAG.bounds.index(0.005)] == 2
    assert values[-1] == pytest.approx(0.006)


def test_a_duration_counts_in_the_first_bucket_whose_bound_it_does_not_pass() -> None:
    region = bytearray(LANE_OCTETS)
    counts = Counts(Lane(region))
    for seconds in (0, 0.001, 0.0011, 300, 301):
        counts.observe(NEXT_HOP, "hop:25", "mail", seconds=seconds)
    values = add_up([reading_of(region)])[(NEXT_HOP.name, "hop:25", "mail")]
    assert values[:2] == (2, 1)
    assert values[-3:-1] == (1, 1)
    assert values[-1] == pytest.approx(601.0021)


def test_labels_without_end_count_as_other_and_take_no_more_room() -> None:
    region = bytearray(LANE_OCTETS)
    counts = Counts(Lane(region))
    for number in range(MOST + 50):
        counts.add(JOURNAL_EVENTS, f"event-{number}")
    found = add_up([reading_of(region)])
    assert len(found) == MOST + 1
    assert found[(JOURNAL_EVENTS.name, "other")] == (50,)
    assert len(counts._found) == MOST


def test_a_full_lane_drops_what_is_new_and_goes_on_with_what_it_has() -> None:
    region = bytearray(LANE_OCTETS)
    counts = Counts(Lane(region))
    counts.add(JOURNAL_EVENTS, "passed")
    for number in range(600):
        counts.observe(Figure(f"goen_{number}", Kind.HISTOGRAM, "", (), LOOP_LAG.bounds), seconds=1)
    for number in range(LOOP_LAG.width):
        counts.add(Figure(f"goen_{number}_total", Kind.COUNTER, ""))
    counts.add(JOURNAL_EVENTS, "late")
    counts.add(JOURNAL_EVENTS, "passed")
    assert add_up([reading_of(region)]) == {PASSED: (2,)}


def reading_of(region: bytearray) -> memory.Reading:
    lane = Lane(bytearray(region))
    values = {name: tuple(lane.values[at : at + width]) for name, (at, width) in lane.names.items()}
    return memory.Reading(values, held=True)
