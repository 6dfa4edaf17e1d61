"""A visitor with a browser that knows no script, a clock that stands still, and a look behind the pages."""

import re
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx2

from store import consent
from store.database import Store
from store.records import Invitation

LINK_ID = bytes(range(10))
PUBLIC_URL = "http://goen.example.com"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Page:
    """A page as the visitor has it before their eyes."""

    response: httpx2.Response

    @property
    def text(self) -> str:
        return self.response.text

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def ticked(self) -> list[str]:
        return re.findall(r"<input[^>]*checked[^>]*>", self.text)

    def fields(self) -> dict[str, str]:
        """Every hidden field of the page's forms."""
        return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', self.text))


@dataclass
class Visitor:
    """A browser without script: reads pages, presses buttons."""

    client: httpx2.AsyncClient
    clock: Clock
    address: str
    headers: dict[str, str] = field(default_factory=dict)

    async def open(self, address: str | None = None, **headers: str) -> Page:
        return Page(await self.client.get(address or self.address, headers={**self.headers, **headers}))

    async def press(
        self,
        page: Page,
        choice: str,
        *,
        agree: tuple[str, ...] = (),
        after: float = 2,
        without: tuple[str, ...] = (),
        **changed: str,
    ) -> Page:
        """Send the page's form as a browser would, `after` seconds from now.

        `without` names what stands on another form of the same page.
        """
        self.clock.pass_by(after)
        fields = {**page.fields(), "website": "", "choice": choice} | changed
        pairs = [(name, value) for name, value in fields.items() if name not in without]
        return await self.post(urlencode([*pairs, *(("agree", partner) for partner in agree)]))

    async def post(self, body: str | bytes, **headers: str) -> Page:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Page(
            await self.client.post(self.address, content=body, headers={**form, **self.headers, **named})
        )


@dataclass
class Records:
    """What is stored, as its owner sees it."""

    store: Store
    file: Path

    def invitation(self) -> Invitation:
        found = self.store.call(consent.find_invitation, LINK_ID)
        assert found is not None
        return found

    def dump(self) -> list[str]:
        """Every row of the database."""
        with sqlite3.connect(self.file) as database:
            return list(database.iterdump())
