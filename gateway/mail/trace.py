"""Trace fields and what identifies a mail on its way: hops, faults, fingerprint, our Received, our stamp."""

import hashlib
import hmac
import io
import re
from base64 import b32encode
from enum import Enum

from gateway.mail.parts import Field, field_value, media_type, scan_header

STAMP = "x-goen-processed"
"""Lower-case name of the field that says: this gateway has rewritten this mail."""

_LEADING = re.compile(
    r"received|return-path|x-ms-exchange-.+|authentication-results|arc-.+|received-spf|delivered-to|x-received"
)
_STAMP_VALUE = re.compile(rb"v1;\s*id=([A-Za-z0-9-]{1,64});\s*h=([A-Z2-7]{32})")
_BOUND = ("message-id", "from", "date")
_UNSAFE = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
_MAX_NAME = 255
"""Octets of a domain name (RFC 1035, section 2.3.4); what a client calls itself is cut there."""
_MAX_FROM = 1 << 16
"""Octets of a From field that is read; a longer one names no author."""
_DOMAIN = re.compile(rb"@([A-Za-z0-9._\x80-\xff-]++)\s*+(?:>|\Z|,|\()")
_OPENING = re.compile(rb'\\.|["()]', re.DOTALL)
_STRETCH = 1 << 18
"""Octets that are searched at once: no other thread runs meanwhile."""


class Fault(Enum):
    """What must never leave in DATA."""

    BARE_CR = "bare CR"
    BARE_LF = "bare LF"
    NUL = "NUL"


def hops(raw: bytes) -> int:
    """Return how many Received fields the top header has."""
    return sum(field.name == "received" for field in scan_header(raw))


def hops_beyond(raw: bytes, most: int) -> bool:
    """Whether the top header has more than `most` Received fields."""
    end = raw.find(b"\r\n\r\n")
    # Each field has a line at least, and lines are counted in a moment.
    return raw.count(b"\n", 0, end if end >= 0 else len(raw)) >= most and hops(raw) > most


def fault(content: bytes, *, stretch: int = _STRETCH) -> Fault | None:
    """Return the first kind of fault that the content has.

    `stretch` is how many octets are searched, and copied, at once.
    """
    # What notes the kinds of line ends of text files does it four times as fast as counting them.
    line_ends = io.IncrementalNewlineDecoder(None, translate=False)
    for start in range(0, len(content), stretch):
        piece = content[start : start + stretch]
        if b"\0" in piece:
            return Fault.NUL
        line_ends.decode(piece.decode("latin-1"))
    line_ends.decode("", final=True)
    kinds = line_ends.newlines
    if kinds is None or kinds == "\r\n":
        return None
    return Fault.BARE_CR if "\r" in kinds else Fault.BARE_LF


def fingerprint(mail_from: bytes, raw: bytes) -> bytes:
    """Return 32 octets that stay the same when a client sends the same mail again.

    Trace fields at the top are left out, because each attempt may bring others.
    """
    start = 0
    for field in scan_header(raw):
        if _LEADING.fullmatch(field.name) is None:
            break
        start = field.end
    digest = hashlib.sha256()
    for value in (mail_from, message_id(raw) or b""):
        digest.update(len(value).to_bytes(4, "big") + value)
    digest.update(memoryview(raw)[start:])
    return digest.digest()


def message_id(raw: bytes) -> bytes | None:
    """Return the value of the first Message-ID field; None when there is none or it is empty."""
    return _first(raw, "message-id") or None


def from_domain(raw: bytes, *, strict: bool = False) -> bytes | None:
    """Return the lower-case domain of the first address in the From field.

    `strict`: None also for a quoted string or a comment without end, which no two readers take alike.
    """
    value = _first(raw, "from")
    if len(value) > _MAX_FROM:
        return None
    value, closed = _without_strings(value)
    bracketed = value[value.find(b"<") :] if b"<" in value else value
    match = _DOMAIN.search(bracketed)
    return match[1].lower() if match is not None and (closed or not strict) else None


def received_field(
    *, peer: str, helo: bytes, protocol: str, hostname: str, trace_id: str, date: str
) -> bytes:
    """Return our Received field with its line end (RFC 5321, section 4.4).

    `date` is in the form of RFC 5322.
    Whatever a client calls itself, no octet of it but those of a name or an address literal goes in.
    """
    name = _safe(helo.decode("latin-1"))
    return (
        f"Received: from {name} ([{_safe(peer)}])\r\n"
        f"\tby {_safe(hostname)} with {_safe(protocol)} id {_safe(trace_id)};\r\n"
        f"\t{re.sub(r'[^ -~]', '?', date)}\r\n"
    ).encode("ascii")


def stamp_field(key: bytes, trace_id: str, raw: bytes) -> bytes:
    """Return the field, with its line end, that says that this gateway has rewritten the mail.

    It is bound to Message-ID, From and Date, which every relay leaves alone.
    """
    name = _safe(trace_id)[:64]
    seal = _seal(key, name.encode("ascii"), _bound(raw, scan_header(raw)))
    return f"X-Goen-Processed: v1; id={name};\r\n\th={seal}\r\n".encode("ascii")


def stamped(key: bytes, raw: bytes) -> bool:
    """Whether the mail carries a stamp made with this key for this mail; a forged one counts for nothing."""
    fields = scan_header(raw)
    stamps = [field for field in fields if field.name == STAMP]
    if not stamps:
        return False
    bound = _bound(raw, fields)
    for field in stamps:
        match = _STAMP_VALUE.fullmatch(field_value(raw, field))
        if match is not None and hmac.compare_digest(_seal(key, match[1], bound).encode("ascii"), match[2]):
            return True
    return False


def without_own_signatures(raw: bytes, domain: bytes) -> bytes:
    """Return the mail without the DKIM signatures of this domain, which a rewritten copy would break."""
    kept, at = [], 0
    for field in scan_header(raw):
        if field.name == "dkim-signature" and _signing_domain(raw, field) == domain.lower():
            kept.append(raw[at : field.start])
            at = field.end
    return b"".join([*kept, raw[at:]])


def _signing_domain(raw: bytes, field: Field) -> bytes:
    params = media_type(b";" + field_value(raw, field))[1]
    return next((value for name, value in params if name == "d"), "").strip().lower().encode("latin-1")


def _first(raw: bytes, name: str) -> bytes:
    return next((field_value(raw, field) for field in scan_header(raw) if field.name == name), b"")


def _without_strings(value: bytes) -> tuple[bytes, bool]:
    """Take quoted strings and comments (RFC 5322, section 3.2) out, and say whether all were closed.

    What is opened and never closed stays.
    """
    kept, at, opened, depth, quoted = [], 0, 0, 0, False
    for match in _OPENING.finditer(value):
        char = match[0]
        if char == b'"' and not depth:
            quoted = not quoted
        elif char == b"(" and not quoted:
            depth += 1
        elif char == b")" and depth:
            depth -= 1
        else:
            continue
        if quoted + depth == 1 and char != b")":
            opened = match.start()
        elif not quoted and not depth:
            kept.append(value[at:opened])
            at = match.end()
    return b"".join([*kept, value[at:]]), not quoted and not depth


def _bound(raw: bytes, fields: tuple[Field, ...]) -> bytes:
    """Return a digest of the fields that a stamp is bound to."""
    first = {field.name: field for field in reversed(fields) if field.name in _BOUND}
    digest = hashlib.sha256()
    for name in _BOUND:
        value = b" ".join(field_value(raw, first[name]).split()) if name in first else b""
        digest.update(len(value).to_bytes(4, "big") + value)
    return digest.digest()


def _seal(key: bytes, trace_id: bytes, bound: bytes) -> str:
    mac = hmac.new(key, b"goen stamp v1\0" + trace_id + bound, hashlib.sha256)
    # 160 bits are beyond guessing and fill whole base32 groups.
    return b32encode(mac.digest()[:20]).decode("ascii")


def _safe(name: str) -> str:
    return _UNSAFE.sub("?", name)[:_MAX_NAME] or "unknown"
