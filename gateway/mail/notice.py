"""What a rejection notice says of its candidate: name, job, stage and language, each with its source.

Sources rank: the marker, the display name of the recipient, the addressee line, the closing line.
Two that contradict each other are reported, and nothing is guessed:
no name from an address, no cut in an unspaced name.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import mailparser

from gateway.mail import markup
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

_HONORIFIC = r"(?:様|さま|さん|殿|氏)"
_WORD = r"[^、。，．,\s「」]{1,20}"
_ADDRESSEE_JA = re.compile(rf"^\s*(?P<name>.{{1,60}}?)\s*{_HONORIFIC}\s*[、,，]?\s*$")
_ADDRESSEE_EN = re.compile(
    r"^\s*(?i:dear|hi|hello)\s+(?:(?i:mr|ms|mrs|mx|dr|prof)\.?\s+)?"
    r"(?P<name>[^\W\d_][\w'’.\- ]{0,60}?)\s*[,:!、.]?\s*$"
)
_CLOSING = re.compile(
    rf"(?:^|[、。，．,\s「])(?P<name>{_WORD}(?:[ \u3000]{_WORD})?)\s{{0,3}}{_HONORIFIC}の"
    r"[^。\n]{0,30}(?:活躍|健勝|多幸|発展|成功|祈)",
    re.MULTILINE,
)
_RECOMMENDED = re.compile(
    r"(?:推薦|紹介)(?:いただ|頂|くださ|下さ)[ぁ-ん]{1,5}[、\s]?"
    rf"(?P<name>{_WORD}?(?:[ \u3000]{_WORD}?)?)\s{{0,3}}{_HONORIFIC}"
)
_KANA_IN_BRACKETS = re.compile(r"\s*[（(〔\[][^）)〕\]]*[）)〕\]]\s*$")
_TITLE = re.compile(r"(?i)^(?:mr|ms|mrs|mx|dr|prof)\.?\s+")
_TRAILING_HONORIFIC = re.compile(rf"\s*{_HONORIFIC}$")
_AFFILIATION = re.compile(
    r"(?:大学院?|学部|学科|研究科|専攻|高校|専門学校|学院|コース|[0-9]年|[一二三四]年|株式会社|有限会社|合同会社|エージェント|部|課|室|支店)$"
    r"|^(?:株式会社|有限会社|合同会社|[(（]株[)）])"
)
_NOBODY = re.compile(
    r"(?i)応募者|候補者|各位|皆|みな|担当|人事|採用|関係者|お客|学生|受験|志願|御中|エントリー|本人|求職者"
    r"|\b(?:candidate|applicant|sir|madam|all|team|there|everyone|recipients?|manager|colleagues?)\b"
)
_ADDRESS_LINES = 8
"""Non-blank lines in which the addressee stands; below them, an honorific belongs to a sentence."""
_LONGEST_LINE = 100
"""Characters of an addressee line."""
_MAX_TEXT = 100_000
"""Characters of a mail that are read; a rejection has some hundred."""
_MAX_TO = 1 << 16
"""Octets of To that mail-parser is given, which takes seconds over megabytes of header."""
_MAX_TOKENS = 4
"""Words of a name; more is a sentence."""
_VARIANTS = str.maketrans("髙﨑邊邉齋齊斎濵濱澤德眞廣國", "高崎辺辺斉斉斉浜浜沢徳真広国")
_KANA = re.compile(r"[ぁ-んァ-ヶ]")
_ENOUGH_KANA = 5
"""Kana from which a text is Japanese; a name or a quoted word in an English text stays under it."""


def read_notice(raw: bytes, reading: Reading, recipient: bytes) -> Notice:
    """Read what the mail says of the candidate at this envelope address."""
    text = _text_of(reading)
    marker = reading.marker
    names = list(_names(raw, reading, recipient, text))
    jobs = [Finding(marker.job, Source.MARKER)] if marker is not None and marker.job else []
    jobs += [Finding(match[1].strip(), Source.BODY) for pattern in _JOBS if (match := pattern.search(text))]
    stages = [Finding(_stage(marker.stage), Source.MARKER)] if marker is not None and marker.stage else []
    stages += [Finding(stage, Source.BODY) for stage in _stages_in(text)]
    conflicts = [
        what
        for what, found, same in (
            ("name", names, _same_person),
            ("job", jobs, _one_in_the_other),
            ("stage", stages, _same_words),
        )
        if any(not same(found[0].value, other.value) for other in found[1:])
    ]
    said = bool(stages) and stages[0].source is Source.MARKER
    return Notice(
        name=names[0] if names else None,
        job=jobs[0] if jobs else None,
        stage=stages[0] if stages and (said or "stage" not in conflicts) else None,
        language=_language(marker.template if marker is not None else None, text),
        conflicts=tuple(conflicts),
    )


def _names(raw: bytes, reading: Reading, recipient: bytes, text: str) -> Iterator[Finding]:
    if reading.marker is not None and reading.marker.name:
        yield Finding(reading.marker.name, Source.MARKER)
    if (name := _person(_display_name(raw, reading, recipient))) is not None:
        yield Finding(name, Source.DISPLAY_NAME)
    recommended = _RECOMMENDED.search(text)
    if recommended is not None and (name := _person(recommended["name"])) is not None:
        # The addressee is an agency's consultant then, not the candidate.
        yield Finding(name, Source.BODY)
    elif (name := _addressee(text)) is not None:
        yield Finding(name, Source.ADDRESSEE)
    closing = _CLOSING.search(text)
    if closing is not None and (name := _person(closing["name"])) is not None:
        yield Finding(name, Source.CLOSING)


def _addressee(text: str) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()][:_ADDRESS_LINES]
    for line in (line.strip() for line in lines if len(line) <= _LONGEST_LINE):
        for pattern in (_ADDRESSEE_JA, _ADDRESSEE_EN):
            match = pattern.match(line)
            if match is not None and (name := _person(match["name"])) is not None:
                return name
    return None


def _person(written: str | None) -> str | None:
    """Return the name in what was written, without honorific, title, kana in brackets and affiliation."""
    if written is None:
        return None
    name = written.strip().strip("\"'")
    for pattern in (_TRAILING_HONORIFIC, _KANA_IN_BRACKETS, _TRAILING_HONORIFIC, _TITLE):
        name = pattern.sub("", name)
    words = [word for word in name.split() if _AFFILIATION.search(word) is None]
    name = " ".join(words)
    if not name or len(words) > _MAX_TOKENS or "@" in name or _NOBODY.search(name) is not None:
        return None
    if any(
        unicodedata.category(char)[0] in "NPSC" and char not in "'’.-・=＝ー々〆ヶ"
        for char in name.replace(" ", "")
    ):
        return None
    return name


def _display_name(raw: bytes, reading: Reading, recipient: bytes) -> str | None:
    address = recipient.decode("utf-8", "replace").lower()
    header = b"".join(raw[field.start : field.end] for field in reading.root.named_fields("to"))[:_MAX_TO]
    for name, found in _addressees(header):
        if found.strip().lower() == address:
            return name or None
    return None


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
    target = next((target for target in reading.targets if not target.leaf.html), reading.targets[0])
    cut = [(start, end, "") for start, end in _without_own(target)]
    text = replaced(target.leaf.text, cut)
    return (markup.read_html(text).text if target.leaf.html else text)[:_MAX_TEXT]


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
    return _folded(one) == _folded(other)


def _one_in_the_other(one: str, other: str) -> bool:
    return _folded(one) in _folded(other) or _folded(other) in _folded(one)


def _same_person(one: str, other: str) -> bool:
    """Whether two names may be one person's: the same, or the family or given name of the other.

    A name in another script may be the same; nobody could tell without guessing.
    """
    if _script(one) != _script(other):
        return True
    short, long = sorted((_folded(one), _folded(other)), key=len)
    return long.startswith(short) or long.endswith(short)


def _folded(text: str) -> str:
    return re.sub(r"[\s・.]+", "", unicodedata.normalize("NFKC", text)).casefold().translate(_VARIANTS)


def _script(text: str) -> str:
    first = next((char for char in unicodedata.normalize("NFKC", text) if char.isalpha()), " ")
    return unicodedata.name(first, "").partition(" ")[0]
