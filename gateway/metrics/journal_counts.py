"""The journal's events as figures: whatever the operator is told of is counted, in one place.

The fields of a line are free of personal data, but a reason may end in words that differ each time: as a
label goes only the code it begins with.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from gateway.metrics import figures
from gateway.metrics.counts import Counts

Fields = Mapping[str, object]

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,47}(?=\Z|:)|[45]\.\d{1,3}\.\d{1,3}(?= )")
"""A reason of ours, what stands before its details, or an enhanced status code (RFC 3463)."""

_UNSIGNED: Final = frozenset({"cannot-sign", "no-signing-key"})


class JournalCounts:
    """Counts the events of one process's journal; called on one thread."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def note(self, event: str, fields: Fields) -> None:
        """Count one event."""
        self._counts.add(figures.JOURNAL_EVENTS, event)
        count = _EVENTS.get(event)
        if count is not None:
            count(self._counts, fields)


@lru_cache(maxsize=256)
def code(reason: str) -> str:
    """Return what of a reason may be a label."""
    found = _CODE.match(reason)
    return found[0] if found else "other"


def _message(outcome: str) -> Callable[[Counts, Fields], None]:
    def count(counts: Counts, fields: Fields) -> None:
        reason = code(str(fields.get("reason", "marked")))
        counts.add(figures.MESSAGES, outcome, reason, f"{str(fields['reply'])[:1]}xx")
        if reason in _UNSIGNED:
            counts.add(figures.SIGNATURE_FAILURES, reason)

    return count


def _copy(counts: Counts, fields: Fields) -> None:
    counts.add(figures.COPIES, str(fields.get("state", "accepted")))
    if fields.get("reason") in _UNSIGNED:
        counts.add(figures.SIGNATURE_FAILURES, str(fields["reason"]))


def _turned_away(counts: Counts, fields: Fields) -> None:
    counts.add(figures.TURNED_AWAY, str(fields["door"]), code(str(fields["reason"])))


def _process_ended(counts: Counts, fields: Fields) -> None:
    counts.add(figures.PROCESS_ENDS, str(fields["process"]))


def _outcome(figure: figures.Figure, outcome: str) -> Callable[[Counts, Fields], None]:
    def count(counts: Counts, _fields: Fields) -> None:
        counts.add(figure, outcome)

    return count


_EVENTS: Mapping[str, Callable[[Counts, Fields], None]] = {
    "passed": _message("passed"),
    "invited": _message("invited"),
    "refused": _message("refused"),
    "deferred": _message("deferred"),
    "delivered": _copy,
    "undelivered": _copy,
    "reported": _outcome(figures.REPORTS, "sent"),
    "unreported": _outcome(figures.REPORTS, "failed"),
    "turned-away": _turned_away,
    "submitted": _outcome(figures.SUBMISSIONS, "submitted"),
    "postponed": _outcome(figures.SUBMISSIONS, "postponed"),
    "gave-up": _outcome(figures.SUBMISSIONS, "gave-up"),
    "process-ended": _process_ended,
    "reloaded": _outcome(figures.RELOADS, "reloaded"),
    "not-reloaded": _outcome(figures.RELOADS, "kept"),
}
