"""Signatures after the Standard Webhooks specification, version 1.0.0: symmetric ones (`v1`).

What is signed is `id.timestamp.body`, so neither can be exchanged.
A header may carry several signatures, separated by spaces, while a secret is being changed;
one that is good is enough, and versions other than `v1` are skipped.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(minutes=5)
"""How far a timestamp may be off in either direction; as in the reference libraries."""

_PREFIX = "whsec_"
_MIN_KEY_OCTETS = 24
_MAX_KEY_OCTETS = 64
# Both bounds are those of the specification, section "Signature scheme".

_ID = re.compile(r"[!-~]{1,256}")
# A dot would do no harm in front of a timestamp of digits only, but the id is ours and has none.


class SecretInvalid(Exception):
    """The signing secret is not `whsec_` and the base64 of 24 to 64 bytes."""

    def __init__(self) -> None:
        super().__init__(f"the signing secret is not {_PREFIX} and the base64 of 24 to 64 bytes")


class NotAuthentic(Exception):
    """A message is not proved to come from the holder of the secret, now."""


def encode_secret(key: bytes) -> str:
    """Return `key` (24 to 64 random bytes) in the form in which secrets are exchanged."""
    if not _MIN_KEY_OCTETS <= len(key) <= _MAX_KEY_OCTETS:
        raise SecretInvalid
    return _PREFIX + base64.b64encode(key).decode("ascii")


def sign(secret: str, *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the three header fields that go with `body`.

    `message_id` is printable ASCII without spaces and the same for each try; `at` is the time of this try.
    Raises SecretInvalid.
    """
    if not _ID.fullmatch(message_id):
        raise ValueError("a message id is 1 to 256 printable ASCII characters")
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1,"
        + base64.b64encode(_mac(secret, message_id, timestamp, body)).decode("ascii"),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
    """Return the message id if one of the signatures is good and the timestamp is within TOLERANCE of `now`.

    `headers` has lower-case names.
    A replay within the tolerance passes: the caller remembers the id.
    Raises NotAuthentic, or SecretInvalid when our own secret is malformed.
    """
    try:
        message_id, timestamp, signatures = (
            headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")
        )
    except KeyError as missing:
        raise NotAuthentic(f"the header field {missing.args[0]} is missing") from None
    _check_time(timestamp, now)
    expected = _mac(secret, message_id, timestamp, body)
    good = [hmac.compare_digest(expected, given) for given in _given(signatures)]
    if not any(good):
        raise NotAuthentic("no signature is good")
    return message_id


def _check_time(timestamp: str, now: datetime) -> None:
    if not re.fullmatch(r"[0-9]{1,11}", timestamp):
        raise NotAuthentic("the timestamp is not a number of seconds")
    if abs(now - datetime.fromtimestamp(int(timestamp), UTC)) > TOLERANCE:
        raise NotAuthentic("the timestamp is too old or too new")


def _given(signatures: str) -> list[bytes]:
    """Decode the `v1` signatures of the header; what is malformed is skipped like a wrong one."""
    found = []
    for signature in signatures.split(" "):
        version, _, encoded = signature.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(encoded, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found


def _mac(secret: str, message_id: str, timestamp: str, body: bytes) -> bytes:
    signed = message_id.encode("utf-8", "surrogateescape") + b"." + timestamp.encode("ascii") + b"." + body
    return hmac.digest(_key(secret), signed, "sha256")


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(_PREFIX)
    try:
        # Some senders leave the padding out; the reference libraries take both.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SecretInvalid from None
    if encoded == secret or not _MIN_KEY_OCTETS <= len(key) <= _MAX_KEY_OCTETS:
        raise SecretInvalid
    return key
