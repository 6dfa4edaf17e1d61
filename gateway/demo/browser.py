"""The candidate's browser in the demo: opens the page from the mail, ticks the boxes, presses a button."""

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx2


@dataclass(frozen=True, slots=True)
class Page:
    """A page as a browser has it."""

    url: str
    status: int
    language: str
    """The `lang` of the document."""
    fields: tuple[tuple[str, str], ...]
    """What its form would send with every box ticked, without a button."""
    choices: frozenset[str]
    """The values of its buttons: `accept`, `decline`, `withdraw`."""

    @property
    def ok(self) -> bool:
        """Whether it was found and shown."""
        return self.status == httpx2.codes.OK


async def open_page(url: str) -> Page:
    """GET a page."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        return _page(await client.get(url))


async def accept(page: Page) -> Page:
    """Send the form with every box ticked and the button that accepts; follow to the page that answers."""
    fields = [*page.fields, ("choice", "accept")]
    parts = urlsplit(page.url)
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=True) as client:
        origin = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        return _page(await client.post(page.url, data=_as_lists(fields), headers=origin))


def _as_lists(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in fields:
        lists.setdefault(name, []).append(value)
    return lists


def _page(response: httpx2.Response) -> Page:
    reader = _FormReader()
    reader.feed(response.text)
    return Page(
        str(response.url), response.status_code, reader.language, tuple(reader.fields), reader.choices
    )


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.language = ""
        self.fields: list[tuple[str, str]] = []
        self.choices: frozenset[str] = frozenset()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "html":
            self.language = values.get("lang") or ""
        name = values.get("name")
        if tag == "input" and name:
            self.fields.append((name, values.get("value") or ""))
        if tag == "button" and name == "choice":
            self.choices |= {values.get("value") or ""}
