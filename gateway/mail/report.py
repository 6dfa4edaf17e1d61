"""The one report we write ourselves: that some recipients of a mail were refused (RFC 3464, RFC 6533).

It answers a mail whose other copies were accepted, so that a 250 does not hide the refusals.
It never answers a null sender, and tells only of recipients who want to hear of failures (RFC 3461).
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.mail import parts

_XTEXT = re.compile(rb"\+([0-9A-F]{2})")
_UNSAFE = re.compile(rb"[^\x20-\x7e]")
_DIAGNOSTIC = 900
"""Octets of a reply that are quoted; a line of a report has 998 at most (RFC 5322, section 2.1.1)."""
_ENHANCED = re.compile(rb"5\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
"""An enhanced status code of a permanent failure (RFC 3463)."""
_WIDTH = 76

_SUBJECT = "メールを一部の宛先にお届けできませんでした / Undelivered for some recipients"
_WORDS = """\
次の宛先には、転送先のメールサーバーがメールを受け取りませんでした。
その他の宛先にはお届けしています。再送の際は、次の宛先だけをご確認ください。

The next mail server did not take your mail for the recipients below.
All others have it: do not send it to them again.

"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient who was refused."""

    address: bytes = field(repr=False)
    """As in RCPT TO, without brackets."""
    parameters: bytes
    """Of RCPT TO, as they came."""
    code: int
    text: bytes = field(repr=False)
    """The reply's text, as it came, its lines joined by blanks."""

    @property
    def wanted(self) -> bool:
        """Whether the sender wants to hear of it (NOTIFY, RFC 3461, section 4.1); by default, yes."""
        notify = _parameter(self.parameters, b"NOTIFY")
        return notify is None or b"FAILURE" in notify.upper().split(b",")


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a report says beside the refusals."""

    sender: bytes = field(repr=False)
    """To whom it goes: the envelope sender, never empty."""
    parameters: bytes
    """Of MAIL FROM, as they came: RET and ENVID count."""
    hostname: str
    """Ours."""
    trace_id: str
    date: str
    """In the form of RFC 5322."""


def compose(occasion: Occasion, refusals: Sequence[Refusal], original: bytes) -> bytes:
    """Return the report with CRLF line ends; `refusals` are those that are wanted, at least one.

    The original goes with it whole if its sender asked for that (RET=FULL), else its header.
    Nothing of the original or of a reply can break the report's own structure.
    """
    boundary = b"=_" + re.sub(rb"[^A-Za-z0-9]", b"", occasion.trace_id.encode()) + b"_report"
    international = not all(r.address.isascii() for r in refusals)
    delivery_status = b"message/global-delivery-status" if international else b"message/delivery-status"
    sections = (
        _part(b"text/plain; charset=utf-8", b"base64", _base64(_for_people(refusals))),
        _part(delivery_status, b"8bit" if international else b"7bit", _status(occasion, refusals)),
        _returned(occasion, original),
    )
    # A boundary that stands in the mail it returns would end the report early.
    while any(boundary in section for section in sections):
        boundary += b"_"
    body = b"".join(b"--" + boundary + b"\r\n" + section + b"\r\n" for section in sections)
    return _header(occasion, boundary) + body + b"--" + boundary + b"--\r\n"


def _header(occasion: Occasion, boundary: bytes) -> bytes:
    hostname = occasion.hostname.encode("idna").decode()
    subject = b"\r\n ".join(_encoded_words(_SUBJECT))
    fields = (
        f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\n".encode(),
        b"To: <" + occasion.sender + b">\r\n",
        b"Subject: " + subject + b"\r\n",
        f"Date: {occasion.date}\r\n".encode(),
        f"Message-ID: <{occasion.trace_id}.report@{hostname}>\r\n".encode(),
        # RFC 3834, section 5: nothing that answers by itself may answer this.
        b"Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\n",
        b"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n",
        b' boundary="' + boundary + b'"\r\n\r\n',
    )
    return b"".join(fields)


def _part(content_type: bytes, encoding: bytes, body: bytes) -> bytes:
    head = b"Content-Type: " + content_type + b"\r\nContent-Transfer-Encoding: " + encoding
    return head + b"\r\n\r\n" + body


def _for_people(refusals: Sequence[Refusal]) -> bytes:
    lines = [
        "<"
        + refusal.address.decode("utf-8", "replace")
        + ">\n    "
        + f"{refusal.code} {refusal.text.decode('utf-8', 'replace')}"
        for refusal in refusals
    ]
    return (_WORDS + "\n".join(lines) + "\n").replace("\n", "\r\n").encode()


def _status(occasion: Occasion, refusals: Sequence[Refusal]) -> bytes:
    """Return the groups of fields of RFC 3464, section 2: one for the message, one for each recipient."""
    hostname = occasion.hostname.encode("idna")
    message = b"Reporting-MTA: dns; " + hostname + b"\r\n"
    if envelope_id := _parameter(occasion.parameters, b"ENVID"):
        message = b"Original-Envelope-Id: " + _printable(_from_xtext(envelope_id)) + b"\r\n" + message
    return message + b"".join(b"\r\n" + _recipient_fields(refusal) for refusal in refusals)


def _recipient_fields(refusal: Refusal) -> bytes:
    kind = b"rfc822" if refusal.address.isascii() else b"utf-8"
    enhanced = _ENHANCED.match(refusal.text)
    status = enhanced[0] if enhanced else b"5.0.0"
    diagnostic = _printable(b"%d " % refusal.code + refusal.text)[:_DIAGNOSTIC]
    fields = [b"Final-Recipient: " + kind + b"; " + refusal.address]
    original = _parameter(refusal.parameters, b"ORCPT")
    if original and b";" in original:
        name, _, address = original.partition(b";")
        fields.insert(
            0, b"Original-Recipient: " + _printable(name) + b"; " + _printable(_from_xtext(address))
        )
    fields += [b"Action: failed", b"Status: " + status, b"Diagnostic-Code: smtp; " + diagnostic]
    return b"\r\n".join(fields) + b"\r\n"


def _returned(occasion: Occasion, original: bytes) -> bytes:
    ret = _parameter(occasion.parameters, b"RET")
    if ret is not None and ret.upper() == b"FULL":
        return _part(b"message/rfc822", b"8bit" if not original.isascii() else b"7bit", original)
    fields = parts.scan_header(original)
    header = original[: fields[-1].end] if fields else b""
    if header.isascii():
        return _part(b"text/rfc822-headers", b"7bit", header)
    return _part(b"text/rfc822-headers; charset=utf-8", b"base64", _base64(header))


def _parameter(parameters: bytes, keyword: bytes) -> bytes | None:
    for word in parameters.split(b" "):
        name, equals, value = word.partition(b"=")
        if equals and name.upper() == keyword:
            return value
    return None


def _from_xtext(value: bytes) -> bytes:
    """Decode xtext (RFC 3461, section 4)."""
    return _XTEXT.sub(lambda match: bytes.fromhex(match[1].decode()), value)


def _printable(value: bytes) -> bytes:
    return _UNSAFE.sub(b"?", value)


def _base64(data: bytes) -> bytes:
    packed = b64encode(data)
    return b"".join(packed[at : at + _WIDTH] + b"\r\n" for at in range(0, len(packed), _WIDTH))


def _encoded_words(text: str) -> list[bytes]:
    """Return the text as encoded words of at most 75 characters (RFC 2047, section 2)."""
    return [b"=?utf-8?B?" + b64encode(text[at : at + 14].encode()) + b"?=" for at in range(0, len(text), 14)]
