"""The octets of content that all sessions of this process hold at once, with a bound (P12).

What is counted is the content as it stands in the message. The program needs more: a copy while the pieces
are joined, and several while a marked mail is rewritten.
"""

USUAL_OCTETS = 256 * 1024 * 1024


class MemoryBudget:
    """How much content may be under way."""

    def __init__(self, max_octets: int = USUAL_OCTETS) -> None:
        self.max_octets = max_octets
        self.used = 0
        """Octets that are reserved now."""
        self.peak = 0
        """The most that were ever reserved at once."""

    def open(self) -> "Reservation":
        """Return a reservation of nothing, which grows."""
        return Reservation(self)

    def take(self, octets: int) -> bool:
        """Reserve more, or nothing at all when there is no room for all of it."""
        if self.used + octets > self.max_octets:
            return False
        self.used += octets
        self.peak = max(self.peak, self.used)
        return True

    def give_back(self, octets: int) -> None:
        """End a reservation."""
        self.used -= octets


class Reservation:
    """The room of one mail."""

    __slots__ = ("_budget", "octets")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.octets = 0
        """How many are reserved."""

    def cover(self, octets: int) -> bool:
        """Reserve what is missing up to `octets` in all; False when there is no room."""
        missing = octets - self.octets
        if missing > 0:
            if not self._budget.take(missing):
                return False
            self.octets = octets
        return True

    def shrink(self, octets: int) -> None:
        """Give back what is beyond `octets`; 0 gives back everything, and may be said twice."""
        if octets < self.octets:
            self._budget.give_back(self.octets - octets)
            self.octets = octets
