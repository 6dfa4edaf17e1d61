"""Every figure that Prometheus can read: its name, what it says, and by what it is told apart.

No label holds an address, a name or anything a mail says, and each has few values: servers and doors are
those of the settings, reasons and states are ours.
"""

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """How the values of several processes become one."""

    COUNTER = auto()
    """Added up, also those of processes that have ended."""
    HISTOGRAM = auto()
    """The same, in each of its buckets."""
    SUM = auto()
    """A state of now; added up over the processes that live."""
    LEAST = auto()
    """A state of now; the least of the processes that live."""

    @property
    def of_now(self) -> bool:
        """Whether it ends with its process."""
        return self in (Kind.SUM, Kind.LEAST)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    name: str
    kind: Kind
    words: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Of a histogram: the upper bounds of its buckets in seconds; beyond the last is one more."""

    @property
    def width(self) -> int:
        """How many values it takes: a histogram's buckets, and the sum of all that was observed."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A figure that was asked for just now."""

    figure: Figure
    labels: tuple[str, ...]
    value: float


WAITING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""From a next hop on the same machine to the longest that we wait for a reply."""

WORKING = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""From a statement that is found in memory to a database's patience."""

MESSAGES = Figure(
    "goen_messages_total",
    Kind.COUNTER,
    "Messages by what became of them: passed as they came, invited, refused or deferred by us.",
    ("outcome", "reason", "reply"),
)
COPIES = Figure(
    "goen_copies_total", Kind.COUNTER, "Copies of marked messages, by the outcome of each try.", ("state",)
)
REPORTS = Figure(
    "goen_reports_total", Kind.COUNTER, "Reports of refused recipients to the sender.", ("outcome",)
)
TURNED_AWAY = Figure(
    "goen_turned_away_total", Kind.COUNTER, "Connections ended outside of any mail.", ("door", "reason")
)
SUBMISSIONS = Figure(
    "goen_submissions_total", Kind.COUNTER, "Tries to hand a candidate to a partner.", ("outcome",)
)
SIGNATURE_FAILURES = Figure(
    "goen_signature_failures_total", Kind.COUNTER, "Copies that could not be signed.", ("reason",)
)
PROCESS_ENDS = Figure(
    "goen_process_ends_total", Kind.COUNTER, "Processes that ended unasked and were replaced.", ("process",)
)
RELOADS = Figure("goen_reloads_total", Kind.COUNTER, "Changes to new settings.", ("outcome",))
JOURNAL_EVENTS = Figure(
    "goen_journal_events_total",
    Kind.COUNTER,
    "What the journal tells of, also what it tells once for many.",
    ("event",),
)
NEXT_HOP = Figure(
    "goen_next_hop_seconds",
    Kind.HISTOGRAM,
    "How long the next hop took for each phase of its dialogue.",
    ("server", "phase"),
    WAITING,
)
NEXT_HOP_FAILURES = Figure(
    "goen_next_hop_failures_total", Kind.COUNTER, "Connections that failed.", ("server", "reason")
)
NEXT_HOP_CONNECTIONS = Figure(
    "goen_next_hop_connections", Kind.SUM, "Connections to the next hop.", ("server", "state")
)
NEXT_HOP_WAITING = Figure(
    "goen_next_hop_waiting", Kind.SUM, "Mails that wait for a connection to the next hop.", ("server",)
)
NEXT_HOP_UP = Figure(
    "goen_next_hop_up",
    Kind.LEAST,
    "Whether every process could reach the server when it last tried.",
    ("server",),
)
CONTENT = Figure("goen_content_bytes", Kind.SUM, "Content of mail that is under way.")
CONTENT_BUDGET = Figure("goen_content_budget_bytes", Kind.SUM, "How much of it there may be.")
SESSIONS = Figure("goen_sessions", Kind.SUM, "Sessions of clients that are open.", ("door",))
PROCESSES = Figure("goen_processes", Kind.SUM, "Processes at work.", ("part",))
LOOP_LAG = Figure(
    "goen_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late a process's event loop woke from a sleep of a second.",
    (),
    WORKING,
)
REWRITE = Figure(
    "goen_rewrite_seconds", Kind.HISTOGRAM, "Writing, checking and signing one copy.", (), WORKING
)
STORE = Figure(
    "goen_store_seconds",
    Kind.HISTOGRAM,
    "The database, from the question to the answer after the commit.",
    ("verb",),
    WORKING,
)
STORE_FAILURES = Figure(
    "goen_store_failures_total", Kind.COUNTER, "Questions that the database did not answer.", ("verb",)
)
LEDGER_CASES = Figure("goen_ledger_cases", Kind.SUM, "Candidates in the ledger.", ("state",))
LEDGER_COPIES = Figure(
    "goen_ledger_copies", Kind.SUM, "Copies in the ledger that are not accepted.", ("state",)
)
OUTBOX_LINES = Figure("goen_outbox_lines", Kind.SUM, "Submissions in the outbox.", ("state",))
BUILD = Figure("goen_build_info", Kind.SUM, "The version; always 1.", ("version",))

COUNTED = (
    *(MESSAGES, COPIES, REPORTS, TURNED_AWAY, SUBMISSIONS, SIGNATURE_FAILURES, PROCESS_ENDS, RELOADS),
    *(JOURNAL_EVENTS, NEXT_HOP, NEXT_HOP_FAILURES, NEXT_HOP_CONNECTIONS, NEXT_HOP_WAITING, NEXT_HOP_UP),
    *(CONTENT, CONTENT_BUDGET, SESSIONS, PROCESSES, LOOP_LAG, REWRITE, STORE, STORE_FAILURES),
)
"""What the processes keep in the shared memory, in the order in which it is shown."""

ASKED = (LEDGER_CASES, LEDGER_COPIES, OUTBOX_LINES, BUILD)
"""What is known only when it is asked for."""
