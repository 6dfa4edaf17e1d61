"""The copies as files, with the bytes that would be sent."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


class CannotWriteCopies(Exception):
    """A copy cannot be written; the message names the file and says why."""


def write_copies(
    folder: Path, names: Iterable[str], copies: Iterable[tuple[str, bytes]], *, force: bool
) -> Iterator[Path]:
    """Write the copies into `folder`, which is made if need be; yield the path of each.

    Only the owner may read them: they hold what the mail holds. Without `force` nothing is written when one
    of `names` is there already. Raises `CannotWriteCopies`.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            if not force and os.path.lexists(folder / name):
                raise CannotWriteCopies(f"{folder / name} is there already; --force writes over it.")
        for name, content in copies:
            _write(folder / name, content)
            yield folder / name
    except OSError as error:
        raise CannotWriteCopies(f"{error.filename or folder} cannot be written: {error.strerror}.") from error


def _write(path: Path, content: bytes) -> None:
    # Removed first, so that neither a link's target nor a file that others hold open is written to.
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
