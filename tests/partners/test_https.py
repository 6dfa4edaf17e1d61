"""The way out by HTTPS, before partners that fail in every way they know."""

import asyncio
import contextlib
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import standardwebhooks
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.partners.https import (
    LONGEST_WAIT,
    REPLY_MAX,
    EndpointInvalid,
    Patience,
    SignedHttps,
    check_endpoint,
)
from gateway.partners.outcome import GiveUp, Outcome, Sent, TryLater
from gateway.partners.payload import Payload
from store.records import Acknowledgement, Partner
from tests.peers.ports import free_port
from tests.peers.scripted_partner import answer, scripted_partner

ACKNOWLEDGED = b'{"status": "acknowledged", "reference": "AG-0001"}'


@pytest.fixture
async def way_out() -> AsyncIterator[SignedHttps]:
    async with SignedHttps() as way:
        yield way


def at(partner: Partner, endpoint: str) -> Partner:
    return dataclasses.replace(partner, endpoint=endpoint)


async def outcome_of(reply: bytes | None, partner: Partner, payload: Payload, now: datetime) -> Outcome:
    """Send once to a partner that answers with these bytes."""
    async with (
        SignedHttps(patience=Patience(silence=0.3, whole=0.6)) as way_out,
        scripted_partner(reply) as scripted,
    ):
        return await way_out.send(at(partner, scripted.endpoint), payload, at=now)


async def test_a_submission_arrives_signed_and_with_its_key(
    way_out: SignedHttps, partner: Partner, payload: Payload
) -> None:
    """The independent verifier checks against the real clock, so this one is sent now."""
    async with scripted_partner(answer("200 OK", ACKNOWLEDGED)) as scripted:
        sent = await way_out.send(at(partner, scripted.endpoint), payload, at=datetime.now(UTC))
    assert sent == Sent(Acknowledgement("AG-0001"))
    head, _, body = scripted.requests[0].partition(b"\r\n\r\n")
    request_line, *lines = head.decode("ascii").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert request_line == "POST /submissions HTTP/1.1"
    assert fields["idempotency-key"] == fields["webhook-id"] == payload.key
    assert fields["content-type"] == "application/json"
    assert standardwebhooks.Webhook(partner.secret).verify(body, fields) == json.loads(payload.to_json())


async def test_each_try_has_the_same_key_and_a_new_time(
    way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime
) -> None:
    later = now + timedelta(hours=1)
    async with scripted_partner(answer("503 Busy"), answer("200 OK", ACKNOWLEDGED)) as scripted:
        first = await way_out.send(at(partner, scripted.endpoint), payload, at=now)
        second = await way_out.send(at(partner, scripted.endpoint), payload, at=later)
    assert isinstance(first, TryLater)
    assert isinstance(second, Sent)
    for request, moment in zip(scripted.requests, (now, later), strict=True):
        assert b"idempotency-key: sub-0001" in request.lower()
        assert b"webhook-timestamp: %d\r\n" % moment.timestamp() in request.lower()


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        (ACKNOWLEDGED, "AG-0001"),
        (b'{"status": "acknowledged"}', ""),
        (b'{"status": "acknowledged", "reference": 7}', ""),
        (b'{"status": "acknowledged", "reference": "a\\nb"}', ""),
        (b'{"status": "acknowledged", "reference": "' + b"x" * 201 + b'"}', ""),
        (b'{"status": "received", "reference": "AG-0001"}', None),
        (b"", None),
        (b"null", None),
        (b"[" * 60_000, None),
        (b"\xff\xfe\x00garbage", None),
        (ACKNOWLEDGED + b" " * REPLY_MAX, None),
    ],
)
async def test_what_counts_as_an_acknowledgement(
    body: bytes, reference: str | None, partner: Partner, payload: Payload, now: datetime
) -> None:
    expected = None if reference is None else Acknowledgement(reference)
    assert await outcome_of(answer("202 Accepted", body), partner, payload, now) == Sent(expected)


@pytest.mark.parametrize("status", [400, 402, 406, 409, 410, 411, 413, 415, 422, 428, 431, 451])
async def test_a_refusal_of_the_submission_is_final(
    status: int, partner: Partner, payload: Payload, now: datetime
) -> None:
    outcome = await outcome_of(answer(f"{status} No", b"secret words"), partner, payload, now)
    assert outcome == GiveUp(f"partner demo-agency: answered {status}")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 421])
async def test_what_speaks_of_the_endpoint_or_the_secret_buries_no_candidate(
    status: int, partner: Partner, payload: Payload, now: datetime
) -> None:
    """An operator's typo, or a partner's server that is being set up, is mended within the ladder."""
    outcome = await outcome_of(answer(f"{status} No", b"secret words"), partner, payload, now)
    assert outcome == TryLater(f"partner demo-agency: answered {status}", may_have_arrived=False)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_trouble_of_the_moment_is_not_final(
    status: int, partner: Partner, payload: Payload, now: datetime
) -> None:
    outcome = await outcome_of(answer(f"{status} No", b"secret words"), partner, payload, now)
    reason = f"partner demo-agency: answered {status}"
    assert outcome == TryLater(reason, may_have_arrived=status >= 500)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    status: int, way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime
) -> None:
    async with scripted_partner(answer("200 OK", ACKNOWLEDGED)) as elsewhere:
        moved = answer(f"{status} Moved", b"", f"Location: {elsewhere.endpoint}")
        async with scripted_partner(moved) as scripted:
            outcome = await way_out.send(at(partner, scripted.endpoint), payload, at=now)
    assert isinstance(outcome, TryLater)
    assert "redirects are not followed" in outcome.reason
    assert elsewhere.requests == []


async def test_the_environments_proxy_is_not_used(
    partner: Partner, payload: Payload, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    async with SignedHttps() as fresh, scripted_partner(answer("200 OK")) as scripted:
        assert await fresh.send(at(partner, scripted.endpoint), payload, at=now) == Sent(None)


@pytest.mark.parametrize(
    ("value", "after"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta()),
        ("999999999", LONGEST_WAIT),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        (format_datetime(datetime(2026, 11, 23, 1, 12, 3, tzinfo=UTC), usegmt=True), timedelta(minutes=10)),
        (format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True), timedelta()),
        (format_datetime(datetime(9999, 1, 1, tzinfo=UTC), usegmt=True), LONGEST_WAIT),
        ("Mon, 99 Nov 2026 01:12:03 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", LONGEST_WAIT),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("Mon, 23 Nov 2026 01:12:03 +99999999999999999999", None),
    ],
)
async def test_retry_after_is_heard_within_bounds(
    value: str, after: timedelta | None, partner: Partner, payload: Payload, now: datetime
) -> None:
    outcome = await outcome_of(answer("503 Busy", b"", f"Retry-After: {value}"), partner, payload, now)
    assert outcome == TryLater("partner demo-agency: answered 503", after)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x00\x05garbage",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + ACKNOWLEDGED,
    ],
)
async def test_an_answer_that_breaks_off_or_is_no_http_is_tried_again(
    reply: bytes, partner: Partner, payload: Payload, now: datetime
) -> None:
    """Also after a 200: the acknowledgement that would have followed earns a slot."""
    async with scripted_partner(reply) as scripted, SignedHttps() as way_out:
        outcome = await way_out.send(at(partner, scripted.endpoint), payload, at=now)
    place = scripted.endpoint.removeprefix("http://").removesuffix("/submissions")
    assert outcome == TryLater(f"partner demo-agency: the answer is not HTTP or broke off at {place}")


async def test_a_partner_that_never_answers_does_not_hold_us(
    partner: Partner, payload: Payload, now: datetime
) -> None:
    outcome = await outcome_of(None, partner, payload, now)
    assert isinstance(outcome, TryLater)
    assert "no answer in time" in outcome.reason


async def test_a_partner_that_answers_by_the_drop_does_not_hold_us(
    partner: Partner, payload: Payload, now: datetime
) -> None:
    """Each octet comes within the silence allowed, so only the limit on the whole can end it."""
    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        gone.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, SignedHttps(patience=Patience(silence=5, whole=0.3)) as way_out:
        outcome = await way_out.send(at(partner, endpoint), payload, at=now)
        await gone.wait()
    assert outcome == TryLater("partner demo-agency: no full answer within 0.3 s")


async def test_a_partner_that_is_down_is_named_with_the_reason(
    way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime
) -> None:
    port = free_port()
    outcome = await way_out.send(at(partner, f"http://127.0.0.1:{port}/x"), payload, at=now)
    reason = f"partner demo-agency: connection refused at 127.0.0.1:{port}"
    assert outcome == TryLater(reason, may_have_arrived=False)


async def test_a_host_that_does_not_exist_is_named_with_the_reason(
    way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime
) -> None:
    outcome = await way_out.send(at(partner, "https://agency.invalid/x"), payload, at=now)
    reason = "partner demo-agency: the host name is not known at agency.invalid:443"
    assert outcome == TryLater(reason, may_have_arrived=False)


async def test_a_certificate_of_nobodys_is_not_trusted(
    way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime, tmp_path: Path
) -> None:
    async with tls_partner(tmp_path) as (endpoint, _):
        outcome = await way_out.send(at(partner, endpoint), payload, at=now)
    assert isinstance(outcome, TryLater)
    assert "the certificate is not trusted" in outcome.reason


async def test_a_port_without_tls_is_named_with_the_reason(
    way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime
) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await way_out.send(at(partner, f"https://127.0.0.1:{port}/"), payload, at=now)
    reason = f"partner demo-agency: TLS failed at 127.0.0.1:{port}"
    assert outcome == TryLater(reason, may_have_arrived=False)


async def test_a_submission_goes_over_tls_when_the_certificate_is_trusted(
    partner: Partner, payload: Payload, now: datetime, tmp_path: Path
) -> None:
    async with tls_partner(tmp_path) as (endpoint, certificate):
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with SignedHttps(tls=trusting) as way_out:
            assert await way_out.send(at(partner, endpoint), payload, at=now) == Sent(
                Acknowledgement("AG-0001")
            )


async def test_a_malformed_secret_is_for_a_person_to_mend(
    way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime
) -> None:
    outcome = await way_out.send(dataclasses.replace(partner, secret="whsec_oops"), payload, at=now)
    assert outcome == TryLater(
        "partner demo-agency: the signing secret is not whsec_ and the base64 of 24 to 64 bytes",
        may_have_arrived=False,
    )


async def test_nothing_leaves_for_an_endpoint_that_is_not_allowed(
    way_out: SignedHttps, partner: Partner, payload: Payload, now: datetime
) -> None:
    outcome = await way_out.send(at(partner, "http://agency.example.com/x"), payload, at=now)
    assert isinstance(outcome, TryLater)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://agency.example.com/submissions",
        "https://agency.example.com:8443/x?y=z",
        "https://8.8.8.8/x",
        "https://[2606:4700::1111]/x",
        "http://127.0.0.1:8026/submissions",
        "http://[::1]:8026/",
        "http://localhost:8026/",
        "https://localhost/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_an_endpoint_is_https_or_the_loopback(endpoint: str) -> None:
    assert str(check_endpoint(endpoint)) == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "nonsense",
        "https://",
        "https:///x",
        "ftp://agency.example.com/",
        "file:///etc/hostname",
        "http://agency.example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "https://user:pass@agency.example.com/",
        "http://user@127.0.0.1/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::1]/",
        "https://[2002:7f00:1::]/",
        "https://[fec0::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[2606:4700::1111%25eth0]/",
        "http://[::1%25lo]/",
        "https://localhost./",
        "http://localhost./",
        "https://foo.localhost/",
        "https://foo.LOCALHOST./",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://127.1/",
        "http://127.1/",
        "https://10.1./",
        "https://agency.example.com:99999/",
        "https://ex\r\nample.com/",
    ],
)
def test_every_other_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointInvalid):
        check_endpoint(endpoint)


class tls_partner:  # noqa: N801  # Reads as the function it stands for.
    """A partner behind TLS with a certificate of its own making."""

    def __init__(self, folder: Path) -> None:
        self._certificate = folder / "cert.pem"
        self._key = folder / "key.pem"

    async def __aenter__(self) -> tuple[str, Path]:
        self._make()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key)
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=context)
        return f"https://localhost:{self._server.sockets[0].getsockname()[1]}/", self._certificate

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("200 OK", ACKNOWLEDGED))
        await writer.drain()
        writer.close()

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        today = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self._certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
