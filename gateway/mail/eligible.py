"""What a marked mail is and whether it may be rewritten; if not, the reason code.

A mail is rewritten in all text alternatives of one inline body, or not at all.
Attached parts and attached messages are somebody else's words: a marker in them asks for nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header

from gateway.mail import marker, parts, quotes, trace
from gateway.mail.coded import Coded
from gateway.mail.marker import Found, Marker
from gateway.mail.parts import Part
from gateway.mail.text import Text, Unreadable, read_leaf


class Reason(Coded):
    """Why a mail passes as it came: the code for log and metric, with one sentence for a person."""

    NULL_SENDER = "null-sender", "It has no envelope sender, so it is a report of some machine."
    STAMPED = "stamped", "This gateway has rewritten it already."
    AUTOMATIC = "automatic", "It says of itself that it was sent automatically."
    LIST = "list", "It comes from a mailing list or is bulk mail."
    RESENT = "resent", "It was resent by somebody who did not write it."
    REPORT = "report", "It is a delivery or disposition report."
    TOO_DEEP = "too-deep", "It is nested too deeply or has too many parts."
    TWO_CONTENT_TYPES = (
        "two-content-types",
        "A part declares its type or encoding twice, so readers disagree on it.",
    )
    SIGNED = "signed", "It is signed, and any change would break the signature."
    ENCRYPTED = "encrypted", "It is encrypted."
    TNEF = "tnef", "It carries a second body in Outlook's own format (TNEF)."
    CALENDAR = "calendar", "It carries an invitation to a meeting."
    INTERACTIVE = "interactive", "It carries an AMP body, which no marker can be replaced in."
    UNIVERSAL_CHARSET = "utf-7-or-16", "Its text is in UTF-7, UTF-16 or UTF-32."
    UNDECODABLE = "undecodable", "Its text cannot be decoded as it is declared."
    CONTRADICTING = "contradicting-markers", "Its markers contradict each other."
    QUOTED = "marker-quoted", "The marker stands only in quoted text."
    ATTACHED = "marker-attached", "The marker stands only in an attachment or an attached message."
    NO_BODY = "no-body", "It has no text of its own in which an invitation could stand."


@dataclass(frozen=True, slots=True)
class Target:
    """A text leaf that is to be rewritten."""

    leaf: Text
    found: tuple[Found, ...]
    """The markers outside quoted text, ascending; empty when the invitation's place has to be found."""
    quoted: tuple[tuple[int, int], ...]
    """Ranges of the leaf's text that are quoted mail, ascending."""
    body_end: int
    """Index of `</body>` in HTML, or of the end of the text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is known of a mail before it is rewritten."""

    root: Part
    marker: Marker | None
    targets: tuple[Target, ...]
    """The leaves to be rewritten; empty without a marker or when the mail is unfit."""
    unfit: Reason | None
    """Why it may not be rewritten; given for signed, encrypted and automatic mail without a marker, too."""
    almost: tuple[str, ...]
    """What was meant to be a marker and is none."""


_SIGNATURES = (
    *("multipart/signed", "application/pgp-signature"),
    *("application/pkcs7-signature", "application/x-pkcs7-signature"),
)
_ENCRYPTED = ("multipart/encrypted", "application/pgp-encrypted", "application/x-microsoft-rpmsg-message")
_PKCS7 = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_TNEF = ("application/ms-tnef", "application/vnd.ms-tnef")
_REPORTS = ("multipart/report", "message/disposition-notification", "message/delivery-status")
_LIST_FIELDS = ("list-id", "list-post", "list-unsubscribe", "mailing-list")
_TEXTS = ("text/plain", "text/html")
_ONCE = ("content-type", "content-transfer-encoding")
_RPMSG = re.compile(rb"(?i)\bname\s*=\s*\"?message\.rpmsg")
_PGP_INLINE = re.compile(r"^-----BEGIN PGP (SIGNED )?MESSAGE-----\s*$", re.MULTILINE)


def read(raw: bytes, *, stamp_key: bytes, null_sender: bool = False) -> Reading:
    """Read a mail with CRLF line ends; any bytes give a reading.

    `stamp_key` is the secret our stamp is made with, `null_sender` whether the envelope had none.
    """
    root = parts.scan(raw)
    found = _search(raw, root)
    unfit = Reason.NULL_SENDER if null_sender else None
    unfit = unfit or _unfit_by_header(raw, root, stamp_key) or _unfit_by_parts(raw, root) or found.unfit
    targets = found.targets if found.marker is not None and unfit is None else ()
    return Reading(root, found.marker, targets, unfit, found.almost)


@dataclass(frozen=True, slots=True)
class _Found:
    """The outcome of the search for the marker."""

    marker: Marker | None
    targets: tuple[Target, ...]
    unfit: Reason | None
    almost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Body:
    """One inline body: its alternatives, each read as far as it can be."""

    targets: tuple[Target, ...]
    quoted: bool
    """Whether a marker stands in quoted text."""
    almost: tuple[str, ...]
    unfit: Reason | None

    @property
    def marked(self) -> bool:
        return any(target.found for target in self.targets)


def _unfit_by_header(raw: bytes, root: Part, stamp_key: bytes) -> Reason | None:
    names = {field.name for field in root.fields}
    if trace.stamped(stamp_key, raw):
        return Reason.STAMPED
    automatic = [value.lower().partition(b";")[0].strip() for value in root.values(raw, "auto-submitted")]
    if "x-auto-response-suppress" in names or any(value not in (b"no", b"") for value in automatic):
        return Reason.AUTOMATIC
    precedence = [value.lower() for value in root.values(raw, "precedence")]
    if names.intersection(_LIST_FIELDS) or any(value in (b"bulk", b"list", b"junk") for value in precedence):
        return Reason.LIST
    return Reason.RESENT if any(name.startswith("resent-") for name in names) else None


def _unfit_by_parts(raw: bytes, root: Part) -> Reason | None:
    for part in root.walk():
        if part.bounded:
            return Reason.TOO_DEEP
        if any(len(part.named_fields(name)) > 1 for name in _ONCE):
            return Reason.TWO_CONTENT_TYPES
        if (reason := _unfit_by_type(raw, part)) is not None:
            return reason
    return None


def _unfit_by_type(raw: bytes, part: Part) -> Reason | None:
    kind = part.content_type
    if kind in _PKCS7:
        signed = part.param("smime-type").lower() in ("signed-data", "certs-only")
        return Reason.SIGNED if signed else Reason.ENCRYPTED
    dispositions = part.values(raw, "content-disposition") + part.values(raw, "content-type")
    if kind in _ENCRYPTED or any(_RPMSG.search(value) for value in dispositions):
        return Reason.ENCRYPTED
    table = (
        (_SIGNATURES, Reason.SIGNED),
        (_TNEF, Reason.TNEF),
        (("text/calendar",), Reason.CALENDAR),
        (("text/x-amp-html",), Reason.INTERACTIVE),
        (_REPORTS, Reason.REPORT),
    )
    return next((reason for kinds, reason in table if kind in kinds), None)


def _search(raw: bytes, root: Part) -> _Found:
    bodies = [_read_body(raw, leaves) for leaves in _bodies(raw, root)]
    almost = tuple(dict.fromkeys(word for body in bodies for word in body.almost))
    header = _header_marker(raw, root)
    body = next((body for body in bodies if body.marked), None)
    if body is None:
        if header is None:
            return _Found(None, (), _unmarked(raw, root, bodies), almost)
        if not bodies:
            return _Found(header, (), Reason.NO_BODY, almost)
        body = bodies[0]
    markers = [found.marker for target in body.targets for found in target.found]
    merged = header if header is not None else markers[0]
    for other in markers:
        if not merged.agrees(other):
            return _Found(merged, (), Reason.CONTRADICTING, almost)
        merged = merged.merged(other)
    return _Found(merged, body.targets, body.unfit, almost)


def _unmarked(raw: bytes, root: Part, bodies: list[_Body]) -> Reason | None:
    """Say where a marker stands that does not count, if there is one."""
    if any(body.quoted for body in bodies):
        return Reason.QUOTED
    inline = {id(leaf) for leaves in _bodies(raw, root) for leaf in leaves}
    if any(_holds_marker(raw, part) for part in root.walk() if id(part) not in inline):
        return Reason.ATTACHED
    # Only an unreadable body can still hide a marker; the pre-filter says whether it may.
    unreadable = next((body.unfit for body in bodies if body.unfit is not None), None)
    return unreadable if unreadable is not None and marker.might_be_marked(raw) else None


def _holds_marker(raw: bytes, part: Part) -> bool:
    if part.content_type.startswith("message/"):
        return marker.might_be_marked(raw[part.body_start : part.end])
    if part.children or not part.content_type.startswith("text/"):
        return False
    leaf = read_leaf(raw, part)
    if not isinstance(leaf, Text):
        return False
    return bool(marker.find(leaf.text, html=leaf.html, flowed=leaf.flowed, delsp=leaf.delsp).found)


def _read_body(raw: bytes, leaves: tuple[Part, ...]) -> _Body:
    targets: list[Target] = []
    almost: list[str] = []
    quoted, unfit = False, None
    for part in leaves:
        leaf = read_leaf(raw, part)
        if not isinstance(leaf, Text):
            unfit = Reason.UNIVERSAL_CHARSET if leaf is Unreadable.UNIVERSAL else Reason.UNDECODABLE
            continue
        findings = marker.find(leaf.text, html=leaf.html, flowed=leaf.flowed, delsp=leaf.delsp)
        spans = findings.quotes if leaf.html else tuple(quotes.quoted_ranges(leaf.text))
        own = tuple(found for found in findings.found if not quotes.inside(spans, found.start))
        quoted = quoted or len(own) < len(findings.found)
        almost += findings.almost
        if _PGP_INLINE.search(leaf.text) is not None:
            unfit = Reason.SIGNED if "BEGIN PGP SIGNED" in leaf.text else Reason.ENCRYPTED
        targets.append(Target(leaf, own, spans, findings.body_end))
    return _Body(tuple(targets), quoted, tuple(almost), unfit)


def _bodies(raw: bytes, part: Part) -> Iterator[tuple[Part, ...]]:
    """Yield the leaves of each inline body, in the order of the mail: one leaf, or all alternatives of it."""
    if part.content_type in _TEXTS and not part.children:
        if part.disposition != "attachment" and not part.named:
            yield (part,)
    elif part.content_type == "multipart/alternative":
        leaves = tuple(leaf for child in part.children for leaves in _bodies(raw, child) for leaf in leaves)
        if leaves:
            yield leaves
    elif part.content_type == "multipart/related":
        yield from _bodies(raw, _related_root(raw, part)) if part.children else ()
    elif part.content_type.startswith("multipart/"):
        for child in part.children:
            yield from _bodies(raw, child)


def _related_root(raw: bytes, part: Part) -> Part:
    """Return the part that `start` names (RFC 2387), or the first."""
    start = part.param("start").encode("latin-1")
    named = (child for child in part.children if start and start in child.values(raw, "content-id"))
    return next(named, part.children[0])


def _header_marker(raw: bytes, root: Part) -> Marker | None:
    values = root.values(raw, marker.HEADER)
    return marker.read_header(_decoded(values[0])) if values else None


def _decoded(value: bytes) -> str:
    """Decode a field's value, with encoded words (RFC 2047) and raw 8-bit octets alike."""
    text = value.decode("utf-8", "replace")
    try:
        words = decode_header(text)
        return "".join(
            word if isinstance(word, str) else word.decode(charset or "utf-8", "replace")
            for word, charset in words
        )
    except (HeaderParseError, LookupError, ValueError):
        return text
