"""What one process has of the figures: where it counts, and how it shows those of all."""

from collections.abc import Awaitable, Callable

import gateway
from gateway.metrics import figures
from gateway.metrics.counts import Counts
from gateway.metrics.journal_counts import JournalCounts
from gateway.metrics.ledger_states import LedgerStates
from gateway.metrics.memory import Memory
from store.database import Store


class Metrics:
    """One process's share in the figures."""

    def __init__(self, memory: Memory) -> None:
        """`memory` is that of the whole gateway; this process takes a lane in it."""
        self._memory = memory
        self.counts = Counts(memory.claim())
        self.tally = JournalCounts(self.counts)

    def expose_with(self, store: Store) -> Callable[[str], Awaitable[tuple[bytes, str]]]:
        """Return what makes the text of all figures; `store` is asked for the states in the ledger."""
        ledger = LedgerStates(store)
        build = figures.Answer(figures.BUILD, (gateway.__version__,), 1)

        async def text(accept: str) -> tuple[bytes, str]:
            # Only a process that is asked needs the library.
            from gateway.metrics.exposition import add_up, expose

            return expose(add_up(self._memory.read()), [*await ledger.answers(), build], accept)

        return text
