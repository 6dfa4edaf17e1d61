"""The delivery report, read by the standard library as a mail server's report is."""

import email
from email import policy
from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.report import Occasion, Refusal, compose
from gateway.mail.trace import fault

OCCASION = Occasion(
    b"hr@example.com", b"", "gateway.example.com", "G-ABCDEFGHIJKLMNOP", "Mon, 23 Nov 2026 10:00:00 +0900"
)
REFUSED = Refusal(b"taro@example.jp", b"", 550, b"5.1.1 User unknown")
ORIGINAL = b"From: hr@example.com\r\nTo: taro@example.jp\r\nSubject: x\r\n\r\nbody\r\n"


def read(report: bytes) -> tuple[EmailMessage, list[Message]]:
    """Return the report and the groups of its delivery status."""
    parsed = email.message_from_bytes(report, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    assert fault(report) is None
    words, status, returned = parsed.iter_parts()
    assert (words.get_content_type(), returned.get_content_maintype()) != ("", "")
    groups = status.get_payload()
    assert isinstance(groups, list)
    return parsed, [group for group in groups if isinstance(group, Message)]


def occasion(parameters: bytes) -> Occasion:
    return Occasion(OCCASION.sender, parameters, OCCASION.hostname, OCCASION.trace_id, OCCASION.date)


def test_it_names_each_refused_recipient_with_the_next_servers_words() -> None:
    other = Refusal(b"hanako@example.jp", b"", 552, b"mailbox full")
    report, (message, first, second) = read(compose(OCCASION, [REFUSED, other], ORIGINAL))
    assert report["To"] == "hr@example.com"
    assert report["Auto-Submitted"] == "auto-replied"
    assert "お届けできませんでした" in report["Subject"]
    assert message["Reporting-MTA"] == "dns; gateway.example.com"
    assert first["Final-Recipient"] == "rfc822; taro@example.jp"
    assert (first["Action"], first["Status"]) == ("failed", "5.1.1")
    assert first["Diagnostic-Code"] == "smtp; 550 5.1.1 User unknown"
    assert (second["Final-Recipient"], second["Status"]) == ("rfc822; hanako@example.jp", "5.0.0")
    words = next(iter(report.iter_parts())).get_content()
    assert "<taro@example.jp>" in words
    assert "<hanako@example.jp>" in words


def test_it_returns_the_header_alone_unless_all_was_asked_for() -> None:
    _, _, returned = read(compose(OCCASION, [REFUSED], ORIGINAL))[0].iter_parts()
    assert returned.get_content_type() == "text/rfc822-headers"
    assert b"body" not in returned.as_bytes()
    full = compose(occasion(b"SIZE=100 RET=full"), [REFUSED], ORIGINAL)
    assert ORIGINAL in full
    _, _, returned = read(full)[0].iter_parts()
    assert returned.get_content_type() == "message/rfc822"


def test_it_repeats_the_senders_own_names_for_envelope_and_recipient() -> None:
    refused = Refusal(REFUSED.address, b"NOTIFY=FAILURE ORCPT=rfc822;Taro+2BJobs@example.jp", 550, b"no")
    _, (message, first) = read(compose(occasion(b"ENVID=QQ+20314+2B5"), [refused], ORIGINAL))
    assert message["Original-Envelope-Id"] == "QQ 314+5"
    assert first["Original-Recipient"] == "rfc822; Taro+Jobs@example.jp"


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        (b"", True),
        (b"ORCPT=rfc822;a@example.jp", True),
        (b"NOTIFY=NEVER", False),
        (b"NOTIFY=SUCCESS", False),
        (b"notify=success,failure", True),
        (b"NOTIFY=DELAY,FAILURE", True),
    ],
)
def test_who_does_not_want_to_hear_of_failures_does_not(parameters: bytes, *, wanted: bool) -> None:
    assert Refusal(REFUSED.address, parameters, 550, b"no").wanted is wanted


def test_an_address_beyond_ascii_makes_an_international_report() -> None:
    refused = Refusal("太郎@example.jp".encode(), b"", 550, b"5.1.1 no")
    report = compose(OCCASION, [refused], ORIGINAL)
    assert b"message/global-delivery-status" in report
    assert "Final-Recipient: utf-8; 太郎@example.jp".encode() in report


def test_a_raw_header_and_a_long_reply_do_not_break_it() -> None:
    original = b"Subject: \x93\xfa\x96{\r\n\r\n--\r\n"
    refused = Refusal(REFUSED.address, b"", 550, b"x" * 5000 + b"\r\n\r\n--\x00\xff")
    report = compose(OCCASION, [refused], original)
    read(report)
    assert max(map(len, report.split(b"\r\n"))) <= 998


@given(
    original=st.binary(max_size=300).map(
        lambda raw: raw.replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b"\r\n")
    ),
    text=st.binary(max_size=100),
    parameters=st.sampled_from([b"", b"RET=FULL", b"RET=HDRS ENVID=+0D+0Ax"]),
    notify=st.sampled_from([b"", b"ORCPT=rfc822;+0D+0A", b"ORCPT=x"]),
)
def test_whatever_it_quotes_it_stays_a_report_of_three_parts(
    original: bytes, text: bytes, parameters: bytes, notify: bytes
) -> None:
    """Nothing of the original mail or of a reply changes the structure of the report."""
    report = compose(occasion(parameters), [Refusal(REFUSED.address, notify, 550, text)], original)
    _, (message, first) = read(report)
    assert message["Reporting-MTA"] == "dns; gateway.example.com"
    assert first["Action"] == "failed"


def test_the_boundary_never_stands_in_what_is_returned() -> None:
    original = ORIGINAL + b"--=_GABCDEFGHIJKLMNOP_report\r\n\r\nforged\r\n"
    report, _ = read(compose(occasion(b"RET=FULL"), [REFUSED], original))
    assert len(list(report.iter_parts())) == 3
