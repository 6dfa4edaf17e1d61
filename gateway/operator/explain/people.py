"""Who would send the mail to whom: as the operator says, else as the header lets one assume.

An envelope is not in a file; From, To, Cc and Bcc mostly name the same people.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.envelope import Envelope, Recipient, Sender
from gateway.mail import parts
from gateway.mail.parts import Part

TRACE_ID = "G-SAMPLESAMPLESAMP"
"""In the form of `gateway.wiring.new_trace_id`, and never one of them twice."""
MAX_RECIPIENTS = 100
"""What a server must take at least (RFC 5321, section 4.5.3.1.8); a header may name ten thousands."""
SAMPLE_SENDER = b"recruit@example.com"
SAMPLE_CANDIDATE = b"taro@example.jp"

_FROM = ("from", "sender", "return-path")
_TO = ("to", "cc", "bcc")
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f<>]")
# Possessive throughout: a hostile header takes linear time.
_TOKEN = re.compile(
    rb"""
    "(?:[^"\\]++|\\.)*+(?:"|\\?\Z)                 # a quoted string, perhaps never closed
    | \((?:[^()\\]++|\\.)*+(?:\)|(?=\()|\\?\Z)     # a comment, up to the one inside of it
    | <(?P<angle>[^<>]*+)(?:>|\Z)
    | (?P<bare>[^\s"(),:;<>@]++@[^\s"(),:;<>]++)
    | (?P<end>[,;])
    | [^\s"(),:;<>]++ | [\s):>]
    """,
    re.VERBOSE | re.DOTALL,
)


class NoAddress(Exception):
    """What was said with --from or --to is no address."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """An envelope and what in it is only assumed."""

    envelope: Envelope = field(repr=False)
    notes: tuple[str, ...]


def assume(raw: bytes, root: Part, *, sender: str | None, recipients: Sequence[str]) -> Assumed:
    """Return the envelope; `<>` is the null sender. Raises `NoAddress`."""
    notes: list[str] = []
    if sender is not None:
        mail_from = _said(sender, "--from") if sender.strip() not in ("", "<>") else b""
    else:
        mail_from = _first_of(raw, root, notes)
    rcpt_tos = [_said(recipient, "--to") for recipient in recipients] or _all_of(raw, root, notes)
    envelope = Envelope(
        trace_id=TRACE_ID,
        peer="127.0.0.1:25",
        helo=b"mail.example.com",
        protocol="ESMTP",
        sender=Sender(mail_from),
        recipients=tuple(map(Recipient, rcpt_tos)),
    )
    return Assumed(envelope, tuple(notes))


def addresses(value: bytes) -> Iterator[bytes]:
    """Yield the addresses in a field's value, in order; any bytes at all, in linear time."""
    found = b""
    for token in _TOKEN.finditer(value):
        if token["end"] is not None:
            yield from _sendable(found)
            found = b""
        elif token["angle"] is not None:
            found = token["angle"].strip()
        elif token["bare"] is not None and not found:
            found = token["bare"]
    yield from _sendable(found)


def _sendable(address: bytes) -> Iterator[bytes]:
    if b"@" in address.strip(b"@") and _UNSENDABLE.search(address.decode("latin-1")) is None:
        yield address


def _said(address: str, option: str) -> bytes:
    bare = address.strip().removeprefix("<").removesuffix(">")
    if "@" not in bare.strip("@") or _UNSENDABLE.search(bare) is not None:
        raise NoAddress(f"{option} takes an address such as taro@example.jp.")
    return bare.encode()


def _first_of(raw: bytes, root: Part, notes: list[str]) -> bytes:
    for name in _FROM:
        for value in root.values(raw, name):
            for address in addresses(value[: parts.MAX_VALUE]):
                field_name = name.title()
                notes.append(f"The envelope sender is assumed from {field_name}; --from names another.")
                return address
    notes.append(f"The header names no sender; {SAMPLE_SENDER.decode()} stands in. --from names one.")
    return SAMPLE_SENDER


def _all_of(raw: bytes, root: Part, notes: list[str]) -> list[bytes]:
    named = dict.fromkeys(
        address for name in _TO for value in root.values(raw, name) for address in addresses(value[: 1 << 16])
    )
    if not named:
        words = f"The header names no recipient; a candidate {SAMPLE_CANDIDATE.decode()} stands in."
        notes.append(f"{words} --to names one.")
        return [SAMPLE_CANDIDATE]
    notes.append("The envelope recipients are assumed from To, Cc and Bcc; --to names others.")
    if len(named) > MAX_RECIPIENTS:
        notes.append(f"The header names {len(named)} recipients; the first {MAX_RECIPIENTS} are explained.")
    return list(named)[:MAX_RECIPIENTS]
