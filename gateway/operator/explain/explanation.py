"""The value that an explanation is; `goen explain --json` prints its fields under their own names.

Addresses and texts come from the mail and may be hostile: who shows them makes them harmless first.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gateway.mail.marker import Marker
from gateway.mail.notice.findings import Conflict, Finding
from store.records import CopyKind


class Outcome(StrEnum):
    """What becomes of the mail."""

    REWRITTEN = "rewritten"
    """Copies are sent in its place."""
    PASSES = "passes"
    """It leaves with the bytes it came with."""
    REFUSED = "refused"
    """The client gets a 5xx."""


class Role(StrEnum):
    """What a part is to the gateway."""

    CONTAINER = "container"
    INVITED = "invited"
    """Its text gets the invitation."""
    CLEARED = "cleared"
    """Its text only loses its markers, because the invitation stands in another part."""
    TEXT = "text"
    """Text that the mail shows, and that stays as it is."""
    ATTACHED = "attached"
    """Never looked into for a marker that counts."""


@dataclass(frozen=True, slots=True)
class MarkerSeen:
    """A marker in a text."""

    line: int
    """Of the decoded text, from 1; in HTML of its source."""
    column: int
    """In characters, from 1."""
    octet: int
    """Where it begins in the mail as the wire has it, from 0; in base64 the group with its beginning."""
    source_line: int
    """The line of the mail's source with that octet, from 1."""
    quoted: bool
    """Whether it stands in quoted mail, where it does not count."""
    text: str
    """As written, without the tags in it, cut at 200 characters."""
    says: Marker


@dataclass(frozen=True, slots=True)
class AlmostSeen:
    """What was meant to be a marker and is none."""

    words: str
    """Its two words, `[[relay:rejction`."""
    line: int | None
    """Of the decoded text, from 1; None where it stands in what nobody sees, or in the Subject."""
    column: int | None


@dataclass(frozen=True, slots=True)
class PartSeen:
    """One MIME part."""

    number: str
    """As IMAP counts, `1.2`; `0` for a mail of several parts itself (RFC 3501, section 6.4.5)."""
    depth: int
    content_type: str
    role: Role
    charset_declared: str | None
    """Text only; None when none is declared."""
    charset_read: str | None
    """By which it was read; None when it was not or could not be."""
    encoding: str
    disposition: str
    named: bool
    """Whether it has a file name."""
    octets: int
    """Of the body as the wire has it."""
    markers: tuple[MarkerSeen, ...] = ()
    almost: tuple[AlmostSeen, ...] = ()
    quoted_lines: tuple[tuple[int, int], ...] = ()
    """First and last line of each stretch of quoted mail."""
    perhaps_marked: bool = False
    """An attached message in which a marker may stand; nobody looks closer."""


@dataclass(frozen=True, slots=True)
class CandidateSeen:
    """What the mail says of one candidate; None for what it does not say."""

    address: str = field(repr=False)
    name: Finding | None = field(repr=False)
    job: Finding | None
    stage: Finding | None
    language: Finding
    conflicts: tuple[Conflict, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference."""

    sign: Literal[" ", "-", "+"]
    text: str = field(repr=False)
    """Without line end; what stands far from the change in a long line is left out for `…`."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """A difference with the lines around it."""

    line: int
    """The first one's number in the original, from 1."""
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What is other in one place of a copy."""

    part: str
    """The number of the part."""
    what: Literal["header", "text"]
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True)
class CopySeen:
    """One copy that would be sent."""

    file: str
    """Its name under `--out`."""
    kind: CopyKind
    recipients: tuple[str, ...] = field(repr=False)
    octets: int
    growth: int
    """Octets more than the mail itself; may be negative."""
    signed_by: tuple[str, ...]
    """`selector._domainkey.domain (algorithm)` of each DKIM signature; none when there is no key."""
    changes: tuple[Change, ...] | None
    """None for a further candidate's copy, which differs from the first one only in its link and its id."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the gateway would do with one mail, and why."""

    outcome: Outcome
    reason: str | None
    """The code, as the journal has it, of why it passes; the SMTP reply of a refusal; None when rewritten."""
    verdict: str
    """One sentence."""
    advice: tuple[str, ...]
    """What to do about it, one sentence or two each."""
    defects: tuple[str, ...]
    """What must not be: to be reported."""
    notes: tuple[str, ...]
    """What was assumed, or done to the file to make it a mail."""
    octets: int
    """Of the mail as the wire has it."""
    sender: str = field(repr=False)
    """Of the envelope; empty for the null sender."""
    candidates: tuple[CandidateSeen, ...]
    others: tuple[str, ...] = field(repr=False)
    """Recipients who never get a link: your own domains, agencies, the exclusion list."""
    marker: Marker | None
    """What all markers together ask for."""
    marked_by_header: bool
    """Whether there is an X-Relay-Rejection field."""
    parts: tuple[PartSeen, ...]
    """In the order of their bytes."""
    copies: tuple[CopySeen, ...]
    """None when it passes or is refused; given as well for `unprepared`, with samples for what is missing."""
