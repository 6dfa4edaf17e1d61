"""DKIM signatures (RFC 6376, RFC 8463) with dkimpy's canonicalisation and, for RSA, OpenSSL's arithmetic."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils
from dkim.canonicalization import Relaxed

from gateway.mail import trace
from gateway.mail.parts import scan_header

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

_MAX_SIGNED = 200
"""Fields that one signature names; mail has ten, and each of them makes the signature longer."""
_STRETCH = 1 << 16
"""Octets of a body that are made canonical at once, so that no copy of all of it is made."""

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
"""dkimpy takes quadratic time over a field of many lines; relaxed canonicalisation unfolds them anyway."""
_LINE_END = re.compile(rb"\r?\n")
_WHITE_SPACE = re.compile(rb"[ \t]+")
_LAST_LINE = b".\r\n"
"""Put below each stretch, so that dkimpy does not take the empty lines at its end for those of the body."""
_NO_SEED = base64.b64encode(bytes(32))
"""dkimpy reads an Ed25519 key before it lets ours sign; this one signs nothing."""


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


def sign(message: bytes, *keys: SigningKey, above: bytes = b"") -> bytes:
    """Return the folded DKIM-Signature fields, one for each key, to be put on top of the message.

    Each has its line end. `above`: fields that will stand between them and the message; they are signed, too.
    Relaxed header, relaxed body; the time of signing is dkimpy's own.
    A body that ends within a line is signed as it will travel, with a line end.
    Raises CannotSign: no From field, a line in the header that is no field, or a key that is none.
    """
    try:
        end = _end_of_header(message)
        header = _for_dkimpy(above + message[:end] + b"\r\n")
        digest = _body_hash(message, end)
        return b"".join(_Signer(header, digest, key).signature() for key in keys)
    except Exception as error:  # noqa: BLE001  # dkimpy raises IndexError and TypeError on real mail, too
        raise CannotSign(type(error).__name__) from None


class _Signer(dkim.DKIM):  # type: ignore[misc]  # dkimpy ships no types
    """dkimpy's signer of a header, with the hash of the body given and the key in OpenSSL's hands."""

    def __init__(self, header: bytes, body_hash: bytes, key: SigningKey) -> None:
        # In its Ed25519 branch dkimpy lets the key itself sign the digest; that serves RSA as well.
        super().__init__(header, signature_algorithm=b"ed25519-sha256")
        self._private = _Private(key)
        self._known = {b"a": key.algorithm.encode("ascii"), b"bh": base64.b64encode(body_hash)}
        self._key = key

    def signature(self) -> bytes:
        """Return the whole field."""
        signature: bytes = self.sign(
            self._key.selector,
            self._key.domain,
            _NO_SEED,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=_oversigned(self.headers),
        )
        return signature

    def gen_header(
        self, fields: Any, include_headers: Any, canon_policy: Any, header_name: Any, pk: Any
    ) -> Any:
        """Put in what dkimpy could not know: the algorithm, the hash of the body, and the key."""
        del pk
        known = [(name, self._known.get(name, value)) for name, value in fields]
        return super().gen_header(known, include_headers, canon_policy, header_name, self._private)


class _Private:
    """A key that answers as dkimpy expects of an Ed25519 key: `sign(digest).signature`."""

    def __init__(self, key: SigningKey) -> None:
        self._key = _load(key.private_key)
        if isinstance(self._key, rsa.RSAPrivateKey) is not (key.algorithm == "rsa-sha256"):
            raise TypeError("not a key of this algorithm")

    def sign(self, digest: bytes) -> "_Signature":
        if isinstance(self._key, rsa.RSAPrivateKey):
            return _Signature(self._key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())))
        return _Signature(self._key.sign(digest))


@dataclass(frozen=True, slots=True)
class _Signature:
    signature: bytes


def _end_of_header(message: bytes) -> int:
    """Return where the last field ends.

    A line that is no field ends the header for some readers and not for others, so nothing can be signed.
    """
    fields = scan_header(message)
    end = fields[-1].end if fields else 0
    if not all(named.name for named in fields) or message[end : end + 1] not in (b"", b"\r", b"\n"):
        raise ValueError("a line that is no field")
    return end


def _for_dkimpy(header: bytes) -> bytes:
    """Return the fields that are signed, each on one line, as dkimpy's parser takes them.

    A space before a colon (RFC 5322, section 4.5) is left out, as relaxed canonicalisation does.
    dkimpy refuses it; OpenDKIM takes it, but no tab, and none in From.
    """
    if b"\0" in header or header.count(b"\r") != header.count(b"\r\n"):
        raise ValueError("a NUL or a bare CR in the header")
    found = []
    for named in scan_header(header):
        name, _, rest = header[named.start : named.end].partition(b":")
        if b"\t" in name or (named.name == "from" and b" " in name):
            raise ValueError("white space before a colon")
        if named.name not in SIGNED_FIELDS:
            continue
        value = _FOLD.sub(b"", rest.rstrip(b"\r\n"))
        if b"\v" in value or b"\f" in value:
            # dkimpy takes them for white space at the end of a field, OpenDKIM everywhere.
            raise ValueError("a vertical tab or form feed in a signed field")
        found.append(named.name.encode("ascii") + b":" + value + b"\r\n")
    if len(found) > _MAX_SIGNED:
        raise ValueError("too many fields")
    if (
        sum(field.startswith(b"from:") for field in found) != 1
        or trace.from_domain(header, strict=True) is None
    ):
        # RFC 6376, section 5.4: what has no author cannot be vouched for; of two, readers choose one each.
        raise ValueError("not one author")
    return b"".join(found)


def _body_hash(message: bytes, end_of_header: int) -> bytes:
    digest = hashlib.sha256()
    for piece in _canonical_body(message, end_of_header):
        digest.update(piece)
    return digest.digest()


def _canonical_body(message: bytes, end_of_header: int, *, stretch: int = _STRETCH) -> Iterator[bytes]:
    """Yield the body in relaxed canonicalisation (RFC 6376, section 3.4.4), some lines at a time.

    `stretch` is in octets; a longer line stays whole.
    """
    end_of_line = _LINE_END.match(message, end_of_header)
    at = end_of_line.end() if end_of_line is not None else len(message)
    empty, waiting = True, 0
    while at < len(message):
        end = message.rfind(b"\n", at, at + stretch) + 1 or message.find(b"\n", at) + 1 or len(message)
        lines = _relaxed(message[at:end])
        text = lines[: len(lines) - len(_line_ends(lines))]
        if text:
            # Empty lines count only if something follows them.
            for done in range(0, waiting, stretch):
                yield b"\r\n" * min(stretch, waiting - done)
            yield text
            empty, waiting = False, 0
        waiting += (len(lines) - len(text)) // 2
        at = end
    yield b"" if empty else b"\r\n"


def _relaxed(lines: bytes) -> bytes:
    """Return whole lines as dkimpy makes them canonical; what is canonical already, it need not see."""
    if not lines.endswith(b"\n"):
        lines += b"\r\n"
    if lines.count(b"\n") != lines.count(b"\r\n"):
        lines = _LINE_END.sub(b"\r\n", lines)
    # One octet is found ten times as fast as two, and base64 has neither.
    spaced = b" " in lines and (b"  " in lines or b" \r\n" in lines)
    if not spaced and b"\t" not in lines:
        return lines
    # dkimpy takes quadratic time over a run of white space, and leaves one space of it in the end.
    short = _WHITE_SPACE.sub(b" ", lines)
    canonical: bytes = Relaxed.canonicalize_body(short + _LAST_LINE)
    return canonical[: -len(_LAST_LINE)]


def _line_ends(lines: bytes) -> bytes:
    """Return the line ends at the end of whole lines; a bare CR before them is text."""
    ends = lines[len(lines.rstrip(b"\r\n")) :]
    return ends[ends.rfind(b"\r\r") + 1 :]


def _oversigned(headers: Any) -> list[bytes]:
    """Return the names to sign: each as often as it stands there, and once more."""
    present = [name for name, _ in headers]
    names = [name.encode("ascii") for name in SIGNED_FIELDS]
    return [name for name in names for _ in range(present.count(name) + 1)]


# Parsing and checking an RSA key takes longer than signing with it; a company has few domains.
@lru_cache(maxsize=64)
def _load(private_key: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    if not private_key.lstrip().startswith(b"-----"):
        return ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key, validate=True))
    loaded = serialization.load_pem_private_key(private_key, password=None)
    if not isinstance(loaded, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise TypeError("neither RSA nor Ed25519")
    return loaded
