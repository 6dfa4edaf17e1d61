"""The data folder, held by one demo at a time."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.folder import FolderInUse, FolderUnusable, hold


def test_a_held_folder_is_held_for_all_others_until_it_is_let_go(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "demo"
    with hold(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with pytest.raises(FolderInUse, match=rf"\(pid {os.getpid()}\)"), hold(folder):
            pass
    with hold(folder):
        pass


def test_a_demo_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    words = (
        f"from pathlib import Path\nfrom gateway.demo.folder import hold\nwith hold(Path({str(tmp_path)!r})):"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"{words} __import__('os').kill(__import__('os').getpid(), 9)"], check=False
    )
    assert ran.returncode == -9
    assert (tmp_path / "demo.lock").read_text() != ""
    with hold(tmp_path):
        assert (tmp_path / "demo.lock").read_text() == str(os.getpid())


def test_a_name_that_would_steer_the_terminal_is_shown_with_escapes(tmp_path: Path) -> None:
    with (
        pytest.raises(FolderUnusable, match=r"a\\x1b\[31m\\x0ab cannot be used"),
        hold(tmp_path / "a\x1b[31m\nb"),
    ):
        pass
