"""Reading a file that the operator named: a regular one, and no more of it than is wanted.

A pipe that nobody writes to would keep the program waiting for ever, and a device may give without end.
"""

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RegularFile:
    """What was read, and who may do what with it."""

    content: bytes = field(repr=False)
    mode: int
    """The permission bits, such as 0o600."""


def read_regular(path: Path, *, limit: int) -> RegularFile:
    """Return the first `limit` octets of a file at once; raises OSError, for pipes and devices too."""
    # Without O_NONBLOCK the opening of a pipe waits; with O_NOCTTY no terminal becomes ours.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return RegularFile(file.read(limit), stat.S_IMODE(mode))
    finally:
        os.close(handle)
