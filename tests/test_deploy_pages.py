"""The deployment pages: their settings exist, they lead to each other, and each says how to get out again."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings.doors import ListenerSettings
from gateway.settings.sources import known_names

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(path.name for path in DOCS.glob("deploy*.md"))
SERVERS = [page for page in PAGES if page != "deploy.md"]
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def unknown(snippet: str) -> Iterator[str]:
    """Yield the settings in a snippet that do not exist."""
    for section, values in tomllib.loads(snippet).items():
        for name, value in values.items():
            if name == "listeners":
                yield from (key for door in value for key in door if key not in ListenerSettings.model_fields)
            elif f"{section}.{name}" not in known_names():
                yield f"{section}.{name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_in_a_snippet_exists(page: str) -> None:
    snippets = TOML.findall((DOCS / page).read_text("utf-8"))
    assert snippets
    assert [name for snippet in snippets for name in unknown(snippet)] == []


def test_a_setting_that_does_not_exist_is_seen() -> None:
    assert list(unknown('[relay]\nnext_hops = "a"\n[[relay.listeners]]\nlisten = "b"\nport = 1\n')) == [
        "relay.next_hops",
        "port",
    ]


@pytest.mark.parametrize("page", SERVERS)
def test_a_page_says_how_to_begin_what_to_watch_and_how_to_get_out(page: str) -> None:
    headings = re.findall(r"^## (.+)$", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert {"Try one mail first", "What to watch", "Out again"} <= set(headings)
    assert f"({page})" in (DOCS / "deploy.md").read_text("utf-8")
