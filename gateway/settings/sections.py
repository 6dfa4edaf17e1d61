"""The sections of the settings: each field with its meaning, its unit and its default.

`goen init` writes the docstrings of sections and fields into the settings file: they speak to the operator.
Nothing below wiring sees these classes: every other module receives plain values.
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from gateway.settings.metrics import MetricsSettings
from gateway.settings.next_hop import NextHopSettings
from gateway.settings.relay import RelaySettings, meets
from gateway.settings.section import Section
from gateway.settings.store_url import StoreUrl
from gateway.settings.values import (
    Domain,
    Endpoint,
    FilePath,
    Listener,
    OptionalText,
    PrivateFile,
    WebUrl,
    WholeNumber,
)


class WebSettings(Section):
    """The pages: what candidates open, and where your web server finds them."""

    public_url: WebUrl = Field(examples=["https://next.example.com"])
    """Address under which candidates reach the pages; every link in a mail begins with it.
    https, except on this machine."""
    listen: Listener = Endpoint("127.0.0.1", 8025)
    """Address and port where the pages are served in plain HTTP, for your web server to pass on."""


class StoreSettings(Section):
    """The database, and the key of the personal data in it."""

    url: StoreUrl = Field(default="sqlite:///var/goen.sqlite3", repr=False)
    """The database: "sqlite:///" and a path, or "postgresql://user:password@host/database".
    Better give a password through GOEN_STORE__URL_FILE; write @ in it as %40, / as %2F and % as %25."""
    key_file: FilePath = Path("var/goen.key")
    """The key that encrypts names and addresses, written on the first start (mode 0600).
    Back it up apart from the database; without it the personal data are lost."""


class DkimKey(Section):
    """A key that signs the copies the gateway has rewritten."""

    domain: Domain = Field(examples=["example.com"])
    """The signing domain (d=): the domain of the From address, or one above it."""
    selector: Domain = Field(examples=["goen1"])
    """The selector (s=) under which the public key stands in DNS."""
    algorithm: Literal["rsa-sha256", "ed25519-sha256"] = "rsa-sha256"
    """rsa-sha256, which every verifier knows, or ed25519-sha256 beside it."""
    private_key_file: PrivateFile = Field(examples=["dkim/goen1.pem"])
    """PEM file with the private key, which only its owner may change and others may not read."""


class DkimSettings(Section):
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


class OrganisationSettings(Section):
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


class ConsentSettings(Section):
    """What lies between a candidate's consent and the partner."""

    cooling_off_hours: WholeNumber = Field(default=24, ge=0, le=24 * 30)
    """Hours between consent and submission, in which a withdrawal leaves no trace at the partner."""
    text_edition: OptionalText = Field(default=None, examples=["2026-11"])
    """Edition of the consent text that is shown; by default the newest one."""


class JournalSettings(Section):
    """What the operator reads on standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """One line for each message: "json", "console" in colour, or "auto": console on a terminal, else json."""


class Settings(Section):
    """Everything the operator decides; see the sections."""

    relay: RelaySettings
    next_hop: NextHopSettings = NextHopSettings()
    web: WebSettings
    store: StoreSettings = StoreSettings()
    dkim: DkimSettings = DkimSettings()
    organisation: OrganisationSettings = OrganisationSettings()
    consent: ConsentSettings = ConsentSettings()
    journal: JournalSettings = JournalSettings()
    metrics: MetricsSettings = MetricsSettings()

    @property
    def unprepared(self) -> tuple[str, ...]:
        """The settings that are missing before anybody can be invited."""
        missing = [f"organisation.{name}" for name in self.organisation.missing]
        if not self.relay.internal_domains:
            missing.append("relay.internal_domains")
        if not self.dkim.keys:
            missing.append("dkim.keys")
        return tuple(missing)

    @field_validator("next_hop")
    @classmethod
    def _keeps_its_secret(cls, next_hop: NextHopSettings, info: ValidationInfo) -> NextHopSettings:
        relay = info.data.get("relay")
        if isinstance(relay, RelaySettings):
            next_hop.refuse_to_show_the_secret(relay.next_hop)
        return next_hop

    @field_validator("web")
    @classmethod
    def _has_its_own_port(cls, web: WebSettings, info: ValidationInfo) -> WebSettings:
        relay = info.data.get("relay")
        if not isinstance(relay, RelaySettings):
            return web
        for door in relay.doors:
            if meets(web.listen, door.listen):
                where = "relay.listen" if door.listen == relay.listen else f"the listener {door.name}"
                raise ValueError(f"listens on {web.listen}, where {where} takes mail; choose another port")
        return web

    @field_validator("metrics")
    @classmethod
    def _have_their_own_port(cls, metrics: MetricsSettings, info: ValidationInfo) -> MetricsSettings:
        relay, web = info.data.get("relay"), info.data.get("web")
        taken = [door.listen for door in relay.doors] if isinstance(relay, RelaySettings) else []
        taken += [web.listen] if isinstance(web, WebSettings) else []
        if metrics.listen is not None and any(meets(metrics.listen, other) for other in taken):
            raise ValueError(f"listen on {metrics.listen}, as another listener does; choose another port")
        return metrics
