"""TLS at the door, with real handshakes: STARTTLS, implicit, required, and certificates of clients."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.smtp.access import AccessRules
from gateway.smtp.door_tls import CertificateUnfit, names_of, server_context
from gateway.smtp.rules import DoorRules, Encryption
from tests.smtp.certificates import Authority
from tests.smtp.conftest import House, OpenHouse
from tests.smtp.recording import Client, RecordingNextHop, eventually


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def rules(authority: Authority) -> DoorRules:
    """The rules of a door that offers STARTTLS."""
    own = authority.certificate("gw.test", ("gw.test",))
    context = server_context(own.certificate, own.key)
    return DoorRules("gw.test", encryption=Encryption.OPTIONAL, tls_context=context)


async def nobody_is_left(house: House) -> None:
    """Wait until no session and nobody in the crowd is left."""
    await eventually(lambda: not house.listener._sessions._open)
    await eventually(lambda: house.crowd._all == 0)


async def test_mail_goes_under_starttls_and_the_journey_is_told(
    open_house: OpenHouse, hop: RecordingNextHop, authority: Authority, rules: DoorRules
) -> None:
    house = await open_house(rules)
    client = await house.client()
    assert (await client.greet()).endswith(b"\n250 STARTTLS")
    await client.start_tls(authority.client_context())
    reply = await client.ask(b"EHLO client.test")
    assert b"STARTTLS" not in reply
    content = b"x" * 300_000 + b"\r\n.. y\r\n"
    assert (await client.send_mail(content)).startswith(b"250")
    assert hop.messages[0].content == content.replace(b"\r\n..", b"\r\n.")
    assert house.journey.envelopes[0].protocol == "ESMTPS"
    assert (await client.ask(b"QUIT")).startswith(b"221")
    await nobody_is_left(house)
    assert house.journal.turned == []


async def test_the_session_begins_anew_under_tls(
    open_house: OpenHouse, hop: RecordingNextHop, authority: Authority, rules: DoorRules
) -> None:
    """What was said before may have been put there by somebody else (RFC 3207, section 4.2)."""
    house = await open_house(rules)
    client = await house.client()
    await client.open_mail()
    await client.start_tls(authority.client_context())
    assert (await client.ask(b"RCPT TO:<a@example.jp>")).startswith(b"503")
    assert (await client.ask(b"MAIL FROM:<hr@example.com>")) == (
        b"503 5.5.1 Bad sequence of commands: send EHLO first"
    )
    await eventually(lambda: hop.heard(b"RSET") != [])


@pytest.mark.parametrize("injected", [b"NOOP\r\n", b"MAIL FROM:<evil@example.com>\r\n", b"x"])
async def test_what_stands_behind_starttls_ends_the_session(
    open_house: OpenHouse, rules: DoorRules, injected: bytes
) -> None:
    """It may have been put there by somebody else (CVE-2011-0411)."""
    house = await open_house(rules)
    client = await house.client()
    await client.greet()
    client.write(b"STARTTLS\r\n" + injected)
    assert await client.reply() == (
        b"421 4.5.0 Commands came before the TLS handshake, closing the connection"
    )
    assert await client.line() == b""
    assert house.journal.lines == [("commands-before-handshake", 421)]


@pytest.mark.parametrize("octets", [1, 100_000])
async def test_what_has_come_by_the_handshake_is_forgotten(
    open_house: OpenHouse, authority: Authority, rules: DoorRules, octets: int
) -> None:
    house = await open_house(rules)
    client = await house.client()
    await client.greet()
    [door] = house.listener._sessions._open
    lines = door._lines  # type: ignore[attr-defined]  # the door's own reader
    seen = lines.more_waits

    async def none_then_some() -> bool:
        found: bool = await seen()
        lines._reader.feed_data(b"x" * octets)
        lines.unread(b"NOOP\r\n")
        return found

    lines.more_waits = none_then_some
    await client.start_tls(authority.client_context())
    assert (await client.ask(b"EHLO client.test")).startswith(b"250-gw.test")


async def test_starttls_has_its_place(open_house: OpenHouse, authority: Authority, rules: DoorRules) -> None:
    house = await open_house(rules)
    client = await house.client()
    await client.greet()
    assert await client.ask(b"STARTTLS now") == b"501 5.5.4 Syntax: STARTTLS"
    await client.start_tls(authority.client_context())
    assert await client.ask(b"STARTTLS") == b"503 5.5.1 Bad sequence of commands: TLS is on already"


async def test_where_tls_is_required_nothing_goes_before_it(
    open_house: OpenHouse, authority: Authority, rules: DoorRules
) -> None:
    house = await open_house(replace(rules, encryption=Encryption.REQUIRED))
    client = await house.client()
    await client.greet()
    sorry = b"530 5.7.0 Must issue a STARTTLS command first"
    for command in (b"HELO a", b"MAIL FROM:<hr@example.com>", b"RCPT TO:<a@b>", b"DATA", b"VRFY a", b"RSET"):
        assert await client.ask(command) == sorry
    assert (await client.ask(b"NOOP")).startswith(b"250")
    assert (await client.ask(b"WHAT")).startswith(b"500")
    await client.start_tls(authority.client_context())
    await client.ask(b"EHLO client.test")
    assert (await client.send_mail(b"x\r\n")).startswith(b"250")


async def test_implicit_tls_begins_with_the_handshake(
    open_house: OpenHouse, hop: RecordingNextHop, authority: Authority, rules: DoorRules
) -> None:
    house = await open_house(replace(rules, encryption=Encryption.IMPLICIT))
    client = await house.client(authority.client_context())
    assert b"STARTTLS" not in await client.greet()
    assert (await client.ask(b"STARTTLS")).startswith(b"500")
    assert (await client.send_mail(b"x\r\n")).startswith(b"250")
    assert house.journey.envelopes[0].protocol == "ESMTPS"
    assert house.journey.envelopes[0].peer.startswith("127.0.0.1:")
    assert len(hop.messages) == 1
    assert (await client.ask(b"QUIT")).startswith(b"221")
    await nobody_is_left(house)


def an_old_version(context: ssl.SSLContext) -> None:
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1


@pytest.mark.parametrize("encryption", [Encryption.OPTIONAL, Encryption.IMPLICIT])
async def test_an_old_tls_version_is_refused_with_one_journal_line(
    open_house: OpenHouse, authority: Authority, rules: DoorRules, encryption: Encryption
) -> None:
    house = await open_house(replace(rules, encryption=encryption))
    context = authority.client_context()
    an_old_version(context)
    if encryption is Encryption.IMPLICIT:
        shaking: Awaitable[object] = house.client(context)
    else:
        client = await house.client()
        await client.greet()
        shaking = client.start_tls(context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await shaking
    await nobody_is_left(house)
    assert house.journal.turned == [("relay", "tls-handshake-failed")]
    assert house.journal.crashes == []


def says_nonsense(client: Client) -> None:
    client.write(b"GET / HTTP/1.1\r\n\r\n")


def says_nothing(client: Client) -> None:
    del client


@pytest.mark.parametrize("encryption", [Encryption.OPTIONAL, Encryption.IMPLICIT])
@pytest.mark.parametrize("behave", [says_nonsense, says_nothing, Client.close, Client.hang_up])
async def test_a_handshake_that_fails_leaves_one_journal_line_and_nothing_else(
    open_house: OpenHouse,
    hop: RecordingNextHop,
    rules: DoorRules,
    encryption: Encryption,
    behave: Callable[[Client], None],
) -> None:
    house = await open_house(replace(rules, encryption=encryption, handshake_seconds=0.2))
    client = await house.client()
    if encryption is Encryption.OPTIONAL:
        await client.open_mail()
        assert (await client.ask(b"STARTTLS")).startswith(b"220")
    behave(client)
    await eventually(lambda: house.journal.turned != [])
    await nobody_is_left(house)
    await eventually(lambda: house.listener._sessions._tasks == set())
    assert house.journal.turned == [("relay", "tls-handshake-failed")]
    assert house.journal.crashes == []
    assert house.journey.envelopes == []
    if encryption is Encryption.OPTIONAL:
        await eventually(lambda: hop.heard(b"RSET") != [])


async def test_a_client_gone_after_the_final_dot_does_not_stop_the_relay_under_tls(
    open_house: OpenHouse, authority: Authority, rules: DoorRules
) -> None:
    house = await open_house(rules)
    client = await house.client()
    house.journey.gate.clear()
    await client.greet()
    await client.start_tls(authority.client_context())
    await client.open_mail_again()
    await client.ask(b"DATA")
    client.write(b"x\r\n.\r\n")
    await eventually(lambda: len(house.journey.envelopes) == 1)
    client.hang_up()
    await nobody_is_left(house)
    house.journey.gate.set()
    await eventually(lambda: house.journey.done == 1)


@pytest.mark.parametrize("encryption", [Encryption.OPTIONAL, Encryption.IMPLICIT])
@pytest.mark.parametrize(
    ("names", "reply"),
    [
        (("mail.example.com",), b"250"),
        (("whoever", "other.example.com", "Mail.Example.COM"), b"250"),
        (("mail.example.com", "other.example.com"), b"550"),
        (("other.example.com",), b"550"),
    ],
)
async def test_a_name_in_a_clients_certificate_lets_it_in_instead_of_its_address(
    open_house: OpenHouse,
    authority: Authority,
    encryption: Encryption,
    names: tuple[str, ...],
    reply: bytes,
) -> None:
    """The common name counts only where no host stands beside it (RFC 6125)."""
    own = authority.certificate("gw.test", ("gw.test",))
    rules = DoorRules(
        "gw.test",
        encryption=encryption,
        tls_context=server_context(own.certificate, own.key, authority.file),
        access=AccessRules(networks=(), client_names=frozenset({"mail.example.com"})),
    )
    house = await open_house(rules)
    context = authority.certificate(names[0], names[1:]).client_context(authority)
    if encryption is Encryption.IMPLICIT:
        client = await house.client(context)
        await client.reply()
    else:
        client = await house.client()
        await client.greet()
        await client.start_tls(context)
    await client.ask(b"EHLO client.test")
    assert (await client.ask(b"MAIL FROM:<hr@example.com>")).startswith(reply)


async def test_a_client_without_certificate_is_let_in_by_its_address(
    open_house: OpenHouse, authority: Authority
) -> None:
    own = authority.certificate("gw.test", ("gw.test",))
    context = server_context(own.certificate, own.key, authority.file)
    house = await open_house(DoorRules("gw.test", encryption=Encryption.OPTIONAL, tls_context=context))
    client = await house.client()
    await client.greet()
    await client.start_tls(authority.client_context())
    await client.ask(b"EHLO client.test")
    assert (await client.send_mail(b"x\r\n")).startswith(b"250")


async def test_a_certificate_that_a_stranger_signed_ends_the_handshake(
    open_house: OpenHouse, authority: Authority, tmp_path: Path
) -> None:
    own = authority.certificate("gw.test", ("gw.test",))
    context = server_context(own.certificate, own.key, authority.file)
    house = await open_house(DoorRules("gw.test", encryption=Encryption.IMPLICIT, tls_context=context))
    forger = Authority(tmp_path, "Forger")
    forged = forger.certificate("mail.example.com", ("mail.example.com",))
    try:
        client = await house.client(forged.client_context(authority))
        assert await client.line() == b""
    except (ssl.SSLError, ConnectionError):
        pass
    await eventually(lambda: house.journal.turned == [("relay", "tls-handshake-failed")])
    await nobody_is_left(house)


async def test_a_stop_ends_a_session_under_tls_with_421(
    open_house: OpenHouse, authority: Authority, rules: DoorRules
) -> None:
    house = await open_house(replace(rules, encryption=Encryption.IMPLICIT))
    client = await house.client(authority.client_context())
    await client.greet()
    stop = asyncio.create_task(house.listener.stop(20))
    assert (await client.reply()).startswith(b"421 4.3.2")
    await stop


def test_a_key_that_is_another_certificates_is_unfit(authority: Authority) -> None:
    one, other = authority.certificate("one.test"), authority.certificate("other.test")
    with pytest.raises(CertificateUnfit, match="does not belong"):
        server_context(one.certificate, other.key)


def test_files_that_are_no_pem_are_unfit(authority: Authority, tmp_path: Path) -> None:
    one = authority.certificate("one.test")
    (tmp_path / "x.pem").write_bytes(b"\xff\x00")
    for certificate, key in ((tmp_path / "x.pem", one.key), (one.certificate, tmp_path / "x.pem")):
        with pytest.raises(CertificateUnfit, match="no PEM files"):
            server_context(certificate, key)
    with pytest.raises(CertificateUnfit) as caught:
        server_context(one.certificate, one.key, tmp_path / "x.pem")
    assert caught.value.of_clients
    with pytest.raises(CertificateUnfit):
        server_context(tmp_path / "absent.pem", one.key)


def test_no_certificate_has_no_names() -> None:
    assert names_of(None) == names_of({}) == frozenset()
