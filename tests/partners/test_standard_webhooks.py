"""Our signatures before an independent implementation, and its signatures before ours."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from gateway.partners.standard_webhooks import (
    TOLERANCE,
    NotAuthentic,
    SecretInvalid,
    encode_secret,
    sign,
    verify,
)

SECRET = encode_secret(bytes(range(32)))
OTHER = encode_secret(bytes(32))
BODY = '{"name":"山田 太郎"}'.encode()


def signed(now: datetime, secret: str = SECRET) -> dict[str, str]:
    return sign(secret, message_id="sub-1", at=now, body=BODY)


@given(st.binary(min_size=24, max_size=64), st.dictionaries(st.text(), st.text()))
def test_the_independent_library_accepts_our_signature(key: bytes, message: dict[str, str]) -> None:
    """For every key and body: what we sign, an independent verifier accepts and reads unchanged."""
    secret = encode_secret(key)
    body = json.dumps(message).encode()
    headers = sign(secret, message_id="sub-1", at=datetime.now(UTC), body=body)
    assert standardwebhooks.Webhook(secret).verify(body, headers) == message


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(codec="utf-8")))
def test_we_accept_the_independent_librarys_signature(key: bytes, body: str) -> None:
    """For every key and body: what an independent implementation signs, we accept."""
    now = datetime.fromtimestamp(int(time.time()), UTC)
    secret = encode_secret(key)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign("msg_1", now, body),
    }
    assert verify(secret, headers, body.encode(), now=now) == "msg_1"


def test_the_specifications_own_example_is_accepted() -> None:
    """The example of the Standard Webhooks documentation, checked without any library."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    now = datetime.fromtimestamp(1614265330, UTC)
    verify("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers, b'{"test": 2432232314}', now=now)


@pytest.mark.parametrize("field", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_field_is_refused_by_name(now: datetime, field: str) -> None:
    headers = signed(now)
    del headers[field]
    with pytest.raises(NotAuthentic, match=field):
        verify(SECRET, headers, BODY, now=now)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "sub-2"},
        {"webhook-id": "süb"},
        {"webhook-timestamp": str(int(datetime(2026, 11, 23, 1, 2, 4, tzinfo=UTC).timestamp()))},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "v1,ü"},
        {"webhook-signature": "v2," + base64.b64encode(bytes(32)).decode()},
        {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()},
    ],
)
def test_whatever_is_changed_is_refused(now: datetime, change: dict[str, str]) -> None:
    with pytest.raises(NotAuthentic):
        verify(SECRET, signed(now) | change, BODY, now=now)


def test_a_changed_body_is_refused(now: datetime) -> None:
    with pytest.raises(NotAuthentic):
        verify(SECRET, signed(now), BODY + b" ", now=now)


def test_a_signature_by_another_secret_is_refused(now: datetime) -> None:
    with pytest.raises(NotAuthentic):
        verify(SECRET, signed(now, OTHER), BODY, now=now)


def test_a_good_signature_under_another_version_is_refused(now: datetime) -> None:
    """`v1a` is asymmetric: its bytes mean something else, whatever they are."""
    headers = signed(now)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
    with pytest.raises(NotAuthentic):
        verify(SECRET, headers, BODY, now=now)


@pytest.mark.parametrize("first", [True, False])
def test_one_good_signature_among_several_is_enough(now: datetime, *, first: bool) -> None:
    """A sender that is changing its secret signs with both."""
    both = [signed(now)["webhook-signature"], "v1a,abc", signed(now, OTHER)["webhook-signature"]]
    headers = signed(now) | {"webhook-signature": " ".join(both if first else reversed(both))}
    assert verify(SECRET, headers, BODY, now=now) == "sub-1"


@pytest.mark.parametrize("sign_of_time", [1, -1])
def test_a_timestamp_is_good_within_the_tolerance_and_not_beyond(now: datetime, sign_of_time: int) -> None:
    headers = signed(now)
    verify(SECRET, headers, BODY, now=now + sign_of_time * TOLERANCE)
    with pytest.raises(NotAuthentic, match="timestamp"):
        verify(SECRET, headers, BODY, now=now + sign_of_time * (TOLERANCE + timedelta(seconds=1)))


@pytest.mark.parametrize("timestamp", ["", "1e9", "-5", "nan", "٣", "9" * 40])
def test_a_timestamp_that_is_no_number_is_refused(now: datetime, timestamp: str) -> None:
    with pytest.raises(NotAuthentic):
        verify(SECRET, signed(now) | {"webhook-timestamp": timestamp}, BODY, now=now)


def test_a_secret_without_padding_is_the_same_secret(now: datetime) -> None:
    assert SECRET.endswith("=")
    assert signed(now, SECRET.rstrip("=")) == signed(now)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", "c2VjcmV0" * 5, "whsec_" + "A" * 200]
)
def test_a_malformed_secret_is_named_as_such_and_not_shown(now: datetime, secret: str) -> None:
    with pytest.raises(SecretInvalid) as caught:
        signed(now, secret)
    assert len(secret) < 7 or secret not in str(caught.value)


def test_a_short_key_is_never_made_a_secret() -> None:
    with pytest.raises(SecretInvalid):
        encode_secret(bytes(23))


@pytest.mark.parametrize("message_id", ["", "a b", "a\r\nX: y", "ü"])
def test_an_id_that_could_break_a_header_is_refused(now: datetime, message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        sign(SECRET, message_id=message_id, at=now, body=BODY)
