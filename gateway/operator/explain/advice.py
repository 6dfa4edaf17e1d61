"""What can be done about it: for each reason a hint, and for a marker that is none what to write instead."""

from collections.abc import Callable, Iterator, Mapping

from gateway.copies import PassReason
from gateway.mail.coded import Coded
from gateway.mail.eligible import Reading, Reason
from gateway.operator.explain.explanation import PartSeen, Role

_REPORT = (
    "This is a mistake of the gateway. Please report it with a mail that shows it and holds nobody's data."
)

HINTS: Mapping[Coded, str] = {
    Reason.NULL_SENDER: "If this is no bounce, name the envelope's real sender with --from ADDRESS.",
    Reason.STAMPED: "Nothing to do: it has its invitation. Explain the mail as it was before the gateway.",
    Reason.AUTOMATIC: "Let the sending tool leave out Auto-Submitted and X-Auto-Response-Suppress for "
    "rejections, or send them by hand.",
    Reason.LIST: "Let the sending tool leave out the List fields and Precedence for rejections, which go to "
    "one person.",
    Reason.RESENT: "Send the rejection anew instead of redirecting it.",
    Reason.REPORT: "Nothing to do: reports are never touched.",
    Reason.TOO_DEEP: "Write the rejection as a new mail instead of forwarding a forwarded one.",
    Reason.HEADER_TOO_LARGE: "Look in the header for the field that is so long, or write a new mail.",
    Reason.TWO_CONTENT_TYPES: "Report this to the maker of the sending tool; a part declares its type once.",
    Reason.BROKEN_HEADER: "Look in the header for a line that is no field, and for its last, empty line.",
    Reason.SIGNED: "Send rejections unsigned, or let a server behind the gateway sign them.",
    Reason.ENCRYPTED: "Send rejections unencrypted, or let a server behind the gateway encrypt them.",
    Reason.TNEF: "Send rejections as HTML or plain text, not as Rich Text; Exchange has a setting for each "
    "remote domain (Set-RemoteDomain -TNEFEnabled $false).",
    Reason.CALENDAR: "Send the rejection without the meeting.",
    Reason.INTERACTIVE: "Let the sending tool write plain text and HTML only.",
    Reason.UNIVERSAL_CHARSET: "Let the sending tool write UTF-8 or ISO-2022-JP.",
    Reason.UNDECODABLE: "Let the sending tool write UTF-8 or ISO-2022-JP, and declare it.",
    Reason.CONTRADICTING: "Let all markers of the mail say the same, or leave only one of them.",
    Reason.TOO_MANY_MARKERS: "Leave one marker in each text of the mail.",
    Reason.QUOTED: "Write the marker into your own text, above the quoted mail.",
    Reason.ATTACHED: "Write the marker into the text of the mail itself.",
    Reason.HIDDEN: "Write the marker where a reader of the mail sees it; white letters will do.",
    Reason.NO_BODY: "Write the marker into a text that the mail shows; the invitation needs a place in one.",
    PassReason.UNMARKED: "To invite, write [[relay:rejection]] on a line of its own, where the invitation "
    "shall stand.",
    PassReason.UNPREPARED: "Fill in what is missing in the settings.",
    PassReason.NO_PARTNER: "Add a partner with `goen partner add`.",
    PassReason.NO_AUTHOR: "Give the mail a From field with an address.",
    PassReason.NO_SIGNING_KEY: "Add a key for this domain, or for one above it, under dkim.keys, and publish "
    "its record in DNS.",
    PassReason.CANNOT_CARRY: "Let the sending tool write UTF-8, and look whether each part's header ends in "
    "an empty line.",
    PassReason.CANNOT_SIGN: "Look in the header for lines that are no fields, and report them to the maker "
    "of the sending tool.",
    PassReason.CHECK_FAILED: _REPORT,
}
"""By reason: what the operator or the recruiter can do."""

_ATTRIBUTES = ("tpl", "job", "stage", "name", "skills", "reason")

PREFILTER_DEFECT = f"The quick search missed a marker that the full one finds. {_REPORT}"
REHEARSAL = "No recipient is a candidate. To see the invitation, name one with --to ADDRESS."


def advise(reason: Coded, reading: Reading, parts: tuple[PartSeen, ...]) -> Iterator[str]:
    """Yield what to do about a mail that passes as it came, the likeliest help first.

    Nothing for a failed check, which is a defect.
    """
    mistakes = list(almost(parts))
    if reason is PassReason.UNMARKED:
        mistakes += _hidden(reading, parts)
    yield from mistakes
    if (details := _DETAILS.get(reason)) is not None:
        yield from details(parts)
    if (not mistakes or reason is not PassReason.UNMARKED) and reason is not PassReason.CHECK_FAILED:
        yield HINTS[reason]
    if reason is PassReason.UNMARKED and reading.unfit is not None:
        yield f"With a marker it would pass as well: {reading.unfit.sentence} ({reading.unfit.value})"


def unknown_words(words: tuple[str, ...]) -> str:
    """Say which words of a marker are none of its attributes."""
    return f"The marker has words that mean nothing: {', '.join(words)}. It knows {', '.join(_ATTRIBUTES)}."


def almost(parts: tuple[PartSeen, ...]) -> Iterator[str]:
    """Yield what is almost a marker, where it stands and what to write instead."""
    for part in parts:
        for one in part.almost:
            yield f"{_place(part, one.line)} has “{one.words}”, which is almost a marker: {_mend(one.words)}"


def _hidden(reading: Reading, parts: tuple[PartSeen, ...]) -> Iterator[str]:
    """Yield the markers that stand where nobody looks for one."""
    seen = {one.words for part in parts for one in part.almost}
    for words in reading.almost:
        if words not in seen:
            yield (
                f"“{words}” stands only in the Subject, or in a tag, a comment or a title of the HTML: "
                "write it into the text."
            )


def _mend(words: str) -> str:
    if words.lower() != "[[relay:rejection":
        return "write [[relay:rejection]]."
    return (
        "close it with ]]. Between the brackets stand at most 300 characters and three line ends, no empty "
        "line, no further bracket, and in HTML no new paragraph."
    )


def _in_quotes(parts: tuple[PartSeen, ...]) -> Iterator[str]:
    for part in parts:
        for marker in part.markers:
            begin = next((first for first, last in part.quoted_lines if first <= marker.line <= last), None)
            where = f" that begins at line {begin}" if begin is not None else ""
            yield f"{_place(part, marker.line)} has a marker in quoted mail{where}."


def _attached(parts: tuple[PartSeen, ...]) -> Iterator[str]:
    for part in parts:
        if part.role is Role.ATTACHED and (part.markers or part.perhaps_marked):
            yield f"It stands in part {part.number} ({part.content_type})."


def _unreadable(parts: tuple[PartSeen, ...]) -> Iterator[str]:
    for part in parts:
        if part.role is Role.TEXT and part.charset_read is None:
            charset = part.charset_declared or "no charset"
            yield f"Part {part.number} ({part.content_type}) declares {charset} and {part.encoding}."


def _contradictions(parts: tuple[PartSeen, ...]) -> Iterator[str]:
    markers = [marker.says for part in parts for marker in part.markers if not marker.quoted]
    for name in ("template", "job", "stage", "name", "skills", "reason"):
        values = dict.fromkeys(value for marker in markers if (value := getattr(marker, name)) is not None)
        if len(values) > 1:
            yield f"{name} is said to be {' and '.join(f'“{value}”' for value in values)}."


def _place(part: PartSeen, line: int | None) -> str:
    where = f"Line {line} of part" if line is not None else "Part"
    return f"{where} {part.number} ({part.content_type})"


_DETAILS: Mapping[Coded, Callable[[tuple[PartSeen, ...]], Iterator[str]]] = {
    Reason.QUOTED: _in_quotes,
    Reason.ATTACHED: _attached,
    Reason.UNDECODABLE: _unreadable,
    Reason.UNIVERSAL_CHARSET: _unreadable,
    Reason.CONTRADICTING: _contradictions,
}
"""Where it is, for the reasons that lie in one place."""
