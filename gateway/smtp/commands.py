"""What a client says, taken apart without changing a byte of it: verb, path, parameters.

The parser finds where an address ends and keeps it as it came; whether the address exists, or is wise, is for
the next hop to say. `"a..b"@docomo.example`, `abc.@docomo.example` and source routes are real (RFC 5321,
sections 4.1.2 and 4.1.1.3) and travel unchanged.
"""

import re
from dataclasses import dataclass

from gateway import replies
from gateway.envelope import Recipient, Sender
from gateway.replies import Refused

_ATOM = rb'[^\x00-\x20"<>\\@\x7f]'
_QUOTED = rb'"(?:[^\x00-\x1f"\\\x7f]|\\[^\x00-\x1f\x7f])*+"'
_HOST = rb'[^\x00-\x20"<>\\@,:\x7f]++'
_PATH = re.compile(
    rb"<((?:@" + _HOST + rb"(?:,@" + _HOST + rb")*+:)?"  # the source route, deprecated but alive
    rb"(?:" + _ATOM + rb"|" + _QUOTED + rb")++"
    rb"(?:@" + _ATOM + rb"++)?)>"
)
_PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([^\x00-\x20=\x7f]++))?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ESMTP parameter of MAIL or RCPT (RFC 5321, section 4.1.2)."""

    keyword: bytes
    """In upper case."""
    value: bytes
    """As it came; empty when there is no value."""


def split_line(line: bytes) -> tuple[str, bytes]:
    """Return the verb in upper case and its argument without surrounding blanks.

    `line` has no line end. A verb that is not ASCII comes back as an empty string.
    """
    verb, _, argument = line.partition(b" ")
    return (verb.upper().decode("ascii") if verb.isascii() else "", argument.strip(b" \t"))


def parse_mail(argument: bytes) -> Sender:
    """Return the sender in `FROM:<path> parameters`; raises `Refused` with the reply to give."""
    if argument[:5].upper() != b"FROM:":
        raise Refused(replies.bad_argument("MAIL FROM:<address> [parameters]"))
    path = argument[5:].lstrip(b" ")
    if path.startswith(b"<>"):
        return Sender(b"", _blank_before(path[2:]))
    found = _PATH.match(path)
    if found is None:
        raise Refused(replies.bad_sender())
    return Sender(found[1], _blank_before(path[found.end() :]))


def parse_rcpt(argument: bytes) -> Recipient:
    """Return the recipient in `TO:<path> parameters`; raises `Refused` with the reply to give."""
    if argument[:3].upper() != b"TO:":
        raise Refused(replies.bad_argument("RCPT TO:<address> [parameters]"))
    path = argument[3:].lstrip(b" ")
    found = _PATH.match(path)
    if found is None:
        raise Refused(replies.bad_recipient())
    return Recipient(found[1], _blank_before(path[found.end() :]))


def parse_parameters(parameters: bytes) -> tuple[Parameter, ...]:
    """Return the parameters in their order; raises `Refused` when one is malformed or given twice."""
    found: dict[bytes, Parameter] = {}
    for word in filter(None, parameters.split(b" ")):  # VT and FF part words for Python, not for SMTP
        match = _PARAMETER.fullmatch(word)
        if match is None or match[1].upper() in found:
            raise Refused(replies.bad_parameter())
        found[match[1].upper()] = Parameter(match[1].upper(), match[2] or b"")
    return tuple(found.values())


def without_parameter(sender: Sender, keyword: bytes) -> Sender:
    """Return the sender without a parameter; the others stay as they came, blanks included."""
    words = sender.parameters.split(b" ")
    kept = [word for word in words if word.partition(b"=")[0].upper() != keyword]
    return sender if len(kept) == len(words) else Sender(sender.address, b" ".join(kept))


def _blank_before(parameters: bytes) -> bytes:
    """Return the parameters without the blank that must part them from the path."""
    if parameters and not parameters.startswith(b" "):
        raise Refused(replies.bad_parameter())
    return parameters.lstrip(b" ")
