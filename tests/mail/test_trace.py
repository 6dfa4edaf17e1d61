import pytest

from gateway.mail import trace
from gateway.mail.trace import Fault

MAIL = (
    b"From: =?utf-8?B?5Lq65LqL?= (HR, not <x@y.test>) <HR@Example.COM>\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0900\r\n"
    b"Message-ID:\r\n <1@example.com>\r\nReceived: kept\r\n\r\nbody\r\nReceived: no\r\n"
)


def test_hops_are_the_received_fields_of_the_top_header() -> None:
    assert trace.hops(b"Received: a\r\n by b\r\nRECEIVED : c\r\n" + MAIL) == 3
    assert trace.hops(b"") == 0


@pytest.mark.parametrize(
    ("raw", "beyond"),
    [
        (b"Received: a\r\n" * 3 + MAIL, 3),
        (b"Received: a\r\n" * 3 + b"\r\nbody", 2),
        (b"Received: a\r\n" * 3, 2),
        (b"Received: a\r\nReceived: b\r\nReceived: c", 2),
        (b"\r\n" + b"Received: a\r\n" * 3, -1),
        (b"A: a\r\n\tb\r\n\r\n", -1),
    ],
)
def test_a_header_with_more_hops_is_beyond(raw: bytes, beyond: int) -> None:
    assert trace.hops_beyond(raw, beyond)
    assert not trace.hops_beyond(raw, beyond + 1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\r\nb\r\n", None),
        (b"", None),
        (b"a\rb\r\n", Fault.BARE_CR),
        (b"a\r\r\n", Fault.BARE_CR),
        (b"a\nb\r\n", Fault.BARE_LF),
        (b"\n", Fault.BARE_LF),
        (b"a\r\n\0", Fault.NUL),
        (b"a\r", Fault.BARE_CR),
    ],
)
def test_faults_are_found(content: bytes, expected: Fault | None) -> None:
    assert trace.fault(content) is expected


def test_the_fingerprint_ignores_only_the_leading_trace() -> None:
    one = trace.fingerprint(b"hr@example.com", b"Received: by a\r\n id 1\r\nARC-Seal: x\r\n" + MAIL)
    other = trace.fingerprint(
        b"hr@example.com", b"Return-Path: <>\r\nX-MS-Exchange-Organization-A: b\r\n" + MAIL
    )
    assert one == other == trace.fingerprint(b"hr@example.com", MAIL)
    assert len(one) == 32
    assert trace.fingerprint(b"x@example.com", MAIL) != one
    assert trace.fingerprint(b"hr@example.com", MAIL.replace(b"kept", b"other")) != one
    assert trace.fingerprint(b"hr@example.com", MAIL + b" ") != one


def test_message_id_and_from_domain_are_read() -> None:
    assert trace.message_id(MAIL) == b"<1@example.com>"
    assert trace.message_id(b"Message-ID: \r\n\r\n") is None
    assert trace.from_domain(MAIL) == b"example.com"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"hr@example.com", b"example.com"),
        (b'"a@evil.test" <hr@example.jp>', b"example.jp"),
        (b"hr@example.com, other@example.jp", b"example.com"),
        (b"no address", None),
        (b'"a (b" <hr@example.jp>', b"example.jp"),
        (b'"a \\" (" (b ")" c) <hr@example.jp>', b"example.jp"),
        (b"(a (b@evil.test) c) hr@example.jp (x)", b"example.jp"),
        (b'5" screen <hr@example.jp>', b"example.jp"),
        (b"a (b <hr@example.jp>", b"example.jp"),
        ("hr@例え.jp".encode(), "例え.jp".encode()),
        (b"hr@example.jp" + b" " * 70_000 + b"x", None),
        (b"", None),
    ],
)
def test_the_domain_is_that_of_the_first_address(value: bytes, expected: bytes | None) -> None:
    assert trace.from_domain(b"From: " + value + b"\r\n\r\n") == expected


@pytest.mark.parametrize(
    "value", [b'5" screen <hr@example.jp>', b"a (b <hr@example.jp>", b'"a\\" <hr@example.jp>']
)
def test_an_author_in_open_quotes_is_none_to_the_strict(value: bytes) -> None:
    mail = b"From: " + value + b"\r\n\r\n"
    assert trace.from_domain(mail) == b"example.jp"
    assert trace.from_domain(mail, strict=True) is None
    assert trace.from_domain(MAIL, strict=True) == b"example.com"


def test_nothing_a_client_says_can_add_a_field() -> None:
    field = trace.received_field(
        peer="192.0.2.1:25",
        helo=b"a\r\nX-Evil: 1\xff(;" + b"x" * 999,
        protocol="ESMTP",
        hostname="relay.example.com",
        trace_id="G-ABC",
        date="Mon, 23 Nov 2026 10:00:00 +0900",
    )
    assert field.startswith(b"Received: from a??X-Evil:?1???x")
    assert field.endswith(b"\tMon, 23 Nov 2026 10:00:00 +0900\r\n")
    assert field.count(b"\r\n") == field.count(b"\r\n\t") + 1 == 3
    assert all(len(line) <= 998 for line in field.split(b"\r\n"))


def test_a_stamp_counts_only_with_our_key_for_this_mail() -> None:
    field = trace.stamp_field(b"key", "G-ABC", MAIL)
    assert trace.stamped(b"key", field + MAIL)
    assert trace.stamped(b"key", b"Received: later\r\nX-Goen-Processed: forged\r\n" + field + MAIL)
    assert not trace.stamped(b"other", field + MAIL)
    assert not trace.stamped(b"key", field + MAIL.replace(b"<1@", b"<2@"))
    assert not trace.stamped(b"key", field.replace(b"G-ABC", b"G-ABD") + MAIL)
    assert not trace.stamped(b"key", MAIL + field)


def test_only_our_own_signatures_are_taken_out() -> None:
    own = b"DKIM-Signature: v=1; d=Example.com;\r\n\tb=x\r\n"
    foreign = b"DKIM-Signature: v=1; a=b; d=mail.example.com; b=y\r\n"
    raw = own + b"Subject: x\r\n" + foreign + own + MAIL
    assert trace.without_own_signatures(raw, b"example.com") == b"Subject: x\r\n" + foreign + MAIL
