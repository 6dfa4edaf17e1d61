"""What the ledger says when it is asked for its states, and when it cannot be."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.metrics import ledger_states
from gateway.metrics.figures import LEDGER_CASES, Answer
from gateway.metrics.ledger_states import KEEP_SECONDS, LedgerStates
from store.database import Store
from store.errors import StoreUnavailable
from store.records import Census

INVITED = Answer(LEDGER_CASES, ("invited",), 1)


class CountingStore(Store):
    """A store that answers, fails or hangs as the test says."""

    def __init__(self, answer: Callable[[], Awaitable[Census]]) -> None:
        self.asked = 0
        self._answer = answer

    async def run(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        return await self._answer()


async def count() -> Census:
    return Census({"invited": 1}, {}, {})


async def test_one_question_serves_all_readers_for_a_while() -> None:
    now = 0.0
    store = CountingStore(count)
    ledger = LedgerStates(store, clock=lambda: now)
    for answers in await asyncio.gather(ledger.answers(), ledger.answers()):
        assert answers == (INVITED,)
    now = KEEP_SECONDS - 0.1
    assert await ledger.answers() == (INVITED,)
    assert store.asked == 1
    now = KEEP_SECONDS
    assert await ledger.answers() == (INVITED,)
    assert store.asked == 2


async def test_a_database_that_is_down_has_no_states_and_is_asked_again() -> None:
    async def fail() -> Census:
        raise StoreUnavailable("down")

    store = CountingStore(fail)
    ledger = LedgerStates(store, clock=lambda: 100.0)
    assert await ledger.answers() == ()
    assert await ledger.answers() == ()
    assert store.asked == 2


async def test_a_mistake_is_raised_and_asked_for_again() -> None:
    async def fail() -> Census:
        raise ZeroDivisionError

    store = CountingStore(fail)
    ledger = LedgerStates(store)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await ledger.answers()
    assert store.asked == 2


async def test_old_states_are_not_shown_for_those_of_now() -> None:
    now = 0.0
    down = False

    async def answer() -> Census:
        if down:
            raise StoreUnavailable("down")
        return await count()

    ledger = LedgerStates(CountingStore(answer), clock=lambda: now)
    assert await ledger.answers() == (INVITED,)
    now, down = KEEP_SECONDS, True
    assert await ledger.answers() == ()


async def test_a_database_that_hangs_is_asked_one_question_however_many_ask_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger_states, "PATIENCE_SECONDS", 0.01)
    released = asyncio.Event()

    async def hang() -> Census:
        await released.wait()
        return await count()

    store = CountingStore(hang)
    ledger = LedgerStates(store)
    assert await asyncio.gather(*(ledger.answers() for _ in range(5))) == [()] * 5
    assert await ledger.answers() == ()
    assert store.asked == 1
    released.set()
    await asyncio.sleep(0)
    assert await ledger.answers() == (INVITED,)
    assert store.asked == 1
