"""Every SMTP reply: the ones that are ours to give, by name, and the next hop's, passed on as they came.

A reply's lines are bytes without code, separator and line end, because a next hop may answer in any charset.
Our own replies are ASCII, carry an enhanced status code (RFC 3463) and never show the text of an exception.
"""

import re
from dataclasses import dataclass

_QUEUE_ID = re.compile(
    r"(?:\bqueued as |\bid=|\bInternalId=|\bkept as )([A-Za-z0-9][A-Za-z0-9.-]{0,39})(?![^\s,;)\]])"
)
"""Letters, digits, dots and hyphens up to a separator, so that no address fits."""


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

    @property
    def queue_id(self) -> str | None:
        """The id under which the next hop keeps the mail, where its 2xx tells one; never an address.

        Postfix says `queued as ID`, Exim and Gmail say `id=ID`, Exchange says `InternalId=ID`.
        """
        found = _QUEUE_ID.search(self.text()) if self.accepted else None
        return found[1] if found else None

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


def next_hop_too_slow() -> Reply:
    """The time for the message is up: the client must not give up before we answer."""
    return _own(451, "4.4.2 The next mail server takes too long, please try again later")


def next_hop_insecure() -> Reply:
    """The connection to the next hop cannot be encrypted as it must be (RFC 3463: X.7.5)."""
    return _own(451, "4.7.5 The connection to the next mail server cannot be secured, please try again later")


def next_hop_bars_us() -> Reply:
    """The next hop does not let this gateway log in; that is the operator's to mend."""
    return _own(451, "4.3.5 The next mail server does not let this server in, please try again later")


def next_hop_busy() -> Reply:
    """As many connections to the next hop are open as may be, and none became free in time."""
    return _own(451, "4.3.2 The next mail server has enough connections from here, please try again later")


def too_many_recipients() -> Reply:
    """The mail has as many recipients as EHLO's RCPTMAX says, ours or the next hop's (RFC 9422)."""
    return _own(452, "4.5.3 Too many recipients, please send the others in another mail")


def store_unavailable(trace_id: str) -> Reply:
    """The database cannot be reached; only marked mail meets this reply."""
    return _own(451, f"4.3.0 The message cannot be recorded now, please try again later ({trace_id})")


def partly_delivered(done: int, copies: int, trace_id: str) -> Reply:
    """Some copies are delivered, the others are not yet; a retry sends only the others."""
    return _own(451, f"4.3.0 {done} of {copies} copies delivered, try again for the others ({trace_id})")


def in_another_session(trace_id: str) -> Reply:
    """The same message came twice at once, and the other session is delivering it."""
    return _own(451, f"4.3.0 Being delivered in another session, please try again later ({trace_id})")


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


# The words of a session: greeting, syntax, sequence, access.


def greeting(hostname: str, protocol: str) -> Reply:
    """The first line of a session; it names no software and no version."""
    return _own(220, f"{hostname} {'LMTP' if protocol.startswith('LMTP') else 'ESMTP'}")


def ok() -> Reply:
    """RSET or NOOP was done."""
    return _own(250, "2.0.0 Ok")


def goodbye() -> Reply:
    """The answer to QUIT."""
    return _own(221, "2.0.0 Bye")


def go_ahead() -> Reply:
    """The client may send the content (RFC 5321, section 4.1.1.4)."""
    return _own(354, "End data with <CR><LF>.<CR><LF>")


def cannot_verify() -> Reply:
    """VRFY is not answered, because it helps only address harvesters (RFC 5321, section 7.3)."""
    return _own(
        252, "2.5.0 Cannot verify the user, but will take a message for the next mail server to judge"
    )


def help_text() -> Reply:
    """The answer to HELP."""
    return _own(214, "2.0.0 This is a mail relay; see RFC 5321")


def peer_not_allowed() -> Reply:
    """The client's address is in none of the listener's networks."""
    return _own(550, "5.7.1 Relaying denied: your address may not send through this server")


def sender_not_allowed() -> Reply:
    """The envelope sender's domain is none of those that may send through this listener."""
    return _own(550, "5.7.1 Relaying denied: this sender domain may not send through this server")


def bad_line() -> Reply:
    """A command line does not end in CRLF, or has a CR or NUL in it."""
    return _own(500, "5.5.2 Malformed line; commands must end in CRLF")


def line_too_long() -> Reply:
    """A command line is longer than its limit (RFC 5321, section 4.5.3.1.4)."""
    return _own(500, "5.5.2 Command line too long")


def unknown_command() -> Reply:
    """The verb is none that this listener knows."""
    return _own(500, "5.5.1 Command not recognized")


def not_implemented() -> Reply:
    """The verb is known and deliberately not served."""
    return _own(502, "5.5.1 Command not implemented")


def bad_argument(syntax: str) -> Reply:
    """The verb has no argument where it needs one, or has one where it takes none."""
    return _own(501, f"5.5.4 Syntax: {syntax}")


def bad_sender() -> Reply:
    """The reverse path cannot be read."""
    return _own(501, "5.1.7 Bad sender address syntax; expected MAIL FROM:<address>")


def bad_recipient() -> Reply:
    """The forward path cannot be read."""
    return _own(501, "5.1.3 Bad recipient address syntax; expected RCPT TO:<address>")


def bad_parameter() -> Reply:
    """A parameter of MAIL or RCPT is malformed or stands there twice."""
    return _own(501, "5.5.4 Malformed or repeated parameter")


def unsupported_parameter(keyword: str) -> Reply:
    """A parameter belongs to no extension that EHLO advertised (RFC 5321, section 4.1.1.11)."""
    return _own(555, f"5.5.4 Parameter {keyword[:64]} not recognized or not supported")


def utf8_not_announced() -> Reply:
    """An address has bytes beyond ASCII without SMTPUTF8, or is not UTF-8 (RFC 6531, section 3.5)."""
    return _own(553, "5.6.7 Non-ASCII address without SMTPUTF8")


def bad_sequence(needed: str) -> Reply:
    """A command comes before the one that it needs, or while another mail is open."""
    return _own(503, f"5.5.1 Bad sequence of commands: {needed}")


def message_too_big(max_octets: int) -> Reply:
    """The message is larger than the limit that EHLO advertised (RFC 1870)."""
    return _own(552, f"5.3.4 Message too big; at most {max_octets} bytes are taken")


def extension_lost(keyword: str) -> Reply:
    """The next hop no longer offers what this session was promised; a new session learns what it does."""
    return _own(451, f"4.3.0 The next mail server no longer supports {keyword}, please reconnect")


def talked_early() -> Reply:
    """The client did not wait for the answer to DATA; what it sent behind may be content, or commands."""
    return _own(421, "4.5.0 Content came before 354, closing the connection")


def idle_too_long() -> Reply:
    """The client said nothing for longer than its limit (RFC 5321, section 4.5.3.2.7)."""
    return _own(421, "4.4.2 Timeout, closing the connection")


def shutting_down() -> Reply:
    """The gateway is being stopped (RFC 5321, section 3.8)."""
    return _own(421, "4.3.2 Service shutting down, please try again later")


def too_many_errors() -> Reply:
    """The client made more mistakes in one session than a mail server makes."""
    return _own(421, "4.7.0 Too many errors, closing the connection")


# TLS, login, and the bounds of a door.


def ready_for_tls() -> Reply:
    """The client may begin its handshake (RFC 3207, section 4)."""
    return _own(220, "2.0.0 Ready to start TLS")


def starttls_first() -> Reply:
    """This listener takes nothing before the session is encrypted (RFC 3207, section 4)."""
    return _own(530, "5.7.0 Must issue a STARTTLS command first")


def talked_before_tls() -> Reply:
    """Something stands behind STARTTLS that an attacker may have put there (CVE-2011-0411)."""
    return _own(421, "4.5.0 Commands came before the TLS handshake, closing the connection")


def login_required() -> Reply:
    """Who has not logged in may not send here (RFC 4954, section 6)."""
    return _own(530, "5.7.0 Authentication required")


def login_needs_tls() -> Reply:
    """A password would travel where others can read it (RFC 4954, section 4)."""
    return _own(538, "5.7.11 Encryption required for authentication")


def challenge(base64: bytes) -> Reply:
    """The client's next line belongs to its login (RFC 4954, section 4)."""
    return Reply(334, (base64,))


def logged_in() -> Reply:
    """Name and password are right."""
    return _own(235, "2.7.0 Authentication succeeded")


def login_failed() -> Reply:
    """Name or password is wrong, or the user is disabled; which, is nobody's business."""
    return _own(535, "5.7.8 Authentication credentials invalid")


def login_failed_too_often() -> Reply:
    """The client has guessed enough in one session."""
    return _own(421, "4.7.0 Too many failed logins, closing the connection")


def logins_limited() -> Reply:
    """Too many want to log in at once, or this address has failed too often of late."""
    return _own(454, "4.7.0 Too many logins now, please try again later")


def login_cancelled() -> Reply:
    """The client has said `*` (RFC 4954, section 4)."""
    return _own(501, "5.7.0 Authentication cancelled")


def bad_base64() -> Reply:
    """A line of the login is not base64, or not of its mechanism's form."""
    return _own(501, "5.5.2 Malformed authentication response")


def login_line_too_long() -> Reply:
    """A line of the login is longer than RFC 4954, section 4 allows."""
    return _own(500, "5.5.6 Authentication exchange line is too long")


def unknown_mechanism() -> Reply:
    """The mechanism is none that EHLO names."""
    return _own(504, "5.5.4 Authentication mechanism not supported")


def tenant_unproven() -> Reply:
    """The message has no sign of the account that may send it from this shared address."""
    return _own(550, "5.7.1 Relaying denied: the message does not come from an account that may send here")


def out_of_memory() -> Reply:
    """So much content is under way that there is no room for this one now (RFC 3463, X.3.1)."""
    return _own(452, "4.3.1 Too much mail is under way, please try again later")


def too_many_mails() -> Reply:
    """The session has had as many mails as EHLO's MAILMAX says (RFC 9422, section 4)."""
    return _own(421, "4.7.0 Too many mails in one session, please reconnect")


def too_many_connections() -> Reply:
    """So many clients are connected that this one has to wait."""
    return _own(421, "4.3.2 Too many connections, please try again later")


def too_many_connections_of_peer() -> Reply:
    """So many clients are connected from this address that one more has to wait."""
    return _own(421, "4.7.0 Too many connections from your address, please try again later")
