"""What travels beside a message: the envelope, each address and parameter as the client sent it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sender:
    """The reverse path of MAIL FROM."""

    address: bytes
    """What stood between < and >, unchanged; empty for the null sender."""
    parameters: bytes = b""
    """What followed the path, unchanged, without the leading space; `SIZE=1000 BODY=8BITMIME`."""

    @property
    def domain(self) -> bytes:
        """The part after the last @, in lower case; empty when there is none."""
        return _domain(self.address)

    def with_size(self, octets: int) -> "Sender":
        """Return the sender with the SIZE parameter (RFC 1870), if there is one, set to `octets`."""
        words = [
            b"SIZE=%d" % octets if w.upper().startswith(b"SIZE=") else w for w in self.parameters.split()
        ]
        return Sender(self.address, b" ".join(words))


@dataclass(frozen=True, slots=True)
class Recipient:
    """A forward path of RCPT TO."""

    address: bytes
    """What stood between < and >, unchanged."""
    parameters: bytes = b""
    """What followed the path, unchanged, without the leading space; `NOTIFY=NEVER`."""

    @property
    def domain(self) -> bytes:
        """The part after the last @, in lower case; empty when there is none."""
        return _domain(self.address)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail transaction as the client opened it and the next hop accepted it."""

    trace_id: str
    """`G-` and 16 base32 characters: leads from the client's reply to the ledger and the next hop's reply."""
    peer: str
    """The client's address and port, for the Received field."""
    helo: bytes
    """The name the client gave in EHLO or HELO."""
    protocol: str
    """`SMTP`, `ESMTP`, `ESMTPS`, `ESMTPA`, `ESMTPSA`, and `LMTP` with the same endings (RFC 3848)."""
    sender: Sender
    recipients: tuple[Recipient, ...]
    """Those the next hop accepted, in the client's order."""

    @property
    def lmtp(self) -> bool:
        """Whether the client hears one reply for each recipient."""
        return self.protocol.startswith("LMTP")


def _domain(address: bytes) -> bytes:
    # A dot at the end is DNS's root and means the same domain.
    return address.rpartition(b"@")[2].lower().rstrip(b".") if b"@" in address else b""
