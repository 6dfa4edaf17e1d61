"""The memory in which all processes of one gateway count; it outlives each of them.

    memory   lane │ lane │ lane …           one for each process that counts
    lane     header │ values │ names        a name says whose the next values are

- The supervisor makes it and every process inherits its descriptor, so no file is left behind, ever.
- A process takes the first lane that nobody holds, and counts on where its last holder stopped: no counter
  falls when a process dies or a new generation takes over, and there are as many lanes as processes at once.
- A lane is held by a record lock, which the kernel gives up with the process, however that ends.
"""

import fcntl
import itertools
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

LANES = 1024
"""More processes than two generations have: `relay.workers` is 256 at most. Only used ones take memory."""

LANE_OCTETS = 128 * 1024
VALUES = 6 * 1024
"""Values in a lane: all figures with one next hop take some 600, each more next hop 200."""
SPARE = VALUES - 32
"""From here on nobody reads: for what finds no room."""

_HEADER = struct.Struct("<Q")
"""Octets of names that are valid."""
_ENTRY = struct.Struct("<HH")
"""Octets of a name, and how many values it has."""
_VALUES_AT = _HEADER.size
_NAMES_AT = _VALUES_AT + 8 * VALUES

Name = tuple[str, ...]
"""A figure and the values of its labels."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands in one lane."""

    values: dict[Name, tuple[float, ...]]
    held: bool
    """Whether the process that counts there lives."""


class Lane:
    """Where one process counts."""

    def __init__(self, region: "mmap.mmap | bytearray") -> None:
        """`region` has `LANE_OCTETS`, all zero or as the last holder left them."""
        self._region = region
        self.values = memoryview(region)[_VALUES_AT:_NAMES_AT].cast("d")
        self.names: dict[Name, tuple[int, int]] = {}
        """Where the values of each name begin, and how many there are."""
        self._next = 0
        end = _HEADER.unpack_from(region)[0]
        for name, width in _names(bytes(region[_NAMES_AT : _NAMES_AT + end])):
            self.names[name] = self._next, width
            self._next += width

    def add(self, name: Name, width: int) -> int | None:
        """Return where the values of a new name begin; None when the lane is full."""
        written = "\0".join(name).encode()
        end = _HEADER.unpack_from(self._region)[0]
        at = _NAMES_AT + end
        octets = _ENTRY.size + len(written)
        if self._next + width > SPARE or at + octets > LANE_OCTETS:
            return None
        self._region[at : at + octets] = _ENTRY.pack(len(written), width) + written
        self.names[name] = found = self._next, width
        self._next += width
        # Last, so that a reader sees whole names only.
        _HEADER.pack_into(self._region, 0, end + octets)
        return found[0]


class Memory:
    """All lanes, as one process sees them."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is of a memory that `create` has made, here or in the parent."""
        self.descriptor = descriptor
        self._ours: int | None = None

    @classmethod
    def create(cls) -> Self:
        """Make an empty memory."""
        descriptor = os.memfd_create("goen-metrics")
        os.ftruncate(descriptor, LANES * LANE_OCTETS)
        return cls(descriptor)

    @classmethod
    def adopt(cls, descriptor: int) -> Self:
        """Take the memory that the parent has handed over."""
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # takes no keyword
        return cls(descriptor)

    def claim(self) -> Lane:
        """Take a lane, once in a process; one whose counts nobody sees when all are taken."""
        for number in range(LANES):
            if self._lock(number):
                self._ours = number
                # It keeps a copy of the descriptor: were that closed, the lock would be gone (fcntl(2)).
                return Lane(mmap.mmap(self.descriptor, LANE_OCTETS, offset=number * LANE_OCTETS))
        return Lane(bytearray(LANE_OCTETS))

    def read(self) -> Iterator[Reading]:
        """Yield what stands in each lane that was ever held; a mapping would fill the others."""
        for number in range(LANES):
            start = number * LANE_OCTETS
            end = _HEADER.unpack(os.pread(self.descriptor, _HEADER.size, start))[0]
            if not end:
                continue
            names = list(_names(os.pread(self.descriptor, end, start + _NAMES_AT)))
            count = sum(width for _, width in names)
            octets = os.pread(self.descriptor, 8 * count, start + _VALUES_AT)
            values = iter(struct.unpack(f"{count}d", octets))
            yield Reading(
                {name: tuple(itertools.islice(values, width)) for name, width in names}, self._held(number)
            )

    def _held(self, number: int) -> bool:
        if number == self._ours or not self._lock(number):
            return True
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, number * LANE_OCTETS)
        return False

    def _lock(self, number: int) -> bool:
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number * LANE_OCTETS)
        except OSError:
            return False
        return True


def _names(written: bytes) -> Iterator[tuple[Name, int]]:
    at = 0
    while at < len(written):
        octets, width = _ENTRY.unpack_from(written, at)
        at += _ENTRY.size
        yield tuple(written[at : at + octets].decode().split("\0")), width
        at += octets
