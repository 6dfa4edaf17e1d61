"""Who is assumed to send a mail to whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import parts
from gateway.operator.explain.people import MAX_RECIPIENTS, NoAddress, addresses, assume


def assumed(header: str, *to: str, sender: str | None = None) -> tuple[bytes, list[bytes], str]:
    raw = header.replace("\n", "\r\n").encode() + b"\r\n\r\ntext\r\n"
    found = assume(raw, parts.scan(raw), sender=sender, recipients=to)
    envelope = found.envelope
    return envelope.sender.address, [one.address for one in envelope.recipients], " ".join(found.notes)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"taro@example.jp", [b"taro@example.jp"]),
        (b"a@example.jp, b@example.jp", [b"a@example.jp", b"b@example.jp"]),
        (b'"Yamada, Taro" <taro@example.jp>', [b"taro@example.jp"]),
        (b'"x@example.org" <taro@example.jp>', [b"taro@example.jp"]),
        (b"x@example.org <taro@example.jp>", [b"taro@example.jp"]),
        (b"<taro@example.jp> x@example.org", [b"taro@example.jp"]),
        (b"taro@example.jp (x@example.org)", [b"taro@example.jp"]),
        (b"team: a@example.jp, b@example.jp;", [b"a@example.jp", b"b@example.jp"]),
        (b"undisclosed-recipients:;", []),
        (b"=?utf-8?q?a=40b?= <taro@example.jp>", [b"taro@example.jp"]),
        (b"< taro@example.jp >", [b"taro@example.jp"]),
        (b'<"a..b"@example.jp>', [b'"a..b"@example.jp']),
        ("山田 <山田@example.jp>".encode(), ["山田@example.jp".encode()]),
        (b"<taro@example.jp", [b"taro@example.jp"]),
        (b'"never closed <taro@example.jp>', []),
        (b"Taro", []),
        (b"<>", []),
        (b"@", []),
        (b"<ta ro@example.jp>", []),
    ],
)
def test_addresses_are_found_as_people_and_tools_write_them(value: bytes, found: list[bytes]) -> None:
    assert list(addresses(value)) == found


@given(st.binary() | st.text('<>"()\\,;:@ a').map(str.encode))
def test_any_value_gives_addresses_that_can_stand_in_a_command(value: bytes) -> None:
    """Whatever a header holds, what comes of it has an @ and no white space, control or angle bracket."""
    for address in addresses(value):
        assert b"@" in address
        assert not set(address) & set(b" \t\r\n\0\x7f<>")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", [b'"', b"(", b"<", b"\\", b"@", b"a@", b'"a\\', b"(a\\", b"()<", b"a"])
def test_a_hostile_header_takes_no_more_than_its_length(piece: bytes) -> None:
    """What grows with the square takes minutes here; what grows with the length, far less than a second."""
    for _ in addresses(piece * 200_000):
        pass


def test_sender_and_recipients_are_assumed_from_the_header_and_that_is_said() -> None:
    sender, recipients, notes = assumed(
        "From: HR <hr@example.com>\nTo: a@example.jp\nCc: b@example.com\nBcc: c@example.jp, a@example.jp"
    )
    assert sender == b"hr@example.com"
    assert recipients == [b"a@example.jp", b"b@example.com", b"c@example.jp"]
    assert "sender is assumed from From" in notes
    assert "recipients are assumed" in notes


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        ("Sender: s@example.com\nTo: a@example.jp", b"s@example.com"),
        ("Return-Path: <r@example.com>\nTo: a@example.jp", b"r@example.com"),
        ("From: nobody\nSender: s@example.com", b"s@example.com"),
    ],
)
def test_without_a_from_the_next_field_names_the_sender(header: str, sender: bytes) -> None:
    assert assumed(header)[0] == sender


def test_what_is_said_counts_and_is_no_assumption() -> None:
    said = assumed("From: hr@example.com\nTo: a@example.jp", "<x@example.org>", sender="y@example.org")
    assert said == (b"y@example.org", [b"x@example.org"], "")


@pytest.mark.parametrize("sender", ["", "<>", " <> "])
def test_the_null_sender_can_be_said(sender: str) -> None:
    assert assumed("To: a@example.jp", sender=sender)[0] == b""


@pytest.mark.parametrize(
    "wrong", ["taro", "@", "a b@example.jp", "a@example.jp\r\nRSET", "<a>@example.jp", ""]
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(NoAddress):
        assumed("From: hr@example.com", wrong)


def test_a_draft_without_people_gets_samples() -> None:
    sender, recipients, notes = assumed("Subject: template")
    assert (sender, recipients) == (b"recruit@example.com", [b"taro@example.jp"])
    assert notes.count("stands in") == 2


def test_of_very_many_recipients_the_first_are_explained() -> None:
    header = "From: hr@example.com\nTo: " + ",\n ".join(f"a{n}@example.jp" for n in range(150))
    _, recipients, notes = assumed(header)
    assert len(recipients) == MAX_RECIPIENTS
    assert "150 recipients" in notes
