"""Template files as the operator wrote them: read as text, each fault at its line and character.

Lines and characters count from 1, as editors count them.
"""

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "it is UTF-32"),
    (codecs.BOM_UTF32_BE, "it is UTF-32"),
    (codecs.BOM_UTF16_LE, "it is UTF-16"),
    (codecs.BOM_UTF16_BE, "it is UTF-16"),
    (codecs.BOM_UTF8, "it begins with a byte order mark"),
)
"""What files of other encodings begin with; the longer marks first."""


class TemplateInvalid(Exception):
    """A template, or a name that goes into one, cannot be used."""

    def __init__(self, file: str, line: int | None, reason: str, character: int | None = None) -> None:
        """`file` is relative to the templates folder, or says which value is at fault."""
        line_of = f", line {line}" if line else ""
        character_of = f", character {character}" if line and character else ""
        super().__init__(f"{file}{line_of}{character_of}: {reason}")
        self.file = file
        self.line = line
        self.character = character
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template's text."""

    file: str
    """Its name, relative to the templates folder."""
    text: str = field(repr=False)

    @classmethod
    def read(cls, folder: Path, file: str) -> Self:
        """Read a file in UTF-8; raises `TemplateInvalid` for one that is missing or no such text."""
        try:
            data = (folder / file).read_bytes()
        except FileNotFoundError:
            raise TemplateInvalid(file, None, "the file is missing") from None
        except OSError as error:
            raise TemplateInvalid(file, None, f"it cannot be read: {error.strerror}") from None
        for mark, what in _MARKS:
            if data.startswith(mark):
                raise TemplateInvalid(file, 1, f"{what}; save it as UTF-8 without a byte order mark", 1)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            before = cls(file, data[: error.start].decode("utf-8"))
            reason = f"the octet 0x{data[error.start]:02X} is not UTF-8; save the file as UTF-8"
            raise before.fault(len(before.text), reason) from None
        source = cls(file, text)
        if (at := text.find("\0")) >= 0:
            raise source.fault(at, "it holds a NUL octet, so it is no text; save it as UTF-8")
        return source

    def lines(self) -> list[str]:
        """Return the lines without their ends."""
        return _LINE_END.split(self.text)

    def fault(self, at: int, reason: str) -> TemplateInvalid:
        """Return the error for what stands at an index of the text."""
        lines = _LINE_END.split(self.text[:at])
        return TemplateInvalid(self.file, len(lines), reason, len(lines[-1]) + 1)

    def fault_at_word(self, word: str, line: int | None, reason: str) -> TemplateInvalid:
        """Return the error for a word that stands in a line, or at the line's start if it is not in there."""
        if line is None or not 0 < line <= len(self.lines()):
            return TemplateInvalid(self.file, None, reason)
        text = self.lines()[line - 1]
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) if word else None
        return TemplateInvalid(self.file, line, reason, found.start() + 1 if found else 1)
