"""What the client says, as it arrives: command lines, then content, then the commands sent behind it.

The only reader of the client's bytes, so that nothing is lost between a line and a chunk, and everything that
came before a TLS handshake can be thrown away at once (CVE-2011-0411).
"""

import asyncio

READ_OCTETS = 1 << 18
"""The most that is taken at once."""

BUFFER_OCTETS = 1 << 16
"""Of what a client sends while nobody reads, twice as much may wait here, plus what one read brings."""


class PeerGone(Exception):
    """The client will say nothing more."""


class LineTooLong(Exception):
    """A command line was longer than its limit; it has been read to its end."""


class LineReader:
    """Lines and chunks from one client."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._held = bytearray()

    async def line(self, max_octets: int) -> bytes:
        """Return the next line with its line end, at most `max_octets` long.

        A line ends at LF, whatever precedes it, so that a bare LF is seen and refused, not waited behind.
        Raises `LineTooLong`, or `PeerGone` when the client closes in mid-line.
        """
        too_long = False
        searched = 0
        while (end := self._held.find(b"\n", searched) + 1) == 0:
            if len(self._held) > max_octets:
                too_long = True
                self._held.clear()
            searched = len(self._held)
            self._held += await self._read()
        line = bytes(self._held[:end])
        del self._held[:end]
        if too_long or len(line) > max_octets:
            raise LineTooLong
        return line

    async def chunk(self) -> bytes:
        """Return what is there, at least one byte; raises `PeerGone` at the end."""
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            return data
        return await self._read()

    async def more_waits(self) -> bool:
        """Return whether the client has said more already; its bytes stay where they are."""
        if not self._held:
            await asyncio.sleep(0)  # what has come to the socket comes in
        return bool(self._held or self._reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001

    def forget(self) -> None:
        """Throw away all that has come (RFC 3207, section 4.2)."""
        self._held.clear()
        self._reader._buffer.clear()  # type: ignore[attr-defined]  # noqa: SLF001  # reading would wait

    def unread(self, data: bytes) -> None:
        """Put back what a chunk had too much of."""
        self._held[:0] = data

    async def _read(self) -> bytes:
        try:
            data = await self._reader.read(READ_OCTETS)
        except ConnectionError as error:
            raise PeerGone from error
        if not data:
            raise PeerGone
        return data
