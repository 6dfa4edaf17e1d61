"""How many candidates, copies and submissions are in which state: asked from the database, but not often.

A database that does not answer costs a reader of the figures a second at most, and one question that waits.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from gateway.metrics import figures
from gateway.metrics.figures import Answer
from store import census
from store.database import Store
from store.errors import StoreError

KEEP_SECONDS: Final = 10
"""How long an answer is good: several readers cost the database no more than one."""

PATIENCE_SECONDS: Final = 1
"""Prometheus waits for 10 by default."""


class LedgerStates:
    """Asks one question at a time."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds and never goes back."""
        self._store = store
        self._clock = clock
        self._answers: Sequence[Answer] = ()
        self._good_until = 0.0
        self._question: asyncio.Task[None] | None = None

    async def answers(self) -> Sequence[Answer]:
        """Return the states; nothing when the database does not answer now."""
        if self._clock() >= self._good_until:
            question = self._question = self._question or asyncio.create_task(self._ask())
            await asyncio.wait({question}, timeout=PATIENCE_SECONDS)
            if question.done():
                question.result()  # A mistake of this program is raised.
        return self._answers if self._clock() < self._good_until else ()

    async def _ask(self) -> None:
        try:
            with suppress(StoreError):
                counted = await self._store.run(census.count_states)
                self._answers = (
                    *_answers(figures.LEDGER_CASES, counted.cases),
                    *_answers(figures.LEDGER_COPIES, counted.copies),
                    *_answers(figures.OUTBOX_LINES, counted.outbox),
                )
                self._good_until = self._clock() + KEEP_SECONDS
        finally:
            self._question = None


def _answers(figure: figures.Figure, states: Mapping[str, int]) -> Iterable[Answer]:
    return (Answer(figure, (state,), count) for state, count in states.items())
