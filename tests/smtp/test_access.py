from ipaddress import ip_network

import pytest

from gateway.envelope import Sender
from gateway.smtp.access import AccessRules, Client

OURS = Sender(b"hr@example.com")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_send_by_default(peer: str) -> None:
    assert AccessRules().refusal(Client(peer), OURS) is None


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", "", "nonsense"])
def test_nobody_else_may_send_by_default(peer: str) -> None:
    refusal = AccessRules().refusal(Client(peer), OURS)
    assert refusal is not None
    assert refusal.reply.code == 550
    assert refusal.reply.lines[0].startswith(b"5.7.1 ")
    assert refusal.reason == "peer-not-allowed"


def test_a_network_that_is_named_may_send() -> None:
    rules = AccessRules((ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))
    assert rules.refusal(Client("192.0.2.77"), OURS) is None
    assert rules.refusal(Client("2001:db8::77"), OURS) is None
    assert rules.refusal(Client("192.0.3.1"), OURS) is not None
    assert rules.refusal(Client("127.0.0.1"), OURS) is not None


@pytest.mark.parametrize(
    ("address", "may"),
    [
        (b"hr@example.com", True),
        (b"HR@Example.COM", True),
        (b"", True),
        (b"hr@sub.example.com", False),
        (b"hr@notexample.com", False),
        (b"hr", False),
        (b"example.com", False),
        (b'"hr@example.com"@stranger.test', False),
        (b"@example.com:hr@stranger.test", False),
    ],
)
def test_only_the_named_sender_domains_may_send(address: bytes, *, may: bool) -> None:
    rules = AccessRules(sender_domains=frozenset({b"example.com"}))
    assert (rules.refusal(Client("127.0.0.1"), Sender(address)) is None) is may


def test_the_null_sender_does_not_open_the_network() -> None:
    assert AccessRules().refusal(Client("192.0.2.1"), Sender(b"")) is not None
