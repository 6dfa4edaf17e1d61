"""The embedded mailbox as a next hop: bytes in, the same bytes kept, over real sockets."""

import asyncio
import contextlib
import random
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo import mailbox as mailbox_module
from gateway.demo.mailbox import Mailbox
from tests.demo.conftest import NOW, Running

MAIL = b"From: a@example.com\r\nTo: b@example.jp\r\nSubject: x\r\n\r\nhello\r\n"


class Client:
    """A client that says what the test says, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, octets: bytes) -> bytes:
        """Send and return the next reply line."""
        self.writer.write(octets)
        await self.writer.drain()
        return await self.reader.readline()

    async def say_all(self, octets: bytes, replies: int) -> list[bytes]:
        """Send at once what is pipelined; return the codes."""
        self.writer.write(octets)
        await self.writer.drain()
        return [(await self.reader.readline())[:3] for _ in range(replies)]


@contextlib.asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert (await reader.readline()).startswith(b"220 ")
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


def stuffed(raw: bytes) -> bytes:
    """Return the wire form of a mail, with the final dot (RFC 5321, section 4.5.2)."""
    lines = raw.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


async def deliver(port: int, raw: bytes) -> None:
    async with client(port) as c:
        await c.say_all(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n", 3)
        assert (await c.say(stuffed(raw))).startswith(b"250 ")


async def test_a_mail_is_kept_with_its_envelope(running: Running) -> None:
    async with client(running.port) as c:
        assert await c.say(b"MAIL FROM:<a@example.com> SIZE=100 BODY=8BITMIME\r\n") == b"250 2.1.0 Ok\r\n"
        assert await c.say(b"RCPT TO:<b@example.jp>\r\n") == b"250 2.1.5 Ok\r\n"
        assert await c.say(b"rcpt to:<c@example.jp>\r\n") == b"250 2.1.5 Ok\r\n"
        assert (await c.say(b"DATA\r\n")).startswith(b"354 ")
        assert await c.say(stuffed(MAIL)) == b"250 2.0.0 Ok: kept as 0001\r\n"
        assert (await c.say(b"QUIT\r\n")).startswith(b"221 ")
    (letter,) = running.mailbox.letters()
    assert letter.number == 1
    assert letter.mail_from == "a@example.com"
    assert letter.rcpt_tos == ("b@example.jp", "c@example.jp")
    assert letter.received_at == NOW
    assert letter.raw == MAIL


@settings(max_examples=40, deadline=None)
@given(body=st.lists(st.binary(max_size=40).filter(lambda line: b"\r\n" not in line), max_size=12))
def test_every_byte_is_kept(tmp_path_factory: pytest.TempPathFactory, body: list[bytes]) -> None:
    """For all lines, with dots, NUL, 8-bit bytes, bare CR and bare LF: what is kept is what was sent."""
    raw = b"".join(line + b"\r\n" for line in body if not line.endswith(b"\r"))

    async def whole() -> bytes:
        box = Mailbox(tmp_path_factory.mktemp("box"), clock=lambda: NOW)
        port = await box.start()
        await deliver(port, raw)
        await box.stop()
        return box.letter(1).raw

    assert asyncio.run(whole()) == raw


async def test_a_mail_of_five_megabytes_with_one_long_line_is_kept(running: Running) -> None:
    raw = MAIL + random.Random(7).randbytes(5_000_000).replace(b"\r\n", b"..") + b"\r\n.\x00.\r\n"
    await deliver(running.port, raw)
    assert running.mailbox.letter(1).raw == raw


async def test_the_standard_librarys_client_can_deliver(running: Running) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", running.port) as server:
            server.ehlo()
            assert server.has_extn("pipelining")
            assert server.has_extn("8bitmime")
            assert server.has_extn("smtputf8")
            assert server.has_extn("enhancedstatuscodes")
            assert int(server.esmtp_features["size"]) > 25_000_000
            assert not server.has_extn("dsn")
            assert not server.has_extn("chunking")
            server.sendmail("a@example.com", ["b@example.jp"], MAIL)

    await asyncio.to_thread(send)
    assert running.mailbox.letter(1).raw == MAIL


async def test_pipelined_commands_are_answered_in_order(running: Running) -> None:
    async with client(running.port) as c:
        first = b"MAIL FROM:<>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n"
        assert await c.say_all(first, 3) == [b"250", b"250", b"354"]
        rest = stuffed(MAIL) + b"RSET\r\nNOOP\r\nMAIL FROM:<a@example.com>\r\nQUIT\r\n"
        assert await c.say_all(rest, 5) == [b"250", b"250", b"250", b"250", b"221"]
    assert running.mailbox.letter(1).mail_from == ""


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"RCPT TO:<b@example.jp>\r\n", b"503"),
        (b"DATA\r\n", b"503"),
        (b"MAIL FROM:a@example.com\r\n", b"501"),
        (b"MAIL\r\n", b"501"),
        (b"MAIL FROM:<a@example.com> RET=HDRS\r\n", b"555"),
        (b"MAIL FROM:<a@example.com> SIZE=99999999999\r\n", b"552"),
        (b"HELO client.test\r\n", b"250"),
        (b"BDAT 5 LAST\r\n", b"502"),
        (b"\r\n", b"502"),
        (b"\xff\xfe\r\n", b"502"),
    ],
)
async def test_each_command_gets_its_code_and_the_session_goes_on(
    running: Running, said: bytes, code: bytes
) -> None:
    async with client(running.port) as c:
        assert (await c.say(said))[:3] == code
        codes = await c.say_all(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n", 3)
        assert codes == [b"250", b"250", b"354"]
        assert (await c.say(stuffed(MAIL)))[:3] == b"250"


async def test_a_second_mail_starts_with_an_empty_envelope(running: Running) -> None:
    async with client(running.port) as c:
        await c.say_all(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n", 3)
        await c.say(stuffed(MAIL))
        assert (await c.say(b"RCPT TO:<c@example.jp>\r\n"))[:3] == b"503"
        assert (await c.say(b"MAIL FROM:<x@example.com>\r\n"))[:3] == b"250"
        assert (await c.say(b"MAIL FROM:<y@example.com>\r\n"))[:3] == b"503"
        assert (await c.say(b"EHLO again\r\n"))[:3] == b"250"


async def test_a_mail_that_is_cut_off_is_not_kept(running: Running) -> None:
    async with client(running.port) as c:
        await c.say_all(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n", 3)
        c.writer.write(MAIL)
        await c.writer.drain()
    await deliver(running.port, MAIL)
    assert running.mailbox.numbers() == (1,)


async def test_a_mail_that_is_too_large_is_refused_to_its_end(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_module, "SIZE_MAX", 100)
    async with client(running.port) as c:
        await c.say_all(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n", 3)
        assert (await c.say(stuffed(MAIL * 20)))[:3] == b"552"
        assert (await c.say(b"NOOP\r\n"))[:3] == b"250"
    assert running.mailbox.numbers() == ()


async def test_mails_survive_a_restart_and_the_numbers_go_on(tmp_path: Path) -> None:
    for expected in (1, 2):
        mailbox = Mailbox(tmp_path, clock=lambda: NOW)
        port = await mailbox.start()
        await deliver(port, MAIL)
        await mailbox.stop()
        assert mailbox.numbers() == tuple(range(1, expected + 1))


async def test_many_clients_at_once_each_get_a_number(running: Running) -> None:
    await asyncio.gather(*(deliver(running.port, MAIL + b"%d\r\n" % n) for n in range(20)))
    letters = running.mailbox.letters()
    assert [letter.number for letter in letters] == list(range(1, 21))
    assert {letter.raw for letter in letters} == {MAIL + b"%d\r\n" % n for n in range(20)}


async def test_stopping_cuts_open_sessions(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, clock=lambda: NOW)
    port = await mailbox.start()
    async with client(port) as c:
        await mailbox.stop()
        await mailbox.stop()
        assert await c.reader.read() == b""
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_in_use_is_an_error(running: Running, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in use"):
        await Mailbox(tmp_path, clock=lambda: NOW).start(port=running.port)


async def test_an_address_that_is_no_utf_8_is_kept(running: Running) -> None:
    async with client(running.port) as c:
        codes = await c.say_all(b"MAIL FROM:<\xff@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n", 3)
        assert codes == [b"250", b"250", b"354"]
        await c.say(stuffed(MAIL))
    assert running.mailbox.letter(1).mail_from.encode("utf-8", "surrogateescape") == b"\xff@example.com"


def test_a_file_that_is_no_mail_of_ours_is_left_alone(mailbox: Mailbox, tmp_path: Path) -> None:
    for name in ("notes", "7", "٠٠٠٧", "0007", "9" * 200):
        (tmp_path / "mailbox" / f"{name}.eml").write_bytes(MAIL)
    assert mailbox.numbers() == ()
    assert mailbox.keep(b"a@example.com", (b"b@example.jp",), MAIL) == 1


def test_the_original_is_found_by_message_id(mailbox: Mailbox) -> None:
    original = b"Message-ID: <1@example.com>\r\nSubject: x\r\n\r\nmarker\r\n"
    mailbox.keep_original(original)
    mailbox.keep_original(b"Subject: no id\r\n\r\n")
    copy = b"Received: by gateway.test\r\nmessage-id:\r\n <1@example.com>\r\n\r\ninvitation\r\n"
    number = mailbox.keep(b"a@example.com", (b"b@example.jp",), copy)
    assert mailbox.original_of(mailbox.letter(number)) == original
    other = mailbox.keep(b"a@example.com", (b"b@example.jp",), MAIL)
    assert mailbox.original_of(mailbox.letter(other)) is None
