"""Which job a letter is about: the name of the opening as the letter writes it.

A job is read only where the letter says that it was applied for, or behind a label.
A wrong job is worse than none: what may be a company, a stage or half a sentence is none.
"""

import re

from gateway.mail import words
from gateway.mail.notice import names, stages

_BRACKETS = (("「", "」"), ("『", "』"), ("【", "】"), ("“", "”"), ("《", "》"), ("〈", "〉"))
_QUOTED = "|".join(rf"{one}([^{one}{end}\n]{{1,60}}){end}" for one, end in _BRACKETS)
_KIND = r"(?:職種?|の?ポジション|の?求人|の?募集|の?コース|の?職種|の?ポスト|枠)"
_APPLIED = r"(?:に|へ|への|の)(?:は)?(?:ご|御)?(?:応募|エントリー|志望)"
_BARE = r"[一-鿿々ァ-ヶーA-Za-zＡ-Ｚａ-ｚ0-9・/／&＆+#.]"
_IN_QUOTES = (
    re.compile(rf"(?:{_QUOTED}){_KIND}?{_APPLIED}"),
    re.compile(rf"(?:{_QUOTED}){_KIND}?の(?:[一-鿿\d]{{0,6}}選考|面接)"),
    re.compile(r"【([^【】\n]{1,40}職)】"),
)
_WITHOUT_QUOTES = (
    re.compile(rf"(?<!{_BARE})({_BARE}{{1,30}}職)(?:{_APPLIED}|の(?:書類)?選考)"),
    re.compile(rf"(?<!{_BARE})({_BARE}{{2,30}})(?:の)?ポジション{_APPLIED}"),
)
_BEFORE_JOB = re.compile(r"^(?:度|回|日|般|今回|今般|先日|先般|弊社|当社|小社|貴社|御社|弊団体|株式会社)+")
_NO_JOB_JA = re.compile(
    # 就職, 転職, 現職 and so on; 上記, 本ポジション.
    r"^.?[就転求退現前休在辞復無有天適同本当両各役兼離失]職$|^職$"
    r"|^(?:上記|下記|本|当|該当|同|別|他|各|今回|弊社|当社|貴社|希望|複数)(?:の|職種?)?$"
    r"|会社|[(（][株有][)）]|㈱|㈲|採用担当|採用サイト|大学$|^(?:未定|不問|なし|無し|該当なし|同上|以下)$"
)
_LABEL = re.compile(
    r"""(?imx)
    ^ [\ \t\u3000■□◆◇●○・*▼▶※\#-]{0,10} [【\[〔<＜]? [^\S\n]?
    (?: (?: ご?応募 | 募集 | 採用 | 希望 )? (?: 職種 | ポジション | 求人 ) (?: 名 | タイトル )?
      | job \s title | job | position (?: \s applied \s for )? | role | vacancy )
    [^\S\n]? (?: [】\]〕>＞] [^\S\n]{0,9} [:：]? \n? | [^\S\n]{0,9} [:：] ) [^\S\n]{0,9} (\S.{0,80}) $
    """
)
_SIGN_OFF = re.compile(
    r"(?im)^[^\S\n]{0,20}"
    r"(?:(?:sincerely|(?:kind|best|warm)(?:est)? regards|regards|best|yours|cheers)\b|--[^\S\n]?$)"
)
"""Below it, `Position:` is the recruiter's own."""

_LAZY = r"([^\n!?;:]{2,70}?)"
_IS_JOB = r"(?:position|role|opening|vacancy|post|job)\b"
_AFTER = (
    r"(?=\s(?:at|with|in|within|on|here|has|have|and|was|is|we|but|to|role|position|job)\b"
    r"|\s?[,.;:!?\n()–—]|\s-\s|$)"
)
_NAMED_EN = re.compile(
    r"(?i)\b(?:for|(?:appl(?:y|ied|ying)|application)\sto|interest(?:ed)?\sin|about|regarding)"
    rf"\s(?:our|the|an?)\s{_LAZY}\s{_IS_JOB}"
)
"""With the word for a job behind it, a title may be written small."""
_CAPITAL_EN = (
    re.compile(
        r"(?i)\b(?:for|to|in|about|regarding)\s(?:our|the|an?)\s(?:position|role|post|job)\s(?:of|as)\s"
        rf"(?:an?\s|the\s)?{_LAZY}{_AFTER}"
    ),
    re.compile(rf"(?i)\bthe\s(?:position|post)\sof\s(?:an?\s|the\s)?{_LAZY}\s(?:at|has|is|in|with)\b"),
    re.compile(
        rf"(?i)\bappl(?:ied|ying|ication)\sto\s[^\n.,;]{{1,40}}?\sas\s(?:an?|our|the)\s{_LAZY}{_AFTER}"
    ),
    re.compile(
        rf"(?i)\b(?:application|applied|applying|candidacy|candidate)\s(?:for|as)\s(?:an?\s)?{_LAZY}{_AFTER}"
    ),
)
_NO_JOB_EN = names.table(
    """
    a an the this that these those such any other another some all each every no one our your their his her
    my we you they he she it i who which what and/or to be is are was were has have had will would can could
    may open above following same similar available advertised current vacant new next right best ideal
    perfect suitable relevant respective aforementioned mentioned said specific particular given different
    future position role job opening vacancy post positions roles jobs openings company employment because if
    consideration review admission when while after before not from inc inc. ltd ltd. llc corp gmbh
    sr jr
    """
)
"""Words of sentences and of companies; a title with one of them is taken for half a sentence."""
_MAX_JOB = 60
_MAX_WORDS_EN = 8
_SENTENCE_IN = re.compile(r"[a-z]{4,}\.\s|。|ます|ました|ください")
_EMPHASIS = "*_\"'“”‘’「」『』 \u3000"


def jobs_in(text: str, lines: str) -> list[str]:
    """Return the jobs that a letter says were applied for, the likelier first.

    `text` has no line ends inside paragraphs, `lines` those that were written.
    """
    found = [_first(match) for pattern in _IN_QUOTES for match in pattern.finditer(text)]
    sign_off = _SIGN_OFF.search(lines)
    labels = _LABEL.finditer(lines, 0, sign_off.start() if sign_off is not None else len(lines))
    found += [match[1] for match in labels]
    found += [
        _BEFORE_JOB.sub("", match[1]) for pattern in _WITHOUT_QUOTES for match in pattern.finditer(text)
    ]
    jobs = [job for written in found if (job := _job(written)) is not None]
    for pattern in (_NAMED_EN, *_CAPITAL_EN):
        written = (_job(match[1]) for match in pattern.finditer(text))
        small = pattern is _NAMED_EN
        jobs += [job for job in written if job is not None and _english(job, may_be_small=small)]
    return list(dict.fromkeys(jobs))


def same_job(one: str, other: str) -> bool | None:
    """Whether one of two jobs stands in the other; None for two languages, or without letters to compare."""
    first, second = names.folded(one), names.folded(other)
    latin = {re.search(r"[a-z]", job) is not None for job in (first, second)}
    if not first or not second or (len(latin) > 1 and (first.isascii() or second.isascii())):
        return None
    return first in second or second in first


def _first(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)


def _job(written: str) -> str | None:
    job = words.clean(written.strip(_EMPHASIS)).strip(_EMPHASIS)
    if not job or len(job) > _MAX_JOB or names.is_placeholder(job) or _SENTENCE_IN.search(job) is not None:
        return None
    if not any(char.isalpha() for char in job) or _NO_JOB_JA.search(job) is not None:
        return None
    # 「最終面接」の選考 names a stage.
    return None if stages.stage_of(job) in stages.STAGES else job


def _english(job: str, *, may_be_small: bool) -> bool:
    """Whether the words are those of a title and not of a sentence."""
    said = job.split()
    if len(said) > _MAX_WORDS_EN or any(word.strip("(),").lower() in _NO_JOB_EN for word in said):
        return False
    capital = any(char.isupper() for char in job)
    return (capital or len(said) > 1) if may_be_small else (capital and not said[0][0].islower())
