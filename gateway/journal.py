"""What the operator reads: one line per message or event, written by verbs.

No line carries an address, a name, a subject or content.
A trace id leads from the client's reply to the ledger.
An error is named by its class and place, never by its text: a foreign error may quote the mail.
"""

import contextlib
import errno
import io
import logging
import os
import queue
import stat
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import Protocol, TextIO, cast

import structlog

LINES_WAITING = 10_000
"""Lines kept for a reader that is slow: some megabytes."""

FAREWELL_SECONDS = 2
"""How long the end of the program waits for the journal's reader."""

TEMPORARY = 400
PERMANENT = 500
"""From here on a reply refuses for good (RFC 5321, section 4.2.1)."""


class Pump(io.TextIOBase):
    """A stream that never makes its writer wait: a thread carries the lines to a stream that may.

    A pipe whose reader hangs would otherwise stop every session, because the journal is written between them.
    """

    def __init__(self, stream: TextIO) -> None:
        """Lines that do not fit in the queue, or that `stream` refuses, are lost and counted."""
        self.lost = 0
        self._stream = stream
        self._waiting: queue.Queue[str | None] = queue.Queue(LINES_WAITING)
        self._thread = threading.Thread(target=self._carry, name="journal", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Hand a line over; OSError when too many wait already."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            raise OSError(errno.EAGAIN, "the journal's reader does not keep up") from None
        return len(text)

    def close(self) -> None:
        """Wait a moment for the lines that wait; a reader that hangs is not waited for."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(FAREWELL_SECONDS)

    def _carry(self) -> None:
        while (text := self._waiting.get()) is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                self.lost += 1


class Tally(Protocol):
    """Counts what is journalled."""

    def note(self, event: str, fields: Mapping[str, object]) -> None:
        """Count an event; never raises."""


class Journal:
    """The operator's log, with one verb for each thing that can happen; no verb ever raises.

    A journal that cannot be written must not make the gateway answer 451 for a mail that the next hop has.
    """

    def __init__(
        self,
        log: structlog.typing.FilteringBoundLogger,
        pump: Pump | None = None,
        tally: Tally | None = None,
    ) -> None:
        """`log` takes events with fields, and `pump` carries its lines; see `open_journal`."""
        self._log = log
        self._pump = pump
        self._tally = tally
        self._lost = 0

    def close(self) -> None:
        """Write what still waits; called once, when nothing is journalled any more."""
        if self._pump is not None:
            self._pump.close()

    def _write(self, level: int, event: str, *, told: bool = False, **fields: object) -> None:
        """Write one line; count the lines that could not be written, and tell of them when it works again.

        What has been `told` is counted and not written again.
        """
        if self._tally is not None:
            self._tally.note(event, fields)
        if told:
            return
        try:
            lost = self._lost + (self._pump.lost if self._pump else 0)
            if lost:
                self._log.log(logging.ERROR, "lines-lost", lines=lost)
                self._lost = -self._pump.lost if self._pump else 0
            self._log.log(level, event, **fields)
        except (OSError, ValueError):  # The disk is full, the reader is gone, the stream is closed.
            self._lost += 1

    def passed(
        self, trace_id: str, *, reason: str, size: int, recipients: int, reply: int, queue_id: str | None
    ) -> None:
        """A message left with the bytes it came with; `reason` is `unmarked` or why it was not rewritten.

        `queue_id` is the next hop's, where its reply tells one.
        """
        self._write(
            logging.INFO if reason == "unmarked" else logging.WARNING,
            "passed",
            id=trace_id,
            reason=reason,
            size=size,
            recipients=recipients,
            reply=reply,
            queue_id=queue_id,
        )

    def invited(self, trace_id: str, *, attempt: int, candidates: int, internal: int, reply: int) -> None:
        """A marked message was taken apart and its copies sent; the reply says with what success."""
        self._write(
            logging.INFO,
            "invited",
            id=trace_id,
            attempt=attempt,
            candidates=candidates,
            internal=internal,
            reply=reply,
        )

    def delivered(self, trace_id: str, *, delivery: int, queue_id: str | None) -> None:
        """A copy was accepted by the next hop."""
        self._write(logging.INFO, "delivered", id=trace_id, delivery=delivery, queue_id=queue_id)

    def undelivered(self, trace_id: str, *, delivery: int, state: str, reason: str) -> None:
        """A copy was not accepted on this try; `reason` is ours, not the next hop's words."""
        self._write(
            logging.WARNING, "undelivered", id=trace_id, delivery=delivery, state=state, reason=reason
        )

    def unclaimed(self, trace_id: str, *, reason: str) -> None:
        """The copies that wait for their final dot could not be claimed in the ledger; they get none."""
        self._write(logging.WARNING, "unclaimed", id=trace_id, reason=reason)

    def reported(self, trace_id: str, *, recipients: int, reply: int, queue_id: str | None) -> None:
        """The sender was told of refused recipients by a report; `reply` is the next hop's to it."""
        level = logging.INFO if reply < TEMPORARY else logging.WARNING
        self._write(level, "reported", id=trace_id, recipients=recipients, reply=reply, queue_id=queue_id)

    def unreported(self, trace_id: str, *, reason: str) -> None:
        """The report of refused recipients could not be sent; the client tries the message again."""
        self._write(logging.WARNING, "unreported", id=trace_id, reason=reason)

    def declined(self, trace_id: str, *, reason: str, reply: int, told: bool = False) -> None:
        """A message was refused (5xx) or deferred (4xx) by us, not by the next hop.

        `told`: the client has heard the same before in its session, so that one line is enough.
        """
        self._write(
            logging.WARNING,
            "refused" if reply >= PERMANENT else "deferred",
            told=told,
            id=trace_id,
            reason=reason,
            reply=reply,
        )

    def turned_away(self, door: str, *, reason: str, told: bool = False) -> None:
        """A connection to a door ended outside of any mail, for a reason of ours.

        `told`: it happened a moment ago as well, and a flood must not fill the journal.
        """
        self._write(logging.WARNING, "turned-away", told=told, door=door, reason=reason)

    def certificate_ends(self, door: str, *, days: int) -> None:
        """A door's certificate ends soon, or has ended (no days left): clients that check will go away."""
        self._write(logging.WARNING, "certificate-ends", door=door, days=days)

    def almost(self, trace_id: str, found: str) -> None:
        """Something looks like a marker and is none; the recruiter's template has a mistake in it."""
        self._write(logging.WARNING, "almost-a-marker", id=trace_id, found=found)

    def meaningless(self, trace_id: str, *, words: int) -> None:
        """A marker has words that are no attribute of ours, and they are ignored.

        They are counted and not named: a name without quotes leaves a part of it behind.
        """
        self._write(logging.WARNING, "unknown-words", id=trace_id, words=words)

    def contradicting(self, trace_id: str, *, what: str, sources: Sequence[str]) -> None:
        """Two places of a marked message contradict each other on `what`: name, job, stage or language.

        `sources` names the places, the likelier first; what stands there is personal data.
        """
        self._write(logging.WARNING, "contradiction", id=trace_id, what=what, sources=",".join(sources))

    def unsettled(self, trace_id: str, *, delivery: int, state: str) -> None:
        """A copy's outcome could not be recorded yet; this line is the spare record."""
        self._write(logging.ERROR, "unsettled", id=trace_id, delivery=delivery, state=state)

    def consented(self, *, case: int, partner: str, kind: str) -> None:
        """A person answered on the consent page."""
        self._write(logging.INFO, "answered", case=case, partner=partner, kind=kind)

    def submitted(self, *, key: str, partner: str, acknowledged: bool) -> None:
        """A submission reached its partner."""
        self._write(logging.INFO, "submitted", key=key, partner=partner, acknowledged=acknowledged)

    def postponed(self, *, key: str, partner: str, error: str, attempt: int) -> None:
        """A submission did not reach its partner and waits for another try."""
        self._write(logging.WARNING, "postponed", key=key, partner=partner, error=error, attempt=attempt)

    def buried(self, *, key: str, partner: str, error: str, attempt: int) -> None:
        """A submission was given up; a person must look at it."""
        self._write(logging.ERROR, "gave-up", key=key, partner=partner, error=error, attempt=attempt)

    def server_lost(self, server: str, reason: str) -> None:
        """No new connection to this server of the next hop can be had; mail takes the next one, or waits."""
        self._write(logging.WARNING, "next-hop-lost", server=server, reason=reason)

    def server_back(self, server: str) -> None:
        """This server of the next hop can be reached again."""
        self._write(logging.INFO, "next-hop-back", server=server)

    def store_down(self, where: str) -> None:
        """The database cannot be reached; `where` names the loop or page that noticed."""
        self._write(logging.ERROR, "store-unavailable", where=where)

    def crashed(self, trace_id: str, error: BaseException) -> None:
        """A mistake in this program; the client got a 451 or a 500 page."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
        self._write(logging.ERROR, "crashed", id=trace_id, error=type(error).__name__, where=where)

    def unprepared(self, missing: str) -> None:
        """A setting is missing without which nobody is invited: marked mail passes as it came."""
        self._write(logging.WARNING, "unprepared", missing=missing)

    def started(self, what: str, where: str) -> None:
        """A listener or loop is up."""
        self._write(logging.INFO, "started", what=what, where=where)

    def not_reloaded(self, why: str) -> None:
        """SIGHUP came, and something is wrong with what it made us read; all goes on as before."""
        self._write(logging.ERROR, "not-reloaded", why=why)

    def reloaded(self) -> None:
        """SIGHUP came; processes with the new settings have taken over, the old ones finish their mails."""
        self._write(logging.INFO, "reloaded")

    def process_ended(self, name: str, why: str) -> None:
        """A process ended that nobody had asked to; another takes its place, or the start has failed."""
        self._write(logging.ERROR, "process-ended", process=name, why=why)

    def stopping(self, why: str) -> None:
        """The program was asked to stop; open transactions are finished first."""
        self._write(logging.INFO, "stopping", why=why)

    def stopped(self) -> None:
        """Everything is finished and closed."""
        self._write(logging.INFO, "stopped")


def open_journal(form: str = "auto", stream: TextIO | None = None, tally: Tally | None = None) -> Journal:
    """Open the journal on `stream` (standard error by default); `tally` counts what it tells of.

    `form` is `json` (one object per line), `console` (for eyes), or `auto`: console on a terminal, else json.
    """
    out = stream if stream is not None else sys.stderr
    to_eyes = form == "console" or (form == "auto" and out.isatty())
    pump = Pump(out) if _may_block(out) else None
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if to_eyes
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    logger = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", pump or out)),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return Journal(logger, pump, tally)


def _may_block(stream: TextIO) -> bool:
    """Whether writing may wait for a reader: a pipe, a socket, a terminal; not a file."""
    try:
        return not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
