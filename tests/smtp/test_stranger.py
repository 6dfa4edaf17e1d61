from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import Transaction
from gateway.envelope import Sender
from gateway.replies import Refused
from gateway.smtp.access import LOOPBACK, AccessRules, Client, Network, lets_in
from gateway.smtp.refusals import RefusalReason
from gateway.smtp.rules import DoorRules, Encryption, Household
from gateway.smtp.stranger import OpenRelay, prove_closed, stranger_to
from tests.smtp.recording import RecordingJournal, StraightJourney

HALVES = (ip_network("0.0.0.0/1"), ip_network("128.0.0.0/1"))


class UnusedNextHop:
    async def begin(self) -> Transaction:
        raise AssertionError("the probe must not reach the next hop")

    async def offers(self) -> Mapping[bytes, bytes]:
        raise AssertionError("the probe must not reach the next hop")


@pytest.fixture
def household() -> Household:
    return Household(UnusedNextHop(), StraightJourney(), RecordingJournal(), lambda: "G-1")


@pytest.mark.parametrize(
    "access",
    [
        AccessRules(),
        AccessRules(networks=()),
        AccessRules(networks=(), auth=True, auth_required=True),
        AccessRules(networks=(ip_network("10.0.0.0/8"),), auth=True),
        AccessRules(networks=(), client_names=frozenset({"mail.example.com"})),
        AccessRules((ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))),
        AccessRules((*HALVES[:1], ip_network("2001:db8::/32")), frozenset({b"example.com"})),
    ],
)
@pytest.mark.parametrize("encryption", list(Encryption))
async def test_a_door_with_rules_is_proven_closed(
    household: Household, access: AccessRules, encryption: Encryption
) -> None:
    rules = DoorRules("gw.test", access=access, encryption=encryption, proxy_protocol_from=LOOPBACK)
    await prove_closed(rules, household)
    journal = household.journal
    assert isinstance(journal, RecordingJournal)
    assert (journal.lines, journal.turned, household.crowd._all) == ([], [], 0)


async def test_a_door_whose_networks_hold_everybody_is_an_open_relay(household: Household) -> None:
    rules = DoorRules("gw.test", access=AccessRules(HALVES), name="branch")
    with pytest.raises(OpenRelay, match="The door branch is an open relay"):
        await prove_closed(rules, household)


class Forgetful(AccessRules):
    """Rules that a mistake has emptied."""

    def refusal(self, client: Client, sender: Sender) -> Refused | None:
        del client, sender
        return None


class KindToBounces(AccessRules):
    """Rules that let the null sender in from anywhere."""

    def refusal(self, client: Client, sender: Sender) -> Refused | None:
        return AccessRules.refusal(self, client, sender) if sender.address else None


@pytest.mark.parametrize("access", [Forgetful(), KindToBounces()])
async def test_a_door_whose_rules_are_broken_is_an_open_relay(
    household: Household, access: AccessRules
) -> None:
    """Whatever breaks the rules, here or later, is seen by what the stranger hears."""
    with pytest.raises(OpenRelay, match=r"192\.0\.2\.1 may send"):
        await prove_closed(DoorRules("gw.test", access=access), household)


networks = st.lists(st.ip_addresses(v=4).flatmap(lambda a: st.integers(0, 32).map(lambda p: net(a, p))))


def net(address: object, prefix: int) -> Network:
    return ip_network(f"{address}/{prefix}", strict=False)


@given(networks)
def test_a_stranger_is_in_none_of_the_networks(found: list[Network]) -> None:
    """Invariant: where not everybody is held, there is a stranger, and no network holds it."""
    stranger = stranger_to(found, 4)
    if stranger is None:
        assert lets_in(found, "8.8.8.8")
    else:
        assert not lets_in(found, str(stranger))


def test_a_client_with_a_login_needs_no_network_and_none_but_it() -> None:
    rules = AccessRules(networks=(), auth=True, auth_required=True)
    refusal = rules.refusal(Client("127.0.0.1"), Sender(b"hr@example.com"))
    assert refusal is not None
    assert (refusal.reply.code, refusal.reason) == (530, RefusalReason.LOGIN_MISSING)
