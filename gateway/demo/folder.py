"""The folder with the demo's data: made when it is missing, and held by one demo at a time."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderUnusable(Exception):
    """The folder cannot be made or written to."""

    def __init__(self, folder: Path, reason: str) -> None:
        """`reason` has no dot at its end."""
        super().__init__(f"The folder {_shown(folder)} cannot be used: {reason}. Choose another with --data.")


class FolderInUse(Exception):
    """Another demo keeps its data there; two would number the same mails and write the same settings."""

    def __init__(self, folder: Path, holder: str) -> None:
        """`holder` is its process id, or empty when it has not said so yet."""
        by = f" (pid {holder})" if holder else ""
        super().__init__(
            f"The data in {_shown(folder)} are in use by another demo{by}. "
            "Stop it with Ctrl-C, or choose another folder with --data."
        )


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Make the folder (mode 0700) and keep other demos out; raises `FolderUnusable` or `FolderInUse`.

    The system lets go of it when the process ends, however it ends.
    """
    if re.search(r"[\x00-\x1f\x7f]", str(folder.absolute())):
        raise FolderUnusable(folder, "its name holds control characters, and the settings must name it")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderUnusable(folder, error.strerror or type(error).__name__) from error
    with os.fdopen(descriptor, "r+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(folder, lock.read()) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _shown(folder: Path) -> str:
    """Return its name for the terminal, which nothing in it can steer."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in str(folder))
