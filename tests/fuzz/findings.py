"""What the fuzz target finds: one mail with its traceback for each kind, made as short as it can be."""

import hashlib
import traceback
from collections.abc import Callable
from pathlib import Path

Examine = Callable[[bytes], object]
"""Raises what is a finding."""

_SHORTENINGS = 3_000
"""Tries to make a mail shorter; each is one examination."""


class Folder:
    """The folder that findings are written to: `KIND.eml` and `KIND.txt`, KIND in ten hexadecimal digits."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path

    def try_out(self, raw: bytes, examine: Examine) -> str | None:
        """Examine a mail; return the kind of what was found after keeping it, if it is new or shorter."""
        try:
            examine(raw)
        except Exception as error:  # noqa: BLE001  # whatever is raised is what is looked for
            kind = _kind(error)
            file = self.path / f"{kind}.eml"
            if not file.exists() or len(raw) < file.stat().st_size:
                file.write_bytes(raw)
                file.with_suffix(".txt").write_text("".join(traceback.format_exception(error)), "utf-8")
            return kind
        return None

    def shorten(self, examine: Examine) -> list[str]:
        """Make each mail as short as it can be and still show the same; return a line for each."""
        lines: dict[Path, str] = {}
        # A shorter mail may show something new.
        while more := sorted(set(self.path.glob("*.eml")) - set(lines)):
            file = more[0]
            raw = file.read_bytes()
            while (shorter := self._shorter(raw, file.stem, examine)) != raw:
                raw = shorter
            said = file.with_suffix(".txt").read_text("utf-8").strip().splitlines()[-1]
            lines[file] = f"{file}: {said}"
        return list(lines.values())

    def _shorter(self, raw: bytes, kind: str, examine: Examine) -> bytes:
        step, tries = len(raw) // 2, 0
        while step and tries < _SHORTENINGS:
            at = 0
            while at < len(raw) and tries < _SHORTENINGS:
                tries += 1
                shorter = raw[:at] + raw[at + step :]
                if self.try_out(shorter, examine) == kind:
                    raw = shorter
                else:
                    at += step
            step //= 2
        return raw


def _kind(error: Exception) -> str:
    """Return what two findings have in common: the class, where it was raised and, for ours, the words."""
    frames = traceback.extract_tb(error.__traceback__)
    place = next((frame for frame in reversed(frames) if "gateway" in frame.filename), frames[-1])
    words = str(error) if isinstance(error, AssertionError) else f"{Path(place.filename).name}:{place.name}"
    return hashlib.sha256(f"{type(error).__name__} {words}".encode()).hexdigest()[:10]
