"""Finding lines in a journal, as JSON from `goen serve`, with or without what a log system put before it."""

import io
import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line."""

    at: str
    """ISO 8601, as it stands there."""
    event: str
    fields: Mapping[str, Value]
    """The others, without the level; no journal holds personal data."""

    @property
    def trace_id(self) -> str | None:
        """The message that it tells of."""
        found = self.fields.get("id")
        return found if isinstance(found, str) else None


class JournalReader:
    """A journal that is read more than once."""

    _file: IO[bytes]

    def __init__(self, source: Path | IO[bytes]) -> None:
        """A stream is copied to a file without a name first; raises OSError."""
        self._closing = ExitStack()
        if isinstance(source, Path):
            self._file = self._closing.enter_context(source.open("rb"))
        else:
            self._file = self._closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # It is in one.
            shutil.copyfileobj(source, self._file)

    def lines(self, words: Collection[str]) -> Iterator[JournalLine]:
        """Yield the lines that hold one of these words as a value, in their order."""
        needles = [json.dumps(word, ensure_ascii=False).encode() for word in words]
        if not needles:
            return
        self._file.seek(0, io.SEEK_SET)
        for written in self._file:
            if any(needle in written for needle in needles):
                line = _read(written)
                if line is not None:
                    yield line

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._closing.close()


def _read(written: bytes) -> JournalLine | None:
    """Return a line, or None for what is no line of ours."""
    try:
        found = json.loads(written[written.index(b"{") :])
        fields = {str(name): value for name, value in found.items() if not isinstance(value, dict | list)}
        at, event = str(fields.pop("timestamp")), str(fields.pop("event"))
    except (ValueError, KeyError, AttributeError):
        return None
    fields.pop("level", None)
    return JournalLine(at, event, fields)
