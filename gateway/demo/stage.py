"""The stage of the demo: a mailbox as next hop, an agency as partner, and the real gateway between them.

The settings file is written anew at each start, because the ports may change; the data stay.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from gateway.delivery import Transaction
from gateway.demo import mailbox_pages
from gateway.demo.agency import DemoAgency
from gateway.demo.mailbox import Mailbox
from gateway.envelope import Envelope
from gateway.journal import open_journal
from gateway.keyring import new_ed25519_key, new_rsa_key
from gateway.partners.standard_webhooks import encode_secret
from gateway.ports import bind
from gateway.serving import Sockets, running
from gateway.settings import Settings, load
from gateway.settings.new_file import TomlValue, settings_file
from gateway.smtp.rules import Journey
from gateway.verdicts import Verdict
from gateway.wiring import House, build
from store.partners import add_partner
from store.records import Partner

PARTNER = "demo-agency"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, and where."""

    house: House
    mailbox: Mailbox
    agency: DemoAgency
    smtp_port: int
    web_url: str
    """Without a slash at the end."""
    journal_path: Path
    """One JSON object in a line."""


@asynccontextmanager
async def set_stage(
    folder: Path, *, company_domain: str, smtp_port: int, web_port: int
) -> AsyncIterator[Stage]:
    """Start everything on loopback, with its data in the existing `folder`; port 0 takes any free one.

    Raises `PortInUse`, and whatever the gateway's own start raises.
    """
    async with AsyncExitStack() as closing:
        sockets = Sockets(
            smtp=((0, closing.enter_context(bind("127.0.0.1", smtp_port, choose="--smtp-port"))),),
            web=closing.enter_context(bind("127.0.0.1", web_port, choose="--web-port")),
        )
        mailbox = Mailbox(folder / "mailbox", clock=_utc_now)
        mailbox_port = await mailbox.start()
        closing.push_async_callback(mailbox.stop)
        settings = _settings(folder, company_domain, mailbox_port, sockets)
        agency, partner = _agency(folder, settings.web.public_url)
        journal_path = folder / "journal.jsonl"
        stream = closing.enter_context(journal_path.open("a", encoding="utf-8", buffering=1))
        house = build(
            settings,
            open_journal("json", stream),
            more_routes=_routes(mailbox, agency),
            outbox_interval=timedelta(seconds=0.5),
        )
        household = replace(house.household, journey=_Witness(house.household.journey, mailbox))
        house = replace(house, household=household)
        await closing.enter_async_context(running(house, sockets, worker=True))
        await house.store.run(add_partner, partner, now=_utc_now())
        yield Stage(
            house=house,
            mailbox=mailbox,
            agency=agency,
            smtp_port=settings.relay.listen.port,
            web_url=settings.web.public_url,
            journal_path=journal_path,
        )


@dataclass(frozen=True, slots=True)
class _Witness:
    """Keeps each mail as it enters the gateway, to be shown beside what arrives, and lets it pass."""

    journey: Journey
    mailbox: Mailbox

    async def carry(self, envelope: Envelope, content: bytes, primary: Transaction) -> Verdict:
        """See `gateway.message_journey.MessageJourney.carry`."""
        self.mailbox.keep_original(content)
        return await self.journey.carry(envelope, content, primary)


def _settings(folder: Path, company_domain: str, mailbox_port: int, sockets: Sockets) -> Settings:
    """Write the settings file as an operator would, and load it."""
    assert sockets.web is not None  # noqa: S101  # The demo runs the pages.
    smtp_port, web_port = sockets.smtp[0][1].getsockname()[1], sockets.web.getsockname()[1]
    answers: dict[str, TomlValue] = {
        "relay.listen": f"127.0.0.1:{smtp_port}",
        "relay.next_hop": f"127.0.0.1:{mailbox_port}",
        "relay.hostname": "gateway.test",
        "relay.internal_domains": [company_domain],
        "web.listen": f"127.0.0.1:{web_port}",
        "web.public_url": f"http://127.0.0.1:{web_port}",
        "store.url": f"sqlite:///{(folder / 'goen.sqlite3').absolute()}",
        "store.key_file": "goen.key",
        "dkim.keys": _signing_keys(folder, company_domain),
        "organisation.legal_name": "株式会社サンプル商事",
        "organisation.address": "〒100-0000 東京都千代田区サンプル町1-2-3",
        "organisation.privacy_officer": "総務部長 (privacy@example.com)",
        "organisation.purpose_notice_url": "https://www.example.com/privacy",
        "consent.cooling_off_hours": 0,
    }
    path = folder / "goen.toml"
    path.write_text(settings_file(answers), encoding="utf-8")
    return load(path, {})


def _signing_keys(folder: Path, domain: str) -> list[dict[str, str]]:
    """Return the tables of both keys, which are made on first start."""
    tables = []
    for algorithm, make in (("rsa-sha256", new_rsa_key), ("ed25519-sha256", new_ed25519_key)):
        path = folder / f"dkim-{algorithm}.key"
        if not path.exists():
            _write_secret(path, make()[0])
        selector = f"demo-{algorithm.removesuffix('-sha256')}"
        tables.append(
            {
                "domain": domain,
                "selector": selector,
                "algorithm": algorithm,
                "private_key_file": path.name,
            }
        )
    return tables


def _agency(folder: Path, web_url: str) -> tuple[DemoAgency, Partner]:
    """Return the agency and what the gateway knows of it; their common secret is made on first start."""
    path = folder / "partner.secret"
    if not path.exists():
        _write_secret(path, encode_secret(secrets.token_bytes(32)).encode("ascii"))
    secret = path.read_text(encoding="ascii")
    partner = Partner(
        id=PARTNER,
        legal_name="サンプル人材紹介株式会社",
        address="〒150-0000 東京都渋谷区サンプル坂4-5-6",
        representative="代表取締役 見本 花子",
        licence_no="13-ユ-000000",
        licence_expires=None,
        country="JP",
        endpoint=f"{web_url}/agency/submissions",
        secret=secret,
    )
    return DemoAgency(folder / "agency", secret=secret, clock=_utc_now), partner


def _routes(mailbox: Mailbox, agency: DemoAgency) -> list[BaseRoute]:
    async def front(_request: Request) -> Response:
        return RedirectResponse("/mailbox")

    async def agency_front(_request: Request) -> Response:
        return RedirectResponse("/agency/")

    return [
        Route("/", front),
        *mailbox_pages.routes(mailbox),
        Route("/agency", agency_front),
        Mount("/agency", app=Router(agency.routes(), redirect_slashes=False)),
    ]


def _write_secret(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)


def _utc_now() -> datetime:
    return datetime.now(UTC)
