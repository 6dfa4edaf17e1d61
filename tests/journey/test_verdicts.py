"""Copies that fare differently: one report over SMTP, a reply for each recipient over LMTP."""

import asyncio
import email
from collections.abc import Sequence
from email.message import Message

import pytest

from store.records import DeliveryState
from tests.journey.conftest import Gateway, OpenGateway
from tests.journey.test_message_journey import FINE, MARKED, PLAIN, states
from tests.smtp.recording import Client, Fault

GONE = b"550 5.1.1 User unknown\r\n"
FULL = b"452 4.2.2 mailbox full\r\n"
TWO = ("a@example.jp", "b@example.jp")


def recorded(gateway: Gateway) -> set[str]:
    found: list[str] = gateway.store.call(states)
    return set(found)


def reports(gateway: Gateway) -> list[Message]:
    return [
        email.message_from_bytes(m.content)
        for m in gateway.hop.messages
        if m.mail.startswith(b"MAIL FROM:<>")
    ]


def failed(report: Message) -> list[str]:
    """Return the recipients that a report names."""
    status = report.get_payload(1)
    assert isinstance(status, Message)
    groups = status.get_payload()
    assert isinstance(groups, list)
    return [str(group["Final-Recipient"]) for group in groups[1:] if isinstance(group, Message)]


async def test_a_refused_copy_beside_an_accepted_one_is_reported_once_and_answered_250(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    gateway.hop.answer("DOT", FINE, GONE)
    assert (await gateway.send(MARKED, *TWO))[:3] == b"250"
    (report,) = reports(gateway)
    (sent,) = (m for m in gateway.hop.messages if m.mail.startswith(b"MAIL FROM:<>"))
    assert sent.rcpts == [b"RCPT TO:<recruit@example.com>"]
    refused = {address for address in TWO if f"rfc822; {address}" in failed(report)}
    assert len(refused) == 1
    assert recorded(gateway) == {DeliveryState.ACCEPTED, DeliveryState.TOLD}
    assert [line["recipients"] for line in gateway.events("reported")] == [1]
    # The client has lost our 250 and asks again: nothing more is sent, and it is 250 again.
    before = len(gateway.hop.messages)
    assert (await gateway.send(MARKED, *TWO))[:3] == b"250"
    assert len(gateway.hop.messages) == before


@pytest.mark.parametrize("trouble", ["MAIL", "RCPT", "DATA", "DOT", "lost"])
async def test_a_report_that_is_not_accepted_makes_the_client_try_again(
    trouble: str, open_gateway: OpenGateway
) -> None:
    gateway = await open_gateway()
    verb = "DOT" if trouble == "lost" else trouble
    usual = {"MAIL": 3, "RCPT": 4, "DATA": 2, "DOT": 0}[verb]  # primary, two copies
    fine = {"MAIL": FINE, "RCPT": FINE, "DATA": b"354 go on\r\n"}
    if verb == "DOT":
        gateway.hop.answer("DOT", FINE, GONE, Fault.DROP if trouble == "lost" else FULL)
    else:
        gateway.hop.answer("DOT", FINE, GONE)
        gateway.hop.answer(verb, *[fine[verb]] * usual, FULL)
    assert (await gateway.send(MARKED, *TWO))[:3] == b"451"
    assert recorded(gateway) == {DeliveryState.ACCEPTED, DeliveryState.REFUSED}
    gateway.hop.answer("DOT", GONE)
    assert (await gateway.send(MARKED, *TWO))[:3] == b"250"
    assert recorded(gateway) == {DeliveryState.ACCEPTED, DeliveryState.TOLD}


async def test_while_a_copy_is_open_nothing_is_reported(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    gateway.hop.answer("DOT", FINE, GONE, FULL)
    assert (await gateway.send(MARKED, *TWO, "c@example.jp"))[:3] == b"451"
    assert reports(gateway) == []
    gateway.hop.answer("DOT", GONE)
    assert (await gateway.send(MARKED, *TWO, "c@example.jp"))[:3] == b"250"
    assert len(reports(gateway)) == 1


async def test_when_all_are_refused_the_client_reports_itself(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    gateway.hop.answer("DOT", GONE, GONE)
    assert await gateway.send(MARKED, *TWO) == GONE.strip()
    assert reports(gateway) == []


async def send_with(
    gateway: Gateway, greeting: bytes, commands: Sequence[bytes], mail: bytes, replies: int
) -> list[bytes]:
    """Send a mail in a session of its own; return the last replies."""
    client = await Client.connect(gateway.port)
    gateway.clients.append(client)
    await client.reply()
    await client.ask(greeting)
    for command in (*commands, b"DATA"):
        assert (await client.ask(command))[:1] in b"23"
    client.write(mail + b".\r\n")
    return [await client.reply() for _ in range(replies)]


async def test_who_does_not_want_to_hear_of_failures_is_not_told(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    gateway.hop.answer("DOT", FINE, GONE)
    commands = [b"MAIL FROM:<recruit@example.com>", *(b"RCPT TO:<%s> NOTIFY=NEVER" % a.encode() for a in TWO)]
    (reply,) = await send_with(gateway, b"EHLO x", commands, MARKED, 1)
    assert reply[:3] == b"250"
    assert reports(gateway) == []
    assert recorded(gateway) == {DeliveryState.ACCEPTED, DeliveryState.TOLD}


async def test_two_retries_at_once_make_one_report(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    gateway.hop.answer("DOT", FINE, GONE, FULL)
    assert (await gateway.send(MARKED, *TWO))[:3] == b"451"
    gateway.hop.answer("DOT", GONE)
    replies = await asyncio.gather(*(gateway.send(MARKED, *TWO) for _ in range(4)))
    assert {reply[:3] for reply in replies} <= {b"250", b"451"}
    assert len(reports(gateway)) <= 1 + sum(reply[:3] == b"451" for reply in replies)
    assert (await gateway.send(MARKED, *TWO))[:3] == b"250"


LMTP = [b"MAIL FROM:<recruit@example.com>", *(b"RCPT TO:<%s>" % address.encode() for address in TWO)]


async def test_over_lmtp_each_candidate_hears_what_became_of_their_copy(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(lmtp=True)
    gateway.hop.answer("DOT", FINE, GONE)
    replies = await send_with(gateway, b"LHLO x", LMTP, MARKED, 2)
    assert sorted(reply[:3] for reply in replies) == [b"250", b"550"]
    assert reports(gateway) == []
    assert b"with LMTP" in gateway.hop.messages[0].content


async def test_over_lmtp_only_the_deferred_are_tried_again(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(lmtp=True)
    gateway.hop.answer("DOT", FINE, FULL)
    replies = await send_with(gateway, b"LHLO x", LMTP, MARKED, 2)
    assert sorted(reply[:3] for reply in replies) == [b"250", b"452"]
    (open_one,) = [rcpt for rcpt, reply in zip(LMTP[1:], replies, strict=True) if reply[:3] == b"452"]
    (reply,) = await send_with(gateway, b"LHLO x", [LMTP[0], open_one], MARKED, 1)
    assert reply[:3] == b"250"
    rcpts = [rcpt for message in gateway.hop.messages[1:] for rcpt in message.rcpts]
    assert rcpts == [open_one]


async def test_over_lmtp_a_group_of_colleagues_hears_one_answer(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(lmtp=True)
    colleagues = [b"RCPT TO:<x@example.com>", b"RCPT TO:<y@example.com>"]
    replies = await send_with(gateway, b"LHLO x", [*LMTP, *colleagues], MARKED, 4)
    assert [reply[:3] for reply in replies] == [b"250"] * 4
    assert len(gateway.hop.messages) == 3


async def test_over_lmtp_a_recipient_named_twice_hears_twice(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(lmtp=True)
    for mail in (PLAIN, MARKED):
        replies = await send_with(gateway, b"LHLO x", [LMTP[0], LMTP[1], LMTP[1]], mail, 2)
        assert [reply[:3] for reply in replies] == [b"250", b"250"]


async def test_over_lmtp_a_store_out_of_reach_is_heard_by_each(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(lmtp=True)
    gateway.store.failures["open_message"] = 1
    replies = await send_with(gateway, b"LHLO x", LMTP, MARKED, 2)
    assert [reply[:3] for reply in replies] == [b"451", b"451"]
