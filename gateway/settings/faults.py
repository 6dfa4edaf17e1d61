"""What is wrong with the settings: where, what to do, and which known name was perhaps meant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the settings."""

    where: str
    """`relay.next_hop`, `GOEN_RELAY__NEXTHOP`, or the path of the file."""
    what: str
    """What is wrong and what to do, continuing the sentence that `where` begins; never a secret value."""
    nearest: str | None = None
    """The known name most like an unknown one, if any is like it."""

    def __str__(self) -> str:
        """Return the fault as one line."""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.where}: {self.what}{hint}"


class SettingsInvalid(Exception):
    """The settings cannot be used; carries every fault that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """`faults` are at least one, in the order in which they were found."""
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def nearest_setting(unknown: str, known: Sequence[str]) -> str | None:
    """Return the dotted name in `known` most like `unknown`.

    The same key in another section comes first, then a similar key in its own section, then any similar name.
    """
    section, _, key = unknown.rpartition(".")
    same_section = [name for name in known if name.rpartition(".")[0] == section]
    same_key = [name for name in known if name.rpartition(".")[2] == key]
    return next(iter(same_key), None) or nearest(unknown, same_section) or nearest(unknown, known)


def nearest(unknown: str, known: Sequence[str]) -> str | None:
    """Return the name in `known` most like `unknown`, or None when none is like it."""
    import difflib  # Costs milliseconds of every start and is needed only by a faulty one.

    return next(iter(difflib.get_close_matches(unknown, known, n=1)), None)
