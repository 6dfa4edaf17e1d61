"""What EHLO advertises: only what the next hop offers and we understand (P11).

An extension that the next hop lacks would have to be undone on the way, and undoing it changes the mail or
bounces it. CHUNKING is never advertised: without BDAT there is one way to end a message, and it is checked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway import replies
from gateway.envelope import Recipient, Sender
from gateway.replies import Refused
from gateway.smtp.commands import Parameter, parse_parameters
from gateway.smtp.refusals import RefusalReason

PIPELINING = b"PIPELINING"
SIZE = b"SIZE"
SMTPUTF8 = b"SMTPUTF8"
_MIRRORED = (b"8BITMIME", SMTPUTF8, b"DSN", b"ENHANCEDSTATUSCODES")

# Which extension allows which parameter: RFC 1870, 6152, 6531 and 3461.
_OF_MAIL = {b"SIZE": SIZE, b"BODY": b"8BITMIME", b"SMTPUTF8": SMTPUTF8, b"RET": b"DSN", b"ENVID": b"DSN"}
_OF_CLIENT = {**_OF_MAIL, b"AUTH": b"AUTH"}
"""With AUTH a client says whose mail it is (RFC 4954, section 5). It is taken, and goes no further."""
_OF_RCPT = {b"NOTIFY": b"DSN", b"ORCPT": b"DSN"}

_RCPTMAX = re.compile(rb"(?:^| )RCPTMAX=([1-9][0-9]{0,5})(?: |$)", re.IGNORECASE)
"""RFC 9422, section 3: a whole number of up to six digits."""

_BODIES = (b"7BIT", b"8BITMIME")
"""BINARYMIME needs CHUNKING (RFC 3030, section 3)."""

GROWTH_MARGIN_OCTETS = 64 * 1024
"""How much less than the next hop's limit is promised: a rewritten copy is larger than its original.

It has the invitation, our fields on top and its texts in another encoding. A limit so small that little would
be left is halved.
"""


@dataclass(frozen=True, slots=True)
class Extensions:
    """What one session has been promised."""

    keywords: tuple[bytes, ...]
    """In the order in which EHLO shows them; empty after HELO."""
    max_octets: int
    """The largest message taken, in bytes."""
    max_recipients: int = 1000
    """Recipients of one mail."""
    own: tuple[bytes, ...] = ()
    """Whole lines of extensions that concern only the client and us."""

    def ehlo_lines(self) -> tuple[bytes, ...]:
        """Return the lines of the EHLO reply after the one with the host name."""
        shown = (b"SIZE %d" % self.max_octets if word == SIZE else word for word in self.keywords)
        return (*shown, *self.own)

    def check_sender(self, sender: Sender) -> int:
        """Return the size that the client announces, 0 when it announces none.

        Raises `Refused` for a MAIL parameter that was not promised, or a size that is too big.
        """
        parameters = self._promised(sender.parameters, _OF_CLIENT)
        by_keyword = {parameter.keyword: parameter.value for parameter in parameters}
        if b"BODY" in by_keyword and by_keyword[b"BODY"].upper() not in _BODIES:
            raise Refused(replies.unsupported_parameter("BODY"))
        size = by_keyword.get(b"SIZE")
        if size is not None and not size.isdigit():
            raise Refused(replies.bad_parameter())
        # 20 digits are the longest number RFC 1870, section 6.1 allows.
        if size is not None and (len(size) > 20 or int(size) > self.max_octets):  # noqa: PLR2004  # RFC 1870
            raise Refused(replies.message_too_big(self.max_octets), RefusalReason.TOO_BIG)
        _check_charset(sender.address + sender.parameters, utf8=b"SMTPUTF8" in by_keyword)
        return int(size or 0)

    def check_recipient(self, recipient: Recipient, sender: Sender) -> None:
        """Raise `Refused` for a RCPT parameter that was not promised."""
        self._promised(recipient.parameters, _OF_RCPT)
        utf8 = any(p.keyword == SMTPUTF8 for p in parse_parameters(sender.parameters))
        _check_charset(recipient.address + recipient.parameters, utf8=utf8)

    def _promised(self, parameters: bytes, known: Mapping[bytes, bytes]) -> tuple[Parameter, ...]:
        parsed = parse_parameters(parameters)
        promised = (*self.keywords, *(line.partition(b" ")[0] for line in self.own))
        for parameter in parsed:
            if known.get(parameter.keyword) not in promised:
                raise Refused(replies.unsupported_parameter(parameter.keyword.decode("ascii")))
        return parsed


def mirror(
    offers: Mapping[bytes, bytes], max_octets: int, *, max_recipients: int = 1000, own: tuple[bytes, ...] = ()
) -> Extensions:
    """Return what to advertise in front of a next hop with these `offers`; the maxima are our own.

    PIPELINING is ours whatever the next hop does, because commands are answered one by one.
    """
    keywords = [PIPELINING]
    if SIZE in offers:
        keywords.append(SIZE)
        theirs = offers[SIZE]
        # No number, or zero, means that there is no fixed limit (RFC 1870, section 4).
        if theirs.isdigit() and int(theirs) > 0:
            limit = int(theirs)
            max_octets = min(max_octets, limit - min(GROWTH_MARGIN_OCTETS, limit // 2))
    keywords += [word for word in _MIRRORED if word in offers]
    if their_most := _RCPTMAX.search(offers.get(b"LIMITS", b"")):
        max_recipients = min(max_recipients, int(their_most[1]))
    return Extensions(tuple(keywords), max_octets, max_recipients, own)


def limits_line(max_recipients: int, max_mails: int) -> bytes:
    """Return the EHLO line that says how many recipients a mail and mails a session may have (RFC 9422)."""
    return b"LIMITS RCPTMAX=%d MAILMAX=%d" % (max_recipients, max_mails)


def missing(sender: Sender, offers: Mapping[bytes, bytes]) -> str:
    """Return an extension that the sender's parameters need and `offers` lacks; empty when there is none."""
    for parameter in parse_parameters(sender.parameters):
        extension = _OF_MAIL.get(parameter.keyword, parameter.keyword)
        if extension not in offers:
            return extension.decode("ascii")
    return ""


def _check_charset(text: bytes, *, utf8: bool) -> None:
    """Raise `Refused` for bytes beyond ASCII that were not announced with SMTPUTF8, or are not UTF-8."""
    if text.isascii():
        return
    if not utf8:
        raise Refused(replies.utf8_not_announced())
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(replies.utf8_not_announced()) from None
