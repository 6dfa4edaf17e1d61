import asyncio

import pytest

from gateway.smtp.lines import READ_OCTETS, LineReader, LineTooLong, PeerGone


async def test_lines_chunks_and_what_is_put_back_keep_their_order() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"one\r\ntwo\nthree\r\nfour")
    reader = LineReader(stream)
    assert await reader.line(100) == b"one\r\n"
    assert await reader.line(100) == b"two\n"
    assert await reader.chunk() == b"three\r\nfour"
    reader.unread(b"e\r\nfour")
    stream.feed_data(b" five\r\nsix")
    assert await reader.line(100) == b"e\r\n"
    assert await reader.line(100) == b"four five\r\n"
    assert await reader.chunk() == b"six"


async def test_a_line_may_be_just_as_long_as_its_limit() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"12345\r\n123456\r\n1\r\n")
    reader = LineReader(stream)
    assert await reader.line(7) == b"12345\r\n"
    with pytest.raises(LineTooLong):
        await reader.line(7)
    assert await reader.line(7) == b"1\r\n"


async def test_a_line_without_end_fills_no_memory_and_its_end_is_no_line() -> None:
    stream = asyncio.StreamReader()
    reader = LineReader(stream)
    line = asyncio.create_task(reader.line(100))
    for _ in range(50):
        stream.feed_data(b"x" * READ_OCTETS)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(reader._held) <= 2 * READ_OCTETS
    stream.feed_data(b"\r\nnext\r\n")
    with pytest.raises(LineTooLong):
        await line
    assert await reader.line(100) == b"next\r\n"


async def test_what_waits_is_noticed_and_stays() -> None:
    stream = asyncio.StreamReader()
    reader = LineReader(stream)
    assert not await reader.more_waits()
    stream.feed_data(b"one\r\n")
    assert await reader.more_waits()
    stream.feed_data(b"two\r\n")
    assert await reader.line(100) == b"one\r\n"
    assert await reader.more_waits()
    assert await reader.line(100) == b"two\r\n"
    assert not await reader.more_waits()
    stream.feed_eof()
    assert not await reader.more_waits()


@pytest.mark.parametrize("half", [b"", b"QUIT", b"QUIT\r"])
async def test_half_a_line_is_none(half: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(half)
    stream.feed_eof()
    with pytest.raises(PeerGone):
        await LineReader(stream).line(100)


async def test_a_lost_connection_is_the_end() -> None:
    stream = asyncio.StreamReader()
    stream.set_exception(ConnectionResetError())
    with pytest.raises(PeerGone):
        await LineReader(stream).chunk()
