"""What the next hop says: bytes in, replies out, in whatever pieces they arrive (RFC 5321, section 4.2.1).

No I/O. The text of a reply is kept as it came, in any charset, because it is passed on to the client.
"""

import re

from gateway.replies import Reply

MAX_LINE_OCTETS = 8192
"""RFC 5321, section 4.5.3.1.5 says 512; some servers put a whole policy into one line."""

MAX_LINES = 128
"""More than any EHLO reply; beyond it the next hop is not answering but flooding."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\x00\r\n]*+))?\r\n")
"""RFC 5321, section 4.2 ends the second digit at 5, but servers say 571; only the first digit decides."""


class ReplyParser:
    """Puts replies together from the bytes of one connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._code = b""
        self._lines: list[bytes] = []
        self.nonsense = ""
        """Why what came behind the last reply is none; empty while all is well."""

    @property
    def midway(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that `data` completes; nothing that comes behind nonsense is a reply.

        A reply before the nonsense counts: a mail that was accepted must not be sent again.
        """
        done: list[Reply] = []
        data = self._rest + data
        start = 0
        while not self.nonsense and (end := data.find(b"\n", start) + 1) > 0:
            if (reply := self._take(data[start:end])) is not None:
                done.append(reply)
            start = end
        self._rest = data[start:]
        if len(self._rest) > MAX_LINE_OCTETS:
            self._rest = b""
            self.nonsense = self.nonsense or "a line without end"
        return done

    def _take(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line)
        if match is None:
            self.nonsense = "not a reply line"
            return None
        code, separator, text = match[1], match[2], match[3] or b""
        if self._lines and code != self._code:
            self.nonsense = "two codes in one reply"
            return None
        if len(line) > MAX_LINE_OCTETS or len(self._lines) >= MAX_LINES:
            self.nonsense = "a reply without end"
            return None
        if separator == b"-":
            self._code = code
            self._lines.append(text)
            return None
        reply = Reply(int(code), (*self._lines, text))
        self._lines.clear()
        return reply
