"""What settings name is read and tried out before anything starts: keys, certificates, names, editions.

`goen check-config` and `goen serve` do the same, so that the one cannot call good what the other refuses.
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.mail.dkim_sign import CannotSign, SigningKey, sign
from gateway.preparing_doors import PreparedDoors, prepare_doors
from gateway.rendering import Rendering, TemplateInvalid, mailable_name
from gateway.settings import Endpoint, Fault, NextHopSettings, Settings, SettingsInvalid

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
    tls_contexts: Mapping[str, ssl.SSLContext] = field(repr=False)
    """For the connections to the next hop, by the policy that they follow; none for "none"."""


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
    tls_contexts, tls_faults = _tls_contexts(settings.next_hop, settings.relay.next_hop)
    faults += tls_faults
    doors = prepare_doors(settings, faults.append)
    signing_keys: dict[bytes, tuple[SigningKey, ...]] = {}
    for key, fault in _signing_keys(settings):
        faults += [fault] if fault else []
        signing_keys[key.domain] = (*signing_keys.get(key.domain, ()), key)
    if faults:
        raise SettingsInvalid(faults)
    return Prepared(rendering, wanted or rendering.editions[-1], signing_keys, doors, tls_contexts)


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


def _tls_contexts(
    wanted: NextHopSettings, servers: Sequence[Endpoint]
) -> tuple[dict[str, ssl.SSLContext], list[Fault]]:
    """Return a context for each policy that a server needs, and what is wrong with the files for them."""
    contexts: dict[str, ssl.SSLContext] = {}
    for policy in {wanted.policy_for(server) for server in servers} - {"none"}:
        try:
            contexts[policy] = context = ssl.create_default_context(cafile=wanted.ca_file)
        except OSError:
            return {}, [Fault("next_hop.ca_file", "is no PEM file with certificates")]
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if policy in {"opportunistic", "require"}:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if wanted.client_certificate_file is None or wanted.client_key_file is None:
            continue
        try:
            # Without a passphrase of ours OpenSSL would ask for one on the terminal.
            context.load_cert_chain(wanted.client_certificate_file, wanted.client_key_file, password="")
        except OSError:
            words = "and client_key_file are not a certificate and its key, both PEM and without a passphrase"
            return {}, [Fault("next_hop.client_certificate_file", words)]
    return contexts, []
