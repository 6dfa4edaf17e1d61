"""DKIM signatures (RFC 6376, RFC 8463) with dkimpy's canonicalisation and, for RSA, OpenSSL's arithmetic."""

import base64
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

SIGNED_FIELDS = (
    *("from", "to", "cc", "subject", "date", "message-id", "reply-to", "in-reply-to", "references", "sender"),
    *(
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "list-unsubscribe",
        "list-unsubscribe-post",
    ),
    "x-goen-processed",
)
"""What is signed, each once more than it stands there: nobody can add another (RFC 6376, section 8.15)."""

_LONG_WHITE_SPACE = re.compile(rb"[ \t]{1001}")
"""dkimpy's relaxed body takes quadratic time over a run of white space; long ones get the simple body."""

_END_OF_HEADER = re.compile(rb"\n\r?\n")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
"""dkimpy takes quadratic time over a field of many lines; relaxed canonicalisation unfolds them anyway."""


class CannotSign(Exception):
    """The mail or the key is such that no signature can be made; says no more than the kind of error."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A domain's private key."""

    domain: bytes
    selector: bytes
    algorithm: Algorithm
    private_key: bytes = field(repr=False)
    """RSA: PEM, PKCS#1 or PKCS#8; Ed25519: the 32-octet seed in base64, or PEM (PKCS#8)."""


def sign(message: bytes, key: SigningKey) -> bytes:
    """Return the folded DKIM-Signature field, with its line end, to be put on top of the message.

    Relaxed header, relaxed body; the time of signing is dkimpy's own. Raises CannotSign.
    """
    body = b"simple" if _LONG_WHITE_SPACE.search(message) is not None else b"relaxed"
    try:
        signer = _Signer(_unfolded(message), key)
        signature: bytes = signer.sign(
            key.selector,
            key.domain,
            _for_dkimpy(key),
            canonicalize=(b"relaxed", body),
            include_headers=_oversigned(signer.headers),
        )
    except Exception as error:  # noqa: BLE001  # dkimpy raises IndexError and TypeError on real mail, too
        raise CannotSign(type(error).__name__) from None
    return signature


class _Signer(dkim.DKIM):  # type: ignore[misc]  # dkimpy ships no types
    """dkimpy's signer, with the one step replaced in which it would raise a number to a power in Python."""

    def __init__(self, message: bytes, key: SigningKey) -> None:
        super().__init__(message, signature_algorithm=key.algorithm.encode("ascii"))
        self._key = key

    def gen_header(
        self, fields: Any, include_headers: Any, canon_policy: Any, header_name: Any, pk: Any
    ) -> Any:
        if self._key.algorithm == "rsa-sha256":
            # The a= tag is written by now; in its Ed25519 branch dkimpy lets the key itself sign the digest.
            self.signature_algorithm = b"ed25519-sha256"
            pk = _RsaKey(self._key)
        return super().gen_header(fields, include_headers, canon_policy, header_name, pk)


class _RsaKey:
    """An RSA key that answers as dkimpy expects of an Ed25519 key: `sign(digest).signature`."""

    def __init__(self, key: SigningKey) -> None:
        self._key = _load(key.private_key)

    def sign(self, digest: bytes) -> "_Signature":
        if not isinstance(self._key, rsa.RSAPrivateKey):
            raise TypeError("not an RSA key")
        return _Signature(self._key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())))


@dataclass(frozen=True, slots=True)
class _Signature:
    signature: bytes


def _unfolded(message: bytes) -> bytes:
    end = _END_OF_HEADER.search(message)
    at = end.start() if end is not None else len(message)
    return _FOLD.sub(b"", message[:at]) + message[at:]


def _oversigned(headers: Any) -> list[bytes]:
    """Return the names to sign: each as often as it stands there, and once more."""
    present = [name.lower() for name, _ in headers]
    if b"from" not in present:
        # RFC 6376, section 5.4: what has no author cannot be vouched for.
        raise ValueError("no From field")
    names = [name.encode("ascii") for name in SIGNED_FIELDS]
    if any(b"\v" in value or b"\f" in value for name, value in headers if name.lower() in names):
        # dkimpy takes them for white space at the end of a field, OpenDKIM everywhere.
        raise ValueError("a vertical tab or form feed in a signed field")
    return [name for name in names for _ in range(present.count(name) + 1)]


def _for_dkimpy(key: SigningKey) -> bytes:
    """Return the private key as dkimpy parses it: a PEM with LF line ends, or a seed in base64."""
    if key.algorithm == "rsa-sha256":
        return key.private_key.replace(b"\r\n", b"\n")
    private = _load(key.private_key)
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise TypeError("not an Ed25519 key")
    return base64.b64encode(private.private_bytes_raw())


# Parsing and checking an RSA key takes longer than signing with it; a company has few domains.
@lru_cache(maxsize=64)
def _load(private_key: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    if not private_key.lstrip().startswith(b"-----"):
        return ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key, validate=True))
    loaded = serialization.load_pem_private_key(private_key, password=None)
    if not isinstance(loaded, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise TypeError("neither RSA nor Ed25519")
    return loaded
