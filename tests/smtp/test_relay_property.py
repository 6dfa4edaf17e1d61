import asyncio
import contextlib
import itertools
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.smtp.listener import listen
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.rules import DoorRules, Household
from gateway.smtp.servers import NextHopAddress
from tests.smtp.recording import Client, RecordingJournal, RecordingNextHop, StraightJourney

lines = st.lists(
    st.one_of(
        st.sampled_from([b"", b".", b"..", b". ", b"QUIT", b".QUIT", b"\xff", b"x" * 1100]),
        st.binary(max_size=30).filter(lambda line: not set(line) & set(b"\r\n\x00")),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(lines, min_size=1, max_size=3), st.integers(min_value=1, max_value=200))
def test_any_clean_content_in_any_pieces_arrives_identical(mails: list[list[bytes]], step: int) -> None:
    """Invariant: CRLF lines of any bytes, sent in pieces of any size, are the next hop's content (P1)."""
    contents = [b"".join(line + b"\r\n" for line in mail) for mail in mails]
    assert asyncio.run(_relay(contents, step)) == contents


def _stuffed(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(b"." + line if line.startswith(b".") else line for line in lines)


async def _relay(contents: list[bytes], step: int) -> list[bytes]:
    """Send all mails on one session, pipelined as far as RFC 2920 allows, `step` bytes at a time."""
    hop = await RecordingNextHop().start()
    pool = PooledNextHop(NextHopAddress("127.0.0.1", hop.port))
    numbers = itertools.count()
    household = Household(pool, StraightJourney(), RecordingJournal(), lambda: f"G-{next(numbers)}")
    listener = await listen(socket.create_server(("127.0.0.1", 0)), DoorRules("gw.test"), household)
    client = await Client.connect(listener.port)
    try:
        await client.greet()
        envelope = b"MAIL FROM:<hr@example.com>\r\nRCPT TO:<yamada@example.jp>\r\nDATA\r\n"
        groups = [envelope, *(_stuffed(content) + b".\r\n" + envelope for content in contents)]
        for number, group in enumerate(groups):
            for at in range(0, len(group), step):
                client.write(group[at : at + step])
                await asyncio.sleep(0)
            expected = [b"250"] * (3 if number else 2) + [b"354"]
            assert [(await client.reply())[:3] for _ in expected] == expected
    finally:
        client.close()
        with contextlib.suppress(ConnectionError):
            await client.writer.wait_closed()
        await listener.stop(5)
        await pool.close()
        await hop.stop()
    return [message.content for message in hop.messages]
