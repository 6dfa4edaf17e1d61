"""The one master key and what is derived from it; the only user of `cryptography` outside the mail rooms.

    master.key (32 bytes, mode 0600) ─ HKDF-SHA256, one info string each ─►
        fields   AES-256-GCM for names, addresses and secrets in the database
        index    HMAC for look-ups of what is encrypted, and for the links of the consent chain
        link     HMAC in the candidate's link
        nonce    HMAC in the consent form
        stamp    HMAC in our own header field

Whoever loses the master key loses the personal data; whoever has it and the database has everything.
"""

import base64
import binascii
import hmac
import os
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.regular_file import read_regular
from store.errors import WrongKey

_MASTER_BYTES = 32
_KEY_VERSION = b"\x01"
"""The first byte of what is encrypted: a later key can stand beside this one while fields are sealed anew."""
_GCM_NONCE_BYTES = 12
"""96 bits, NIST SP 800-38D, section 8.2; random, so at most 2**32 fields for one key (section 8.3)."""
_LINK_ID_BYTES = 10
_LINK_TAG_BYTES = 15
"""80 + 120 bits are 200: exactly 40 characters of base32, without padding."""
_LINK_CHARACTERS = 40
_NONCE_TIME_BYTES = 8
_NONCE_TAG_BYTES = 16
_RSA_BITS = 2048
"""RFC 8301, section 3.2; longer keys do not fit a TXT string of 255 bytes and are not verified everywhere."""
_RSA_EXPONENT = 65537


class KeyFileInvalid(Exception):
    """The key file cannot be used; the message says what to do about it."""


class Keyring:
    """Everything that needs a secret of ours; implements the store's FieldCipher."""

    def __init__(self, master: bytes) -> None:
        """`master` is 32 random bytes; ValueError for any other length."""
        if len(master) != _MASTER_BYTES:
            raise ValueError(f"a master key has {_MASTER_BYTES} bytes")
        self._fields = AESGCM(_derive(master, "fields"))
        self._index_key = _derive(master, "index")
        self._link_key = _derive(master, "link")
        self._nonce_key = _derive(master, "nonce")
        self.stamp_key = _derive(master, "stamp")
        """32 bytes for the HMAC of our stamp on messages we have written."""

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Return the keyring of a master key file; with `create`, one that is missing is made (mode 0600).

        Two processes may make it at once: both get the same key.
        Raises KeyFileInvalid when it is missing, others can read it, or it is no file of 32 bytes.
        """
        try:
            if create and not path.exists():
                _make_master_key(path)
            return cls(_read_master_key(path))
        except FileNotFoundError as error:
            raise KeyFileInvalid(
                f"the master key {path} is not there; correct store.key_file, or restore it from your backup"
            ) from error
        except OSError as error:
            raise KeyFileInvalid(f"the master key {path} cannot be used: {error.strerror}") from error

    def __repr__(self) -> str:
        """Return nothing that could help anybody."""
        return "Keyring(…)"

    def encrypt(self, plain: bytes, *, field: str) -> bytes:
        """Return key version, random nonce, ciphertext and tag; bound to the field's name."""
        nonce = os.urandom(_GCM_NONCE_BYTES)
        return _KEY_VERSION + nonce + self._fields.encrypt(nonce, plain, field.encode())

    def decrypt(self, sealed: bytes, *, field: str) -> bytes:
        """Return what was encrypted for this field; WrongKey for another key or field, or changed bytes."""
        nonce, rest = sealed[1 : 1 + _GCM_NONCE_BYTES], sealed[1 + _GCM_NONCE_BYTES :]
        if sealed[:1] == _KEY_VERSION:
            with suppress(InvalidTag, ValueError):
                return self._fields.decrypt(nonce, rest, field.encode())
        raise WrongKey(
            f"{field} cannot be decrypted: the master key is not the one this database was filled with"
        )

    def blind_index(self, value: str, *, field: str) -> bytes:
        """Return 32 bytes that are equal for equal values of the same field."""
        message = field.encode() + b"\x00" + value.encode("utf-8", "surrogatepass")
        return hmac.digest(self._index_key, message, "sha256")

    def new_link_id(self, fingerprint: bytes, recipient: bytes) -> bytes:
        """Return ten bytes for the copy of a message that goes to a recipient: the same for each retry."""
        return hmac.digest(self._link_key, b"id" + fingerprint + recipient, "sha256")[:_LINK_ID_BYTES]

    def link_token(self, link_id: bytes) -> str:
        """Return the candidate's token for a delivery: 40 characters a-z and 2-7."""
        if len(link_id) != _LINK_ID_BYTES:
            raise ValueError(f"a link id has {_LINK_ID_BYTES} bytes")
        return base64.b32encode(link_id + self._link_tag(link_id)).decode("ascii").lower()

    def link_id(self, token: str) -> bytes | None:
        """Return the ten bytes a token of ours was made for, or None; upper case is taken too.

        The comparison takes the same time whether few or many characters are right.
        """
        if len(token) != _LINK_CHARACTERS or not token.isascii():
            return None
        try:
            octets = base64.b32decode(token, casefold=True)
        except binascii.Error:
            return None
        link_id, tag = octets[:_LINK_ID_BYTES], octets[_LINK_ID_BYTES:]
        return link_id if hmac.compare_digest(tag, self._link_tag(link_id)) else None

    def nonce(self, link_id: bytes, *, now: datetime) -> str:
        """Return what the consent form carries to show later when it was given, and for which link."""
        moment = _milliseconds(now)
        return base64.urlsafe_b64encode(moment + self._nonce_tag(link_id, moment)).decode("ascii")

    def nonce_age(self, link_id: bytes, nonce: str, *, now: datetime) -> timedelta | None:
        """Return how long ago a nonce was given for this link, or None when it is not ours.

        Negative when the clock of the node that gave it is ahead.
        """
        try:
            octets = base64.b64decode(nonce, altchars=b"-_", validate=True)
        except ValueError:
            return None
        moment, tag = octets[:_NONCE_TIME_BYTES], octets[_NONCE_TIME_BYTES:]
        if not hmac.compare_digest(tag, self._nonce_tag(link_id, moment)):
            return None
        return timedelta(milliseconds=int.from_bytes(_milliseconds(now)) - int.from_bytes(moment))

    def _link_tag(self, link_id: bytes) -> bytes:
        return hmac.digest(self._link_key, link_id, "sha256")[:_LINK_TAG_BYTES]

    def _nonce_tag(self, link_id: bytes, moment: bytes) -> bytes:
        return hmac.digest(self._nonce_key, moment + link_id, "sha256")[:_NONCE_TAG_BYTES]


def new_rsa_key() -> tuple[bytes, str]:
    """Return a new RSA-2048 DKIM key: private key in PEM (PKCS#1), and the TXT record's value (RFC 6376)."""
    key = generate_private_key(_RSA_EXPONENT, _RSA_BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"


def new_ed25519_key() -> tuple[bytes, str]:
    """Return a new Ed25519 DKIM key: the seed in base64, and the TXT record's value (RFC 8463)."""
    key = Ed25519PrivateKey.generate()
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(seed), f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode('ascii')}"


def _make_master_key(path: Path) -> None:
    """Write a whole file, then give it its name unless somebody was faster: nobody reads half a key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(handle, os.urandom(_MASTER_BYTES))
        os.fsync(handle)
    finally:
        os.close(handle)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read_master_key(path: Path) -> bytes:
    file = read_regular(path, limit=_MASTER_BYTES + 1)
    if file.mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileInvalid(f"others can read the master key {path}; run: chmod 600 {path}")
    master = file.content
    if len(master) != _MASTER_BYTES:
        raise KeyFileInvalid(
            f"the master key {path} must have exactly {_MASTER_BYTES} bytes; restore it from your backup"
        )
    return master


def _derive(master: bytes, purpose: str) -> bytes:
    """Return a subkey (RFC 5869); no salt, because the master key is uniformly random."""
    return HKDF(SHA256(), length=32, salt=None, info=f"goen/v1/{purpose}".encode()).derive(master)


def _milliseconds(moment: datetime) -> bytes:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return ((moment - epoch) // timedelta(milliseconds=1)).to_bytes(_NONCE_TIME_BYTES)
