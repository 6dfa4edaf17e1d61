"""AUTH at the door (RFC 4954), under real TLS, against users with real hashes."""

import asyncio
import time
from base64 import b64encode
from dataclasses import replace

import pytest

from gateway.replies import Deferred, Refused
from gateway.smtp import door_login
from gateway.smtp.access import AccessRules, Login
from gateway.smtp.door_login import LoginLimits, Logins
from gateway.smtp.door_tls import server_context
from gateway.smtp.rules import DoorRules, Encryption
from gateway.users import PasswordHash, User, Users
from tests.smtp.certificates import Authority
from tests.smtp.conftest import House, OpenHouse
from tests.smtp.recording import Client

PASSWORD = "correct horse ご縁"
HASH = PasswordHash.of(PASSWORD)
USERS = (
    User("ats", HASH),
    User("gone", HASH, disabled=True),
    User("branch", HASH, sender_domains=("example.jp",)),
)
RULES = DoorRules(
    "gw.test",
    access=AccessRules(
        networks=(), sender_domains=frozenset({b"example.com", b"example.jp"}), auth=True, auth_required=True
    ),
    encryption=Encryption.OPTIONAL,
)
FAST = LoginLimits(delay_seconds=0.01)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def house(open_house: OpenHouse, authority: Authority) -> House:
    """A submission door: whoever sends must log in."""
    own = authority.certificate("gw.test", ("gw.test",))
    rules = replace(RULES, tls_context=server_context(own.certificate, own.key))
    return await open_house(rules, logins=Logins(Users(USERS), FAST))


async def client_under_tls(house: House, authority: Authority) -> Client:
    client = await house.client()
    await client.greet()
    await client.start_tls(authority.client_context())
    assert b"\n250 AUTH PLAIN LOGIN" in await client.ask(b"EHLO client.test")
    return client


def plain(name: str, password: str, acting_as: str = "") -> bytes:
    return b64encode(f"{acting_as}\0{name}\0{password}".encode())


async def test_who_has_logged_in_may_send_and_the_journey_is_told(house: House, authority: Authority) -> None:
    client = await client_under_tls(house, authority)
    assert await client.ask(b"MAIL FROM:<hr@example.com>") == b"530 5.7.0 Authentication required"
    assert await client.ask(b"auth plain " + plain("ATS", PASSWORD)) == (
        b"235 2.7.0 Authentication succeeded"
    )
    assert (await client.send_mail(b"x\r\n")).startswith(b"250")
    assert house.journey.envelopes[0].protocol == "ESMTPSA"
    assert (await client.ask(b"MAIL FROM:<hr@stranger.test>")).startswith(b"550 5.7.1")
    assert house.journal.lines == [("not-logged-in", 530), ("sender-domain-not-allowed", 550)]


async def test_a_user_with_sender_domains_may_use_only_these(house: House, authority: Authority) -> None:
    client = await client_under_tls(house, authority)
    await client.ask(b"AUTH PLAIN " + plain("branch", PASSWORD))
    assert (await client.ask(b"MAIL FROM:<hr@example.com>")).startswith(b"550 5.7.1")
    assert (await client.ask(b"MAIL FROM:<hr@example.jp>")).startswith(b"250")


@pytest.mark.parametrize("login_first", [b"AUTH LOGIN", b"auth login " + b64encode(b"ats")])
async def test_login_asks_for_name_and_password(
    house: House, authority: Authority, login_first: bytes
) -> None:
    client = await client_under_tls(house, authority)
    reply = await client.ask(login_first)
    if b" login " not in login_first:
        assert reply == b"334 VXNlcm5hbWU6"
        reply = await client.ask(b64encode(b"ats"))
    assert reply == b"334 UGFzc3dvcmQ6"
    assert (await client.ask(b64encode(PASSWORD.encode()))).startswith(b"235")


async def test_plain_without_its_message_asks_for_it(house: House, authority: Authority) -> None:
    client = await client_under_tls(house, authority)
    assert await client.ask(b"AUTH PLAIN") == b"334 "
    assert (await client.ask(plain("ats", PASSWORD, "ats"))).startswith(b"235")
    assert (await client.ask(b"AUTH PLAIN")) == b"503 5.5.1 Bad sequence of commands: logged in already"


@pytest.mark.parametrize(
    "wrong",
    [
        plain("ats", "wrong"),
        plain("nobody", PASSWORD),
        plain("gone", PASSWORD),
        plain("ats", PASSWORD, "somebody-else"),
        plain("ats", PASSWORD.upper()),
        plain("ats", "x" * 2000),
    ],
)
async def test_wrong_credentials_sound_all_the_same(house: House, authority: Authority, wrong: bytes) -> None:
    client = await client_under_tls(house, authority)
    assert await client.ask(b"AUTH PLAIN " + wrong) == b"535 5.7.8 Authentication credentials invalid"
    assert (await client.ask(b"MAIL FROM:<hr@example.com>")).startswith(b"530")
    assert house.journal.lines[0] == ("login-failed", 535)


async def test_the_third_failure_ends_the_session(house: House, authority: Authority) -> None:
    client = await client_under_tls(house, authority)
    for _ in range(2):
        assert (await client.ask(b"AUTH PLAIN " + plain("ats", "wrong"))).startswith(b"535")
    assert (await client.ask(b"AUTH PLAIN " + plain("ats", "wrong"))).startswith(b"421 4.7.0")
    assert await client.line() == b""
    assert set(house.journal.lines) == {("login-failed", 535), ("login-failed", 421)}


async def test_a_client_that_is_put_off_may_not_ask_for_ever(
    open_house: OpenHouse, authority: Authority
) -> None:
    """Each time has a line in the journal."""
    own = authority.certificate("gw.test", ("gw.test",))
    rules = replace(RULES, tls_context=server_context(own.certificate, own.key))
    house = await open_house(rules, logins=Logins(Users(USERS), LoginLimits(checks_waiting=0)))
    client = await client_under_tls(house, authority)
    codes = [(await client.ask(b"AUTH PLAIN " + plain("ats", PASSWORD)))[:9] for _ in range(4)]
    assert codes == [b"454 4.7.0"] * 3 + [b"421 4.7.0"]
    assert await client.line() == b""


async def test_a_password_is_not_asked_for_without_tls(house: House) -> None:
    client = await house.client()
    assert b"AUTH" not in await client.greet()
    reply = await client.ask(b"AUTH PLAIN " + plain("ats", PASSWORD))
    assert reply == b"538 5.7.11 Encryption required for authentication"


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ((b"AUTH CRAM-MD5",), b"504 5.5.4"),
        ((b"AUTH",), b"504 5.5.4"),
        ((b"AUTH PLAIN ?",), b"501 5.5.2"),
        ((b"AUTH PLAIN AGEA",), b"501 5.5.2"),
        ((b"AUTH PLAIN =",), b"501 5.5.2"),
        ((b"AUTH PLAIN " + b64encode(b"\0ats\0\xff"),), b"501 5.5.2"),
        ((b"AUTH PLAIN " + b64encode(b"a\0b\0c\0d"),), b"501 5.5.2"),
        ((b"AUTH PLAIN", b"*"), b"501 5.7.0"),
        ((b"AUTH LOGIN", b"YXRz", b"*"), b"501 5.7.0"),
        ((b"AUTH LOGIN", b"\xff"), b"501 5.5.2"),
        ((b"AUTH PLAIN", b"QUFB" * 4000), b"500 5.5.6"),
        ((b"AUTH PLAIN " + b"QUFB" * 4000,), b"500 5.5.2 Command line too long"),
        ((b"AUTH PLAIN " + b"QUFB" * 3000,), b"501 5.5.2"),
    ],
)
async def test_a_malformed_exchange_is_refused_and_the_session_goes_on(
    house: House, authority: Authority, said: tuple[bytes, ...], reply: bytes
) -> None:
    client = await client_under_tls(house, authority)
    for word in said[:-1]:
        assert (await client.ask(word)).startswith(b"334")
    assert (await client.ask(said[-1])).startswith(reply)
    assert (await client.ask(b"NOOP")).startswith(b"250")
    assert (await client.ask(b"AUTH PLAIN " + plain("ats", PASSWORD))).startswith(b"235")
    assert house.journal.crashes == []


async def test_auth_has_its_place(house: House, authority: Authority) -> None:
    client = await house.client()
    await client.greet()
    await client.start_tls(authority.client_context())
    credentials = b"AUTH PLAIN " + plain("branch", PASSWORD)
    assert (await client.ask(credentials)).startswith(b"503")
    await client.ask(b"HELO client.test")
    assert (await client.ask(credentials)).startswith(b"503")
    await client.ask(b"EHLO client.test")
    assert (await client.ask(credentials)).startswith(b"235")


async def test_whose_mail_it_is_goes_no_further(house: House, authority: Authority) -> None:
    """RFC 4954, section 5; the next hop of this test offers no AUTH."""
    client = await client_under_tls(house, authority)
    await client.ask(b"AUTH PLAIN " + plain("ats", PASSWORD))
    mail = b"MAIL FROM:<hr@example.com> BODY=8BITMIME AUTH=hr@example.com  SIZE=3"
    assert (await client.ask(mail)).startswith(b"250")
    assert house.hop.heard(b"MAIL") == [b"MAIL FROM:<hr@example.com> BODY=8BITMIME  SIZE=3"]


async def test_a_stop_ends_an_exchange(house: House, authority: Authority) -> None:
    client = await client_under_tls(house, authority)
    assert await client.ask(b"AUTH PLAIN") == b"334 "
    stop = asyncio.create_task(house.listener.stop(20))
    assert (await client.reply()).startswith(b"421 4.3.2")
    await stop


async def test_no_password_is_shown_when_something_breaks(house: House, authority: Authority) -> None:
    client = await client_under_tls(house, authority)
    [door] = house.listener._sessions._open
    del door._household.logins.users  # type: ignore[attr-defined]  # nothing else breaks just here
    reply = await client.ask(b"AUTH PLAIN " + plain("ats", PASSWORD))
    assert reply.startswith(b"451 4.3.0")
    [(_, error)] = house.journal.crashes
    assert PASSWORD not in str(error)
    assert PASSWORD not in repr(USERS)


# Without a door.


class SlowUsers(Users):
    """Users whose check waits until it may go on, and counts itself."""

    def __init__(self) -> None:
        super().__init__(())
        self.at_once = self.most_at_once = 0

    def check(self, name: str, password: str) -> User | None:
        del name, password
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.02)
        self.at_once -= 1
        return None


async def test_few_are_checked_at_once_and_few_may_wait() -> None:
    users = SlowUsers()
    logins = Logins(users, LoginLimits(checks_at_once=2, checks_waiting=5, failures_of_peer=100))
    outcomes = await asyncio.gather(
        *(logins.check("192.0.2.1", "a", "b") for _ in range(8)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 5 + [Deferred] * 3
    assert users.most_at_once == 2


async def test_a_check_that_nobody_waits_for_any_more_still_counts() -> None:
    users = SlowUsers()
    logins = Logins(users, LoginLimits(checks_at_once=1))
    tasks = [asyncio.create_task(logins.check("192.0.2.1", "a", "b")) for _ in range(3)]
    await asyncio.sleep(0.005)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await logins.check("192.0.2.1", "a", "b") is None
    assert users.most_at_once == 1


async def test_an_address_that_fails_often_is_not_listened_to_for_a_while() -> None:
    limits, now = LoginLimits(failures_of_peer=2, window_seconds=600), [0.0]
    logins = Logins(Users((User("ats", HASH),)), limits, clock=lambda: now[0])
    for peer in ("2001:db8::1", "2001:db8::2"):
        assert await logins.check(peer, "ats", "wrong") is None
    with pytest.raises(Deferred) as caught:
        await logins.check("2001:db8::3", "ats", PASSWORD)
    assert caught.value.reply.code == 421
    assert await logins.check("2001:db8:0:1::1", "ats", PASSWORD) == Login("ats")
    now[0] = 601
    assert await logins.check("2001:db8::3", "ats", PASSWORD) == Login("ats")


@pytest.mark.parametrize("message", [b"", b"a", b"\0", b"\0\0", b"\0a\0", b"\0\0b", b"a\0b", b"\0a\0b\0"])
def test_a_plain_message_has_three_words_and_two_are_not_empty(message: bytes) -> None:
    with pytest.raises(Refused):
        door_login.plain(message)
