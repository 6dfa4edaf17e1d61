"""An independent DKIM verifier: OpenDKIM, with the public keys in a file instead of DNS."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


def verdicts(message: bytes, records: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return selector → `pass`, `fail` …, for each signature of `message`.

    `records` maps `selector._domainkey.domain` to the TXT record's value; `folder` takes the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mail, dns, conf = folder / "mail.eml", folder / "dns", folder / "opendkim.conf"
    mail.write_bytes(message)
    dns.write_text("".join(f"{name} {value}\n" for name, value in records.items()))
    conf.write_text(f"Mode v\nTestDNSData {dns}\nSyslog no\nSocket inet:0@127.0.0.1\n")
    ran = subprocess.run(
        ["/usr/sbin/opendkim", "-x", str(conf), "-t", str(mail), "-vvv"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    found = {}
    for line in ran.stdout.splitlines():
        words = line.strip().split()
        for word in words:
            if word.startswith("header.s="):
                found[word.removeprefix("header.s=")] = words[0].removeprefix("dkim=")
    return found
