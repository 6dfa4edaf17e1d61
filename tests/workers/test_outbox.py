"""The worker's loop: when it looks, what it survives, how it ends."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gateway.journal import open_journal
from gateway.workers.outbox import OutboxWorker, pause
from store.errors import StoreUnavailable

NEVER = timedelta(days=1)
AT_ONCE = timedelta(microseconds=1)

Answer = int | Exception


class Script:
    """A `submit_due` that answers from a list and then with 0; `done` is set by the first 0."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.limits: list[int] = []
        self.done = asyncio.Event()

    async def __call__(self, limit: int) -> int:
        self.limits.append(limit)
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        if answer == 0:
            self.done.set()
        return answer


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def worker_for(log: io.StringIO) -> Callable[[Callable[[int], Awaitable[int]], timedelta], OutboxWorker]:
    def make(submit_due: Callable[[int], Awaitable[int]], interval: timedelta) -> OutboxWorker:
        return OutboxWorker(submit_due, journal=open_journal("json", log), interval=interval, batch=3)

    return make


Make = Callable[[Callable[[int], Awaitable[int]], timedelta], OutboxWorker]


async def test_it_works_until_nothing_is_due(worker_for: Make) -> None:
    """A short batch is no end: more may have become due meanwhile."""
    script = Script(3, 3, 1, 2)
    worker = worker_for(script, NEVER)
    running = asyncio.create_task(worker.run())
    await script.done.wait()
    worker.stop()
    await running
    assert script.limits == [3] * 5


async def test_it_looks_again_after_its_interval(worker_for: Make) -> None:
    script = Script()
    worker = worker_for(script, AT_ONCE)
    running = asyncio.create_task(worker.run())
    for _ in range(3):
        await script.done.wait()
        script.done.clear()
    worker.stop()
    await running


async def test_it_outlives_the_store(worker_for: Make, log: io.StringIO) -> None:
    script = Script(StoreUnavailable("gone"), StoreUnavailable("still gone"))
    worker = worker_for(script, AT_ONCE)
    running = asyncio.create_task(worker.run())
    await script.done.wait()
    worker.stop()
    await running
    assert log.getvalue().count("store-unavailable") == 2


async def test_it_outlives_a_mistake_of_ours_and_tells_no_foreign_words(
    worker_for: Make, log: io.StringIO
) -> None:
    script = Script(ValueError("taro.yamada@example.jp"))
    worker = worker_for(script, AT_ONCE)
    running = asyncio.create_task(worker.run())
    await script.done.wait()
    worker.stop()
    await running
    assert "ValueError" in log.getvalue()
    assert "taro" not in log.getvalue()


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (10_000, 60)]
)
def test_each_failure_doubles_the_pause_up_to_a_minute(failures: int, seconds: int) -> None:
    assert pause(timedelta(seconds=5), failures) == timedelta(seconds=seconds)


def test_a_failing_store_is_not_asked_more_often_than_a_working_one() -> None:
    assert pause(timedelta(minutes=5), 3) == timedelta(minutes=5)


async def test_stopping_finishes_what_is_being_sent(worker_for: Make) -> None:
    sending = asyncio.Event()
    answered = asyncio.Event()
    finished = []

    async def submit_due(limit: int) -> int:
        sending.set()
        await answered.wait()
        finished.append(limit)
        return limit

    worker = worker_for(submit_due, NEVER)
    running = asyncio.create_task(worker.run())
    await sending.wait()
    worker.stop()
    await asyncio.sleep(0)
    assert not running.done()
    answered.set()
    await running
    assert finished == [3]


async def test_stopping_an_idle_worker_ends_it_at_once(worker_for: Make) -> None:
    script = Script()
    worker = worker_for(script, NEVER)
    running = asyncio.create_task(worker.run())
    await script.done.wait()
    worker.stop()
    await running
    assert script.limits == [3]
