"""A mail client for the demo, built on the standard library, so that the gateway is not its own witness."""

import re
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import getaddresses
from uuid import uuid4

from gateway.demo.sample import CANDIDATE, SENDER, sample_mail
from gateway.settings.values import read_domain

PATIENCE_SECONDS = 20
"""How long the server may take for each reply."""


OK = 250
"""RFC 5321, section 4.2.3."""


class ConversationFailed(Exception):
    """The server closed the connection or did not answer."""

    def __init__(self, error: str) -> None:
        super().__init__(f"The SMTP door did not hold the conversation: {error}.")


class NoEnvelope(Exception):
    """The mail names no sender or no recipient."""

    def __init__(self) -> None:
        super().__init__("The mail names no sender or no recipient; say them with --from and --to.")


class UnfitAddress(Exception):
    """An address of the envelope cannot stand in an SMTP command."""

    def __init__(self) -> None:
        super().__init__(
            "An address holds control characters and cannot be sent; give others with --from and --to."
        )


class NoSigningDomain(Exception):
    """The From field names no domain that a signature could stand for."""

    def __init__(self) -> None:
        super().__init__(
            "The demo signs for the domain of the From field, and this one is an address literal, "
            "not in ASCII, or no domain name. Use a From like hr@example.com."
        )


@dataclass(frozen=True, slots=True)
class Given:
    """What the operator gave on the command line; the sample's values where nothing was given."""

    raw: bytes | None
    sender: str | None
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with its envelope, ready to be sent."""

    raw: bytes = field(repr=False)
    """CRLF line ends."""
    sender: str
    recipients: tuple[str, ...]


def compose(given: Given) -> Mail:
    """Return the mail to send: the one given, with its own From and To as envelope unless told otherwise.

    Raises `NoEnvelope` or `UnfitAddress`.
    """
    mail = _compose(given)
    if not all(_is_fit(address) for address in (mail.sender, *mail.recipients)):
        raise UnfitAddress
    return mail


def _compose(given: Given) -> Mail:
    if given.raw is None:
        raw = sample_mail(datetime.now(UTC), f"{uuid4()}@example.com")
        return Mail(raw, given.sender or SENDER, given.recipients or (CANDIDATE,))
    raw = re.sub(rb"\r\n|\r|\n", b"\r\n", given.raw)
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    fields = message_from_bytes(raw, policy=policy.compat32)
    sender = given.sender or _first(_addresses(fields.get_all("From", [])))
    recipients = given.recipients or _addresses(fields.get_all("To", []) + fields.get_all("Cc", []))
    if sender is None or not recipients:
        raise NoEnvelope
    return Mail(raw, sender, recipients)


def _addresses(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(address for _, address in getaddresses([str(value) for value in values]) if "@" in address)


def _is_fit(address: str) -> bool:
    return not re.search(r"[\x00-\x1f\x7f]", address)


def _first(addresses: tuple[str, ...]) -> str | None:
    return addresses[0] if addresses else None


def company_domain(mail: Mail) -> str:
    """Return the domain of the From field, which the demo signs for; else the envelope sender's.

    Raises `NoSigningDomain` when it cannot stand in a signature.
    """
    fields = message_from_bytes(mail.raw, policy=policy.compat32)
    author = _first(_addresses(fields.get_all("From", []))) or mail.sender
    try:
        return read_domain(author.rpartition("@")[2] or "example.com")
    except ValueError:
        raise NoSigningDomain from None


def speak_smtp(port: int, mail: Mail) -> tuple[int, str]:
    """Be a mail client; return the last reply. Raises `ConversationFailed` when there is none."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_SECONDS) as client:
            client.ehlo("client.test")
            code, text = client.mail(mail.sender, _parameters(client, mail))
            for recipient in mail.recipients:
                if code == OK:
                    code, text = client.rcpt(recipient)
            if code == OK:
                code, text = client.data(mail.raw)
            return code, text.decode("utf-8", "replace")
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code, str(refusal.smtp_error)
    except (smtplib.SMTPException, OSError) as error:
        raise ConversationFailed(type(error).__name__) from error


def _parameters(client: smtplib.SMTP, mail: Mail) -> list[str]:
    parameters = [f"SIZE={len(mail.raw)}"] if client.has_extn("size") else []
    if not mail.raw.isascii() and client.has_extn("8bitmime"):
        parameters.append("BODY=8BITMIME")
    if not "".join((mail.sender, *mail.recipients)).isascii():
        parameters.append("SMTPUTF8")
    return parameters


def texts_of(raw: bytes) -> list[str]:
    """Return the text of each text part, read with the standard library."""
    texts = []
    for part in message_from_bytes(raw, policy=policy.compat32).walk():
        content = part.get_payload(decode=True)
        if part.get_content_maintype() == "text" and isinstance(content, bytes):
            texts.append(content.decode(part.get_content_charset("utf-8"), "replace"))
    return texts
