"""Every SMTP reply: the ones that are ours to give, by name, and the next hop's, passed on as they came.

A reply's lines are bytes without code, separator and line end, because a next hop may answer in any charset.
Our own replies are ASCII, carry an enhanced status code (RFC 3463) and never show the text of an exception.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply (RFC 5321, section 4.2)."""

    code: int
    """Three digits, 200 to 599."""
    lines: tuple[bytes, ...]
    """The text of each line, at least one; no code, no separator, no CR or LF."""

    @property
    def accepted(self) -> bool:
        """Whether this is a 2xx."""
        return 200 <= self.code < 300  # noqa: PLR2004  # RFC 5321, section 4.2.1

    @property
    def temporary(self) -> bool:
        """Whether this is a 4xx: the client keeps the mail and tries again."""
        return 400 <= self.code < 500  # noqa: PLR2004  # RFC 5321, section 4.2.1

    @property
    def permanent(self) -> bool:
        """Whether this is a 5xx: the client gives up."""
        return self.code >= 500  # noqa: PLR2004  # RFC 5321, section 4.2.1

    def to_wire(self) -> bytes:
        """Return the reply with codes, separators and CRLF, ready to be sent."""
        code = b"%d" % self.code
        head = b"".join(code + b"-" + line + b"\r\n" for line in self.lines[:-1])
        return head + code + b" " + self.lines[-1] + b"\r\n"

    def text(self) -> str:
        """Return the lines as one, for a journal line or a ledger entry; undecodable bytes are escaped."""
        return " ".join(line.decode("utf-8", "backslashreplace") for line in self.lines)


class Declined(Exception):
    """A mail that is not taken now; carries the reply that says so."""

    def __init__(self, reply: Reply, reason: str = "") -> None:
        """`reason` is for the journal, never for the client."""
        super().__init__(reason or reply.text())
        self.reply = reply
        self.reason = reason or reply.text()


class Refused(Declined):
    """The mail is refused for good (5xx)."""


class Deferred(Declined):
    """The mail is not taken now; the client's own queue keeps it and tries again (4xx)."""


class OutcomeUnknown(Deferred):
    """The final dot was sent and no reply came: the next hop may or may not have the mail (RFC 1047)."""


def _own(code: int, text: str) -> Reply:
    return Reply(code, (text.encode("ascii"),))


def internal_error(trace_id: str) -> Reply:
    """Something of ours went wrong; the client keeps the mail."""
    return _own(451, f"4.3.0 Temporary internal error, please try again later ({trace_id})")


def next_hop_unavailable() -> Reply:
    """No connection to the next hop can be had."""
    return _own(451, "4.4.1 The next mail server cannot be reached now, please try again later")


def next_hop_lost() -> Reply:
    """The connection to the next hop broke, or it answered nonsense or too late."""
    return _own(451, "4.4.2 The connection to the next mail server was lost, please try again later")


def store_unavailable(trace_id: str) -> Reply:
    """The database cannot be reached; only marked mail meets this reply."""
    return _own(451, f"4.3.0 The message cannot be recorded now, please try again later ({trace_id})")


def partly_delivered(done: int, copies: int, trace_id: str) -> Reply:
    """Some copies are delivered, the others are not yet; a retry sends only the others."""
    return _own(451, f"4.3.0 {done} of {copies} copies delivered, try again for the others ({trace_id})")


def delivered(trace_id: str, queue_ids: str = "") -> Reply:
    """Every copy was accepted by the next hop, now or on an earlier try."""
    return _own(250, f"2.0.0 Ok {trace_id}" + (f" ({queue_ids})" if queue_ids else ""))


def too_many_hops() -> Reply:
    """The message has been relayed too often: most likely it goes round in a loop (RFC 5321, section 6.3)."""
    return _own(554, "5.4.6 Too many hops, the message seems to be in a loop")


def bare_line_ending() -> Reply:
    """A CR or LF stands alone, which is how one mail is smuggled inside another (CVE-2023-51764)."""
    return _own(550, "5.5.2 Bare CR or LF in the message; lines must end in CRLF")


def nul_byte() -> Reply:
    """A NUL stands in the message (forbidden by RFC 5321, section 4.5.2 and RFC 5322, section 3.5)."""
    return _own(550, "5.6.0 NUL byte in the message")
