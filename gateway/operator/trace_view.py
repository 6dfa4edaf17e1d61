"""The story of a message as lines for a person, and as JSON for a program.

Names, addresses and the next hop's words, which may quote an address, are left out unless asked for.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway.operator.explain.harmless import harmless
from gateway.operator.terminal import Line, Style
from gateway.operator.trace import Found
from gateway.operator.trace_journal import JournalLine
from gateway.replies import Reply
from store.stories import StoredMessage, TracedCopy, TracedSubmission

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")
"""RFC 3463."""

_PERSONAL = ("mail_from", "recipients", "reply_text")


def queue_id(copy: TracedCopy) -> str | None:
    """Return the next hop's id for a copy, where its last reply told one."""
    return _reply(copy).queue_id if copy.reply_code else None


def as_json(asked: str, found: Found, *, personal: bool) -> str:
    """Return one JSON object."""
    return json.dumps(
        {
            "id": asked,
            "ledger_asked": found.ledger_asked,
            "messages": [_message_object(message, personal=personal) for message in found.messages],
            "journal": [{"timestamp": n.at, "event": n.event, **n.fields} for n in found.lines],
        },
        indent=2,
        default=_plain,
    )


def as_lines(found: Found, *, personal: bool) -> Iterator[Line]:
    """Yield the lines for a terminal."""
    for line in _all_lines(found, personal=personal):
        yield Line(harmless(line.text), line.style)


def _message_object(message: StoredMessage, *, personal: bool) -> dict[str, Any]:
    told = asdict(message)
    for copy, written in zip(message.copies, told["copies"], strict=True):
        written["queue_id"] = queue_id(copy)
        written["status"] = _status(copy)
    for each in [] if personal else [told, *told["copies"]]:
        for name in _PERSONAL:
            each.pop(name, None)
    return told


def _all_lines(found: Found, *, personal: bool) -> Iterator[Line]:
    for message in found.messages:
        first, *others = message.arrivals
        yield Line(f"{first.trace_id}  came {_time(first.at)}", Style.HEADING)
        yield from (Line(f"  again {_time(other.at)} as {other.trace_id}") for other in others)
        if personal:
            yield Line(f"  from <{message.mail_from}>")
        for copy in message.copies:
            yield from _copy_lines(copy, personal=personal)
    if found.lines:
        yield Line("Journal", Style.HEADING)
        yield from map(_journal_line, found.lines)


def _copy_lines(copy: TracedCopy, *, personal: bool) -> Iterator[Line]:
    whom = f" to {', '.join(f'<{one}>' for one in copy.recipients)}" if personal else ""
    tries = "not tried yet" if not copy.attempts else f"try {copy.attempts}, the last as {copy.claimed_by}"
    yield Line(f"  copy {copy.id} ({copy.kind}){whom}: {copy.state}; {tries}", _style(copy))
    if copy.reply_code is not None and copy.settled_at is not None:
        words = copy.reply_text if personal else _status(copy)
        kept = f", queue id {queue_id(copy)}" if queue_id(copy) else ""
        yield Line(f"    next hop {_time(copy.settled_at)}: {copy.reply_code} {words or ''}".rstrip() + kept)
    if copy.case_state is not None:
        yield Line(f"    candidate, case {copy.case_id}: {copy.case_state}")
    for answer in copy.answers:
        yield Line(f"    answer {_time(answer.at)}: {answer.kind} for {answer.partner_id}")
    yield from (Line(_submission(one)) for one in copy.submissions)


def _submission(one: TracedSubmission) -> str:
    parts = [f"    submission {one.key} to {one.partner_id}: {one.state or 'gone from the outbox'}"]
    if one.sent_at:
        parts.append(f"sent {_time(one.sent_at)}")
    elif one.due_at:
        parts.append(f"try {one.attempts}, due {_time(one.due_at)}")
    if one.acknowledged_at:
        parts.append(f"acknowledged {_time(one.acknowledged_at)} as {one.partner_reference or 'nothing'}")
    if one.last_error:
        parts.append(f"last error: {one.last_error}")
    return ", ".join(parts)


def _journal_line(line: JournalLine) -> Line:
    fields = " ".join(f"{name}={value}" for name, value in line.fields.items() if value is not None)
    return Line(f"  {line.at} {line.event} {fields}".rstrip())


def _style(copy: TracedCopy) -> Style:
    return Style.GOOD if copy.state.done else Style.WARNING


def _status(copy: TracedCopy) -> str | None:
    found = _STATUS.match(copy.reply_text or "")
    return found[0] if found else None


def _reply(copy: TracedCopy) -> Reply:
    return Reply(copy.reply_code or 0, ((copy.reply_text or "").encode("utf-8", "replace"),))


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return _time(value)
    raise TypeError(type(value).__name__)
