"""A door behind a load balancer: whom it believes, what it counts, and what a bad header leads to."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.smtp.access import LOOPBACK, AccessRules
from gateway.smtp.crowd import Crowd
from gateway.smtp.door import Door
from gateway.smtp.door_tls import server_context
from gateway.smtp.rules import DoorRules, Encryption, Household
from tests.smtp.certificates import Authority
from tests.smtp.conftest import House, OpenHouse
from tests.smtp.recording import Client, eventually

CLIENTS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
RULES = DoorRules("gw.test", access=AccessRules(CLIENTS), proxy_protocol_from=LOOPBACK)
FROM_A_CLIENT = b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 25\r\n"
FROM_A_STRANGER = b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 25\r\n"
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", 0x20, 0, 0)


async def behind(house: House, header: bytes) -> Client:
    client = await house.client()
    client.write(header)
    return client


async def nobody_is_left(house: House) -> None:
    await eventually(lambda: not house.listener._sessions._open)
    await eventually(lambda: house.crowd._all == 0)
    await eventually(lambda: not house.listener._sessions._tasks)


async def test_the_announced_address_is_the_one_that_counts(open_house: OpenHouse) -> None:
    house = await open_house(RULES)
    client = await behind(house, FROM_A_CLIENT)
    await client.greet()
    assert (await client.send_mail(b"x\r\n")).startswith(b"250")
    assert house.journey.envelopes[0].peer == "192.0.2.7:40000"
    stranger = await behind(house, FROM_A_STRANGER)
    await stranger.greet()
    assert (await stranger.ask(b"MAIL FROM:<hr@example.com>")).startswith(b"550 5.7.1")
    for leaving in (client, stranger):
        await leaving.ask(b"QUIT")
    await nobody_is_left(house)


@pytest.mark.parametrize(("header", "reply"), [(LOCAL, b"250"), (b"PROXY UNKNOWN\r\n", b"550 5.7.1")])
async def test_a_balancer_speaks_for_itself_but_not_for_a_client_that_it_does_not_know(
    open_house: OpenHouse, header: bytes, reply: bytes
) -> None:
    house = await open_house(replace(RULES, access=AccessRules(LOOPBACK)))
    client = await behind(house, header)
    await client.greet()
    assert (await client.ask(b"MAIL FROM:<hr@example.com>")).startswith(reply)
    await client.ask(b"QUIT")
    await nobody_is_left(house)


async def test_from_anybody_else_a_header_is_a_mistake(open_house: OpenHouse) -> None:
    house = await open_house(replace(RULES, proxy_protocol_from=(ip_network("10.0.0.9/32"),)))
    client = await house.client()
    await client.reply()
    assert (await client.ask(FROM_A_CLIENT[:-2])).startswith(b"500 5.5.1")
    await client.ask(b"EHLO client.test")
    assert (await client.ask(b"MAIL FROM:<hr@example.com>")).startswith(b"550 5.7.1")


@pytest.mark.parametrize("header", [b"EHLO client.test\r\n", b"PROXY TCP4 a b 1 2\r\n", b"PROXY", b""])
async def test_a_balancer_without_a_good_header_is_left_with_one_journal_line(
    open_house: OpenHouse, header: bytes
) -> None:
    house = await open_house(replace(RULES, proxy_header_seconds=0.2))
    client = await behind(house, header)
    assert await client.line() == b""
    assert house.journal.turned == [("relay", "proxy-header-missing-or-malformed")]
    await nobody_is_left(house)


async def test_the_header_comes_before_an_implicit_handshake(
    open_house: OpenHouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both may come in one segment, and no octet of the handshake may be lost."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    own = authority.certificate("gw.test", ("gw.test",))
    context = server_context(own.certificate, own.key)
    house = await open_house(replace(RULES, encryption=Encryption.IMPLICIT, tls_context=context))
    for step in (1, 1 << 16):
        relay = await asyncio.start_server(_balancer(house.listener.port, step), "127.0.0.1", 0)
        client = await Client.connect(relay.sockets[0].getsockname()[1], authority.client_context())
        await client.greet()
        assert (await client.send_mail(b"x\r\n")).startswith(b"250")
        assert (await client.ask(b"QUIT")).startswith(b"221")
        client.hang_up()
        relay.close()
    assert {envelope.peer for envelope in house.journey.envelopes} == {"192.0.2.7:40000"}
    assert {envelope.protocol for envelope in house.journey.envelopes} == {"ESMTPS"}


def _balancer(
    port: int, step: int
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a server that puts the header before what it passes on, `step` octets at a time at first."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                target.write(data)
            target.close()

        first = FROM_A_CLIENT + await reader.read(1 << 16)
        for at in range(0, len(first), step):
            back_writer.write(first[at : at + step])
            if step == 1:
                await back_writer.drain()
                await asyncio.sleep(0)
        await asyncio.gather(copy(reader, back_writer), copy(back_reader, writer), return_exceptions=True)

    return pass_on


async def test_starttls_works_behind_a_header(
    open_house: OpenHouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    own = authority.certificate("gw.test", ("gw.test",))
    context = server_context(own.certificate, own.key)
    house = await open_house(replace(RULES, encryption=Encryption.REQUIRED, tls_context=context))
    client = await behind(house, FROM_A_CLIENT)
    await client.greet()
    await client.start_tls(authority.client_context())
    await client.ask(b"EHLO client.test")
    assert (await client.send_mail(b"x\r\n")).startswith(b"250")


async def test_caps_count_the_announced_address(open_house: OpenHouse) -> None:
    house = await open_house(RULES, crowd=Crowd(max_all=3, max_per_peer=1))
    first = await behind(house, FROM_A_CLIENT)
    await first.greet()
    second = await behind(house, FROM_A_CLIENT)
    assert (await second.reply()).startswith(b"421 4.7.0")
    assert await second.line() == b""
    other = await behind(house, FROM_A_STRANGER)
    await other.greet()
    assert house.journal.turned == [("relay", "too-many-connections-of-peer")]
    await first.ask(b"QUIT")
    await eventually(lambda: house.crowd._all == 1)
    third = await behind(house, FROM_A_CLIENT)
    await third.greet()


async def test_a_stop_accepts_nobody_and_ends_those_inside(open_house: OpenHouse) -> None:
    house = await open_house(RULES)
    client = await behind(house, FROM_A_CLIENT)
    await client.greet()
    port = house.listener.port
    await house.listener.stop(5)
    assert (await client.reply()).startswith(b"421 4.3.2")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    await nobody_is_left(house)


async def test_a_client_gone_before_its_session_has_begun_leaves_nothing(open_house: OpenHouse) -> None:
    """Nothing of its task runs then, not even what it would clean up in the end."""
    house = await open_house(RULES)
    house.crowd.enter("192.0.2.7")
    household = Household(house.pool, house.journey, house.journal, lambda: "G-1", crowd=house.crowd)
    door = Door(RULES, household, house.listener._sessions, ("192.0.2.7", 40_000))
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    door.connection_made(transport)
    door.connection_lost(None)
    await nobody_is_left(house)
    transport.abort()
    theirs.close()


@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.IMPLICIT])
async def test_a_stop_gives_up_those_who_are_still_being_received(
    open_house: OpenHouse, tmp_path_factory: pytest.TempPathFactory, encryption: Encryption
) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    own = authority.certificate("gw.test", ("gw.test",))
    context = server_context(own.certificate, own.key)
    house = await open_house(replace(RULES, encryption=encryption, tls_context=context))
    waiting = [await house.client(), await behind(house, FROM_A_CLIENT[:-1])]
    if encryption is Encryption.IMPLICIT:
        waiting.append(await behind(house, FROM_A_CLIENT))
    await eventually(lambda: house.crowd._all == len(waiting))
    await house.listener.stop(0.05)
    await nobody_is_left(house)
    for client in waiting:
        assert await client.line() == b""
