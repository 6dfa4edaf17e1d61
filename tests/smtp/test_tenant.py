import pytest

from gateway.smtp.rules import DoorRules
from gateway.smtp.tenant import TenantProof
from tests.smtp.conftest import OpenHouse
from tests.smtp.recording import eventually

PROOF = TenantProof.of(["X-OriginatorOrg: example.com", "X-Tenant: 0123-abcd", "X-Tenant: 4567"])


@pytest.mark.parametrize(
    ("header", "given"),
    [
        (b"X-OriginatorOrg: example.com", True),
        (b"x-originatororg:\r\n example.com ", True),
        (b"Subject: x\r\nX-TENANT: 4567", True),
        (b"X-Tenant: 4567\r\nX-Tenant: 0123-abcd", True),
        (b"X-OriginatorOrg: stranger.test\r\nX-Tenant: 4567", True),
        (b"X-OriginatorOrg: stranger.test", False),
        (b"X-OriginatorOrg: example.com.stranger.test", False),
        (b"X-OriginatorOrg: EXAMPLE.com", False),
        (b"X-OriginatorOrg: example.com\r\nX-OriginatorOrg: stranger.test", False),
        (b"X-Tenant: 0123-abcd 4567", False),
        (b"X-OriginatorOrg", False),
        (b"Subject: x\r\n\r\nX-OriginatorOrg: example.com", False),
        (b"Subject: X-OriginatorOrg: example.com", False),
        (b"", False),
    ],
)
def test_the_proof_stands_in_the_top_header_alone_and_uncontradicted(header: bytes, *, given: bool) -> None:
    assert PROOF.given(header + b"\r\n\r\nbody\r\n") is given


def test_without_fields_no_proof_is_asked_for() -> None:
    assert TenantProof().given(b"x\r\n")


async def test_a_message_without_proof_is_refused_after_its_content(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", tenant=PROOF))
    client = await house.client()
    await client.greet()
    assert (await client.send_mail(b"Subject: x\r\n\r\nhi\r\n")).startswith(b"550 5.7.1")
    assert (await client.send_mail(b"X-Tenant: 4567\r\n\r\nhi\r\n")).startswith(b"250")
    assert house.journal.lines == [("tenant-proof-missing", 550)]
    assert house.journal.trace_ids == ["G-1"]
    await eventually(lambda: house.hop.heard(b"RSET") != [])
    assert [message.content for message in house.hop.messages] == [b"X-Tenant: 4567\r\n\r\nhi\r\n"]


async def test_the_null_sender_needs_the_proof_too(open_house: OpenHouse) -> None:
    house = await open_house(DoorRules("gw.test", tenant=PROOF))
    client = await house.client()
    await client.greet()
    await client.ask(b"MAIL FROM:<>")
    await client.ask(b"RCPT TO:<a@example.jp>")
    await client.ask(b"DATA")
    assert (await client.ask(b"hi\r\n.")).startswith(b"550 5.7.1")
