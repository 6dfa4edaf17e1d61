"""Stages of a selection: their identifiers, and the words that Japanese and English letters have for them.

- A stage counts where its result is announced; an invitation to an interview is no result.
- Two stages whose results are announced are both returned, and nobody chooses between them.
- What our list does not have, such as a third interview, stays as it is written.
"""

import re
import unicodedata
from bisect import bisect_left

STAGES = ("entry", "screening", "test", "casual", "interview_1", "interview_2", "final")
"""The stages of a selection, in order."""

_ROUND = r"(?:面接|選考|面談|審査|試験)"
_INTERVIEW = r"[- ](?:(?:round|stage|panel) )?(?:of (?:the )?)?(?:interviews?\b|round\b|stage\b)"
_WORDS = (
    ("final", rf"最終(?:役員|社長)?{_ROUND}|final{_INTERVIEW}"),
    (
        "interview_2",
        rf"(?<![十\d])第?[二2]次{_ROUND}|[二2][回度]目の面[接談]|\b(?:second|2nd){_INTERVIEW}",
    ),
    (
        "interview_1",
        rf"(?<![十\d])第?[一1]次{_ROUND}|[一1][回度]目の面[接談]|初回面[接談]|\b(?:first|1st){_INTERVIEW}",
    ),
    ("casual", r"カジュアル面[談接]|casual (?:interview|meeting|chat|conversation)"),
    (
        "test",
        (
            r"適性(?:検査|試験|テスト|診断)|能力検査|(?:筆記|学科|実技)(?:試験|テスト|選考)|(?<![a-z])spi(?![a-z])"
            r"|web(?:適性)?(?:テスト|検査|試験)|(?:コーディング|プログラミング|技術|スキル)(?:テスト|試験|課題)|課題選考"
            r"|\b(?:coding|programming|technical|online|skills?|aptitude|written|take-home)[- ]"
            r"(?:test|challenge|assessment|exam|assignment|exercise)"
        ),
    ),
    (
        "screening",
        (
            r"書類(?:選考|審査)|(?:document|r[eé]sum[eé]|cv|paper|application)[- ](?:screening|review)\b"
            r"|screening of your (?:documents?|application|r[eé]sum[eé]|cv)\b"
        ),
    ),
    ("entry", r"エントリー(?:シート)?(?:選考|審査)|エントリーシート|(?<![a-z])es選考"),
    (
        "",
        (
            rf"(?<![十\d])第?[三四五六3-6]次{_ROUND}|(?:グループ|集団|役員|社長|技術|人事)面接"
            rf"|グループ(?:ディスカッション|ワーク)|\b(?:third|3rd|fourth|4th){_INTERVIEW}|phone screen\b"
        ),
    ),
)
"""By identifier; an empty one stands for stages that our list does not have."""
_SHORT = (
    ("final", r"最終|final(?: round)?"),
    ("interview_2", r"第?[二2]次|(?:second|2nd)(?: round)?|interview ?2"),
    ("interview_1", r"第?[一1]次|(?:first|1st)(?: round)?|interview ?1"),
    ("casual", r"カジュアル"),
    ("test", r"適性|筆記|webテスト|test"),
    ("screening", r"書類|(?:document|r[eé]sum[eé]|cv)s?"),
    ("entry", r"エントリー|es"),
)
"""What a marker may say for short."""
_NAMED = tuple(
    (stage, re.compile(rf"(?:{words})(?:の?(?:選考)?結果|段階|不合格)?", re.IGNORECASE))
    for stage, words in (*_WORDS, *_SHORT)
    if stage
)
_ANY = re.compile(
    "|".join(f"(?P<{stage or 'other'}>{words})" for stage, words in _WORDS),
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[。！!？?\n]|\.\s")
_RESULT_JA = re.compile(r"結果|合否")
_MAY_ANNOUNCE = re.compile(r"結果|合否|result|outcome|follow|after|further|feedback|based", re.IGNORECASE)
"""What a sentence has that announces a result; the stages take longer to look for."""
_BETWEEN_JA = re.compile(
    r"(?:の件|の選考)?(?:につきまして|について|に関しまして|に関して|を踏まえ(?:まして)?)は?[、,]?[^、,]{0,30}|[^、,]{0,30}"
)
"""What stands between a stage and its result: at most one comma, after words that name the topic."""
_OF_ANOTHER = re.compile(r"面接|面談|検査|試験|審査|通過|合格|免除|日程|案内|前の|テスト|[はも]")
"""What stands there when the result is that of something else."""
_SIDE_BY_SIDE = re.compile(r"[\s(（・/／及と或]*+(?:および|または|もしくは|兼)?+[\s(（・/／]*+")
_BEFORE_EN = re.compile(
    r"\b(?:results? (?:of|from|for)|outcome (?:of|from|for)|following|after|further to|feedback (?:on|from)"
    r"|based on)(?: (?:the|your|our|this|a|recent|completed))*\s$"
)
_AFTER_EN = re.compile(r"\s?(?:results?|outcome)\b")
_BEFORE_REACH = 60
_LABEL = re.compile(
    r"^[ \t\u3000■□◆◇●・*【\[]{0,10}"
    r"(?:選考段階|選考ステップ|選考フェーズ|ステージ|(?:selection )?stage)[】\]]?"
    r"[^\S\n]{0,9}:[^\S\n]{0,9}(\S.{0,40})$",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING = re.compile(r"結果[^。、\n]{0,12}[(（【\[]\s*$")
"""As in 「選考結果のご連絡(最終面接)」."""


def stage_of(written: str) -> str:
    """Return the identifier of a stage as written in a marker, or the words themselves, in NFKC."""
    plain = unicodedata.normalize("NFKC", written).strip()
    lowered = plain.lower().replace("-", "_").replace(" ", "_")
    if lowered in STAGES:
        return lowered
    return next((stage for stage, pattern in _NAMED if pattern.fullmatch(plain) is not None), plain)


def stages_in(text: str, lines: str) -> list[str]:
    """Return the stages whose result a letter announces, each once.

    `text` has no line ends inside paragraphs, `lines` those that were written.
    """
    plain = unicodedata.normalize("NFKC", text)
    labels = _LABEL.finditer(unicodedata.normalize("NFKC", lines))
    found = [stage for match in labels if (stage := stage_of(match[1])) in STAGES]
    start = 0
    for end in _SENTENCE_END.finditer(plain):
        found += _in_sentence(plain[start : end.start()])
        start = end.end()
    return list(dict.fromkeys(found + _in_sentence(plain[start:])))


def same_stage(one: str, other: str) -> bool | None:
    """Whether two stages are one; None when one of them is free text and only its author knows."""
    if one == other:
        return True
    return False if one in STAGES and other in STAGES else None


def _in_sentence(sentence: str) -> list[str]:
    if _MAY_ANNOUNCE.search(sentence) is None:
        return []
    if not (mentions := list(_ANY.finditer(sentence))):
        return []
    results = [match.start() for match in _RESULT_JA.finditer(sentence)]
    found: list[str] = []
    before: re.Match[str] | None = None
    for mention, following in zip(mentions, [*mentions[1:], None], strict=True):
        until = following.start() if following is not None else len(sentence)
        beside = [
            sentence[one.end() : two.start()]
            for one, two in ((before, mention), (mention, following))
            if one is not None and two is not None
        ]
        before = mention
        # 「書類選考(一次選考)」 is one stage with two names, and which of them is ours nobody knows.
        if any(_SIDE_BY_SIDE.fullmatch(words) is not None for words in beside):
            continue
        number = bisect_left(results, mention.end())
        result = results[number] if number < len(results) and results[number] < until else None
        if _announced(sentence, mention, result):
            found.append(_identifier(mention))
    return found


def _announced(sentence: str, mention: re.Match[str], result: int | None) -> bool:
    if result is not None:
        between = sentence[mention.end() : result]
        if _BETWEEN_JA.fullmatch(between) is not None and _OF_ANOTHER.search(between) is None:
            return True
    head = sentence[max(mention.start() - _BEFORE_REACH, 0) : mention.start()].lower()
    if _BEFORE_EN.search(head) is not None or _HEADING.search(head) is not None:
        return True
    return _AFTER_EN.match(sentence, mention.end()) is not None


def _identifier(mention: re.Match[str]) -> str:
    return mention[0] if mention.lastgroup in (None, "other") else str(mention.lastgroup)
