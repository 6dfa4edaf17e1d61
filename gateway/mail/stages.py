"""Stages of a selection: their identifiers, and the words that Japanese and English letters have for them."""

import re
import unicodedata

STAGES = ("entry", "screening", "test", "casual", "interview_1", "interview_2", "final")
"""The stages of a selection, in order."""

_STAGE_PATTERNS = (
    ("final", r"最終(?:面接|選考|面談)|final[- ](?:round |stage )?interview"),
    ("interview_2", r"第?[二2]次(?:面接|選考|面談)|second[- ](?:round )?interview"),
    ("interview_1", r"第?[一1]次(?:面接|選考|面談)|first[- ](?:round )?interview"),
    ("casual", r"カジュアル面談|casual (?:interview|meeting)"),
    ("test", r"適性検査|筆記試験|webテスト|coding (?:test|challenge)|aptitude test"),
    ("screening", r"書類選考|書類審査|(?:document|resume|cv|application) (?:screening|review)"),
    ("entry", r"エントリー(?:シート)?(?:選考)?"),
)
_STAGE_NAMED = tuple((stage, re.compile(pattern, re.IGNORECASE)) for stage, pattern in _STAGE_PATTERNS)
_STAGE_RESULT = tuple(
    (
        stage,
        re.compile(
            rf"(?:{pattern})(?:の?(?:選考)?の?結果|.{{0,3}}にお(?:ける|いて).{{0,6}}結果)", re.IGNORECASE
        ),
    )
    for stage, pattern in _STAGE_PATTERNS
)


def stage_of(written: str) -> str:
    """Return the identifier of a stage as written in a marker, or the words themselves."""
    plain = unicodedata.normalize("NFKC", written).strip()
    lowered = plain.lower().replace("-", "_").replace(" ", "_")
    if lowered in STAGES:
        return lowered
    return next((stage for stage, pattern in _STAGE_NAMED if pattern.fullmatch(plain) is not None), plain)


def stages_in(text: str) -> list[str]:
    """Return the stages whose result the text announces."""
    plain = unicodedata.normalize("NFKC", text)
    return [stage for stage, pattern in _STAGE_RESULT if pattern.search(plain) is not None]


def same_stage(one: str, other: str) -> bool | None:
    """Whether two stages are one; None when one of them is free text."""
    if one == other:
        return True
    return False if one in STAGES and other in STAGES else None
