"""`goen trace`: the story of one message, from any id that stands in somebody's log.

    our id          in our replies, in the Received field of a copy, in every line of the journal
    Message-ID      marked mail only, by a blind index in the ledger; the journal has none
    queue id        the next hop's: in its reply, which the client's log repeats, and in the journal

The ledger knows marked mail; other mail is in the journal alone.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from gateway.operator.trace_journal import JournalLine, JournalReader
from store import tracing
from store.database import Store
from store.errors import StoreUnavailable
from store.stories import StoredMessage

_OURS = re.compile(r"G-[A-Z2-7]{16}")
"""See `gateway.wiring.new_trace_id`."""


class Kind(Enum):
    """What an id is."""

    OURS = auto()
    MESSAGE_ID = auto()
    QUEUE_ID = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of an id."""

    messages: tuple[StoredMessage, ...]
    lines: tuple[JournalLine, ...]
    ledger_asked: bool = True
    """Whether the ledger could be asked; if not, `messages` is empty."""

    def __bool__(self) -> bool:
        """Whether anything is."""
        return bool(self.messages or self.lines)


def kind_of(asked: str) -> Kind:
    """Return what an id is, by its form."""
    if _OURS.fullmatch(asked):
        return Kind.OURS
    return Kind.MESSAGE_ID if "@" in asked or asked.startswith("<") else Kind.QUEUE_ID


def look_up(asked: str, open_store: Callable[[], Store], journal: JournalReader | None) -> Found:
    """Find a message in the ledger, and in a journal if one is given.

    With a journal, a ledger that cannot be asked now is no failure; else raises `StoreError`.
    """
    try:
        with open_store() as store:
            return _look_up(asked, store, journal)
    except StoreUnavailable:
        if journal is None:
            raise
        return _look_up(asked, None, journal)


def _look_up(asked: str, store: Store | None, journal: JournalReader | None) -> Found:
    kind = kind_of(asked)
    ids: list[str] = [asked] if kind is Kind.OURS else []
    if kind is Kind.QUEUE_ID and journal is not None:
        told = (line for line in journal.lines([asked]) if line.fields.get("queue_id") == asked)
        ids = list(dict.fromkeys(line.trace_id for line in told if line.trace_id))
    messages: tuple[StoredMessage, ...] = ()
    if store is not None and kind is Kind.MESSAGE_ID:
        messages = store.call(tracing.find_by_message_id, asked)
    elif store is not None:
        found = (message for each in ids for message in store.call(tracing.find_by_trace_id, each))
        messages = tuple({message.id: message for message in found}.values())
    lines = tuple(_lines(journal, ids, messages)) if journal is not None else ()
    return Found(messages, lines, ledger_asked=store is not None)


def hint(asked: str, *, journal: bool) -> str:
    """Return where to look for what was not found."""
    kind = kind_of(asked)
    if kind is Kind.MESSAGE_ID:
        return (
            f"No marked mail with the Message-ID {asked} has come. Other mail is not found by it: "
            "take the queue id from your mail server's log, where it has the next mail server's reply, "
            "and ask: goen trace QUEUE-ID --journal FILE"
        )
    if not journal:
        what = "marked mail" if kind is Kind.OURS else "nothing by this id"
        return (
            f"{asked} is not in the ledger, which has {what}. What became of other mail is in the journal: "
            f"goen trace {asked} --journal FILE, or "
            f"journalctl -o cat -u goen | goen trace {asked} --journal -"
        )
    return (
        f"{asked} is neither in the ledger nor in this journal. "
        "Look in an older journal, in that of another node, or in the log of the next mail server."
    )


def _lines(
    journal: JournalReader, ids: Sequence[str], messages: Sequence[StoredMessage]
) -> Iterable[JournalLine]:
    """Yield what the journal tells of the message under any of its ids, and of its submissions."""
    own = {*ids, *(arrival.trace_id for message in messages for arrival in message.arrivals)}
    keys = {line.key for message in messages for copy in message.copies for line in copy.submissions}
    for line in journal.lines(own | keys):
        if line.trace_id in own or line.fields.get("key") in keys:
            yield line
