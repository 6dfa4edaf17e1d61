"""Who gets which copy, and what the outcomes add up to."""

import pytest

from gateway.copies import Outcome, RecipientRules, details_of, split_recipients
from gateway.envelope import Envelope, Recipient, Sender
from gateway.mail.marker import Marker
from gateway.mail.notice import Notice
from gateway.mail.notice.findings import Confidence, Finding, Source
from gateway.replies import Reply
from gateway.verdicts import reply_for
from store.records import DeliveryState, RejectionDetails

OK = Outcome(DeliveryState.ACCEPTED, Reply(250, (b"2.0.0 Ok: queued as 1",)))
EARLIER = Outcome(DeliveryState.ACCEPTED, None)
NO = Outcome(DeliveryState.REFUSED, Reply(550, (b"5.1.1 unknown",)))
NEVER = Outcome(DeliveryState.REFUSED, Reply(554, (b"5.7.1 policy",)))
LATER = Outcome(DeliveryState.DEFERRED, Reply(452, (b"4.3.1 full",)))
UNKNOWN = Outcome(DeliveryState.UNKNOWN, Reply(451, (b"4.4.2 lost",)))
ELSEWHERE = Outcome(DeliveryState.SENDING, None)
IN_ANOTHER_SESSION = b"451 4.3.0 Being delivered in another session, please try again later (G-1)\r\n"


@pytest.mark.parametrize(
    ("outcomes", "wire"),
    [
        ([OK], b"250 2.0.0 Ok G-1 (2.0.0 Ok: queued as 1)\r\n"),
        ([OK, OK], b"250 2.0.0 Ok G-1\r\n"),
        ([OK, EARLIER], b"250 2.0.0 Ok G-1 (2.0.0 Ok: queued as 1)\r\n"),
        ([EARLIER, EARLIER], b"250 2.0.0 Ok G-1\r\n"),
        ([NO], b"550 5.1.1 unknown\r\n"),
        ([NEVER, NO], b"554 5.7.1 policy\r\n"),
        ([LATER], b"452 4.3.1 full\r\n"),
        ([UNKNOWN], b"451 4.4.2 lost\r\n"),
        ([ELSEWHERE], IN_ANOTHER_SESSION),
        ([OK, ELSEWHERE], IN_ANOTHER_SESSION),
        ([LATER, ELSEWHERE], b"451 4.3.0 0 of 2 copies delivered, try again for the others (G-1)\r\n"),
        ([OK, LATER], b"451 4.3.0 1 of 2 copies delivered, try again for the others (G-1)\r\n"),
        ([OK, NO], b"451 4.3.0 1 of 2 copies delivered, try again for the others (G-1)\r\n"),
        ([NO, LATER], b"451 4.3.0 0 of 2 copies delivered, try again for the others (G-1)\r\n"),
        ([EARLIER, UNKNOWN, OK], b"451 4.3.0 2 of 3 copies delivered, try again for the others (G-1)\r\n"),
    ],
)
def test_the_outcomes_of_all_copies_add_up_to_one_reply(outcomes: list[Outcome], wire: bytes) -> None:
    assert reply_for(outcomes, "G-1").to_wire() == wire


def test_a_next_hops_reply_cannot_smuggle_lines_into_ours() -> None:
    evil = Outcome(DeliveryState.ACCEPTED, Reply(250, ("2.0.0 ok\x00\r\n250 \x7f山".encode(),)))
    wire = reply_for([evil], "G-1").to_wire()
    assert wire.count(b"\r\n") == 1
    assert wire.isascii()


@pytest.mark.parametrize(
    ("address", "sender", "internal", "is_candidate"),
    [
        (b"taro@example.jp", b"hr@example.com", (), True),
        (b"boss@example.com", b"hr@example.com", (), False),
        (b"boss@EXAMPLE.COM", b"hr@example.com", (), False),
        (b"boss@tokyo.example.com", b"hr@example.com", (), False),
        (b"taro@notexample.com", b"hr@example.com", (), True),
        (b"boss@example.com", b"hr@mailer.example.org", (b"example.com",), False),
        (b"hr@mailer.example.org", b"hr@mailer.example.org", (b"example.com",), False),
        (b"boss@example.com.", b"hr@example.com", (), False),
        (b"boss@example.com", b"b+1@bounce.example.com", (b"example.com",), False),
        (b"x@agency.example.org", b"hr@example.com", (), False),
        (b"Archive@example.net", b"hr@example.com", (), False),
        (b'"a..b"@example.jp', b"hr@example.com", (), True),
        (b"postmaster", b"hr@example.com", (), False),
    ],
)
def test_who_is_a_candidate(
    address: bytes, sender: bytes, internal: tuple[bytes, ...], *, is_candidate: bool
) -> None:
    rules = RecipientRules(
        frozenset(internal), frozenset({b"agency.example.org"}), frozenset({b"archive@example.net"})
    )
    envelope = Envelope("G-1", "127.0.0.1:1", b"x", "ESMTP", Sender(sender), (Recipient(address),))
    candidates, others = split_recipients(envelope, rules)
    assert [r.address for r in candidates] == ([address] if is_candidate else [])
    assert [r.address for r in others] == ([] if is_candidate else [address])


def test_the_ledger_keeps_what_the_notice_says_and_where_the_name_stood() -> None:
    def found(value: str, source: Source) -> Finding:
        return Finding(value, source, Confidence.MEDIUM)

    said = Notice(
        name=found("山田", Source.ADDRESSEE),
        job=found("営業", Source.BODY),
        stage=found("final", Source.MARKER),
        language=found("en", Source.BODY),
        conflicts=(),
    )
    assert details_of(said, Marker(template="en-standard", reason="R1")) == RejectionDetails(
        name="山田",
        name_source="addressee",
        job="営業",
        stage="final",
        language="en",
        template="en-standard",
        reason_code="R1",
    )
    silent = Notice(None, None, None, found("ja", Source.DEFAULT), ())
    assert details_of(silent, None) == RejectionDetails(language="ja")
