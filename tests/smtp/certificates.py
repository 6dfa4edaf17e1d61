"""Certificates for tests: an authority, and what it signs, made anew for each run."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    certificate: Path
    key: Path

    def client_context(self, authority: "Authority") -> ssl.SSLContext:
        """Return a client's context that shows this certificate."""
        context = authority.client_context()
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """One that signs."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        signed = self._sign(self._name, self._key, datetime.now(UTC) + timedelta(days=30), ca=True)
        self.file.write_bytes(signed)

    def certificate(
        self, common_name: str, hosts: tuple[str, ...] = (), *, ends: datetime | None = None
    ) -> Certificate:
        """Return a certificate for this common name and these hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        pem = self._sign(subject, key, ends or datetime.now(UTC) + timedelta(days=30), hosts=hosts)
        found = Certificate(
            self._folder / f"{common_name}-{len(hosts)}.pem", self._folder / f"{common_name}-{len(hosts)}.key"
        )
        found.certificate.write_bytes(pem)
        found.key.touch(0o600)
        found.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return found

    def client_context(self) -> ssl.SSLContext:
        """Return a client's context that trusts this authority alone."""
        context = ssl.create_default_context(cafile=self.file)
        context.check_hostname = False  # tests connect to an address
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        ends: datetime,
        *,
        hosts: tuple[str, ...] = (),
        ca: bool = False,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
