"""The sections of the settings: each field with its meaning, its unit and its default.

`goen init` writes the docstrings of sections and fields into the settings file: they speak to the operator.
Nothing below wiring sees these classes: every other module receives plain values.
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from gateway.settings.store_url import StoreUrl
from gateway.settings.values import (
    LOOPBACK_NETWORKS,
    Address,
    AllowedNetwork,
    Domain,
    Endpoint,
    FilePath,
    Listener,
    NextHop,
    OptionalDomain,
    OptionalPresentFile,
    OptionalText,
    PrivateFile,
    WebUrl,
    WholeNumber,
)

OCTETS_PER_MB = 1_048_576  # As mail servers count: Postfix's message_size_limit, 10240000, is "about 10 MB".
_CLIENT_GIVES_UP = 600  # RFC 5321, section 4.5.3.2.6: seconds a client waits for the reply to its final dot


class _Section(BaseModel):
    """What every section has in common: frozen, no unknown keys, defaults are checked as well."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        # use_attribute_docstrings stays off: parsing this module costs every start 40 ms.
        defer_build=True,
    )


class RelaySettings(_Section):
    """The mail side: who may send through the gateway, and which server it delivers to."""

    listen: Listener = Endpoint("127.0.0.1", 2525)
    """Address and port where your mail server hands mail to the gateway.
    On any other address than loopback, allowed_networks must be given."""
    next_hop: NextHop = Field(examples=["mail.example.com:25"])
    """Host and port of the mail server that takes every message from the gateway; the port defaults to 25.
    A domain's MX records are not looked up."""
    next_hop_tls: Literal["auto", "none", "require"] = "auto"
    """Encryption on the way to the next hop: "require" (with a valid certificate), "none",
    or "auto", which means none on this machine and require everywhere else."""
    next_hop_ca_file: OptionalPresentFile = Field(default=None, examples=["company-ca.pem"])
    """PEM file with the authorities that may sign the next hop's certificate, instead of the system's."""
    hostname: OptionalDomain = Field(default=None, examples=["gateway.example.com"])
    """The name by which the gateway greets and signs its Received lines; by default this machine's."""
    allowed_networks: tuple[AllowedNetwork, ...] = Field(default=(), examples=[["10.1.2.0/24", "192.0.2.25"]])
    """Addresses and networks that may send mail through the gateway; by default only this machine.
    What is listed replaces the default."""
    sender_domains: tuple[Domain, ...] = Field(default=(), examples=[["example.com"]])
    """Domains that may stand in the envelope sender. Empty: whoever may connect may use any."""
    internal_domains: tuple[Domain, ...] = Field(default=(), examples=[["example.com", "hr.example.com"]])
    """Your company's own domains: recipients there are colleagues and never get a personal link.
    By default the sender_domains; when those are empty too, nobody is invited."""
    agency_domains: tuple[Domain, ...] = Field(default=(), examples=[["agency.example.jp"]])
    """Domains of recruitment agencies: recipients there never get a personal link."""
    excluded_addresses: tuple[Address, ...] = Field(
        default=(), repr=False, examples=[["archive@example.com"]]
    )
    """Single addresses that are no candidates and never get a personal link."""
    max_message_mb: WholeNumber = Field(default=50, ge=1, le=500)
    """Largest message that is taken, in MB of 1,048,576 octets."""
    deadline_seconds: WholeNumber = Field(default=540, ge=10, le=_CLIENT_GIVES_UP - 10)
    """Seconds from a message's last byte to our reply, at most.
    Clients give up after 600 (RFC 5321), and a reply that comes later makes them send the mail again."""

    @field_validator("next_hop")
    @classmethod
    def _is_not_ourselves(cls, next_hop: Endpoint, info: ValidationInfo) -> Endpoint:
        listen = info.data.get("listen")
        if isinstance(listen, Endpoint) and _meets(next_hop, listen):
            raise ValueError(f"is the gateway's own listener ({listen}): mail would go round in a loop")
        return next_hop

    @field_validator("next_hop_ca_file")
    @classmethod
    def _is_of_use(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None and info.data.get("next_hop_tls") == "none":
            raise ValueError('is of no use with next_hop_tls = "none"; remove one of them')
        return path

    @field_validator("allowed_networks")
    @classmethod
    def _are_given_when_needed(
        cls, networks: tuple[AllowedNetwork, ...], info: ValidationInfo
    ) -> tuple[AllowedNetwork, ...]:
        listen = info.data.get("listen")
        if not networks and isinstance(listen, Endpoint) and not listen.loopback:
            raise ValueError(
                f"must list who may send mail, because relay.listen ({listen}) is open to other machines"
            )
        return networks or LOOPBACK_NETWORKS

    @field_validator("internal_domains")
    @classmethod
    def _default_to_senders(cls, domains: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return domains or tuple(info.data.get("sender_domains", ()))

    @property
    def next_hop_needs_tls(self) -> bool:
        """Whether the connection to the next hop must be encrypted, with "auto" decided."""
        if self.next_hop_tls == "auto":
            return not self.next_hop.loopback
        return self.next_hop_tls == "require"

    @property
    def max_message_octets(self) -> int:
        """`max_message_mb` in octets."""
        return self.max_message_mb * OCTETS_PER_MB


class WebSettings(_Section):
    """The pages: what candidates open, and where your web server finds them."""

    public_url: WebUrl = Field(examples=["https://next.example.com"])
    """Address under which candidates reach the pages; every link in a mail begins with it.
    https, except on this machine."""
    listen: Listener = Endpoint("127.0.0.1", 8025)
    """Address and port where the pages are served in plain HTTP, for your web server to pass on."""


class StoreSettings(_Section):
    """The database, and the key of the personal data in it."""

    url: StoreUrl = Field(default="sqlite:///var/goen.sqlite3", repr=False)
    """The database: "sqlite:///" and a path, or "postgresql://user:password@host/database".
    Better give a password through GOEN_STORE__URL_FILE; write @ in it as %40, / as %2F and % as %25."""
    key_file: FilePath = Path("var/goen.key")
    """The key that encrypts names and addresses, written on the first start (mode 0600).
    Back it up apart from the database; without it the personal data are lost."""


class DkimKey(_Section):
    """A key that signs the copies the gateway has rewritten."""

    domain: Domain = Field(examples=["example.com"])
    """The signing domain (d=): the domain of the From address, or one above it."""
    selector: Domain = Field(examples=["goen1"])
    """The selector (s=) under which the public key stands in DNS."""
    algorithm: Literal["rsa-sha256", "ed25519-sha256"] = "rsa-sha256"
    """rsa-sha256, which every verifier knows, or ed25519-sha256 beside it."""
    private_key_file: PrivateFile = Field(examples=["dkim/goen1.pem"])
    """PEM file with the private key, which only its owner may change and others may not read."""


class DkimSettings(_Section):
    """Signatures of rewritten copies, because rewriting breaks the ones your own servers made."""

    keys: tuple[DkimKey, ...] = ()
    """One table for each key.
    A copy gets a signature by every key whose domain is that of its From address, or above it."""

    @field_validator("keys")
    @classmethod
    def _are_distinct(cls, keys: tuple[DkimKey, ...]) -> tuple[DkimKey, ...]:
        names = [f"{key.selector}._domainkey.{key.domain}" for key in keys]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"name {name} twice; each key needs a selector of its own")
        return keys


class OrganisationSettings(_Section):
    """Who you are towards the candidates. All four are needed before real candidates are invited."""

    legal_name: OptionalText = Field(default=None, examples=["Example Corporation"])
    """The company's registered name, as the pages and the provision records show it."""
    address: OptionalText = Field(default=None, examples=["1-2-3 Example, Chiyoda-ku, Tokyo"])
    """The registered postal address, in one line."""
    privacy_officer: OptionalText = Field(default=None, examples=["Personal Data Desk, privacy@example.com"])
    """Who answers requests about personal data: name or office, and how to reach them."""
    purpose_notice_url: OptionalText = Field(default=None, examples=["https://example.com/privacy"])
    """Web address of the published notice of the purpose of use (APPI, articles 17 and 21)."""

    @field_validator("purpose_notice_url")
    @classmethod
    def _is_a_web_address(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError('must be a web address such as "https://example.com/privacy"')
        return value

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the fields that are not filled in yet."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is None)


class ConsentSettings(_Section):
    """What lies between a candidate's consent and the partner."""

    cooling_off_hours: WholeNumber = Field(default=24, ge=0, le=24 * 30)
    """Hours between consent and submission, in which a withdrawal leaves no trace at the partner."""
    text_edition: OptionalText = Field(default=None, examples=["2026-11"])
    """Edition of the consent text that is shown; by default the newest one."""


class JournalSettings(_Section):
    """What the operator reads on standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """One line for each message: "json", "console" in colour, or "auto": console on a terminal, else json."""


class Settings(_Section):
    """Everything the operator decides; see the sections."""

    relay: RelaySettings
    web: WebSettings
    store: StoreSettings = StoreSettings()
    dkim: DkimSettings = DkimSettings()
    organisation: OrganisationSettings = OrganisationSettings()
    consent: ConsentSettings = ConsentSettings()
    journal: JournalSettings = JournalSettings()

    @property
    def unprepared(self) -> tuple[str, ...]:
        """The settings that are missing before anybody can be invited."""
        missing = [f"organisation.{name}" for name in self.organisation.missing]
        if not self.relay.internal_domains:
            missing.append("relay.internal_domains")
        if not self.dkim.keys:
            missing.append("dkim.keys")
        return tuple(missing)

    @field_validator("web")
    @classmethod
    def _has_its_own_port(cls, web: WebSettings, info: ValidationInfo) -> WebSettings:
        relay = info.data.get("relay")
        if isinstance(relay, RelaySettings) and _meets(web.listen, relay.listen):
            raise ValueError(f"listens on {web.listen}, where relay.listen takes mail; choose another port")
        return web


def _meets(target: Endpoint, listen: Endpoint) -> bool:
    """Whether a connection to `target` ends at `listen`, as far as can be told without DNS."""
    if target.port != listen.port or not listen.port:
        return False
    if target.host == listen.host:
        return True
    wildcard = (listen.unspecified and (target.loopback or target.unspecified)) or (
        target.unspecified and listen.loopback
    )
    return wildcard or ("localhost" in {target.host, listen.host} and target.loopback and listen.loopback)
