"""What a marked mail is and whether it may be rewritten; if not, the reason code.

A mail is rewritten in all text alternatives of one inline body, or not at all.
Attached parts and attached messages are somebody else's words: a marker in them asks for nothing.
"""

import re
from dataclasses import dataclass

from gateway.mail import inline, marker, parts, trace, words
from gateway.mail.coded import Coded
from gateway.mail.inline import Leaf
from gateway.mail.marker import Found, Marker
from gateway.mail.parts import Part
from gateway.mail.text import Text, Unreadable


class Reason(Coded):
    """Why a mail passes as it came: the code for log and metric, with one sentence for a person."""

    NULL_SENDER = "null-sender", "It has no envelope sender, so it is a report of some machine."
    STAMPED = "stamped", "This gateway has rewritten it already."
    AUTOMATIC = "automatic", "It says of itself that it was sent automatically."
    LIST = "list", "It comes from a mailing list or is bulk mail."
    RESENT = "resent", "It was resent by somebody who did not write it."
    REPORT = "report", "It is a delivery or disposition report."
    TOO_DEEP = "too-deep", "It is nested too deeply or has too many parts."
    HEADER_TOO_LARGE = "header-too-large", "Its header, or a field that must be read, is far too long."
    TWO_CONTENT_TYPES = (
        "two-content-types",
        "A part declares its type or encoding twice, so readers disagree on it.",
    )
    BROKEN_HEADER = (
        "broken-header",
        "A line of its header is no field, so readers disagree on where its text begins.",
    )
    SIGNED = "signed", "It is signed, and any change would break the signature."
    ENCRYPTED = "encrypted", "It is encrypted."
    TNEF = "tnef", "It carries a second body in Outlook's own format (TNEF)."
    CALENDAR = "calendar", "It carries an invitation to a meeting."
    INTERACTIVE = (
        "interactive",
        "It carries a body in AMP, or a marker in enriched text, where none can be replaced.",
    )
    UNIVERSAL_CHARSET = "utf-7-or-16", "Its text is in UTF-7, UTF-16 or UTF-32."
    UNDECODABLE = "undecodable", "Its text is in a charset or an encoding in which nothing can be replaced."
    CONTRADICTING = "contradicting-markers", "Its markers contradict each other."
    TOO_MANY_MARKERS = "too-many-markers", "It holds more markers than anybody writes."
    QUOTED = "marker-quoted", "The marker stands only in quoted text."
    ATTACHED = "marker-attached", "The marker stands only in an attachment or an attached message."
    HIDDEN = "marker-hidden", "The marker stands only where a reader of its text does not see it."
    NO_BODY = "no-body", "It has no text of its own in which an invitation could stand."


@dataclass(frozen=True, slots=True)
class Target:
    """A text leaf that is to be rewritten."""

    leaf: Text
    found: tuple[Found, ...]
    """The markers outside quoted text, ascending; empty when the invitation's place has to be found."""
    place: int
    """Which of them gives its place to the invitation: the first that a reader sees."""
    quoted: tuple[tuple[int, int], ...]
    """Ranges of the leaf's text that are quoted mail, ascending."""
    body_end: int
    """Index of `</body>` in HTML, or of the end of the text."""
    invited: bool = True
    """Whether the invitation goes here; a body beside the one that asks for it only loses its markers."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is known of a mail before it is rewritten."""

    root: Part
    marker: Marker | None
    targets: tuple[Target, ...]
    """The leaves to be rewritten, those of one body invited; none without a marker or when unfit."""
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
_ONCE = ("content-type", "content-transfer-encoding")
MAX_HEADER = 1 << 18
"""Octets of the header of a mail that is rewritten; real mail stays under a tenth of it."""
MAX_ALTERNATIVES = 20
"""Alternatives of a text that is rewritten in all of them; real mail has three."""
MAX_MARKER_FIELD = 2 * 1024
"""Octets of an X-Relay-Rejection field that is read."""
_RPMSG = re.compile(rb"(?i)\bname\s*=\s*\"?message\.rpmsg")
_PGP_INLINE = re.compile(r"^-----BEGIN PGP (SIGNED )?MESSAGE-----\s*$", re.MULTILINE)


def read(raw: bytes, *, stamp_key: bytes, null_sender: bool = False) -> Reading:
    """Read a mail with CRLF line ends; any bytes give a reading.

    `stamp_key` is the secret our stamp is made with, `null_sender` whether the envelope had none.
    """
    root = parts.scan(raw)
    if _too_large(root):
        return Reading(root, None, (), Reason.HEADER_TOO_LARGE, ())
    if any(part.bounded for part in root.walk()):
        return Reading(root, None, (), Reason.TOO_DEEP, ())
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


def _too_large(root: Part) -> bool:
    """Whether a header is too long to be read; a mail is not read in halves."""
    if root.body_start > MAX_HEADER:
        return True
    if any(field.end - field.start > MAX_MARKER_FIELD for field in root.named_fields(marker.HEADER)):
        return True
    return any(
        len(part.fields) > parts.MAX_FIELDS
        or any(
            field.end - field.start > parts.MAX_VALUE and field.name.startswith("content-")
            for field in part.fields
        )
        for part in root.walk()
    )


def _unfit_by_header(raw: bytes, root: Part, stamp_key: bytes) -> Reason | None:
    names = {field.name for field in root.fields}
    if trace.stamped(stamp_key, raw):
        return Reason.STAMPED
    automatic = [value.lower().partition(b";")[0].strip() for value in root.values(raw, "auto-submitted")]
    if "x-auto-response-suppress" in names or any(value not in (b"no", b"") for value in automatic):
        return Reason.AUTOMATIC
    precedence = [value.lower() for value in root.values(raw, "precedence")]
    # RFC 2369 and RFC 2919 begin all names so; ezmlm and others have the second.
    listed = any(name.startswith("list-") or name == "mailing-list" for name in names)
    if listed or any(value in (b"bulk", b"list", b"junk") for value in precedence):
        return Reason.LIST
    return Reason.RESENT if any(name.startswith("resent-") for name in names) else None


def _unfit_by_parts(raw: bytes, root: Part) -> Reason | None:
    for part in root.walk():
        if (part.depth == 0 or part.children) and _broken(part):
            return Reason.BROKEN_HEADER
        if any(len(part.named_fields(name)) > 1 for name in _ONCE):
            return Reason.TWO_CONTENT_TYPES
        if (reason := _unfit_by_type(raw, part)) is not None:
            return reason
    return None


def _broken(part: Part) -> bool:
    """Whether some readers end this header where others read on.

    Many MTAs and libraries begin the body at the first line that is no field.
    In the header of the mail this takes our signature with it; in that of a text the marker may stand there.
    """
    return any(not field.name for field in part.fields)


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
    bodies = inline.bodies(raw, root)
    leaves = [leaf for body in bodies for leaf in body]
    almost = tuple(dict.fromkeys(word for leaf in leaves for word in leaf.almost))
    header = _header_marker(raw, root)
    body = next((body for body in bodies if inline.marked(body)), None)
    if body is None:
        if header is None:
            unfit = _unmarked(raw, root, leaves)
            # A marker that was found has its reason already.
            return _Found(None, (), unfit, almost or (() if unfit else _hidden(raw, root, leaves)))
        if not bodies:
            return _Found(header, (), Reason.NO_BODY, almost)
        body = bodies[0]
    markers = [header] if header is not None else []
    markers += [found.marker for leaf in leaves for found in leaf.found]
    if sum(len(leaf.found) + leaf.in_quotes for leaf in leaves) > marker.MAX_MARKERS:
        return _Found(markers[0], (), Reason.TOO_MANY_MARKERS, almost)
    merged = markers[0]
    for other in markers[1:]:
        if not merged.agrees(other):
            return _Found(merged, (), Reason.CONTRADICTING, almost)
        merged = merged.merged(other)
    invited = {id(leaf) for leaf in body}
    changed = [leaf for leaf in leaves if id(leaf) in invited or leaf.found]
    unfit = next((reason for leaf in changed if (reason := _unfit_leaf(leaf)) is not None), None)
    if len(body) > MAX_ALTERNATIVES:
        unfit = Reason.TOO_DEEP
    if unfit is None and any(leaf.found and leaf.place is None for leaf in body):
        unfit = Reason.HIDDEN
    if unfit is None and any(_holds_marker(raw, part) for part in root.walk() if _other_text(part)):
        unfit = Reason.INTERACTIVE
    return _Found(merged, _targets(changed, invited), unfit, almost)


def _targets(leaves: list[Leaf], invited: set[int]) -> tuple[Target, ...]:
    return tuple(
        Target(
            leaf.text, leaf.found, leaf.place or 0, leaf.quoted, leaf.body_end, invited=id(leaf) in invited
        )
        for leaf in leaves
        if isinstance(leaf.text, Text)
    )


def _unfit_leaf(leaf: Leaf) -> Reason | None:
    if _broken(leaf.part):
        return Reason.BROKEN_HEADER
    if not isinstance(leaf.text, Text):
        return Reason.UNIVERSAL_CHARSET if leaf.text is Unreadable.UNIVERSAL else Reason.UNDECODABLE
    if (pgp := _PGP_INLINE.search(leaf.text.text)) is not None:
        return Reason.SIGNED if pgp[1] else Reason.ENCRYPTED
    return None


def _unmarked(raw: bytes, root: Part, leaves: list[Leaf]) -> Reason | None:
    """Say where a marker stands that does not count, if there is one."""
    if any(leaf.in_quotes for leaf in leaves):
        return Reason.QUOTED
    if any(leaf.swallowed for leaf in leaves):
        return Reason.HIDDEN
    own = {id(leaf.part) for leaf in leaves}
    others = [part for part in root.walk() if id(part) not in own]
    if any(_holds_marker(raw, part) for part in others):
        shown = any(_holds_marker(raw, part) for part in others if _other_text(part))
        return Reason.INTERACTIVE if shown else Reason.ATTACHED
    if any(_holds_marker_beside_parts(raw, part) for part in others):
        return Reason.NO_BODY
    # Only an unreadable body can still hide a marker; the pre-filter says whether it may.
    unreadable = next((reason for leaf in leaves if (reason := _unfit_leaf(leaf)) is not None), None)
    return unreadable if unreadable is not None and marker.might_be_marked(raw) else None


def _hidden(raw: bytes, root: Part, leaves: list[Leaf]) -> tuple[str, ...]:
    """Return the words of a marker where nobody looks for one: in a tag, a comment, a title, the Subject."""
    subjects = (words.decoded(value[: parts.MAX_VALUE]) for value in root.values(raw, "subject"))
    pages = (leaf.text.text for leaf in leaves if isinstance(leaf.text, Text) and leaf.text.html)
    return next((found for text in (*subjects, *pages) if (found := marker.literal(text))), ())


def _holds_marker(raw: bytes, part: Part) -> bool:
    if part.content_type.startswith("message/"):
        return marker.might_be_marked(raw[part.body_start : part.end])
    if part.children or not part.content_type.startswith("text/"):
        return False
    leaf = inline.read(raw, part)
    return bool(leaf.found or leaf.in_quotes)


def _other_text(part: Part) -> bool:
    """Whether this is text that a reader may show, in a form that we do not write."""
    shown = part.content_type.startswith("text/") and part.content_type not in inline.TEXTS
    return shown and part.disposition != "attachment" and not part.named


def _holds_marker_beside_parts(raw: bytes, part: Part) -> bool:
    """Whether a marker stands before, between or behind the parts of a multipart, where nobody reads."""
    if not part.content_type.startswith("multipart/"):
        return False
    ends = [part.body_start, *(child.end for child in part.children)]
    starts = [*(child.start for child in part.children), part.end]
    gaps = b"\n".join(raw[end:start] for end, start in zip(ends, starts, strict=True))
    return bool(marker.find(gaps.decode("latin-1"), html=False).found)


def _header_marker(raw: bytes, root: Part) -> Marker | None:
    values = root.values(raw, marker.HEADER)
    return marker.read_header(words.decoded(values[0])) if values else None
