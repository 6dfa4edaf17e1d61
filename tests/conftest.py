"""Fixtures for every room: which real peers are here, and where artefacts go."""

import os
import shutil
from pathlib import Path

import pytest

PEERS = {
    "postfix": "postfix",
    "swaks": "swaks",
    "chromium": "chromium",
    "opendkim": "opendkim",
}
"""Peer → the program that shows it is installed; the Debian packages have the same names."""

REQUIRED = os.environ.get("REQUIRE_PEERS") == "1"


def missing_peers(names: tuple[str, ...]) -> list[str]:
    """Return those of the named peers whose program is not on the path (or in /usr/sbin)."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in names if shutil.which(PEERS[name], path=path) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("peers"):
            missing = missing_peers(mark.args)
            if missing and not REQUIRED:
                words = f"needs {', '.join(missing)}: apt-get install {' '.join(missing)}"
                item.add_marker(pytest.mark.skip(reason=words))


@pytest.fixture(autouse=True)
def _no_goen_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the test, never from the machine."""
    for name in [name for name in os.environ if name.startswith("GOEN_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The git-ignored folder for screenshots and the like."""
    folder = Path(__file__).parent.parent / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder
