import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

import pytest
from aiosmtpd.smtp import SMTP

from gateway.smtp.access import AccessRules
from gateway.smtp.door import Door
from gateway.smtp.rules import DoorRules
from tests.smtp.conftest import House, OpenHouse
from tests.smtp.recording import Client, Fault, RecordingNextHop, eventually


def doors(house: House) -> list[Door]:
    return [cast("Door", session) for session in house.listener._sessions._open]


async def test_the_greeting_names_no_software(open_house: OpenHouse) -> None:
    client = await (await open_house()).client()
    assert await client.reply() == b"220 gw.test ESMTP"


async def test_replies_to_pipelined_commands_do_not_wait_for_acknowledgements(open_house: OpenHouse) -> None:
    house = await open_house()
    await (await house.client()).greet()
    [door] = doors(house)
    connected = door._writer.get_extra_info("socket")
    assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_the_journey_gets_the_envelope_as_it_was_accepted(
    open_house: OpenHouse, hop: RecordingNextHop
) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    hop.answer("RCPT", b"250 yes\r\n", b"550 no\r\n", b"250 yes\r\n")
    await client.ask(b'MAIL FROM:<"a..b"@docomo.example> SIZE=3')
    for name in (b"a", b"b", b"c"):
        await client.ask(b"RCPT TO:<" + name + b"@example.jp> NOTIFY=NEVER")
    await client.ask(b"DATA")
    assert await client.ask(b"x\r\n.") == b"250 2.0.0 Ok: queued as 4XyZ"
    [envelope] = house.journey.envelopes
    assert envelope.trace_id == "G-1"
    assert envelope.peer == f"127.0.0.1:{client.writer.get_extra_info('sockname')[1]}"
    assert (envelope.helo, envelope.protocol) == (b"client.test", "ESMTP")
    assert (envelope.sender.address, envelope.sender.parameters) == (b'"a..b"@docomo.example', b"SIZE=3")
    assert [r.address for r in envelope.recipients] == [b"a@example.jp", b"c@example.jp"]
    assert {r.parameters for r in envelope.recipients} == {b"NOTIFY=NEVER"}


async def test_an_error_of_ours_is_451_with_an_id_and_without_its_text(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    house.journey.crash = RuntimeError("secret: yamada@example.jp")
    reply = await client.send_mail(b"x\r\n")
    assert reply == b"451 4.3.0 Temporary internal error, please try again later (G-1)"
    [(trace_id, error)] = house.journal.crashes
    assert trace_id == "G-1"
    assert isinstance(error, RuntimeError)


async def test_an_error_leaves_no_state_for_the_next_mail(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    house.journey.crash = RuntimeError("boom")
    await client.send_mail(b"x\r\n")
    assert (await client.ask(b"DATA")).startswith(b"503")
    await client.ask(b"MAIL FROM:<hr@example.com>")
    await client.ask(b"RCPT TO:<suzuki@example.jp>")
    await client.ask(b"DATA")
    assert (await client.ask(b"y\r\n.")).startswith(b"250")
    [message] = house.hop.messages
    assert message.rcpts == [b"RCPT TO:<suzuki@example.jp>"]
    assert message.content == b"y\r\n"


async def test_an_error_in_an_envelope_command_defers_the_whole_mail(open_house: OpenHouse) -> None:
    """The recipients pipelined behind it must not hear a 5xx."""
    house = await open_house()
    client = await house.client()
    await client.open_mail()
    [door] = doors(house)
    del door._extensions
    client.write(b"RCPT TO:<b@example.jp>\r\nRCPT TO:<c@example.jp>\r\nDATA\r\n")
    replies = [await client.reply() for _ in range(3)]
    assert {reply[:9] for reply in replies} == {b"451 4.3.0"}
    assert len(house.journal.crashes) == 1


@pytest.mark.parametrize("leave", [Client.hang_up, Client.close])
async def test_a_client_gone_after_the_final_dot_does_not_stop_the_relay(
    open_house: OpenHouse, leave: Callable[[Client], None]
) -> None:
    house = await open_house()
    client = await house.client()
    house.journey.gate.clear()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x: y\r\n.\r\n")
    await eventually(lambda: len(house.journey.envelopes) == 1)
    [door] = doors(house)
    leave(client)
    await eventually(lambda: door.transport is None or door._reader.at_eof())
    house.journey.gate.set()
    await eventually(lambda: house.journey.done == 1)
    assert [message.content for message in house.hop.messages] == [b"x: y\r\n"]
    await eventually(lambda: doors(house) == [])
    assert house.journal.crashes == []


@pytest.mark.parametrize("leave", [Client.hang_up, Client.close])
async def test_a_client_gone_in_the_content_leaves_nothing_behind(
    open_house: OpenHouse, leave: Callable[[Client], None]
) -> None:
    house = await open_house()
    client = await house.client()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x: y\r\n.")
    await client.writer.drain()
    leave(client)
    await eventually(lambda: house.hop.heard(b"RSET") != [])
    assert house.hop.heard(b"DATA") == []
    assert house.hop.messages == []
    assert house.journey.envelopes == []


async def test_a_client_that_closes_in_the_content_is_not_taken_for_finished(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x: y\r\n.\r")
    client.writer.write_eof()
    assert await client.line() == b""
    await eventually(lambda: house.hop.heard(b"RSET") != [])
    assert house.journey.envelopes == []


async def test_a_client_gone_while_the_next_hop_thinks_frees_the_connection(
    open_house: OpenHouse, hop: RecordingNextHop
) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    hop.answer("MAIL", Fault.HANG)
    client.write(b"MAIL FROM:<hr@example.com>\r\n")
    await eventually(lambda: hop.heard(b"MAIL") != [])
    client.hang_up()
    await eventually(lambda: doors(house) == [])
    # Its reply is still due, so nobody else may have this connection.
    other = await house.client()
    await other.greet()
    assert (await other.send_mail(b"x\r\n")).startswith(b"250")
    assert hop.connections == 2


async def test_sessions_do_not_share_their_limits(open_house: OpenHouse) -> None:
    """aiosmtpd keeps them in its class: cleared by each new session, grown by each EHLO."""
    house = await open_house()
    first = await house.client()
    await first.greet()
    second = await house.client()
    await second.reply()
    for _ in range(30):
        await second.ask(b"EHLO second.test")
    long_id = b"E" * 1500
    assert (await first.ask(b"MAIL FROM:<hr@example.com> ENVID=" + long_id)).startswith(b"250")
    assert (await second.ask(b"NOOP " + b"n" * 600)).startswith(b"500 5.5.2")
    assert (await first.ask(b"NOOP " + b"n" * 600)).startswith(b"500 5.5.2")
    assert dict(SMTP.command_size_limits) == {}


@pytest.mark.parametrize("octets", [513, 4097, 300_000])
async def test_a_command_that_is_too_long_is_refused_and_the_session_goes_on(
    open_house: OpenHouse, octets: int
) -> None:
    client = await (await open_house()).client()
    await client.greet()
    client.write(b"NOOP " + b"x" * (octets - 7) + b"\r\nNOOP\r\n")
    assert await client.reply() == b"500 5.5.2 Command line too long"
    assert await client.reply() == b"250 2.0.0 Ok"


async def test_a_client_that_only_makes_mistakes_is_sent_away(open_house: OpenHouse) -> None:
    client = await (await open_house()).client()
    await client.greet()
    for _ in range(20):
        assert (await client.ask(b"GET / HTTP/1.1")).startswith(b"500")
    assert await client.ask(b"GET / HTTP/1.1") == b"421 4.7.0 Too many errors, closing the connection"
    assert await client.line() == b""


async def test_content_of_just_the_promised_size_is_taken(open_house: OpenHouse) -> None:
    """Added dots do not count (RFC 1870, section 6.3)."""
    house = await open_house(DoorRules("gw.test", max_message_octets=1000))
    client = await house.client()
    await client.greet()
    content = b".\r\n" * 332 + b"ab\r\n"
    assert len(content) == 1000
    assert (await client.send_mail(content.replace(b".", b".."))).startswith(b"250")
    assert house.hop.messages[0].content == content
    assert (await client.send_mail(b"x" + content.replace(b"\n.", b"\n.."))).startswith(b"552")


async def test_content_beyond_the_promised_size_is_refused_at_its_end(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", max_message_octets=1000))
    client = await house.client()
    await client.greet()
    assert await client.send_mail(b"x" * 99_999 + b"\r\n") == (
        b"552 5.3.4 Message too big; at most 1000 bytes are taken"
    )
    assert house.journey.envelopes == []
    assert (await client.send_mail(b"y\r\n")).startswith(b"250")
    assert [message.content for message in house.hop.messages] == [b"y\r\n"]


async def test_commands_pipelined_behind_the_content_are_served(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.open_mail()
    assert (await client.ask(b"DATA")).startswith(b"354")
    mail = b"MAIL FROM:<hr@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n"
    client.write(b"one\r\n.\r\n" + mail)
    codes = [(await client.reply())[:3] for _ in range(4)]
    assert codes == [b"250", b"250", b"250", b"354"]
    client.write(b"two\r\n.\r\nNOOP\r\n")
    assert [(await client.reply())[:3] for _ in range(2)] == [b"250", b"250"]
    assert [message.content for message in house.hop.messages] == [b"one\r\n", b"two\r\n"]


EARLY = b"421 4.5.0 Content came before 354, closing the connection"


async def test_content_that_does_not_wait_for_354_ends_the_session(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.open_mail()
    client.write(b"DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n")
    assert await client.reply() == EARLY
    assert await client.line() == b""
    assert house.journal.lines == [("content-before-354", 421)]
    assert house.journey.envelopes == []
    await eventually(lambda: house.hop.heard(b"RSET") != [])


@pytest.mark.parametrize("recipient", [b"550 5.1.1 no\r\n", b"450 4.2.1 later\r\n", Fault.DROP])
async def test_a_mail_inside_a_content_whose_data_was_refused_is_not_relayed(
    open_house: OpenHouse, hop: RecordingNextHop, recipient: bytes | Fault
) -> None:
    """A client that does not wait for 354 has sent it already, and behind a refusal it counts as commands."""
    house = await open_house()
    client = await house.client()
    await client.greet()
    hop.answer("RCPT", recipient)
    inner = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.jp>\r\nDATA\r\nhi\r\n.\r\n"
    client.write(
        b"MAIL FROM:<hr@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\nRSET\r\n" + inner + b".\r\n"
    )
    await client.reply()
    await client.reply()
    assert await client.reply() == EARLY
    assert await client.line() == b""
    assert len(hop.heard(b"MAIL")) == 1
    assert hop.messages == []


async def test_content_that_comes_while_the_next_hop_thinks_is_early_as_well(
    open_house: OpenHouse, hop: RecordingNextHop
) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    hop.hold("RCPT")
    client.write(b"MAIL FROM:<hr@example.com>\r\nRCPT TO:<b@example.jp>\r\nDATA\r\n")
    await eventually(lambda: hop.held == 1)
    [door] = doors(house)
    client.write(b"Subject: x\r\n\r\nhi\r\n.\r\n")
    await eventually(lambda: len(door._reader._buffer) > 0)  # type: ignore[attr-defined]  # nothing else tells
    hop.let_go()
    assert [(await client.reply())[:3] for _ in range(2)] == [b"250", b"250"]
    assert await client.reply() == EARLY


async def test_five_megabytes_arrive_byte_for_byte(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    line = bytes(byte for byte in range(256) if byte not in b"\x00\r\n") + b"\r\n.\r\n.."
    content = (line * (5_000_000 // len(line))) + b"end\r\n"
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    assert (await client.send_mail(stuffed)).startswith(b"250")
    assert house.hop.messages[0].content == content


async def test_what_the_next_hop_no_longer_offers_is_deferred(
    open_house: OpenHouse, hop: RecordingNextHop
) -> None:
    """A 5xx would bounce a mail that was sent in good faith after EHLO."""
    house = await open_house()
    client = await house.client()
    assert b"8BITMIME" in await client.greet()
    hop.offers = ("SIZE",)
    hop.close_all()
    await eventually(lambda: hop.open_connections == 0)
    reply = await client.ask(b"MAIL FROM:<hr@example.com> BODY=8BITMIME")
    assert reply == b"451 4.3.0 The next mail server no longer supports 8BITMIME, please reconnect"
    assert b"8BITMIME" not in await client.ask(b"EHLO client.test")


async def test_a_stranger_gets_no_relay(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", access=AccessRules(networks=())))
    client = await house.client()
    await client.greet()
    reply = await client.ask(b"MAIL FROM:<hr@example.com>")
    assert reply == b"550 5.7.1 Relaying denied: your address may not send through this server"
    assert (await client.ask(b"RCPT TO:<a@example.jp>")).startswith(b"503")
    assert house.hop.heard(b"MAIL") == []


async def test_a_refusal_of_ours_is_journalled_once_for_each_session_and_reason(
    open_house: OpenHouse,
) -> None:
    """The journal holds our reason, never the client's words; a client that insists does not fill it."""
    rules = DoorRules(
        "gw.test",
        access=AccessRules(sender_domains=frozenset({b"example.com"})),
        max_message_octets=1000,
    )
    house = await open_house(rules)
    for _ in range(2):
        client = await house.client()
        await client.greet()
        for _ in range(3):
            assert (await client.ask(b"MAIL FROM:<x@stranger.test>")).startswith(b"550")
            assert (await client.ask(b"MAIL FROM:<hr@example.com> SIZE=1001")).startswith(b"552")
            assert (await client.send_mail(b"x" * 1000 + b"\r\n")).startswith(b"552")
        await client.ask(b"QUIT")
    assert house.journal.lines == [("sender-domain-not-allowed", 550), ("message-too-big", 552)] * 2
    assert house.journal.again == 14  # Counted all the same.


async def test_a_stranger_is_journalled(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", access=AccessRules(networks=())))
    client = await house.client()
    await client.greet()
    for _ in range(3):
        await client.ask(b"MAIL FROM:<hr@example.com>")
    assert house.journal.lines == [("peer-not-allowed", 550)]


async def test_a_mail_that_turns_out_too_big_is_journalled_with_its_id(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", max_message_octets=1000))
    client = await house.client()
    await client.greet()
    assert (await client.send_mail(b"x\r\n")).startswith(b"250")
    assert (await client.send_mail(b"x" * 1000 + b"\r\n")).startswith(b"552")
    assert house.journal.trace_ids == ["G-2"]
    await eventually(lambda: house.hop.heard(b"RSET") != [])
    assert (await client.send_mail(b"y\r\n")).startswith(b"250")


async def test_a_clients_mistakes_are_not_journalled(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    for mistake in (b"WHAT", b"MAIL FROM:<a@b> WHAT=1", b"MAIL FROM:<a b>", b"RCPT TO:<a@b>", b"DATA"):
        assert (await client.ask(mistake)).startswith(b"5")
    assert house.journal.lines == []


async def test_an_idle_client_is_told_before_it_is_left(open_house: OpenHouse) -> None:
    client = await (await open_house(DoorRules("gw.test", command_seconds=0.05))).client()
    assert (await client.reply()).startswith(b"220")
    assert await client.reply() == b"421 4.4.2 Timeout, closing the connection"
    assert await client.line() == b""


async def test_a_client_silent_in_the_content_is_left_and_its_mail_dropped(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", data_seconds=0.05))
    client = await house.client()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x: y\r\n")
    assert await client.reply() == b"421 4.4.2 Timeout, closing the connection"
    await eventually(lambda: house.hop.heard(b"RSET") != [])


async def test_each_read_of_content_gives_the_client_new_time(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.open_mail()
    await client.ask(b"DATA")
    [door] = doors(house)

    def deadline() -> float:
        assert door._timeout_handle is not None
        return door._timeout_handle.when()

    for _ in range(3):
        before = deadline()
        await asyncio.sleep(0.005)  # uvloop's clock counts whole milliseconds
        client.write(b"x\r\n")
        await eventually(lambda before=before: deadline() > before)  # type: ignore[misc]  # bound on purpose


async def test_the_clients_time_does_not_run_while_it_waits_for_us(
    open_house: OpenHouse, hop: RecordingNextHop
) -> None:
    house = await open_house()
    client = await house.client()
    await client.reply()
    await client.ask(b"HELO client.test")
    [door] = doors(house)

    def stopped() -> bool:
        return door._timeout_handle is not None and door._timeout_handle.cancelled()

    hop.answer("MAIL", Fault.HANG)
    client.write(b"MAIL FROM:<hr@example.com>\r\n")
    await eventually(lambda: hop.heard(b"MAIL") != [])
    assert stopped()
    hop.close_all()
    assert (await client.reply()).startswith(b"451")
    await eventually(lambda: not stopped())
    house.journey.gate.clear()
    await client.ask(b"MAIL FROM:<hr@example.com>")
    await client.ask(b"RCPT TO:<yamada@example.jp>")
    await client.ask(b"DATA")
    client.write(b"x\r\n.\r\n")
    await eventually(lambda: len(house.journey.envelopes) == 1)
    assert stopped()
    house.journey.gate.set()
    assert (await client.reply()).startswith(b"250")


def narrow(house: House, client: Client) -> None:
    """Make the kernel hold so little that a few thousand unread replies fill it."""
    [door] = doors(house)
    door._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


async def test_a_client_that_does_not_read_is_cut_off(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", command_seconds=0.5))
    client = await house.client()
    await client.greet()
    narrow(house, client)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # The stub knows only the base class.
    client.write(b"HELP\r\n" * 2500)
    await eventually(lambda: doors(house) == [])


async def test_a_client_that_reads_slowly_gets_every_reply(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.greet()
    narrow(house, client)
    client.write(b"HELP\r\n" * 2500)
    for _ in range(2500):
        assert await client.line() == b"214 2.0.0 This is a mail relay; see RFC 5321"


async def test_a_stop_says_421_to_the_idle_and_waits_for_the_mail_under_way(open_house: OpenHouse) -> None:
    house = await open_house()
    idle, busy, writing = [await house.client() for _ in range(3)]
    await idle.greet()
    house.journey.gate.clear()
    for client in (busy, writing):
        await client.open_mail()
        await client.ask(b"DATA")
    busy.write(b"x\r\n.\r\n")
    writing.write(b"y\r\n")
    await eventually(lambda: len(house.journey.envelopes) == 1)
    port = house.listener.port
    stop = asyncio.create_task(house.listener.stop(20))
    assert await idle.reply() == b"421 4.3.2 Service shutting down, please try again later"
    assert await idle.line() == b""
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(port)
    assert not stop.done()
    house.journey.gate.set()
    writing.write(b".\r\n")
    for client in (busy, writing):
        assert (await client.reply()).startswith(b"250")
        assert (await client.reply()).startswith(b"421 4.3.2")
        assert await client.line() == b""
    await stop
    assert sorted(message.content for message in house.hop.messages) == [b"x\r\n", b"y\r\n"]


@pytest.mark.parametrize("end", [b"RSET", b"MAIL FROM:<>"])
async def test_a_stop_lets_a_client_finish_the_mail_that_it_has_begun(
    open_house: OpenHouse, end: bytes
) -> None:
    """SIGTERM and SIGHUP drop no transaction (P13)."""
    house = await open_house()
    sending, resetting = await house.client(), await house.client()
    for client in (sending, resetting):
        await client.open_mail()
    stop = asyncio.create_task(house.listener.stop(20))
    await eventually(lambda: all(door._retiring for door in doors(house)))
    assert (await sending.ask(b"RCPT TO:<b@example.jp>")).startswith(b"250")
    assert (await sending.ask(b"DATA")).startswith(b"354")
    sending.write(b"x\r\n.\r\n")
    assert (await sending.reply()).startswith(b"250")
    assert (await sending.reply()).startswith(b"421 4.3.2")
    assert not stop.done()
    reply = await resetting.ask(end)
    assert reply[:3] == (b"250" if end == b"RSET" else b"503")
    if end != b"RSET":
        assert (await resetting.ask(b"RSET")).startswith(b"250")
    assert (await resetting.reply()).startswith(b"421 4.3.2")
    await stop
    assert len(house.hop.messages) == 1


async def test_a_stop_does_not_wait_for_ever(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    house.journey.gate.clear()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x\r\n.\r\n")
    await eventually(lambda: len(house.journey.envelopes) == 1)
    await house.listener.stop(0.05)
    assert await client.line() == b""
    assert house.hop.messages == []
    assert doors(house) == []


async def test_a_stop_leaves_nothing_running(open_house: OpenHouse) -> None:
    house = await open_house()
    client = await house.client()
    await client.open_mail()
    await client.ask(b"DATA")
    client.write(b"x: y\r\n")
    await house.listener.stop(0.05)
    await house.pool.close()
    assert house.hop.heard(b"RSET") != []
    assert [server.connections for server in house.pool.servers] == [0]
    assert house.listener._sessions._tasks == set()


async def test_aiosmtpds_log_stays_silent(open_house: OpenHouse, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("mail.log").setLevel(logging.NOTSET)
    house = await open_house()
    caplog.set_level(logging.DEBUG)
    client = await house.client()
    await client.greet()
    await client.send_mail(b"x\r\n")
    await client.ask(b"QUIT")
    assert [record for record in caplog.records if record.name == "mail.log"] == []
