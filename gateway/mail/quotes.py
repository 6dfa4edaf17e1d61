"""Which lines of plain text are somebody else's mail: quoted, or below where an answer begins."""

import re
from bisect import bisect_right

_QUOTED_LINE = re.compile(r"[ \t\u3000]{0,3}[>＞]")
_TO_THE_END = re.compile(
    r"""(?ix)
    [-_ ]{2,}\s*
    (?:original\s+message|forwarded\s+message|元のメッセージ|転送メッセージ|オリジナルメッセージ)
    \s*[-_ ]{2,}\s*$
    | begin\s+forwarded\s+message:\s*$
    """
)
_FROM_LINE = re.compile(r"(?i)[\s*]*(?:from|差出人|送信者)\s*[:：]")
_SENT_LINE = re.compile(r"(?i)[\s*]*(?:sent|date|送信日時|日付|日時)\s*[:：]")
_LONGEST = 300
"""Characters of a line that begins an answer; longer lines are prose."""
_BLOCK_LINES = 6
"""Lines within which a From line is followed by the others of its block, as Outlook writes them."""
_ATTRIBUTION = re.compile(
    r"""(?ix)
    on\s.{6,200}\swrote:\s*$
    | .{2,200}(?:さんは書きました|さんからのメッセージ|が書きました|のメール|wrote)\s*[:：]\s*$
    """
)


def quoted_ranges(text: str) -> list[tuple[int, int]]:
    """Return the ranges of whole lines that are quoted, ascending.

    An attribution line makes what follows quoted only when no quote marks follow it:
    with them, the lines without marks are the answer.
    """
    lines = _lines(text)
    found: list[tuple[int, int]] = []
    for number, (start, end) in enumerate(lines):
        line = text[start:end]
        if _QUOTED_LINE.match(line) is not None:
            found.append((start, end))
        elif end - start <= _LONGEST and _begins_quote(text, lines, number):
            found.append((start, len(text)))
            break
    return found


def inside(spans: list[tuple[int, int]] | tuple[tuple[int, int], ...], at: int) -> bool:
    """Whether an index lies in one of the ranges, which ascend."""
    number = bisect_right(spans, at, key=lambda span: span[0]) - 1
    return number >= 0 and at < spans[number][1]


def _lines(text: str) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        found.append((at, end))
        at = end
    return found


def _begins_quote(text: str, lines: list[tuple[int, int]], number: int) -> bool:
    start, end = lines[number]
    line = text[start:end]
    if _TO_THE_END.match(line.strip()) is not None:
        return True
    is_from, is_attribution = _FROM_LINE.match(line), _ATTRIBUTION.match(line.strip())
    if is_from is None and is_attribution is None:
        return False
    below = [text[slice(*span)] for span in lines[number + 1 : number + 1 + _BLOCK_LINES]]
    if is_from is not None:
        return any(_SENT_LINE.match(other) for other in below)
    first = next((other for other in below if other.strip()), "")
    return bool(first) and _QUOTED_LINE.match(first) is None
