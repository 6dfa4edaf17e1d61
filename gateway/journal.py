"""What the operator reads: one line per message or event, written by verbs.

No line carries an address, a name, a subject or content.
A trace id leads from the client's reply to the ledger.
An error is named by its class and place, never by its text: a foreign error may quote the mail.
"""

import logging
import sys
import traceback
from typing import TextIO

import structlog


class Journal:
    """The operator's log, with one verb for each thing that can happen."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        """`log` takes events with fields; see `open_journal`."""
        self._log = log

    def passed(self, trace_id: str, *, reason: str, size: int, recipients: int, reply: int) -> None:
        """A message left with the bytes it came with; `reason` is `unmarked` or why it was not rewritten."""
        level = logging.INFO if reason == "unmarked" else logging.WARNING
        self._log.log(
            level, "passed", id=trace_id, reason=reason, size=size, recipients=recipients, reply=reply
        )

    def invited(self, trace_id: str, *, attempt: int, candidates: int, internal: int, reply: int) -> None:
        """A marked message was taken apart and its copies sent; the reply says with what success."""
        self._log.info(
            "invited", id=trace_id, attempt=attempt, candidates=candidates, internal=internal, reply=reply
        )

    def undelivered(self, trace_id: str, *, delivery: int, state: str, reason: str) -> None:
        """A copy was not accepted on this try; `reason` is ours, not the next hop's words."""
        self._log.warning("undelivered", id=trace_id, delivery=delivery, state=state, reason=reason)

    def declined(self, trace_id: str, *, reason: str, reply: int) -> None:
        """A message was refused (5xx) or deferred (4xx) by us, not by the next hop."""
        self._log.warning("refused" if reply >= 500 else "deferred", id=trace_id, reason=reason, reply=reply)  # noqa: PLR2004  # RFC 5321, section 4.2.1

    def almost(self, trace_id: str, found: str) -> None:
        """Something looks like a marker and is none; the recruiter's template has a mistake in it."""
        self._log.warning("almost-a-marker", id=trace_id, found=found)

    def unsettled(self, trace_id: str, *, delivery: int, state: str) -> None:
        """A copy's outcome could not be recorded yet; this line is the spare record."""
        self._log.error("unsettled", id=trace_id, delivery=delivery, state=state)

    def consented(self, *, case: int, partner: str, kind: str) -> None:
        """A person answered on the consent page."""
        self._log.info("answered", case=case, partner=partner, kind=kind)

    def submitted(self, *, key: str, partner: str, acknowledged: bool) -> None:
        """A submission reached its partner."""
        self._log.info("submitted", key=key, partner=partner, acknowledged=acknowledged)

    def postponed(self, *, key: str, partner: str, error: str, attempt: int) -> None:
        """A submission did not reach its partner and waits for another try."""
        self._log.warning("postponed", key=key, partner=partner, error=error, attempt=attempt)

    def buried(self, *, key: str, partner: str, error: str, attempt: int) -> None:
        """A submission was given up; a person must look at it."""
        self._log.error("gave-up", key=key, partner=partner, error=error, attempt=attempt)

    def store_down(self, where: str) -> None:
        """The database cannot be reached; `where` names the loop or page that noticed."""
        self._log.error("store-unavailable", where=where)

    def crashed(self, trace_id: str, error: BaseException) -> None:
        """A mistake in this program; the client got a 451 or a 500 page."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
        self._log.error("crashed", id=trace_id, error=type(error).__name__, where=where)

    def unprepared(self, missing: str) -> None:
        """A setting is missing without which nobody is invited: marked mail passes as it came."""
        self._log.warning("unprepared", missing=missing)

    def started(self, what: str, where: str) -> None:
        """A listener or loop is up."""
        self._log.info("started", what=what, where=where)

    def not_reloaded(self) -> None:
        """SIGHUP came; settings are read at start only."""
        self._log.warning("not-reloaded", hint="restart to read the settings again")

    def stopping(self, why: str) -> None:
        """The program was asked to stop; open transactions are finished first."""
        self._log.info("stopping", why=why)

    def stopped(self) -> None:
        """Everything is finished and closed."""
        self._log.info("stopped")


def open_journal(form: str = "auto", stream: TextIO | None = None) -> Journal:
    """Open the journal on `stream` (standard error by default).

    `form` is `json` (one object per line), `console` (for eyes), or `auto`: console on a terminal, else json.
    """
    out = stream if stream is not None else sys.stderr
    to_eyes = form == "console" or (form == "auto" and out.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if to_eyes
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    logger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return Journal(logger)
