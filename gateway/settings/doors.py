"""The doors: where mail is handed to the gateway, how it is encrypted, and who may send through each."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from gateway.settings.section import Section
from gateway.settings.values import (
    LOOPBACK_NETWORKS,
    AllowedNetwork,
    Domain,
    Endpoint,
    Listener,
    Network,
    OptionalPresentFile,
    OptionalPrivateFile,
    read_text,
)


def read_header_field(value: object) -> str:
    """Read `Name: value`, a header field (RFC 5322, section 3.6.8) in one line of ASCII."""
    text = read_text(value)
    name, colon, content = (part.strip() for part in text.partition(":"))
    if not (name and colon and content and text.isascii()) or " " in name:
        raise ValueError('must be a header field such as "X-OriginatorOrg: example.com", in ASCII')
    return f"{name}: {content}"


class DoorSettings(Section):
    """What every door has."""

    listen: Listener = Field(examples=["10.1.2.3:2525"])
    """Address and port where your mail server hands mail to the gateway.
    On any other address than loopback, allowed_networks must be given, or another proof of who sends."""
    protocol: Literal["smtp", "lmtp"] = "smtp"
    """What is spoken: "smtp", or "lmtp", with which each recipient gets an answer of its own."""
    tls: Literal["auto", "none", "optional", "required", "implicit"] = "auto"
    """Encryption: "none", "optional" (STARTTLS is offered), "required" (no mail before STARTTLS),
    "implicit" (TLS from the first byte on), or "auto", which means optional with a certificate."""
    certificate_file: OptionalPresentFile = Field(default=None, examples=["smtp/fullchain.pem"])
    """PEM file with the certificate and those between it and its authority."""
    private_key_file: OptionalPrivateFile = Field(default=None, examples=["smtp/privkey.pem"])
    """PEM file with the certificate's key, which only its owner may change and others may not read."""
    client_ca_file: OptionalPresentFile = Field(default=None, examples=["smtp/client-ca.pem"])
    """PEM file with the authorities that may sign the certificates of clients."""
    client_names: tuple[Domain, ...] = Field(default=(), examples=[["mail.example.com"]])
    """Host names in certificates of clients, which let them send from any address."""
    auth: Literal["none", "optional", "required"] = "none"
    """Login with a name and a password, under TLS only: "required", "optional" (who logs in may send
    from any address), or "none". "goen user add" makes users."""
    allowed_networks: tuple[AllowedNetwork, ...] = Field(default=(), examples=[["10.1.2.0/24", "192.0.2.25"]])
    """Addresses and networks that may send mail through this door without more proof;
    by default only this machine. What is listed replaces the default."""
    sender_domains: tuple[Domain, ...] = Field(default=(), examples=[["example.com"]])
    """Domains that may stand in the envelope sender. Empty: whoever may send may use any."""
    tenant_headers: tuple[Annotated[str, PlainValidator(read_header_field)], ...] = Field(
        default=(), examples=[["X-OriginatorOrg: example.com"]]
    )
    """Header fields of which every message must have one, for cloud services whose customers share
    addresses. Name fields that the service itself sets, and no secret: recipients can read it."""
    proxy_protocol_from: tuple[AllowedNetwork, ...] = Field(default=(), examples=[["10.1.2.9"]])
    """Load balancers that must announce the client's address with the PROXY protocol (version 1 or 2)."""

    @field_validator("private_key_file")
    @classmethod
    def _belongs_to_a_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate, tls = info.data.get("certificate_file"), info.data.get("tls")
        if "certificate_file" not in info.data or tls is None:
            return key  # that one has a fault of its own
        if (certificate is None) != (key is None):
            raise ValueError("is needed together with certificate_file")
        if certificate is None and tls not in {"auto", "none"}:
            raise ValueError(f'and certificate_file are needed for tls = "{tls}"')
        if certificate is not None and tls == "none":
            raise ValueError('is of no use with tls = "none"; remove one of them')
        return key

    @field_validator("client_ca_file")
    @classmethod
    def _is_asked_for_under_tls(cls, authorities: Path | None, info: ValidationInfo) -> Path | None:
        if authorities is not None and info.data.get("private_key_file", authorities) is None:
            raise ValueError("is of no use without certificate_file")
        return authorities

    @field_validator("client_names")
    @classmethod
    def _can_be_checked(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if names and info.data.get("client_ca_file", names) is None:
            raise ValueError("cannot be checked without client_ca_file")
        return names

    @field_validator("auth")
    @classmethod
    def _is_encrypted(cls, auth: str, info: ValidationInfo) -> str:
        if auth != "none" and info.data.get("private_key_file", auth) is None:
            raise ValueError("needs certificate_file: no password travels without TLS")
        return auth

    @field_validator("allowed_networks")
    @classmethod
    def _are_given_when_needed(
        cls, networks: tuple[Network, ...], info: ValidationInfo
    ) -> tuple[Network, ...]:
        listen, auth = info.data.get("listen"), info.data.get("auth")
        if auth == "required":
            if networks:
                raise ValueError('are of no use with auth = "required": who logs in may send from anywhere')
            return ()
        if hole := everyone(networks):
            raise ValueError(
                f"would let everyone in the world send through this gateway ({hole}): an open relay"
            )
        proven = networks or auth == "optional" or info.data.get("client_names")
        if not proven and isinstance(listen, Endpoint) and not listen.loopback:
            raise ValueError(f"must list who may send mail, because {listen} is open to other machines")
        return networks or LOOPBACK_NETWORKS

    @property
    def encryption(self) -> Literal["none", "optional", "required", "implicit"]:
        """`tls`, with "auto" decided."""
        if self.tls == "auto":
            return "none" if self.certificate_file is None else "optional"
        return self.tls


class ListenerName(Section):
    """What the messages to the operator call a door."""

    name: Annotated[str, PlainValidator(read_text)] = Field(examples=["branch"])
    """What messages to you call it."""


class ListenerSettings(DoorSettings, ListenerName):
    """A door with rules of its own: one more address and port where mail is handed to the gateway."""


def everyone(networks: Sequence[Network]) -> str:
    """Return the family of addresses that the networks hold all of, as 0.0.0.0/0 or ::/0; else nothing."""
    for version in (4, 6):
        same = [network for network in networks if network.version == version]
        # Two halves are the whole, which neither of them says.
        for whole in ipaddress.collapse_addresses(same):  # type: ignore[type-var]  # All are of one version.
            if whole.prefixlen == 0:
                return str(whole)
    return ""
