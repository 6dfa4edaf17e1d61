"""How long one copy of a marked mail takes: `python -m bench.rewrite [--seconds N]`.

Each row is a mail as composers write it.
Each of our steps is measured alone and all of them in sum.
Beside them, in turns in the same run, stands what a Python programmer would do: parse with the standard
library, replace the text, serialise, sign with dkimpy.
It is processor time, which on an idle core is the time that passes: nothing here waits for anything.
"""

import argparse
import base64
import email
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from typing import TypeVar

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import mails
from gateway.mail import check, eligible, footer, trace
from gateway.mail.dkim_sign import SIGNED_FIELDS, SigningKey, sign

_LEAST_RUNS = 5
_LONGEST_LINE = 998
"""Octets, without the line end (RFC 5322, section 2.1.1)."""
_STAMP_KEY = b"a key of the bench"
_RSA_PEM = rsa.generate_private_key(65537, 2048).private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
)
_SEED = base64.b64encode(ed25519.Ed25519PrivateKey.generate().private_bytes_raw())
_RSA = SigningKey(b"example.com", b"r", "rsa-sha256", _RSA_PEM)
_ED25519 = SigningKey(b"example.com", b"e", "ed25519-sha256", _SEED)
_MARKER = re.compile(r"\[\[(?:<[^>]*>)?relay(?:<[^>]*>)?:rejection[^\]]*\]\]")
_PEER_FIELDS = [name.encode() for name in SIGNED_FIELDS]

Result = TypeVar("Result")
Timings = dict[str, list[float]]
"""Seconds of each run, by step."""


def _timed(timings: Timings, step: str, work: Callable[[], Result]) -> Result:
    began = time.process_time()
    result = work()
    timings.setdefault(step, []).append(time.process_time() - began)
    return result


def ours(raw: bytes, timings: Timings) -> None:
    """Write one copy in the steps of `gateway.copies`, and sign it a second time with the other algorithm."""
    began = time.process_time()
    reading = _timed(timings, "read", lambda: eligible.read(raw, stamp_key=_STAMP_KEY))
    invitation = mails.INVITATION
    copy = _timed(timings, "rewrite", lambda: footer.rewrite(raw, reading, invitation))
    _timed(timings, "check", lambda: check.check(raw, copy, reading, invitation))
    stamp = _timed(timings, "stamp", lambda: _stamped(copy))
    signature = _timed(timings, "sign RSA-2048", lambda: sign(copy, _RSA, above=stamp))
    b"".join((signature, stamp, copy))
    timings.setdefault("all of these", []).append(time.process_time() - began)
    _timed(timings, "sign Ed25519", lambda: sign(copy, _ED25519, above=stamp))


def _stamped(copy: bytes) -> bytes:
    trace.fault(copy)
    return trace.stamp_field(_STAMP_KEY, "G-BENCH", trace.without_own_signatures(copy, b"example.com"))


def peer(raw: bytes, timings: Timings) -> None:
    """Do the same with the standard library and dkimpy; nothing is checked and nothing stamped."""
    began = time.process_time()
    message = _timed(timings, "peer: parse", lambda: email.message_from_bytes(raw, policy=policy.SMTP))
    _timed(timings, "peer: replace", lambda: _replaced(message))
    written = _timed(timings, "peer: as_bytes", message.as_bytes)
    signature = _timed(timings, "peer: dkim.sign RSA-2048", lambda: _signed_by_dkimpy(written))
    b"".join((signature, written))
    timings.setdefault("peer: all of these", []).append(time.process_time() - began)


def _replaced(message: EmailMessage) -> None:
    for part in message.walk():
        if part.get_content_maintype() != "text":
            continue
        html = part.get_content_subtype() == "html"
        new = (mails.INVITATION.html if html else mails.INVITATION.text).replace("\\", r"\\")
        text, found = _MARKER.subn(new, part.get_content())
        if not found:
            raise ValueError("the peer did not find the marker")
        encoding = part["content-transfer-encoding"].lower()
        long = encoding == "8bit" and max(map(len, text.splitlines())) > _LONGEST_LINE
        part.set_content(
            text,
            subtype=part.get_content_subtype(),
            charset=part.get_content_charset(),
            cte="quoted-printable" if long else encoding,
        )


def _signed_by_dkimpy(written: bytes) -> bytes:
    signature: bytes = dkim.sign(
        written,
        b"r",
        b"example.com",
        _RSA_PEM,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=_PEER_FIELDS,
    )
    return signature


def _measure(name: str, raw: bytes, seconds: float) -> None:
    timings: Timings = {}
    ours(raw, {})
    peer(raw, {})
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(timings["read"]) < _LEAST_RUNS:
        ours(raw, timings)
        peer(raw, timings)
    print(f"\n{name}, {len(raw) / 1e3:,.1f} kB, {len(timings['read'])} runs")
    for step, taken in timings.items():
        taken.sort()
        figures = (taken[0], statistics.median(taken), taken[len(taken) * 99 // 100])
        best, middle, late = (f"{seconds * 1e3:8.2f} ms" for seconds in figures)
        print(f"  {step:26} best {best}   median {middle}   p99 {late}")
    quick, slow = (statistics.median(timings[step]) for step in ("all of these", "peer: all of these"))
    print(f"  the peer takes {slow / quick:.1f} times as long")


def main() -> None:
    """Print a block for each mail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="for each mail")
    seconds = parser.parse_args().seconds
    print(f"{os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}")
    for name, mail in mails.MAILS.items():
        _measure(name, mail(), seconds)


if __name__ == "__main__":
    main()
