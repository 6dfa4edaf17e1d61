"""Which of our two languages a letter is written in.

Hiragana tell Japanese sentences from Japanese names and companies in an English letter; katakana do not.
"""

import re
from dataclasses import dataclass
from typing import Literal

Language = Literal["ja", "en"]

_HIRAGANA = re.compile(r"[ぁ-ん]")
_WORD = re.compile(
    r"(?<!\S)[(\"'“‘*_]*[^\W\d_ぁ-んァ-ヶー一-鿿]+(?:['’-][^\W\d_ぁ-んァ-ヶー一-鿿]+)?[.,;:!?)\"'”’*_]*(?!\S)"
)
"""A word that stands between spaces, in letters that are not Japanese; addresses and links are none."""
_ENOUGH = 3
"""Words, or hiragana, that a sentence has at the least."""
_CLEARLY = 3
"""Times as many as of the other; a Japanese signature below an English letter has some five hiragana."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The language of a text."""

    language: Language
    clear: bool
    """Whether the text is in this language and hardly in the other."""


def of_template(template: str) -> Language | None:
    """Return the language that a template's id begins with, as in `ja-standard`."""
    prefix = template.lower()[:3]
    if prefix in ("ja", "ja-", "ja_"):
        return "ja"
    return "en" if prefix in ("en", "en-", "en_") else None


def of_text(text: str) -> Spoken:
    """Return the language with more sentences in a text; Japanese for one without any."""
    japanese, english = len(_HIRAGANA.findall(text)), len(_WORD.findall(text))
    more, less = max(japanese, english), min(japanese, english)
    return Spoken("en" if english > japanese else "ja", more >= _ENOUGH and less * _CLEARLY <= more)
