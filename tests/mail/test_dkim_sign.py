import base64

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.mail import dkim_sign
from gateway.mail.dkim_sign import CannotSign, SigningKey

MAIL = b"From: hr@example.com\r\nTo: t@example.jp\r\nSubject: a\r\n  b\r\n\r\nhello  world \r\n\r\n\r\n"


@pytest.fixture(scope="module", params=["pkcs1", "pkcs8", "seed", "ed25519-pem"])
def key(request: pytest.FixtureRequest) -> SigningKey:
    private = rsa.generate_private_key(65537, 2048)
    young = ed25519.Ed25519PrivateKey.generate()
    pems = {
        "pkcs1": private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "pkcs8": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).replace(
            b"\n", b"\r\n"
        ),
    }
    if request.param in pems:
        return SigningKey(b"example.com", b"s1", "rsa-sha256", pems[request.param])
    pem = young.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    seed = base64.b64encode(young.private_bytes_raw())
    return SigningKey(b"example.com", b"s2", "ed25519-sha256", seed if request.param == "seed" else pem)


def public_record(key: SigningKey) -> str:
    """Return what the owner of the key puts into DNS (RFC 6376, section 3.6.1; RFC 8463, section 4)."""
    if not key.private_key.startswith(b"-----"):
        young = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(key.private_key))
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(young.public_key().public_bytes_raw()).decode()}"
    public = load_pem_private_key(key.private_key, password=None).public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(public.public_bytes_raw()).decode()}"
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def verified(message: bytes, key: SigningKey) -> bool:
    record = public_record(key).encode()
    return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: record))  # noqa: ARG005  # dkimpy names it


def test_a_signature_verifies(key: SigningKey) -> None:
    signature = dkim_sign.sign(MAIL, key)
    assert signature.startswith(b"DKIM-Signature: ")
    assert signature.endswith(b"\r\n")
    assert all(len(line) <= 78 for line in signature.split(b"\r\n"))
    assert verified(signature + MAIL, key)
    assert verified(b"Received: later\r\n" + signature + MAIL.replace(b"hello  world ", b"hello world"), key)


@pytest.mark.parametrize("added", [b"From: x@example.jp\r\n", b"Subject: other\r\n", b"Cc: c@example.jp\r\n"])
def test_nobody_can_add_a_field_that_is_signed(added: bytes, key: SigningKey) -> None:
    assert not verified(added + dkim_sign.sign(MAIL, key) + MAIL, key)


def test_a_changed_body_does_not_verify(key: SigningKey) -> None:
    assert not verified(dkim_sign.sign(MAIL, key) + MAIL.replace(b"world", b"words"), key)


def test_a_field_of_many_lines_verifies(key: SigningKey) -> None:
    mail = b"Subject: a\r\n" + b" \tb\r\n \r\n" * 500 + MAIL
    assert verified(dkim_sign.sign(mail, key) + mail, key)


@pytest.mark.parametrize("value", [b"a\vb", b"a \f b", b"\fa"])
def test_what_verifiers_take_for_white_space_or_not_is_not_signed(value: bytes, key: SigningKey) -> None:
    """OpenDKIM drops a vertical tab or a form feed where dkimpy keeps it."""
    with pytest.raises(CannotSign):
        dkim_sign.sign(MAIL.replace(b"Subject: a", b"Subject: " + value), key)
    mail = b"X-Other: " + value + b"\r\nSubject: \x1b$B;3ED\x1b(B\r\n" + MAIL
    assert verified(dkim_sign.sign(mail, key) + mail, key)


def test_a_long_run_of_white_space_gets_the_simple_body(key: SigningKey) -> None:
    """The relaxed body of dkimpy needs quadratic time for it."""
    mail = MAIL + b" " * 200_000 + b"x\r\n"
    signature = dkim_sign.sign(mail, key)
    assert b"c=relaxed/simple" in signature
    assert verified(signature + mail, key)


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\r\n",
        b" folded first\r\n\r\n",
        b"Subject: no From\r\n\r\n",
        b"Fr\xffom: x\r\n\r\n",
        b"no colon\r\n\r\n",
    ],
)
def test_mail_that_cannot_be_signed_is_one_error(mail: bytes, key: SigningKey) -> None:
    with pytest.raises(CannotSign):
        dkim_sign.sign(mail, key)


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
@pytest.mark.parametrize(
    "private", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_key_that_is_none_is_one_error(algorithm: dkim_sign.Algorithm, private: bytes) -> None:
    broken = SigningKey(b"example.com", b"s", algorithm, private)
    with pytest.raises(CannotSign):
        dkim_sign.sign(MAIL, broken)


def test_a_key_does_not_show_itself() -> None:
    assert "secret" not in repr(SigningKey(b"example.com", b"s", "rsa-sha256", b"secret"))
