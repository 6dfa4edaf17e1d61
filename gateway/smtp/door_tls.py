"""The doors' side of TLS: certificates from files, and what a client's certificate says.

TLS 1.2 is the least (RFC 8997); what else is good enough is for OpenSSL and the system's policy to say.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class CertificateUnfit(Exception):
    """A certificate or key cannot be used; the words say which and why, and nothing that stands in it."""

    def __init__(self, words: str, *, of_clients: bool = False) -> None:
        """`of_clients`: it is the file with the authorities of the clients."""
        super().__init__(words)
        self.of_clients = of_clients


def server_context(certificate: Path, key: Path, client_authorities: Path | None = None) -> ssl.SSLContext:
    """Return a context for a listener; raises `CertificateUnfit`.

    With `client_authorities` a client is asked for a certificate, and one that they have not signed ends the
    handshake; a client without any goes on.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password of ours OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise CertificateUnfit(_why(error)) from None
    except (OSError, ValueError):
        raise CertificateUnfit("the files cannot be read") from None
    if client_authorities is not None:
        try:
            context.load_verify_locations(client_authorities)
        except (OSError, ssl.SSLError):
            raise CertificateUnfit("it is no PEM file with certificates", of_clients=True) from None
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _why(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    return "they are no PEM files with a certificate and its key, or the key has a password"


def names_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the host names in a verified certificate, as `SSLSocket.getpeercert` has it, in lower case.

    The common name counts only where there is no name of a host beside it (RFC 6125, section 6.4.4).
    """
    if not certificate:
        return frozenset()
    hosts = {name.lower() for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"}
    if hosts:
        return frozenset(hosts)
    subject = (pair for part in certificate.get("subject", ()) for pair in part)
    return frozenset(name.lower() for kind, name in subject if kind == "commonName")
