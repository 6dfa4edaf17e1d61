"""Where a letter names its reader: the line it is addressed to, the closing line, a recommendation.

A doubtful name is none: nothing is cut out of a sentence, and two persons in one place are nobody.
"""

import re
from dataclasses import dataclass

from gateway.mail.notice.names import HONORIFIC, agree, person

_GREETING = (
    r"(?:お世話|いつも|この度|このたび|先日|こんにち|はじめまして|初めまして|突然|平素|拝啓|お疲れ|ご連絡|ご応募"
    r"|本日|大変)"
)
"""How a letter goes on in the line of its addressee."""
_ADDRESSEE_JA = re.compile(
    rf"(?:(?i:dear|to[:：]?|hi|hello)\s+)?(?P<name>\S.{{0,59}}?)\s*{HONORIFIC}"
    rf"(?:\s*[（(【\[][^）)】\]]{{0,30}}[）)】\]])?\s*(?:[、,，:：。.]?$|[、,，\s]\s*(?={_GREETING}))"
)
_ADDRESSEE_EN = re.compile(
    r"(?i:dear|hi|hello|good (?:morning|afternoon|evening)),?\s+"
    r"(?P<name>[^\W\d_][\w'’.\- ‐]{0,60}?)\s*(?:[,:!、.;—–-]?$"
    # "Hi John, Mary," and "Hi John, and all," greet others too.
    r"|[,:!]\s+(?!and\b|(?:[A-Z][\w'’-]*\s?){1,2}[,:!.]?$))"
)
_COMPANY = re.compile(
    r"(?:株式|有限|合同)会社|[(（][株有][)）]|[㈱㈲]|エージェント|人材紹介|(?i:\b(?:inc|ltd|llc|agency)\b)"
)
_ADDRESS_LINES = 8
"""Non-blank lines in which the addressee stands; below them, an honorific belongs to a sentence."""
_LONGEST_LINE = 100
"""Characters of a line in which an addressee is looked for."""
_WORD = r"[^、。，．,\s「」：:（）()]{1,20}"
_CLOSING = re.compile(
    rf"(?:^|[、。，．,\s「])(?P<name>{_WORD}(?:[ \u3000]{_WORD})?)\s{{0,3}}{HONORIFIC}の"
    r"[^。\n]{0,30}(?:活躍|健勝|多幸|発展|成功|祈)",
    re.MULTILINE,
)
_BEFORE_CLOSING = re.compile(
    r"^(?:末筆(?:では(?:ございます|あります))?(?:ながら|ですが|が)|最後に(?:なりましたが)?|結びに|今後とも|今後も|この度は"
    r"|これからも|引き続き|遠くより|陰ながら|一同|また|なお|何卒|どうか|心より|ぜひ|今後の|[一-鿿]{0,4}一同)(?=.)"
)
_HIRAGANA_THEN_KANJI = re.compile(r"^[ぁ-ん]{2,}[一-鿿]")
"""How the end of a sentence runs into a name; 「これからも佐々木」."""
_GIVEN = r"(?:いただ|頂|くださ|下さ|戴)"
_CANDIDATE = r"(?:(?:貴社|御社)?(?:の)?(?:候補者|応募者|求職者|人材)(?:の|である|、|：|:|\s)?)?"
_RECOMMENDED = (
    re.compile(
        rf"(?:推薦|紹介)(?:{_GIVEN}[ぁ-ん]{{1,6}}|の)[、\s]?{_CANDIDATE}"
        rf"(?P<name>{_WORD}?(?:[ \u3000]{_WORD}?)?)\s{{0,3}}{HONORIFIC}"
    ),
    re.compile(
        rf"(?:^|[、。\s]|この度は?|このたびは?|先日は?)(?P<name>{_WORD}(?:[ \u3000]{_WORD})?)"
        rf"\s{{0,3}}{HONORIFIC}(?:を|の)ご?(?:推薦|紹介)(?:を{_GIVEN}|{_GIVEN}|賜)",
        re.MULTILINE,
    ),
    re.compile(
        r"^[ \t\u3000■□◆◇●○・*【\[]{0,10}(?:候補者|応募者|ご?推薦者|求職者)(?:様|の)?"
        r"(?:の?(?:お名前|氏名|名))?[】\]]?[^\S\n]{0,9}[:：][^\S\n]{0,9}"
        rf"(?P<name>\S.{{0,40}}?)\s*(?:{HONORIFIC}.{{0,20}})?$",
        re.MULTILINE,
    ),
)
_PARTICLES = frozenset(
    (
        "van",
        "von",
        "der",
        "den",
        "de",
        "del",
        "della",
        "di",
        "da",
        "dos",
        "du",
        "la",
        "le",
        "bin",
        "al",
        "el",
        "y",
    )
)
"""Words of names that are written small."""
_INVISIBLE = {ord(char): None for char in "\u00ad\u200b\u2060\ufeff"}


@dataclass(frozen=True, slots=True)
class Addressees:
    """Whom a letter is addressed to."""

    candidate: str | None
    agent: str | None
    """Who stands directly below a company: a consultant of an agency, not a candidate."""


def addressee(text: str) -> str | None:
    """Return the candidate's name in the line that the letter is addressed to."""
    return addressees(text).candidate


def addressees(text: str) -> Addressees:
    """Return who stands in the lines that the letter is addressed to; nobody when they name two persons."""
    candidates: list[str] = []
    agents: list[str] = []
    above, seen = "", 0
    for line in text.translate(_INVISIBLE).splitlines():
        stripped = line.strip().strip("*_").strip()
        if not stripped:
            above = ""
            continue
        if (name := _addressee(stripped)) is not None:
            (agents if _COMPANY.search(above) is not None else candidates).append(name)
        above, seen = stripped, seen + 1
        if seen == _ADDRESS_LINES:
            break
    return Addressees(_one_person(candidates), _one_person(agents))


def _addressee(line: str) -> str | None:
    start = line[:_LONGEST_LINE]
    if (match := _ADDRESSEE_JA.match(start)) is not None and (name := person(match["name"])) is not None:
        return name
    match = _ADDRESSEE_EN.match(start)
    name = person(match["name"]) if match is not None else None
    return name if name is not None and _capitalised(name) else None


def _capitalised(name: str) -> bool:
    """Whether no word of a name is written as those of a sentence are: `all of you`, `fellow engineers`."""
    return not any(word[0].islower() and word not in _PARTICLES for word in name.split())


def _one_person(found: list[str]) -> str | None:
    return None if any(agree(found[0], other) is False for other in found[1:]) else next(iter(found), None)


def recommended(text: str) -> str | None:
    """Return the candidate's name in a letter to an agency, whose consultant is the addressee."""
    for pattern in _RECOMMENDED:
        for match in pattern.finditer(text):
            if (name := _in_sentence(match["name"])) is not None:
                return name
    return None


def closing(text: str) -> str | None:
    """Return the name in the line that wishes all the best; none when two persons are wished it."""
    found = (_in_sentence(match["name"]) for match in _CLOSING.finditer(text))
    return _one_person([name for name in found if name is not None])


def _in_sentence(written: str) -> str | None:
    """Return the name at the end of some words of a sentence."""
    name = person(_BEFORE_CLOSING.sub("", written.translate(_INVISIBLE)))
    return name if name is None or _HIRAGANA_THEN_KANJI.search(name) is None else None
