"""Under which settings a mail is explained: the operator's, with samples for what no file can tell.

The store is never opened, so the partners are samples; a link of the real form would be somebody's, so the
links are samples too. Without settings everything is a sample, and one sentence says so.
"""

import base64
import hashlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.copies import RecipientRules, Scribe
from gateway.keyring import KeyFileInvalid, Keyring, new_ed25519_key
from gateway.preparing import prepare
from gateway.rendering import Rendering
from gateway.scribing import MailableFooters, scribe_of
from gateway.settings import Settings, find, load

COMPANY = "Example Corporation"
PARTNER = "Example Agency"
_PUBLIC_URL = "https://goen.example.com"
_HOSTNAME = "gateway.example.com"
_MAX_OCTETS = 50 * 1024 * 1024
"""As `relay.max_message_mb` has it by default."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides beside the mail itself."""

    scribe: Scribe = field(repr=False)
    partners: tuple[str, ...]
    max_octets: int
    """Of one mail on the wire."""
    missing: tuple[str, ...]
    """Settings without which marked mail passes as it came; samples stand in for them."""
    stand_in_key: bytes | None = field(repr=False)
    """An Ed25519 key that signs in place of those that are not there; its signature is taken off again."""
    notes: tuple[str, ...]
    """What is assumed, one sentence each."""


def circumstances(given: Path | None, environ: Mapping[str, str]) -> Circumstances:
    """Read the settings, if there are any; writes nothing and makes no key.

    Raises `SettingsInvalid`, `TemplateInvalid` and `KeyFileInvalid`, as `goen serve` does.
    """
    path = find(given, environ)
    # Containers have all settings in the environment and no file.
    if path is None and not any(name.startswith("GOEN_") and environ[name] for name in environ):
        return _samples()
    return _of(load(path, environ))


def _samples() -> Circumstances:
    note = (
        f"No settings were found, so samples stand in: {COMPANY}, the partner {PARTNER}, links to "
        f"{_PUBLIC_URL}; the sender's domain counts as your own, and copies are not signed."
    )
    scribe = Scribe(
        footers=MailableFooters(Rendering()),
        company=COMPANY,
        rules=RecipientRules(frozenset()),
        link_id=_link_id,
        link_url=lambda identity: f"{_PUBLIC_URL}/c/{_link_token(identity)}",
        signing_keys={},
        stamp_key=bytes(32),
        hostname=_HOSTNAME,
    )
    return Circumstances(scribe, (PARTNER,), _MAX_OCTETS, (), new_ed25519_key()[0], (note,))


def _of(settings: Settings) -> Circumstances:
    prepared = prepare(settings)
    stamp_key, notes = _stamp_key(settings.store.key_file)
    scribe = scribe_of(
        settings,
        prepared,
        link_id=_link_id,
        link_token=_link_token,
        stamp_key=stamp_key,
        # Not the full name, which may ask DNS: nothing is sent here.
        hostname=settings.relay.hostname or socket.gethostname(),
    )
    if not scribe.company:
        scribe = replace(scribe, company=COMPANY)
    notes.append(
        f"The database is not opened: {PARTNER} stands in for your partners, and the links are samples. "
        "Without a partner marked mail passes as it came (no-partner)."
    )
    unsigned = not settings.dkim.keys
    return Circumstances(
        scribe=scribe,
        partners=(PARTNER,),
        max_octets=settings.relay.max_message_octets,
        missing=settings.unprepared,
        stand_in_key=new_ed25519_key()[0] if unsigned else None,
        notes=tuple(notes),
    )


def _stamp_key(key_file: Path) -> tuple[bytes, list[str]]:
    try:
        return Keyring.open(key_file).stamp_key, []
    except KeyFileInvalid as invalid:
        if not isinstance(invalid.__cause__, FileNotFoundError):
            raise
        return bytes(32), [
            "The master key is not there yet, so mail that the gateway has rewritten is not known again."
        ]


def _link_id(fingerprint: bytes, recipient: bytes) -> bytes:
    """Return ten bytes as `Keyring.new_link_id` does, without a key: they lead nowhere."""
    return hashlib.sha256(fingerprint + recipient).digest()[:10]


def _link_token(link_id: bytes) -> str:
    """Return a token as long as a real one, that says what it is."""
    return f"samplelink{base64.b32encode(link_id).decode('ascii').lower()}leadstonothing"
