"""What settings name is read and tried out before anything starts: keys, certificates, names, editions.

`goen check-config` and `goen serve` do the same, so that the one cannot call good what the other refuses.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.mail.dkim_sign import CannotSign, SigningKey, sign
from gateway.preparing_doors import PreparedDoors, prepare_doors
from gateway.rendering import Rendering, TemplateInvalid, mailable_name
from gateway.settings import Fault, Settings, SettingsInvalid

_TRIAL = b"From: <trial@example.com>\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n\r\ntrial\r\n"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was read, and works."""

    rendering: Rendering
    edition: str
    """The consent text for new answers."""
    signing_keys: Mapping[bytes, tuple[SigningKey, ...]] = field(repr=False)
    """By the domain they sign for."""
    doors: PreparedDoors
    tls_context: ssl.SSLContext | None
    """For the connection to the next hop; None when that is not encrypted."""


def prepare(settings: Settings) -> Prepared:
    """Read and try everything; raises `SettingsInvalid` with every fault, and `TemplateInvalid`."""
    rendering = Rendering()
    faults: list[Fault] = []
    wanted = settings.consent.text_edition
    if wanted is not None and wanted not in rendering.editions:
        words = f"there is no edition {wanted!r}; published are {', '.join(rendering.editions)}"
        faults.append(Fault("consent.text_edition", words))
    try:
        mailable_name(settings.organisation.legal_name or "")
    except TemplateInvalid as invalid:
        faults.append(Fault("organisation.legal_name", f"cannot stand in a mail: {invalid.reason}"))
    context = None
    try:
        context = _tls_context(settings)
    except (OSError, ssl.SSLError):
        faults.append(Fault("next_hop.ca_file", "is no PEM file with certificates"))
    doors = prepare_doors(settings, faults.append)
    signing_keys: dict[bytes, tuple[SigningKey, ...]] = {}
    for key, fault in _signing_keys(settings):
        faults += [fault] if fault else []
        signing_keys[key.domain] = (*signing_keys.get(key.domain, ()), key)
    if faults:
        raise SettingsInvalid(faults)
    return Prepared(rendering, wanted or rendering.editions[-1], signing_keys, doors, context)


def _signing_keys(settings: Settings) -> Iterator[tuple[SigningKey, Fault | None]]:
    """Read each key and sign a trial mail with it."""
    for given in settings.dkim.keys:
        key = SigningKey(
            domain=given.domain.encode(),
            selector=given.selector.encode(),
            algorithm=given.algorithm,
            private_key=given.private_key_file.read_bytes(),
        )
        fault = None
        try:
            sign(_TRIAL, key)
        except CannotSign:
            words = f"{given.private_key_file.name} holds no private key for {given.algorithm}"
            fault = Fault("dkim.keys", f"{words} (selector {given.selector})")
        yield key, fault


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if not any(map(settings.next_hop.needs_tls, settings.relay.next_hop)):
        return None
    context = ssl.create_default_context(cafile=settings.next_hop.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
