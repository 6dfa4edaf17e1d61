"""A mail as its reader would see it: the mailbox's own view, which owes nothing to the gateway's parser.

Nothing here raises for any bytes: what cannot be decoded is shown with replacement characters, and what
cannot be read at all is shown raw.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message


@dataclass(frozen=True, slots=True)
class Reading:
    """What a mail program shows."""

    subject: str
    sender: str
    addressees: str
    """The To field."""
    cc: str
    date: str
    message_id: str
    text: str | None = field(repr=False)
    """The first text/plain part; or the raw mail when it cannot be read; None when there is none."""
    html: str | None = field(repr=False)
    """The first text/html part."""
    attachments: tuple[str, ...]
    """The names or types of the other parts."""

    @property
    def links(self) -> tuple[str, ...]:
        """The web links of the text, or without one of the HTML source, each once, in order."""
        return tuple(dict.fromkeys(LINK.findall(self.text if self.text is not None else self.html or "")))


LINK = re.compile(r"https?://[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+(?<![.,;:!?')\]])")
"""A link in running text: ASCII, and without the punctuation that a sentence puts after it."""

_CODECS = {"shift_jis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932", "iso-8859-1": "cp1252"}
"""What mail programs take for these labels (WHATWG Encoding, section 4.2)."""


def read(raw: bytes) -> Reading:
    """Return the reader's view of a mail."""
    try:
        reading = _read(raw)
    except Exception:  # noqa: BLE001  # The standard parser raises all sorts of errors on broken mail.
        return Reading("(unreadable)", "", "", "", "", "", raw.decode("utf-8", "backslashreplace"), None, ())
    return _showable(reading)


def _showable(reading: Reading) -> Reading:
    """Write lone surrogates as escapes: Python's own codecs decode to them, and no page can carry them."""

    def shown(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode()

    return Reading(
        subject=shown(reading.subject),
        sender=shown(reading.sender),
        addressees=shown(reading.addressees),
        cc=shown(reading.cc),
        date=shown(reading.date),
        message_id=shown(reading.message_id),
        text=None if reading.text is None else shown(reading.text),
        html=None if reading.html is None else shown(reading.html),
        attachments=tuple(shown(name) for name in reading.attachments),
    )


def _read(raw: bytes) -> Reading:
    mail = message_from_bytes(raw, policy=policy.compat32)
    text: str | None = None
    html: str | None = None
    attachments = []
    for part in _leaves(mail):
        kind = part.get_content_type()
        if part.get_filename() is None and kind == "text/plain" and text is None:
            text = _decoded(part)
        elif part.get_filename() is None and kind == "text/html" and html is None:
            html = _decoded(part)
        else:
            attachments.append(_header(part.get_filename() or kind))
    # The raw fields: the parser's own view of a field with raw UTF-8 in it has lost the bytes.
    fields = {name.lower(): value for name, value in reversed(list(mail.raw_items()))}
    subject, sender, to, cc, date, message_id = (
        _header(fields.get(name, "")) for name in ("subject", "from", "to", "cc", "date", "message-id")
    )
    return Reading(subject, sender, to, cc, date, message_id, text, html, tuple(attachments))


def _leaves(mail: Message) -> Iterator[Message]:
    return (part for part in mail.walk() if not part.is_multipart())


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    octets = content if isinstance(content, bytes) else b""
    label = (part.get_content_charset() or "utf-8").lower()
    try:
        return octets.decode(_CODECS.get(label, label), "replace")
    except LookupError:
        return octets.decode("utf-8", "backslashreplace")


def _header(value: object) -> str:
    """Decode encoded words (RFC 2047); raw bytes are taken for UTF-8."""
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    try:
        decoded = str(make_header(decode_header(text)))
    except (ValueError, LookupError, MessageError):
        decoded = ""
    decoded = decoded or text
    return re.sub(r"\s*[\r\n]+\s*", " ", decoded).strip()
