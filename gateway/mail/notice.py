"""What a rejection notice says of its candidate: name, job, stage and language, each with its source.

Sources rank: the marker, the display name of the recipient, the addressee line, the closing line.
Two that contradict each other are reported, and nothing is guessed:
no name from an address, no cut in an unspaced name.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import mailparser

from gateway.mail import markup, names, words
from gateway.mail.eligible import Reading, Target
from gateway.mail.text import replaced

Language = Literal["ja", "en"]


class Source(StrEnum):
    """Where a value stood."""

    MARKER = "marker"
    DISPLAY_NAME = "display-name"
    ADDRESSEE = "addressee"
    BODY = "body"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class Finding:
    """A value and where it stood."""

    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class Notice:
    """What is known of one candidate; None for what the mail does not say."""

    name: Finding | None
    """As written, without honorific and title; perhaps only a family name."""
    job: Finding | None
    stage: Finding | None
    """One of STAGES, or free text from the marker."""
    language: Language
    conflicts: tuple[str, ...]
    """Which of `name`, `job`, `stage` have two sources that contradict each other."""


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
_JOBS = (
    re.compile(
        r"[「『]([^」』\n]{1,60})[」』](?:職|の?ポジション|の求人|の募集)?(?:に|への?)(?:は)?ご(?:応募|エントリー)"
    ),
    re.compile(
        r"(?i)\b(?:applying for|application for|interest in) the (.{2,60}?) (?:position|role|opening)\b"
    ),
)

_MAX_TEXT = 10_000
"""Characters of a mail that are read; a rejection has some hundred."""
_MAX_SOURCE = 100_000
"""Characters of source, tags and style sheets included, in which they stand."""
_MAX_TO = 1 << 16
"""Octets of To that mail-parser is given, which takes seconds over megabytes of header."""
_KANA = re.compile(r"[ぁ-んァ-ヶ]")
_ENOUGH_KANA = 5
"""Kana from which a text is Japanese; a name or a quoted word in an English text stays under it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says, read once for all its candidates."""

    marker_name: Finding | None
    display_names: Mapping[str, str]
    """By address in lower case, as in To."""
    text_names: tuple[Finding, ...]
    """Of the text, the likelier first."""
    jobs: tuple[Finding, ...]
    stages: tuple[Finding, ...]
    language: Language

    def notice(self, recipient: bytes, *, alone: bool) -> Notice:
        """Return what it says of the candidate at this envelope address.

        Unless the candidate is the only one, the name in marker and text may be somebody else's, and only
        the display name counts.
        """
        address = recipient.decode("utf-8", "replace").lower()
        shown = self._display_name(address)
        found = [Finding(shown, Source.DISPLAY_NAME)] if shown is not None else []
        if alone:
            found = [*((self.marker_name,) if self.marker_name else ()), *found, *self.text_names]
        conflicts = [
            what
            for what, values, same in (
                ("name", found, names.same_person),
                ("job", self.jobs, _one_in_the_other),
                ("stage", self.stages, _same_words),
            )
            if any(not same(values[0].value, other.value) for other in values[1:])
        ]
        said = bool(self.stages) and self.stages[0].source is Source.MARKER
        return Notice(
            name=found[0] if found else None,
            job=self.jobs[0] if self.jobs else None,
            stage=self.stages[0] if self.stages and (said or "stage" not in conflicts) else None,
            language=self.language,
            conflicts=tuple(conflicts),
        )

    def _display_name(self, address: str) -> str | None:
        written = self.display_names.get(address)
        # A mailer's address book repeats the address where it knows no name.
        local = address.rpartition("@")[0]
        return None if written is None or written == local else names.person(written)


def read_letter(raw: bytes, reading: Reading) -> Letter:
    """Read all that does not depend on the recipient."""
    text, marker = _text_of(reading), reading.marker
    name = names.explicit(marker.name) if marker is not None and marker.name else None
    jobs = [Finding(marker.job, Source.MARKER)] if marker is not None and marker.job else []
    matches = (pattern.search(text) for pattern in _JOBS)
    jobs += [Finding(words.clean(match[1]), Source.BODY) for match in matches if match is not None]
    stages = [Finding(_stage(marker.stage), Source.MARKER)] if marker is not None and marker.stage else []
    stages += [Finding(stage, Source.BODY) for stage in _stages_in(text)]
    return Letter(
        marker_name=Finding(name, Source.MARKER) if name is not None else None,
        display_names=_display_names(raw, reading),
        text_names=tuple(_names_in(text)),
        jobs=tuple(jobs),
        stages=tuple(stages),
        language=_language(marker.template if marker is not None else None, text),
    )


def _names_in(text: str) -> list[Finding]:
    # The addressee of a letter with a recommendation is an agency's consultant, not the candidate.
    sources = (
        (Source.BODY, names.recommended),
        (Source.ADDRESSEE, names.addressee),
        (Source.CLOSING, names.closing),
    )
    found = [Finding(name, source) for source, read in sources if (name := read(text)) is not None]
    if found and found[0].source is Source.BODY:
        return [one for one in found if one.source is not Source.ADDRESSEE]
    return found


def _display_names(raw: bytes, reading: Reading) -> dict[str, str]:
    header = b"".join(raw[field.start : field.end] for field in reading.root.named_fields("to"))[:_MAX_TO]
    if not words.all_known(header):
        return {}
    found: dict[str, str] = {}
    for name, address in _addressees(header):
        found.setdefault(address.strip().lower(), name.strip())
    return found


def _addressees(header: bytes) -> list[tuple[str, str]]:
    """Return display names and addresses of To, as mail-parser reads them: the one place where it is asked.

    It raises AttributeError, ValueError and more on real mail, and what it returns changes with its version.
    """
    try:
        pairs = mailparser.parse_from_bytes(header).to
        return [(str(name), str(address)) for name, address in pairs]
    except Exception:  # noqa: BLE001  # a mail that it cannot read has no display name, and that is all
        return []


def _stage(written: str) -> str:
    """Return the identifier of a stage as written in a marker, or the words themselves."""
    plain = unicodedata.normalize("NFKC", written).strip()
    lowered = plain.lower().replace("-", "_").replace(" ", "_")
    if lowered in STAGES:
        return lowered
    return next((stage for stage, pattern in _STAGE_NAMED if pattern.fullmatch(plain) is not None), plain)


def _stages_in(text: str) -> list[str]:
    """Return the stages whose result the text announces."""
    plain = unicodedata.normalize("NFKC", text)
    return [stage for stage, pattern in _STAGE_RESULT if pattern.search(plain) is not None]


def _text_of(reading: Reading) -> str:
    """Return the author's words, of the plain alternative or else of the HTML; no markers, no quotes."""
    if not reading.targets:
        return ""
    own = [target for target in reading.targets if target.invited]
    target = next((target for target in own if not target.leaf.html), own[0])
    cut = [(start, end, "") for start, end in _without_own(target)]
    text = replaced(target.leaf.text, cut)[:_MAX_SOURCE]
    if target.leaf.html:
        text = markup.read_html(text).text.replace(markup.BREAK, "\n")
    return text[:_MAX_TEXT]


def _without_own(target: Target) -> list[tuple[int, int]]:
    """Return the ranges of markers and quotes, ascending, those inside others left out."""
    found: list[tuple[int, int]] = []
    for span in sorted([piece for spot in target.found for piece in spot.pieces] + list(target.quoted)):
        if not found or span[0] >= found[-1][1]:
            found.append(span)
    return found


def _language(template: str | None, text: str) -> Language:
    prefix = (template or "").lower()[:3]
    if prefix in ("ja", "ja-", "ja_"):
        return "ja"
    if prefix in ("en", "en-", "en_"):
        return "en"
    return "ja" if not text.strip() or len(_KANA.findall(text)) >= _ENOUGH_KANA else "en"


def _same_words(one: str, other: str) -> bool:
    return names.folded(one) == names.folded(other)


def _one_in_the_other(one: str, other: str) -> bool:
    return names.folded(one) in names.folded(other) or names.folded(other) in names.folded(one)
