"""An independent DKIM verifier: OpenDKIM, with the public keys in a file instead of DNS."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_ACCEPTED = re.compile(r"opendkim: (\S+): verification \(s=[^)]*\) succeeded")


def verdicts(message: bytes, records: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return selector → `pass`, `fail` …, for each signature of `message`.

    `records` maps `selector._domainkey.domain` to the TXT record's value; `folder` takes the files.
    """
    found = {}
    for line in _asked([message], records, folder).splitlines():
        words = line.strip().split()
        for word in words:
            if word.startswith("header.s="):
                found[word.removeprefix("header.s=")] = words[0].removeprefix("dkim=")
    return found


def accepted(messages: Sequence[bytes], records: Mapping[str, str], folder: Path) -> list[bool]:
    """Return for each message whether its first signature is accepted; one run serves for all of them."""
    said = _asked(messages, records, folder)
    good = set(_ACCEPTED.findall(said))
    return [str(folder / f"{number}.eml") in good for number in range(len(messages))]


def _asked(messages: Sequence[bytes], records: Mapping[str, str], folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    mails = [folder / f"{number}.eml" for number in range(len(messages))]
    for mail, message in zip(mails, messages, strict=True):
        mail.write_bytes(message)
    dns, conf = folder / "dns", folder / "opendkim.conf"
    dns.write_text("".join(f"{name} {value}\n" for name, value in records.items()))
    conf.write_text(f"Mode v\nTestDNSData {dns}\nSyslog no\nSocket inet:0@127.0.0.1\n")
    ran = subprocess.run(
        ["/usr/sbin/opendkim", "-x", str(conf), "-t", ",".join(map(str, mails)), "-vvv"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return ran.stdout
