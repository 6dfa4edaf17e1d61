"""Fixtures for every room: which real peers are here, and where artefacts go."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

PEERS = {
    "postfix": "postfix",
    "swaks": "swaks",
    "chromium": "chromium",
    "opendkim": "opendkim",
    "haproxy": "haproxy",
    "libnet-ssleay-perl": "perl -MNet::SSLeay",
    "exim4": "/opt/exim4/usr/sbin/exim4",
}
"""Peer → the program that shows it is installed.

The Debian packages have the same names.
"""

UNPACKED = {"exim4": "unpacked by .ci/run, because its package would replace Postfix"}
"""Peer → how it comes here, where not as a package."""

# No example is measured, and what decides about a landing is the same each time; developers' runs explore.
settings.register_profile("explore", deadline=None)
settings.register_profile("repeat", deadline=None, derandomize=True)
settings.load_profile("repeat" if os.environ.get("CI") else "explore")

REQUIRED = os.environ.get("REQUIRE_PEERS") == "1"


def missing_peers(names: tuple[str, ...]) -> list[str]:
    """Return what is missing for the named peers: the package to install, or the rights to run it."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [
        f"{name} ({UNPACKED.get(name, f'apt-get install {name}')})"
        for name in names
        if not _is_here(PEERS[name], path)
    ]
    if not missing and {"postfix", "exim4"} & set(names) and os.geteuid() != 0:
        missing.append("root, which mail servers start as")
    return missing


def _is_here(words: str, path: str) -> bool:
    program, *options = words.split()
    found = shutil.which(program, path=path)
    if found is None or not options:
        return found is not None
    return subprocess.run([found, *options, "-e1"], check=False, capture_output=True).returncode == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("peers"):
            missing = missing_peers(mark.args)
            if missing and not REQUIRED:
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))


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
