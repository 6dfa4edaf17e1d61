"""What servers offer in their EHLO replies, read and brought to one denominator. No I/O."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.replies import Reply

PIPELINING = b"PIPELINING"
STARTTLS = b"STARTTLS"
AUTH = b"AUTH"
DSN = b"DSN"
_SIZE = b"SIZE"
_LIMITS = b"LIMITS"

MAIL_MAX = b"MAILMAX"
"""The limit of transactions on one connection (RFC 9422, section 4.1)."""
RCPT_MAX = b"RCPTMAX"
"""The limit of RCPTs in one transaction (RFC 9422, section 4.2)."""


def read_offers(reply: Reply) -> Mapping[bytes, bytes]:
    """Return the keywords of an EHLO reply in upper case, each with its parameters as they came."""
    words = (line.partition(b" ") for line in reply.lines[1:])
    return MappingProxyType({keyword.upper(): rest.strip() for keyword, _, rest in words})


def in_common(offers: Sequence[Mapping[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return what each of the servers offers: a mail may go to any of them.

    The size is the smallest; other parameters are the first server's. `offers` has at least one entry.
    """
    first, *others = offers
    if not others:
        return first
    common = {word: value for word, value in first.items() if all(word in other for other in others)}
    if _SIZE in common:
        common[_SIZE] = min((offer[_SIZE] for offer in offers), key=_octets)
    return MappingProxyType(common)


def limit(offers: Mapping[bytes, bytes], name: bytes) -> int | None:
    """Return a limit that the server announces with LIMITS (RFC 9422); None when it sets none."""
    for word in offers.get(_LIMITS, b"").upper().split():
        key, _, value = word.partition(b"=")
        # The RFC allows six digits and forbids zero; whatever else stands there is no limit that we know.
        if key == name and value.isdigit() and 0 < len(value) <= 6 and int(value):  # noqa: PLR2004  # section 3
            return int(value)
    return None


def _octets(size: bytes) -> float:
    """Return the size in bytes; no number, or zero, means that there is none (RFC 1870, section 4)."""
    return int(size) if size.isdigit() and int(size) else float("inf")
