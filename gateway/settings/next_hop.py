"""How the gateway talks to the next hop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.settings.section import Section
from gateway.settings.values import (
    Endpoint,
    OptionalDomain,
    OptionalPresentFile,
    OptionalPrivateFile,
    OptionalText,
    WholeNumber,
)

Policy = Literal["none", "opportunistic", "require", "verify", "implicit"]


class NextHopSettings(Section):
    """How the gateway talks to the servers that relay.next_hop names."""

    tls: Literal["auto", "none", "opportunistic", "require", "verify", "implicit"] = "auto"
    """Encryption: "verify" (STARTTLS, with a valid certificate for the server's name),
    "implicit" (the same with TLS from the first byte, mostly on port 465),
    "require" (STARTTLS, with any certificate), "opportunistic" (the same where the server offers STARTTLS),
    "none", or "auto", which means none on this machine and verify everywhere else.
    A connection that cannot be made so is not used: the mail waits in your mail server's queue."""
    server_name: OptionalDomain = Field(default=None, examples=["smarthost.example.com"])
    """The name that must stand in the server's certificate; by default its name in relay.next_hop."""
    ca_file: OptionalPresentFile = Field(default=None, examples=["company-ca.pem"])
    """PEM file with the authorities that may sign the server's certificate, instead of the system's."""
    client_certificate_file: OptionalPresentFile = Field(default=None, examples=["gateway.pem"])
    """PEM file with the certificate that the gateway shows to the server, and what leads to its authority."""
    client_key_file: OptionalPrivateFile = Field(default=None, examples=["gateway.key"])
    """PEM file with that certificate's private key, without a passphrase;
    only its owner may change it, and others may not read it."""
    login_user: OptionalText = Field(default=None, examples=["relay@example.com"], repr=False)
    """The user to log in as; by default the gateway does not log in."""
    login_secret_file: OptionalPrivateFile = Field(default=None, examples=["login.secret"])
    """File with the password, or the access token for XOAUTH2, in one line. It is read at each login,
    so that another program may renew it; only its owner may change it, and others may not read it."""
    login_mechanism: Literal["auto", "plain", "login", "xoauth2"] = "auto"
    """How to log in; "auto" takes the first of PLAIN, LOGIN and XOAUTH2 that the server offers."""
    max_connections: WholeNumber = Field(default=50, ge=1, le=1000)
    """Connections to one server at the same time, at most; a mail waits up to ten seconds for one."""

    @field_validator("server_name", "ca_file", "client_certificate_file", "client_key_file")
    @classmethod
    def _is_of_use(cls, value: Path | str | None, info: ValidationInfo) -> Path | str | None:
        policy = info.data.get("tls")
        useless = {"none"}
        if info.field_name in {"server_name", "ca_file"}:
            useless |= {"opportunistic", "require"}
        if value is not None and policy in useless:
            raise ValueError(f'is of no use with tls = "{policy}"; remove one of them')
        return value

    @field_validator("client_key_file")
    @classmethod
    def _has_a_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "client_certificate_file" in info.data:
            _need_each_other(key, info.data["client_certificate_file"], "client_certificate_file")
        return key

    @field_validator("login_secret_file")
    @classmethod
    def _has_a_user(cls, secret: Path | None, info: ValidationInfo) -> Path | None:
        if "login_user" in info.data:
            _need_each_other(secret, info.data["login_user"], "login_user")
        return secret

    def policy_for(self, endpoint: Endpoint) -> Policy:
        """Return how a connection to this server must be encrypted, with "auto" decided."""
        if self.tls == "auto":
            return "none" if endpoint.loopback else "verify"
        return self.tls

    def refuse_to_show_the_secret(self, endpoints: Sequence[Endpoint]) -> None:
        """Raise ValueError when the login's secret could travel in plain text to one of these servers."""
        for endpoint in endpoints:
            policy = self.policy_for(endpoint)
            if self.login_user is not None and not endpoint.loopback and policy in {"none", "opportunistic"}:
                raise ValueError(
                    f'logs in at {endpoint}, where tls = "{policy}" would show the secret to the network; '
                    'use "verify"'
                )


def _need_each_other(value: object, other: object, name: str) -> None:
    if (value is None) is not (other is None):
        raise ValueError(f"and {name} need each other; give both or none")
