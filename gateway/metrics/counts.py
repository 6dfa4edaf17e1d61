"""What one process counts and measures: some tenths of a microsecond each, on the path of every mail.

Adding to a value is two steps, so each value has one thread that adds to it: the event loop's, unless a
verb says otherwise.
"""

import math
from bisect import bisect_left
from typing import Final

from gateway.metrics.figures import COUNTED, Figure
from gateway.metrics.memory import SPARE, Lane

MOST: Final = 200
"""Label values that a figure has in one process at most; what comes later counts as `other`, so that no
mistake in a label can fill the memory."""

_FIGURES = {figure.name: figure for figure in COUNTED}


class Counts:
    """One process's figures."""

    def __init__(self, lane: Lane) -> None:
        """States that an earlier holder of the lane has left are forgotten; what it counted stays."""
        self._lane = lane
        self._values = lane.values
        self._found: dict[tuple[str, ...], int] = {}
        for name, (at, width) in lane.names.items():
            figure = _FIGURES.get(name[0])
            if figure is None or figure.kind.of_now:
                for each in range(at, at + width):
                    self._values[each] = math.nan

    def add(self, figure: Figure, *labels: str, amount: float = 1) -> None:
        """Count up."""
        at = self._found.get((figure.name, *labels))
        self._values[self.place(figure, *labels) if at is None else at] += amount

    def set(self, figure: Figure, *labels: str, value: float) -> None:
        """Note how a state is now."""
        self._values[self.place(figure, *labels)] = value

    def observe(self, figure: Figure, *labels: str, seconds: float) -> None:
        """Count a duration in its bucket of a histogram."""
        at = self._found.get((figure.name, *labels))
        if at is None:
            at = self.place(figure, *labels)
        values, bounds = self._values, figure.bounds
        values[at + bisect_left(bounds, seconds)] += 1
        values[at + len(bounds) + 1] += seconds

    def place(self, figure: Figure, *labels: str) -> int:
        """Return where the values of a figure begin; new ones are 0."""
        name = (figure.name, *labels)
        at = self._found.get(name)
        if at is None:
            at = self._open(figure, labels)
            if name in self._lane.names:  # Surplus names are not kept: there may be any number.
                self._found[name] = at
        return at

    def _open(self, figure: Figure, labels: tuple[str, ...]) -> int:
        names = self._lane.names
        name = (figure.name, *labels)
        if name not in names and sum(known[0] == figure.name for known in names) >= MOST:
            name = (figure.name, *("other" for _ in labels))
        at, width = names.get(name, (0, 0))
        if width == figure.width:
            return at
        added = self._lane.add(name, figure.width)
        return SPARE if added is None else added
