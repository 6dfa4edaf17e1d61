"""The wheel holds our source as git knows it, and every dependency is locked with hashes."""

import re
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("cli.py", "gateway/", "store/", "templates/")
LOCKS = ("requirements.txt", "requirements-dev.txt")
PINNED = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.+!-]+( +; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+")


def tracked() -> list[str]:
    """Return every file git would commit, without those deleted in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the files of a wheel that was built from the tracked files alone."""
    tree = tmp_path_factory.mktemp("tree")
    for name in tracked():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    built = subprocess.run(
        [*command, "--disable-pip-version-check", "--wheel-dir", str(out), str(tree)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_all_our_source_and_nothing_else(packed: set[str]) -> None:
    ours = {name for name in tracked() if name.startswith(OURS)}
    found = {name for name in packed if ".dist-info/" not in name}
    assert sorted(ours - found) == [], "missing from the wheel: name them in package_data"
    assert sorted(found - ours) == [], "not known to git"


def test_the_wheel_carries_its_licence(packed: set[str]) -> None:
    assert [name for name in packed if name.endswith(".dist-info/licenses/LICENSE")] != []


def normal(name: str) -> str:
    """Return a distribution's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_blocks(text: str) -> list[str]:
    """Return each requirement of a lock with its continuation lines, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def locked(lock: str) -> set[str]:
    blocks = requirement_blocks((ROOT / lock).read_text("utf-8"))
    return {normal(match[0]) for block in blocks if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", block))}


def declared(*sections: tuple[str, str]) -> set[str]:
    """Return the distributions that setup.cfg names, without our own."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    lines = [line for section, key in sections for line in config[section][key].split("\n") if line.strip()]
    names = {normal(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line))}
    return names - {"goen-gateway"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_pins_a_version_with_hashes(lock: str) -> None:
    blocks = requirement_blocks((ROOT / lock).read_text("utf-8"))
    assert len(blocks) > 10
    assert [block for block in blocks if not PINNED.fullmatch(block)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_of_setup_cfg_is_in_the_lock(lock: str) -> None:
    extra = "options.extras_require"
    runtime = declared(("options", "install_requires"), (extra, "postgres"), (extra, "speed"))
    assert sorted(runtime - locked(lock)) == []


def test_every_development_dependency_is_in_the_development_lock_only() -> None:
    development = declared(("options.extras_require", "dev"))
    assert sorted(development - locked("requirements-dev.txt")) == []
    assert locked("requirements.txt") < locked("requirements-dev.txt")


def test_the_build_backend_is_locked_for_an_install_without_isolation() -> None:
    assert all("setuptools" in locked(lock) for lock in LOCKS)


def test_a_lock_line_without_version_or_hash_is_seen() -> None:
    digest = f"--hash=sha256:{'0' * 64}"
    text = f"a==1 \\\n    {digest} \\\n    {digest}\n    # via b\nb==2\nc {digest}\n"
    assert [bool(PINNED.fullmatch(block)) for block in requirement_blocks(text)] == [True, False, False]
