"""One message, from the client's final dot to the one reply."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from gateway.copies import Scribe
from gateway.mail.footer import Footer
from store.database import Transaction, verb
from store.records import DeliveryState, Partner
from store.tables import Delivery, Person, RejectionCase
from tests.journey.conftest import PARTNER, Gateway, OpenGateway, without_keys
from tests.smtp.recording import Client, Fault, eventually

LINK = re.compile(rb"https://goen\.example\.com/c/[a-z2-7]{40}")
FINE = b"250 2.1.0 sender fine\r\n"
KEPT = b"250 2.0.0 Ok: queued as 4XyZ\r\n"

MARKED = (
    b"From: <recruit@example.com>\r\n"
    b"To: <taro@example.jp>\r\n"
    b"Subject: result\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n"
    b"\r\n"
    + "山田 太郎 様\r\n\r\n今回はご縁がありませんでした。\r\n".encode()
    + b"\r\n[[relay:rejection stage=final]]\r\n\r\nRegards\r\n"
)
PLAIN = MARKED.replace(b"[[relay:rejection stage=final]]", b"--")


def links(gateway: Gateway) -> list[bytes]:
    return [link for message in gateway.hop.messages for link in LINK.findall(message.content)]


@verb
def states(tx: Transaction) -> list[str]:
    return [row.state for row in tx.fetch(Delivery.select().order_by(Delivery.id))]


@verb
def counts(tx: Transaction) -> tuple[int, int]:
    return len(tx.fetch(Person.select())), len(tx.fetch(RejectionCase.select()))


# Ordinary mail.


async def test_ordinary_mail_leaves_as_it_came_and_needs_no_store(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    gateway.store.close()
    assert await gateway.send(PLAIN, "taro@example.jp", "boss@example.com") == KEPT.rstrip()
    (message,) = gateway.hop.messages
    assert message.content == PLAIN
    assert message.rcpts == [b"RCPT TO:<taro@example.jp>", b"RCPT TO:<boss@example.com>"]
    assert gateway.reasons == ["unmarked"]


@pytest.mark.parametrize(
    ("spoil", "code", "reason"),
    [
        (lambda mail: mail + b"bare\nline\r\n", b"550 5.5.2", "bare"),
        (lambda mail: mail + b"bare\rreturn\r\n", b"550 5.5.2", "bare"),
        (lambda mail: mail + b"nul \x00\r\n", b"550 5.6.0", "nul"),
        (lambda mail: b"Received: x\r\n" * 101 + mail, b"554 5.4.6", "hops"),
    ],
)
@pytest.mark.parametrize("mail", [PLAIN, MARKED])
async def test_what_must_not_leave_is_refused_before_any_byte_leaves(
    open_gateway: OpenGateway, spoil: Callable[[bytes], bytes], code: bytes, reason: str, mail: bytes
) -> None:
    gateway = await open_gateway()
    assert (await gateway.send(spoil(mail), "taro@example.jp")).startswith(code), reason
    assert gateway.hop.messages == []
    assert gateway.hop.heard(b"DATA") == []
    assert [line["reply"] for line in gateway.events("refused")] == [int(code[:3])]


async def test_a_hundred_hops_are_allowed(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    assert (await gateway.send(b"Received: x\r\n" * 100 + PLAIN, "taro@example.jp")).startswith(b"250")


# Marked mail that passes as it came.


async def test_marked_mail_passes_as_it_came_while_the_organisation_is_incomplete(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway(complete=False)
    assert await gateway.send(MARKED, "taro@example.jp") == KEPT.rstrip()
    assert [message.content for message in gateway.hop.messages] == [MARKED]
    assert gateway.reasons == ["unprepared"]


@pytest.mark.parametrize(
    "partners",
    [
        (),
        (replace(PARTNER, licence_expires=datetime(2020, 1, 1, tzinfo=UTC)),),
        (replace(PARTNER, country="US"),),
    ],
)
async def test_marked_mail_passes_as_it_came_without_a_partner_that_may_be_offered(
    open_gateway: OpenGateway, partners: tuple[Partner, ...]
) -> None:
    gateway = await open_gateway(partners=partners)
    assert await gateway.send(MARKED, "taro@example.jp") == KEPT.rstrip()
    assert [message.content for message in gateway.hop.messages] == [MARKED]
    assert gateway.reasons == ["no-partner"]


async def test_marked_mail_passes_as_it_came_without_a_key_to_sign_it(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(changes=without_keys)
    assert await gateway.send(MARKED, "taro@example.jp") == KEPT.rstrip()
    assert [message.content for message in gateway.hop.messages] == [MARKED]
    assert gateway.reasons == ["no-signing-key"]
    assert gateway.store.call(counts) == (0, 0)


class Linkless:
    """Invitations without a link, as no template of ours has them."""

    def footer(self, language: str, *, link: str, company: str, partners: Sequence[str]) -> Footer:
        return Footer(text=f"{language} {company} {len(partners)} {len(link)}", html="<p>x</p>")


async def test_a_mail_whose_copy_fails_the_check_leaves_as_it_came_and_the_operator_is_told(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway(changes=lambda scribe: replace(scribe, footers=Linkless()))
    assert await gateway.send(MARKED, "taro@example.jp") == KEPT.rstrip()
    assert [message.content for message in gateway.hop.messages] == [MARKED]
    assert [(line["reason"], line["level"]) for line in gateway.events("passed")] == [
        ("check-failed", "warning")
    ]
    assert gateway.store.call(counts) == (0, 0)


@pytest.mark.parametrize(
    ("mail", "sender", "reason"),
    [
        (MARKED, "", "null-sender"),
        (b"Auto-Submitted: auto-replied\r\n" + MARKED, "recruit@example.com", "automatic"),
        (b"List-Id: <x.example.com>\r\n" + MARKED, "recruit@example.com", "list"),
        (MARKED.replace(b"[[relay", b"> [[relay"), "recruit@example.com", "marker-quoted"),
    ],
)
async def test_mail_that_must_not_be_rewritten_passes_with_its_reason(
    open_gateway: OpenGateway, mail: bytes, sender: str, reason: str
) -> None:
    gateway = await open_gateway()
    assert await gateway.send(mail, "taro@example.jp", sender=sender) == KEPT.rstrip()
    assert [message.content for message in gateway.hop.messages] == [mail]
    assert gateway.reasons == [reason]


async def test_a_copy_that_comes_back_is_passed_and_not_rewritten_again(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    await gateway.send(MARKED, "taro@example.jp")
    copy = gateway.hop.messages[0].content
    again = copy.replace(b"Regards", b"[[relay:rejection]]")
    await gateway.send(again, "taro@example.jp")
    assert gateway.hop.messages[1].content == again
    assert gateway.reasons == ["stamped"]


# The journal.


@pytest.mark.parametrize("mail", [PLAIN, MARKED])
async def test_a_journal_that_cannot_be_written_changes_no_reply(
    open_gateway: OpenGateway, mail: bytes
) -> None:
    """A 451 after the next hop's 250 would send the mail again and again."""
    gateway = await open_gateway()
    gateway.journal.fails = True
    assert (await gateway.send(mail, "a@example.jp"))[:3] == b"250"
    gateway.store.failures = {"settle": 1}
    gateway.hop.answer("DOT", b"452 4.3.1 full\r\n")
    again = mail.replace(b"<1@", b"<2@")
    assert (await gateway.send(again, "b@example.jp"))[:3] == b"452"
    assert len(gateway.hop.messages) == 1
    gateway.journal.fails = False
    await gateway.send(PLAIN.replace(b"<1@", b"<3@"), "a@example.jp")
    assert gateway.events("lines-lost")[0]["lines"] >= 2


async def test_the_next_hops_queue_id_stands_in_the_journal(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    await gateway.send(PLAIN, "a@example.jp")
    await gateway.send(MARKED, "a@example.jp")
    assert [line["queue_id"] for line in gateway.events("passed")] == ["4XyZ"]
    assert [line["queue_id"] for line in gateway.events("delivered")] == ["4XyZ"]


# Copies.


async def test_each_candidate_gets_a_link_of_their_own_and_nobody_else_gets_one(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    everyone = ("a@example.jp", "boss@example.com", "b@example.jp", "x@agency.example.org", "a@example.jp")
    assert (await gateway.send(MARKED, *everyone)).startswith(b"250 2.0.0 Ok G-")
    found = {tuple(message.rcpts): set(LINK.findall(message.content)) for message in gateway.hop.messages}
    assert set(found) == {
        (b"RCPT TO:<a@example.jp>",),
        (b"RCPT TO:<b@example.jp>",),
        (b"RCPT TO:<boss@example.com>", b"RCPT TO:<x@agency.example.org>"),
    }
    assert found[(b"RCPT TO:<boss@example.com>", b"RCPT TO:<x@agency.example.org>")] == set()
    assert len(found[(b"RCPT TO:<a@example.jp>",)] | found[(b"RCPT TO:<b@example.jp>",)]) == 2
    assert not any(b"[[relay" in message.content for message in gateway.hop.messages)
    assert gateway.store.call(counts) == (2, 2)


@verb
def names(tx: Transaction) -> list[str | None]:
    rows = tx.fetch(RejectionCase.select().order_by(RejectionCase.id))
    return [tx.unseal_optional(row.name, "rejection_case.name") for row in rows]


async def test_with_two_candidates_the_name_in_the_text_belongs_to_neither(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    await gateway.send(MARKED, "yamada@example.jp")
    found = gateway.store.call(names)
    assert found == ["山田 太郎"]
    both = MARKED.replace(b"<1@", b"<2@").replace(b"<taro@example.jp>", b"undisclosed-recipients:;")
    await gateway.send(both, "sato@example.jp", "suzuki@example.jp")
    found = gateway.store.call(names)
    assert found == ["山田 太郎", None, None]


async def test_a_copy_carries_our_received_field_the_stamp_and_the_signature(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    reply = await gateway.send(MARKED, "taro@example.jp")
    trace_id = reply.split()[3].decode()
    copy = message_from_bytes(gateway.hop.messages[0].content, policy=policy.compat32)
    assert copy.keys()[:3] == ["Received", "DKIM-Signature", "X-Goen-Processed"]
    assert trace_id in copy["Received"]
    assert "taro" not in copy["Received"]


async def test_no_copy_carries_a_bare_line_end(open_gateway: OpenGateway) -> None:
    """The invitation's templates end their lines in LF; nothing else may show that."""
    gateway = await open_gateway()
    for subtype in (b"plain", b"html"):
        mail = MARKED.replace(b"text/plain", b"text/" + subtype).replace(b"<1@", b"<" + subtype + b"@")
        assert (await gateway.send(mail, "taro@example.jp"))[:3] == b"250"
    assert len(links(gateway)) == 2
    for message in gateway.hop.messages:
        assert re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", message.content) is None


async def test_only_colleagues_get_a_copy_without_marker_and_nobody_is_captured(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    await gateway.send(MARKED, "boss@example.com")
    (message,) = gateway.hop.messages
    assert b"[[relay" not in message.content
    assert gateway.store.call(counts) == (0, 0)


# Replies and retries.


async def test_all_refused_is_the_refusal_as_it_came_and_stands_on_the_ledger(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    gateway.hop.answer("DOT", b"554-5.7.1 no,\r\n554 5.7.1 <a@example.jp>\r\n")
    assert await gateway.send(MARKED, "a@example.jp") == b"554-5.7.1 no,\n554 5.7.1 <a@example.jp>"
    assert gateway.store.call(states) == [DeliveryState.REFUSED]
    (line,) = gateway.events("undelivered")
    assert (line["state"], line["reason"]) == ("refused", "next hop said 554")
    assert "a@example.jp" not in gateway.journal.getvalue()


async def test_a_next_hop_that_cannot_be_reached_stands_in_the_journal(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    await gateway.hop.stop()
    assert (await gateway.send(PLAIN, "a@example.jp"))[:9] == b"451 4.4.1"
    (line,) = gateway.events("deferred")
    assert line["reason"].startswith("next-hop-lost: 127.0.0.1:")


async def test_a_key_of_the_domain_above_signs_for_a_subdomain(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    stale = b"DKIM-Signature: v=1; d=%s; s=old; b=\r\n"
    of_both = stale % b"hr.example.com" + stale % b"example.com" + stale % b"example.org"
    mail = of_both + MARKED.replace(b"recruit@example.com", b"recruit@hr.example.com")
    await gateway.send(mail, "a@example.jp")
    copy = message_from_bytes(gateway.hop.messages[0].content)
    signatures = [signature.split("d=")[1].split(";")[0] for signature in copy.get_all("DKIM-Signature", [])]
    assert signatures == ["example.com", "example.org"], "ours is new, our broken ones are gone"
    other = MARKED.replace(b"recruit@example.com", b"recruit@notexample.com")
    await gateway.send(other, "a@example.jp")
    assert gateway.reasons == ["no-signing-key"]


async def test_one_copy_deferred_the_retry_sends_only_that_one_with_the_same_link(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    gateway.hop.answer("MAIL", FINE, b"452 4.3.1 full\r\n")
    reply = await gateway.send(MARKED, "a@example.jp", "b@example.jp")
    assert re.fullmatch(rb"451 4\.3\.0 1 of 2 copies delivered, .*", reply)
    assert len(gateway.hop.messages) == 1
    first = gateway.hop.messages[0]
    recorded = gateway.store.call(states)
    assert set(recorded) == {DeliveryState.ACCEPTED, DeliveryState.DEFERRED}
    assert (await gateway.send(b"Received: again\r\n" + MARKED, "a@example.jp", "b@example.jp"))[:3] == b"250"
    assert len(gateway.hop.messages) == 2
    assert first.rcpts != gateway.hop.messages[1].rcpts
    assert len(set(links(gateway))) == 2
    assert gateway.store.call(counts) == (2, 2)
    # All is delivered: a third try sends nothing.
    assert (await gateway.send(MARKED, "a@example.jp", "b@example.jp"))[:3] == b"250"
    assert len(gateway.hop.messages) == 2


async def test_a_retry_that_cannot_be_rewritten_any_more_waits_instead_of_passing_as_it_came(
    open_gateway: OpenGateway,
) -> None:
    """Passed as it came, the recipient whose copy was accepted would get the mail again."""
    gateway = await open_gateway()
    gateway.hop.answer("MAIL", FINE, b"452 4.3.1 full\r\n")
    assert (await gateway.send(MARKED, "a@example.jp", "b@example.jp"))[:3] == b"451"
    keyless = await open_gateway(changes=without_keys)
    assert (await keyless.send(MARKED, "a@example.jp", "b@example.jp"))[:3] == b"451"
    assert keyless.hop.messages == []
    assert [line["reason"] for line in keyless.events("deferred")] == ["retry-cannot-be-rewritten"]
    await gateway.send(MARKED, "a@example.jp", "b@example.jp")
    assert (await keyless.send(MARKED, "a@example.jp", "b@example.jp"))[:3] == b"250", "all is delivered"
    assert keyless.hop.messages == []


async def test_each_copy_is_written_once_and_on_a_retry_no_accepted_one_but_the_trial(
    open_gateway: OpenGateway,
) -> None:
    """The copy that is tried before the ledger opens is the one that is sent."""
    written: list[bytes] = []

    def counting(scribe: Scribe) -> Scribe:
        def link_url(link_id: bytes) -> str:
            written.append(link_id)
            return scribe.link_url(link_id)

        return replace(scribe, link_url=link_url)

    gateway = await open_gateway(changes=counting)
    everyone = ("a@example.jp", "b@example.jp", "c@example.jp")
    assert (await gateway.send(MARKED, *everyone))[:3] == b"250"
    assert len(written) == len(set(written)) == 3
    assert (await gateway.send(MARKED, *everyone))[:3] == b"250"
    assert len(written) == 4


async def test_a_message_to_many_candidates_is_delivered_in_batches(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    many = [f"c{number}@example.jp" for number in range(20)]
    gateway.hop.answer("MAIL", *[FINE] * 12, b"452 4.3.1 full\r\n")
    assert (await gateway.send(MARKED, *many)).startswith(b"451 4.3.0 19 of 20")
    assert (await gateway.send(MARKED, *many))[:3] == b"250"
    assert sorted(message.rcpts[0] for message in gateway.hop.messages) == sorted(
        f"RCPT TO:<{address}>".encode() for address in many
    )
    assert len(set(links(gateway))) == 20


async def test_a_message_to_more_candidates_than_there_are_connections_is_delivered_at_once(
    open_gateway: OpenGateway,
) -> None:
    """The copies of a batch wait for each other with their connections in hand."""
    gateway = await open_gateway(connections=2)
    assert (await gateway.send(MARKED, *(f"{n}@example.jp" for n in range(5)))).startswith(b"250")
    assert len(gateway.hop.messages) == 5
    assert gateway.hop.connections <= 2


async def test_the_next_hop_lost_after_the_dot_is_tried_again_with_the_same_link(
    open_gateway: OpenGateway,
) -> None:
    """The one case in which a candidate may get a mail twice (RFC 1047)."""
    gateway = await open_gateway()
    gateway.hop.answer("DOT", Fault.DROP)
    assert (await gateway.send(MARKED, "a@example.jp"))[:3] == b"451"
    assert gateway.store.call(states) == [DeliveryState.UNKNOWN]
    (fixed,) = gateway.store.call(link_ids)
    assert (await gateway.send(MARKED, "a@example.jp"))[:3] == b"250"
    assert gateway.store.call(link_ids) == [fixed]
    assert gateway.store.call(counts) == (1, 1)


@verb
def link_ids(tx: Transaction) -> list[bytes]:
    return [bytes(row.link_id or b"") for row in tx.fetch(Delivery.select())]


async def test_the_same_mail_twice_at_once_is_delivered_once(open_gateway: OpenGateway) -> None:
    """The second finds the copy claimed and asks its client to wait."""
    gateway = await open_gateway()
    replies = await asyncio.gather(*(gateway.send(MARKED, "a@example.jp") for _ in range(6)))
    assert len(gateway.hop.messages) == 1
    assert {reply[:3] for reply in replies} <= {b"250", b"451"}
    assert any(reply[:3] == b"250" for reply in replies)
    assert gateway.store.call(counts) == (1, 1)


async def test_a_claim_left_by_a_crash_runs_out(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(lease=timedelta(seconds=-1))
    gateway.store.failures = {"settle": 1000}
    await gateway.send(MARKED, "a@example.jp")
    assert gateway.store.call(states) == [DeliveryState.SENDING]
    await gateway.send(MARKED, "a@example.jp")
    assert len(gateway.hop.messages) == 2
    assert len(set(links(gateway))) == 1
    gateway.store.failures = {}


@pytest.mark.parametrize("verb_name", ["list_partners", "open_message", "claim_deliveries"])
async def test_with_the_store_gone_marked_mail_is_deferred_and_nothing_is_sent(
    open_gateway: OpenGateway, verb_name: str
) -> None:
    gateway = await open_gateway()
    gateway.store.failures = {verb_name: 1}
    assert (await gateway.send(MARKED, "a@example.jp"))[:9] == b"451 4.3.0"
    assert gateway.hop.messages == []
    # One line tells what became of the message, whatever failed: metrics count messages by it.
    assert len(gateway.events("deferred") + gateway.events("invited")) == 1
    assert [line["reason"] for line in gateway.events("unclaimed")] == (
        ["StoreUnavailable"] if verb_name == "claim_deliveries" else []
    )
    assert (await gateway.send(MARKED, "a@example.jp"))[:3] == b"250"
    assert len(gateway.hop.messages) == 1


async def test_with_the_store_gone_after_the_dot_the_reply_stands_and_the_outcome_is_recorded_later(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    gateway.store.failures = {"settle": 1}
    assert (await gateway.send(MARKED, "a@example.jp"))[:3] == b"250"
    assert len(gateway.events("unsettled")) == 1
    assert gateway.store.call(states) == [DeliveryState.SENDING]
    await gateway.delivery.close()
    assert gateway.store.call(states) == [DeliveryState.ACCEPTED]


@pytest.mark.parametrize("mail", [PLAIN, MARKED])
async def test_a_next_hop_that_takes_too_long_is_not_waited_for_longer_than_the_client_waits(
    open_gateway: OpenGateway, mail: bytes
) -> None:
    gateway = await open_gateway(patience=timedelta(seconds=0.5))
    gateway.hop.answer("DOT", Fault.HANG)
    assert (await gateway.send(mail, "a@example.jp"))[:9] == b"451 4.4.2"
    assert gateway.hop.messages == []
    recorded = gateway.store.call(states)
    assert recorded == ([DeliveryState.UNKNOWN] if mail is MARKED else [])
    # The connection is not used again: what it says next might belong to the mail before.
    assert (await gateway.send(mail, "a@example.jp"))[:3] == b"250"


async def test_a_copy_that_waits_at_a_recipient_is_deferred_when_the_time_is_up(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway(patience=timedelta(seconds=0.5))
    gateway.hop.answer("RCPT", b"250 2.1.5 fine\r\n", Fault.HANG)
    assert (await gateway.send(MARKED, "a@example.jp"))[:9] == b"451 4.4.2"
    recorded = gateway.store.call(states)
    assert recorded == [DeliveryState.DEFERRED]


async def test_a_client_that_hangs_up_after_the_dot_does_not_stop_the_copies(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    client = await Client.connect(gateway.port)
    await client.greet()
    for command in (b"MAIL FROM:<recruit@example.com>", b"RCPT TO:<a@example.jp>", b"DATA"):
        await client.ask(command)
    client.write(MARKED + b".\r\n")
    await client.writer.drain()
    client.hang_up()
    await eventually(lambda: len(gateway.hop.messages) == 1)
    await eventually(lambda: gateway.store.call(states) == [DeliveryState.ACCEPTED])
