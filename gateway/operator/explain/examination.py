"""What would become of one mail: pure, with the functions that `goen serve` runs, in the same order.

The order is that of `gateway.message_journey`. It differs in one thing: where the settings are incomplete,
the journey passes marked mail at once, and here samples stand in, so that the rest can be seen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from gateway import replies
from gateway.copies import Copy, MarkedMessage, PassReason, Unfit, split_recipients
from gateway.envelope import Envelope
from gateway.mail import eligible, marker, trace
from gateway.mail.coded import Coded
from gateway.mail.dkim_sign import SigningKey
from gateway.mail.eligible import Reading, Reason
from gateway.mail.notice import read_letter
from gateway.operator.explain import advice, copies_seen
from gateway.operator.explain.circumstances import Circumstances
from gateway.operator.explain.explanation import CandidateSeen, CopySeen, Explanation, Outcome, PartSeen
from gateway.operator.explain.parts_seen import leaves_of, see_parts
from gateway.replies import Reply
from store.records import CopyKind

MAX_HOPS = 100
"""As `gateway.message_journey.MAX_HOPS`, which would bring the database's modules along."""

_REFUSALS = {
    trace.Fault.BARE_CR: replies.bare_line_ending(),
    trace.Fault.BARE_LF: replies.bare_line_ending(),
    trace.Fault.NUL: replies.nul_byte(),
}


@dataclass(frozen=True, slots=True)
class Case:
    """All that an explanation depends on."""

    content: bytes = field(repr=False)
    """As the wire has it."""
    envelope: Envelope = field(repr=False)
    circumstances: Circumstances
    date: str
    """Of arrival, in the form of RFC 5322."""
    notes: tuple[str, ...] = ()
    """What was assumed on the way here."""


@dataclass(frozen=True, slots=True)
class _Decision:
    """What becomes of it: refused with `reply`, passed for `reason`, or else rewritten."""

    reply: Reply | None = None
    reason: Coded | None = None
    copies: tuple[CopySeen, ...] = ()
    """Given beside `reason` when only settings are missing."""


def explain(case: Case, *, quick_search: Callable[[bytes], bool] = marker.might_be_marked) -> Explanation:
    """Explain a mail; any bytes give an explanation.

    `quick_search` tells whether a mail can hold a marker; what it misses is a defect.
    """
    reading = _read(case)
    found_quickly = quick_search(case.content)
    decision = _decide(case, reading, found_quickly=found_quickly)
    leaves = leaves_of(case.content, reading)
    seen = see_parts(case.content, reading, leaves, rewritten=bool(decision.copies))
    defects = [advice.PREFILTER_DEFECT] if not found_quickly and _has_marker(reading) else []
    if decision.reason is PassReason.CHECK_FAILED:
        defects.append(advice.HINTS[PassReason.CHECK_FAILED])
    _, others = split_recipients(case.envelope, case.circumstances.scribe.rules)
    return Explanation(
        outcome=_outcome(decision),
        reason=_code(decision),
        verdict=_verdict(decision),
        advice=tuple(_advice(case, decision, reading, seen)),
        defects=tuple(defects),
        notes=(*case.notes, *case.circumstances.notes),
        octets=len(case.content),
        sender=copies_seen.address(case.envelope.sender.address),
        candidates=_candidates(case, reading),
        others=tuple(copies_seen.address(other.address) for other in others),
        marker=reading.marker,
        marked_by_header=bool(reading.root.named_fields(marker.HEADER)),
        parts=seen,
        copies=decision.copies,
    )


def files(case: Case, explanation: Explanation) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each copy of an explained mail, as they would be sent.

    They are written anew, because one mail may have very many; none for a mail that passes.
    """
    if explanation.copies:
        reading = _read(case)
        for number, copy in enumerate(_written(case, reading), start=1):
            yield copies_seen.file_name(copy, number), copy.content


def _read(case: Case) -> Reading:
    return eligible.read(
        case.content,
        stamp_key=case.circumstances.scribe.stamp_key,
        null_sender=not case.envelope.sender.address,
    )


def _decide(case: Case, reading: Reading, *, found_quickly: bool) -> _Decision:
    if fault := trace.fault(case.content):
        return _Decision(reply=_REFUSALS[fault])
    if trace.hops(case.content) > MAX_HOPS:
        return _Decision(reply=replies.too_many_hops())
    if not found_quickly:
        return _Decision(reason=PassReason.UNMARKED)
    if reading.unfit or not reading.marker:
        return _Decision(reason=reading.unfit or PassReason.UNMARKED)
    try:
        copies = tuple(copies_seen.see_copies(case.content, reading, _written(case, reading)))
    except Unfit as unfit:
        return _Decision(reason=unfit.reason)
    return _Decision(reason=PassReason.UNPREPARED if case.circumstances.missing else None, copies=copies)


def _written(case: Case, reading: Reading) -> Iterator[Copy]:
    """Write each copy; raises `Unfit`. Without keys a stand-in signs, and its signature is taken off."""
    scribe, stand_in = case.circumstances.scribe, case.circumstances.stand_in_key
    domain = trace.from_domain(case.content)
    if stand_in is not None and domain:
        key = SigningKey(domain, b"stand-in", "ed25519-sha256", stand_in)
        scribe = replace(scribe, signing_keys={domain: (key,)})
    print_of = trace.fingerprint(case.envelope.sender.address, case.content)
    message = MarkedMessage(case.envelope, case.content, reading, print_of)
    for planned in scribe.plan(message).copies:
        copy = scribe.write(message, planned, partners=case.circumstances.partners, date=case.date)
        if not copy.content.endswith(b"\r\n"):
            # The end of data needs one, so whoever sends adds it (RFC 5321, section 4.1.1.4).
            copy = replace(copy, content=copy.content + b"\r\n")
        if stand_in is not None and domain:
            copy = replace(copy, content=trace.without_own_signatures(copy.content, domain))
        yield copy


def _has_marker(reading: Reading) -> bool:
    return reading.marker is not None or reading.unfit is Reason.QUOTED


def _candidates(case: Case, reading: Reading) -> tuple[CandidateSeen, ...]:
    candidates, _ = split_recipients(case.envelope, case.circumstances.scribe.rules)
    letter = read_letter(case.content, reading)
    found = []
    for candidate in candidates:
        notice = letter.notice(candidate.address, alone=len(candidates) == 1)
        found.append(
            CandidateSeen(
                address=copies_seen.address(candidate.address),
                name=notice.name,
                job=notice.job,
                stage=notice.stage,
                language=notice.language,
                conflicts=notice.conflicts,
            )
        )
    return tuple(found)


def _outcome(decision: _Decision) -> Outcome:
    if decision.reply is not None:
        return Outcome.REFUSED
    return Outcome.PASSES if decision.reason is not None else Outcome.REWRITTEN


def _code(decision: _Decision) -> str | None:
    if decision.reply is not None:
        return f"{decision.reply.code} {decision.reply.text()}"
    return decision.reason.value if decision.reason is not None else None


def _verdict(decision: _Decision) -> str:
    if decision.reply is not None:
        return f"This mail would be refused: {_code(decision)}"
    if decision.reason is not None:
        return f"This mail passes as it came: {decision.reason.sentence} ({decision.reason.value})"
    return f"This mail would be rewritten: {_who_gets_what(decision.copies)}."


def _who_gets_what(copies: tuple[CopySeen, ...]) -> str:
    invited = sum(copy.kind is CopyKind.CANDIDATE for copy in copies)
    others = sum(len(copy.recipients) for copy in copies if copy.kind is CopyKind.INTERNAL)
    words = {0: "nobody gets", 1: "1 candidate gets"}.get(invited, f"{invited} candidates get")
    words += " an invitation"
    if others:
        words += ", 1 other recipient gets" if others == 1 else f", {others} other recipients get"
        words += " a copy without the marker"
    return words


def _advice(case: Case, decision: _Decision, reading: Reading, seen: tuple[PartSeen, ...]) -> Iterator[str]:
    if decision.reason is PassReason.UNPREPARED:
        missing = ", ".join(case.circumstances.missing)
        yield f"Missing in the settings: {missing}. With them, {_who_gets_what(decision.copies)}."
        return
    if decision.reason is not None:
        yield from advice.advise(decision.reason, reading, seen)
        return
    if decision.copies and all(copy.kind is CopyKind.INTERNAL for copy in decision.copies):
        yield advice.REHEARSAL
    if reading.marker is not None and reading.marker.unknown:
        yield advice.unknown_words(reading.marker.unknown)
    yield from advice.almost(seen)
