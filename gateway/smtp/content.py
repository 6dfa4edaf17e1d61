"""The content of DATA: where it ends, and the dots that protect it (RFC 5321, section 4.5.2).

Only CRLF.CRLF ends the data. Every laxer reading (LF.LF, LF.CRLF, CR.CR) lets one mail be smuggled inside
another, because two servers then disagree about where the mail ends (CVE-2023-51764).
Content is handled in whole reads, never line by line: at 5 MB that is six times as fast.
Most mails have no line that begins with a dot; that is found out once, when they come.
"""

from collections.abc import Iterator

from gateway.smtp.budget import Reservation

END_OF_DATA = b"\r\n.\r\n"

SLICE_OCTETS = 1 << 18
"""How much is stuffed and handed to the socket at a time: large for speed, small for an even loop."""


_DOT_LINE = b"\r\n."
"""What a line begins behind that begins with a dot: the end of data, or a dot to take out."""


class Dotless(bytes):
    """Content known to have no line that begins with a dot: it goes over the wire as it is.

    Whatever is made of it, a slice or a longer mail, is plain bytes again, of which nothing is known.
    """

    __slots__ = ()


class ContentReader:
    """Collects content as it arrives, with the dots taken out, up to a size.

    Beyond the size, or the room there is, it forgets what it has and only looks for the end.
    """

    def __init__(self, max_octets: int, room: Reservation | None = None) -> None:
        """`max_octets` counts the content as the message has it, without added dots (RFC 1870).

        `room` grows with the content.
        """
        self._max_octets = max_octets
        self._room = room
        self.octets = 0
        """How long the content is so far, kept or not."""
        self._pieces: list[bytes] = []
        # The CRLF of the DATA command stands before the first line, so that a dot there is seen as well.
        self._undecided = b"\r\n"
        self._started = False
        self._dotless = True
        self.too_big = False
        """Whether the content was longer than allowed; it is lost then."""
        self.crowded_out = False
        """Whether there was no room for it; it is lost then."""

    def feed(self, data: bytes) -> bytes | None:
        """Take what arrived; return None while the end is missing, then what stands behind the end."""
        data = self._undecided + data
        dot = data.rfind(_DOT_LINE)  # CPython searches backwards twice as fast
        end = data.find(END_OF_DATA) if dot >= 0 else -1
        if end >= 0:
            self._keep(data[: end + 2], dots=data.rfind(_DOT_LINE, 0, end) >= 0)
            return data[end + len(END_OF_DATA) :]
        held = _length_of_possible_end(data)
        self._undecided = data[len(data) - held :]
        self._keep(data[: len(data) - held], dots=dot >= 0)
        return None

    def content(self) -> bytes:
        """Return the message: CRLF line ends as they came, no final dot; empty when it is lost."""
        content = b"".join(self._pieces)
        return Dotless(content) if self._dotless else content

    def _keep(self, stuffed: bytes, *, dots: bool) -> None:
        """Keep a piece; `dots` tells that one of its lines, or what follows it, may begin with a dot."""
        piece = stuffed.replace(_DOT_LINE, b"\r\n") if dots else stuffed
        self._dotless = self._dotless and not dots
        if not self._started and piece:
            # The CRLF of the DATA command is not content; it was held back until it could be kept whole.
            piece = piece[2:]
            self._started = True
        self.octets += len(piece)
        if self.octets > self._max_octets:
            self.too_big = True
            self._forget()
        elif self._room is not None and (self.crowded_out or not self._room.cover(self.octets)):
            self.crowded_out = True
            self._forget()
        elif piece:
            self._pieces.append(piece)

    def _forget(self) -> None:
        self._pieces.clear()
        if self._room is not None:
            self._room.shrink(0)


def stuffed_slices(content: bytes, *, with_final_dot: bool) -> Iterator[bytes]:
    """Yield the content as it goes over the wire, in slices, a dot before each line that begins with one.

    `content` has CRLF line ends. Where the last is missing it is added, because the final dot stands alone.
    """
    stuff = _as_it_is if isinstance(content, Dotless) else _stuff
    start = 0
    while len(content) - start > SLICE_OCTETS:
        end = start + SLICE_OCTETS
        cut = content.rfind(b"\r", end - 2, end)
        end = end if cut < 0 else cut  # never between the bytes of CRLF and a dot
        yield stuff(content[start:end], first=start == 0)
        start = end
    last = stuff(content[start:], first=start == 0)
    if content and not content.endswith(b"\r\n"):
        last += b"\r\n"
    yield last + b".\r\n" if with_final_dot else last


def _stuff(piece: bytes, *, first: bool) -> bytes:
    stuffed = piece.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if first and piece.startswith(b".") else stuffed


def _as_it_is(piece: bytes, *, first: bool) -> bytes:
    del first
    return piece


def _length_of_possible_end(data: bytes) -> int:
    """Return how many of the last bytes may be the beginning of the end of data: 0 to 4."""
    for length in range(len(END_OF_DATA) - 1, 0, -1):
        if data.endswith(END_OF_DATA[:length]):
            return length
    return 0
