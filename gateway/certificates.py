"""What a certificate says of itself, as far as an operator must know it in time."""

from datetime import datetime

from cryptography import x509


def ends_at(pem: bytes) -> datetime | None:
    """Return when the first of the certificates in a PEM file ends, its own one; None when there is none."""
    try:
        return x509.load_pem_x509_certificates(pem)[0].not_valid_after_utc
    except ValueError:
        return None
