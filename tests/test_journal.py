"""The journal: what its lines hold, and that no reader can hold up the gateway."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.journal import LINES_WAITING, Journal, open_journal


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_fields() -> None:
    stream = io.StringIO()
    open_journal("json", stream).passed(
        "G-1", reason="unmarked", size=10, recipients=1, reply=250, queue_id="4XyZ"
    )
    (line,) = lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "passed",
        "level": "info",
        "id": "G-1",
        "reason": "unmarked",
        "size": 10,
        "recipients": 1,
        "reply": 250,
        "queue_id": "4XyZ",
    }


def test_a_contradiction_names_the_places_and_nothing_that_stands_there() -> None:
    stream = io.StringIO()
    open_journal("json", stream).contradicting("G-1", what="name", sources=("marker", "addressee"))
    (line,) = lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "contradiction",
        "level": "warning",
        "id": "G-1",
        "what": "name",
        "sources": "marker,addressee",
    }


def test_a_crash_is_named_by_class_and_place_and_never_by_its_text() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="taro") as caught:
        fail("taro@example.jp")
    open_journal("json", stream).crashed("G-1", caught.value)
    (line,) = lines(stream)
    assert line["error"] == "ValueError"
    assert str(line["where"]).startswith(__file__)
    assert "taro" not in stream.getvalue()


def fail(words: str) -> None:
    raise ValueError(words)


def fill(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.started("x" * 100, str(number))


def test_a_reader_that_hangs_holds_nobody_up_and_the_loss_is_told_later() -> None:
    """A pipe takes 64 KiB; far more is written while nobody reads."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        journal = open_journal("json", stream)
        fill(journal, LINES_WAITING + 5_000)
        with os.fdopen(reading, encoding="utf-8") as reader, ThreadPoolExecutor() as aside:
            seen = [json.loads(reader.readline()) for _ in range(LINES_WAITING)]
            assert [line["where"] for line in seen] == [str(n) for n in range(LINES_WAITING)]
            # What is left may be more than the pipe takes, and then only a reader lets the stream close.
            left = aside.submit(list, reader)
            journal.stopping("test")
            journal.close()
            stream.close()
            rest = [json.loads(line) for line in left.result()]
    (lost,) = [line["lines"] for line in rest if line["event"] == "lines-lost"]
    written = sum(line["event"] == "started" for line in [*seen, *rest])
    assert written + lost == LINES_WAITING + 5_000
    assert rest[-1]["event"] == "stopping"


def test_a_reader_that_is_gone_raises_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", encoding="utf-8")
    journal = open_journal("json", stream)
    fill(journal, 100)
    journal.close()
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_stream_that_is_closed_raises_nothing() -> None:
    stream = io.StringIO()
    journal = open_journal("json", stream)
    stream.close()
    fill(journal, 3)
