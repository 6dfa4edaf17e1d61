"""`goen init`: the settings file, the master key and the DKIM keys of a new installation.

Nothing that exists is overwritten: a lost key is lost personal data.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gateway.keyring import Keyring, new_ed25519_key, new_rsa_key
from gateway.settings import DEFAULT_FILE, load
from gateway.settings.new_file import TomlValue, settings_file

RSA_SELECTOR = "goen-rsa"
ED25519_SELECTOR = "goen-ed25519"
_ALGORITHMS = {RSA_SELECTOR: "rsa-sha256", ED25519_SELECTOR: "ed25519-sha256"}


class AlreadyFounded(Exception):
    """There is an installation here already."""


class CannotWrite(Exception):
    """The directory cannot be written to."""


@dataclass(frozen=True, slots=True)
class _Founded:
    settings_file: Path
    key_file: Path
    records_file: Path
    records: tuple[str, ...]
    """Lines of a zone file."""


def found(directory: Path, *, next_hop: str, public_url: str, domain: str) -> Iterator[str]:
    """Write everything into `directory`; yield what the operator should read, line by line.

    Raises `AlreadyFounded` when there is a settings file, `SettingsInvalid` for an answer that cannot be
    used, and `CannotWrite` where nothing can be written; then no file is left behind.
    """
    try:
        founded = _write_all(directory, next_hop=next_hop, public_url=public_url, domain=domain)
    except OSError as error:
        where = error.filename or directory
        raise CannotWrite(f"{where} cannot be written: {error.strerror}.") from error
    yield f"Wrote {founded.settings_file}. Every setting stands in it, with its meaning."
    yield f"Wrote the master key {founded.key_file}: back it up apart from the database."
    yield ""
    yield "Publish these DNS records, so that receivers can verify the copies that the gateway signs:"
    yield from (f"  {record}" for record in founded.records)
    yield f"They also stand in {founded.records_file}, as lines for a zone file."
    yield ""
    yield "Next: fill in [organisation], add your partner with `goen partner add`, run `goen check-config`,"
    yield "then start the gateway with `goen serve`."


def _write_all(directory: Path, *, next_hop: str, public_url: str, domain: str) -> _Founded:
    path = directory / DEFAULT_FILE
    if path.exists():
        raise AlreadyFounded(f"{path} is there already; remove it first, or choose another directory.")
    directory.mkdir(parents=True, exist_ok=True)
    records_file = directory / "dkim" / "records.txt"
    with ExitStack() as undoing:
        records = _make_signing_keys(directory / "dkim", domain, undoing)
        _write_new(records_file, "".join(f"{record}\n" for record in records).encode(), undoing)
        answers: dict[str, TomlValue] = {
            "relay.next_hop": next_hop,
            "relay.sender_domains": [domain],
            "web.public_url": public_url,
            "dkim.keys": [_key_table(domain, selector) for selector in _ALGORITHMS],
        }
        _write_new(path, settings_file(answers).encode(), undoing)
        settings = load(path, {})
        Keyring.open(settings.store.key_file, create=True)
        undoing.pop_all()
    return _Founded(path, settings.store.key_file, records_file, records)


def _key_table(domain: str, selector: str) -> dict[str, str]:
    return {
        "domain": domain,
        "selector": selector,
        "algorithm": _ALGORITHMS[selector],
        "private_key_file": f"dkim/{selector}.key",
    }


def _make_signing_keys(folder: Path, domain: str, undoing: ExitStack) -> tuple[str, ...]:
    """Write the private keys; return the TXT records of the public ones."""
    folder.mkdir(mode=0o700, exist_ok=True)
    records = []
    for selector, make in ((RSA_SELECTOR, new_rsa_key), (ED25519_SELECTOR, new_ed25519_key)):
        private, record = make()
        _write_new(folder / f"{selector}.key", private, undoing)
        records.append(f"{selector}._domainkey.{domain}. IN TXT {_quoted(record)}")
    return tuple(records)


def _write_new(path: Path, content: bytes, undoing: ExitStack) -> None:
    """Write a file that only we may read, to be removed when what follows fails."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise AlreadyFounded(f"{path} is there already; move it away first.") from None
    undoing.callback(path.unlink)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _quoted(value: str) -> str:
    """Split a TXT value into strings of at most 255 octets (RFC 1035, section 3.3.14)."""
    return " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
