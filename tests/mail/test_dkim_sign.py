import base64
import random
from collections.abc import Iterator
from pathlib import Path

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
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail import dkim_sign
from gateway.mail.dkim_sign import CannotSign, SigningKey
from tests.peers import opendkim

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


def test_a_long_run_of_white_space_is_signed_as_any_other(key: SigningKey) -> None:
    """dkimpy needs quadratic time for it, so it is shortened first; the verifier here is dkimpy as well."""
    mail = MAIL + b" \t" * 1_000 + b"x\r\n"
    signature = dkim_sign.sign(mail, key)
    assert b"c=relaxed/relaxed" in signature
    assert verified(signature + mail, key)


def test_two_keys_give_two_signatures(key: SigningKey) -> None:
    young = ed25519.Ed25519PrivateKey.generate()
    other = SigningKey(b"example.com", b"s3", "ed25519-sha256", base64.b64encode(young.private_bytes_raw()))
    first, second = dkim_sign.sign(MAIL, key), dkim_sign.sign(MAIL, other)
    both = dkim_sign.sign(MAIL, key, other)
    assert verified(both + MAIL, key)
    assert verified(both[len(first) :] + MAIL, other)
    assert len(both) == len(first) + len(second)
    assert dkim_sign.sign(MAIL) == b""


def test_fields_above_the_message_are_signed_too(key: SigningKey) -> None:
    above = b"X-Goen-Processed: v1;\r\n\tid=G-A\r\n"
    signature = dkim_sign.sign(MAIL, key, above=above)
    assert verified(signature + above + MAIL, key)
    assert not verified(signature + MAIL, key)


@pytest.mark.parametrize("stretch", [1, 2, 5, 64])
@settings(max_examples=150)
@given(
    lines=st.lists(st.sampled_from([b" ", b"  ", b"\t", b"a", b"\r\n", b"\n", b"\r", b"\xff", b"\r\n\r\n"]))
)
def test_a_body_in_stretches_is_what_dkimpy_makes_of_the_whole(stretch: int, lines: list[bytes]) -> None:
    """Whatever the stretch and the octets: the pieces together are dkimpy's canonical body.

    Only white space at the end of an unfinished last line is dropped, as it is when that line is finished.
    """
    body = b"".join(lines)
    whole = body if body.endswith(b"\n") or not body else body + b"\r\n"
    expected = Relaxed.canonicalize_body(dkim.rfc822_parse(b"From: a\r\n\r\n" + whole)[1])
    head = len(b"From: a\r\n")
    pieces = dkim_sign._canonical_body(b"From: a\r\n\r\n" + body, head, stretch=stretch)
    assert b"".join(pieces) == expected


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\r\n",
        b" folded first\r\n\r\n",
        b"Subject: no From\r\n\r\n",
        b"Fr\xffom: x\r\n\r\n",
        b"no colon\r\n\r\n",
        b" folded first\r\n" + MAIL,
        b"From: hr@example.com\r\nno colon",
        b"From: hr@example.com\r\nno colon\r\nTo: t@example.jp\r\n",
        MAIL.replace(b"Subject:", b"Sub ject:"),
        MAIL.replace(b"Subject:", b"S\xfcbject:"),
        MAIL.replace(b"Subject:", b"Subject\t:"),
        MAIL.replace(b"From:", b"From :"),
        MAIL.replace(b"hr@example.com", b'"a <hr@example.com>'),
        MAIL.replace(b"hr@example.com", b"(a <hr@example.com>"),
        MAIL.replace(b"hr@example.com", b"nobody"),
        b"From: other@example.com\r\n" + MAIL,
        b"From hr@example.com Mon Nov 23 10:00:00 2026\r\n" + MAIL,
        b"X-Other: a\0\r\n" + MAIL,
        b"X-Other: a\rb\r\n" + MAIL,
        b"To: t@example.jp\r\n" * 200 + MAIL,
    ],
)
def test_mail_that_cannot_be_signed_is_one_error(mail: bytes, key: SigningKey) -> None:
    with pytest.raises(CannotSign):
        dkim_sign.sign(mail, key, above=b"X-Goen-Processed: v1\r\n")


NAMES = (
    b"To",
    b"Subject",
    b"subject",
    b"X-Other",
    b"SENDER",
    b"References",
    b"Received",
    b"Message-ID",
    b"From",
)
COLONS = (b":",) * 12 + (b" :", b"  :", b"\t:", b"", b" ")
VALUES = (
    *(b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b"\r\n \r\n ", b"a", b"a", b"b@example.com", b"b=x"),
    *(
        b";",
        b":",
        b"=",
        b"\xe4",
        b"\xff",
        b"\x1b$B",
        b"\x01",
        b"(",
        b")",
        b'"',
        b"<",
        b">",
        b",",
        b"\x7f",
        b"\xa0",
    ),
)
BODIES = (b" ", b"\t", b"a", b"\r\n", b"  ", b"\r\n\r\n", b".", b"\xe4")


def made_up(chance: random.Random) -> Iterator[bytes]:
    """Yield mails with headers as nobody writes them: obsolete, 8-bit, folded at every place."""
    while True:
        fields = [
            chance.choice(NAMES[:8])
            + chance.choice(COLONS)
            + b"".join(chance.choices(VALUES, k=chance.randrange(9)))
            for _ in range(chance.randrange(6))
        ]
        fields.insert(chance.randrange(len(fields) + 1), b"From: hr@example.com")
        body = b"".join(chance.choices(BODIES, k=chance.randrange(20)))
        yield b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body + b"\r\n"


@pytest.mark.peers("opendkim")
def test_any_header_is_signed_as_another_verifier_reads_it_or_not_at_all(tmp_path: Path) -> None:
    """Whatever the octets of a header below 64 kB, OpenDKIM accepts the signature, or there is CannotSign.

    Foreign signatures that are none are left out: OpenDKIM gives no verdict at all beside one.
    """
    young = ed25519.Ed25519PrivateKey.generate()
    key = SigningKey(b"example.com", b"s2", "ed25519-sha256", base64.b64encode(young.private_bytes_raw()))
    signed: list[bytes] = []
    refused = 0
    for mail in made_up(random.Random(6376)):
        try:
            signed.append(dkim_sign.sign(mail, key) + mail)
        except CannotSign:
            refused += 1
        if len(signed) == 150:
            break
    assert refused < 300
    accepted = opendkim.accepted(signed, {"s2._domainkey.example.com": public_record(key)}, tmp_path)
    assert [mail for mail, good in zip(signed, accepted, strict=True) if not good] == []


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
