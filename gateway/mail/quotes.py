"""Which lines of a text are somebody else's mail: quoted, or below where an answer begins.

- A line that begins with a quote mark is quoted, wherever it stands.
- What a mailer writes above the mail that is answered makes what follows quoted to the end of the text.
  Where quote marks follow, they decide instead: the lines without them are the answer.
- What divides a forwarded mail, or an answer in Outlook's way, is believed without looking for marks.
- Words alone are not enough, because a letter may begin like that, too:
  the mailer's line has a date, an address or an honorific in it, and its block of fields has a time.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice

from gateway.mail import attributions
from gateway.mail.markup import BREAK, ZERO_WIDTH, Plain

_Span = tuple[int, int]

_LONGEST = 300
"""Characters of a line that begins an answer; longer lines are prose."""
_MAX_TRIES = 1_000
"""Lines of a text that are looked at twice; below so many of them nothing is the author's any more."""
_CANDIDATE = re.compile(
    rf"""(?mix) ^[^\S\n]*+ (?:[{ZERO_WIDTH}]++[^\S\n]*+)?+ (?:
    (?P<mark> [>＞] | (?: [a-z]{{1,5}}[>＞] | [»≫] ) (?= [^\S\n]* [\[［【〔] ) )
    | (?P<divider> [-_=*~─━‐－—＝＊]{{2,}} )
    | (?P<field> [*_]{{0,2}} {attributions.FROM} [*_\s]{{0,3}} [:：] )
    | (?P<notes> to: )
    | (?P<attribution> [^\n]*?
        (?: [:：][{ZERO_WIDTH}]*+ | 書きました[。]? | さんからの(?:メール|メッセージ) ) [^\S\n]*+ $ )
    )"""
)


_UNSEEN = re.compile(f"[{ZERO_WIDTH}]+")
_MARK = re.compile(r"[^\S\n]*+(?:(?P<plain>[>＞])|[A-Za-z]{1,5}[>＞]|[|｜》:：}%#])")
"""Quote marks that only count below the words of a mailer; others draw tables with them."""
_WORD = re.compile(r"\S")
_BETWEEN_BLOCKS = re.compile(rf"{BREAK}(?:[ \t]*+{BREAK})*+")
_BLOCK_LINES = 6
"""Lines within which a From line is followed by the others of its block, as Outlook writes them."""
_MORE_LINES = 2
"""Lines over which mailers fold an attribution, beside its last."""
_FAR = 20
"""Lines in which the next line with words is looked for."""


def quoted_ranges(text: str, marked: Sequence[_Span] = ()) -> list[_Span]:
    """Return the ranges of whole lines that are quoted, ascending.

    `marked` are ranges, ascending, that are known to be quoted: they count as quote marks, and are left out.
    """
    found: list[_Span] = []
    tries = 0
    for match in _CANDIDATE.finditer(text):
        start, end = match.start(), _line_end(text, match.start())
        if found and start < found[-1][1]:
            continue
        if match["mark"] is not None:
            if found and found[-1][1] == start:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
            continue
        if end - start > _LONGEST or inside(marked, match.start(match.lastgroup or 0)):
            continue
        tries += 1
        quote = (start, len(text)) if tries > _MAX_TRIES else _quote_below(text, start, end, marked)
        if quote is not None:
            found = [span for span in found if span[0] < quote[0]]
            found.append(quote)
    return found


def quoted_in_html(plain: Plain) -> tuple[_Span, ...]:
    """Return the ranges of the source that are quoted by its tags or by its words, ascending and apart."""
    text = _BETWEEN_BLOCKS.sub(lambda match: "\n" + " " * (len(match[0]) - 1), plain.text)
    lines = quoted_ranges(text, plain.quotes)
    places = plain.places([index for span in lines for index in span])
    spans = sorted([*plain.quotes_in_source, *zip(places[::2], places[1::2], strict=True)])
    found: list[_Span] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return tuple(found)


def inside(spans: Sequence[_Span], at: int) -> bool:
    """Whether an index lies in one of the ranges, which ascend."""
    number = bisect_right(spans, at, key=lambda span: span[0]) - 1
    return number >= 0 and at < spans[number][1]


def _quote_below(text: str, start: int, end: int, marked: Sequence[_Span]) -> _Span | None:
    """Return the quote that the line at `start` announces; None if its own marks say where it is."""
    line = _UNSEEN.sub("", text[start:end]).strip()
    if attributions.IS_DIVIDER.fullmatch(line) or attributions.IS_BEGIN.fullmatch(line):
        return start, len(text)
    if attributions.IS_FROM.match(line) is not None and (first := _block_start(text, start, end)) is not None:
        above = next(_above(text, first), None)
        if above is not None and attributions.IS_RULE.fullmatch(text[slice(*above)].strip()):
            return above[0], len(text)
        return _by_marks(text, first, _block_end(text, end), marked)
    if (first := _notes_start(text, start, end)) is not None:
        return first, len(text)
    for first in (start, *(above[0] for above in islice(_above(text, start, adjacent=True), _MORE_LINES))):
        if (
            attributions.IS_ATTRIBUTION.fullmatch(" ".join(_UNSEEN.sub("", text[first:end]).split()))
            is not None
        ):
            return _by_marks(text, first, end, marked)
    return None


def _by_marks(text: str, start: int, end: int, marked: Sequence[_Span]) -> _Span | None:
    """Return what follows the words of a mailer, which end at `end`: all, unless it is marked."""
    first = next(_below(text, end), None)
    if first is None or inside(marked, first[0] + _indent(text[slice(*first)])):
        return None
    mark = _MARK.match(text, *first)
    if mark is None:
        return start, len(text)
    if mark["plain"] is not None:
        return None
    for line, stop in _lines(text, first[0]):
        if not text.startswith(mark[0], line) and text[line:stop].strip():
            break
        end = stop
    return first[0], end


def _notes_start(text: str, start: int, end: int) -> int | None:
    """Return where the block begins that Notes writes: a name with date and time, To, cc and Subject."""
    if attributions.IS_TO.match(text, start, end) is None:
        return None
    below = (text[slice(*span)] for span in islice(_below(text, end), _BLOCK_LINES // 2))
    if not any(attributions.IS_SUBJECT.match(line) for line in below):
        return None
    above = next(_above(text, start), None)
    if above is None or attributions.IS_DATE.fullmatch(text[slice(*above)].strip()) is None:
        return None
    return above[0]


def _block_start(text: str, start: int, end: int) -> int | None:
    """Return where the block of fields begins that a From line belongs to; None if it is no mailer's."""
    above = list(islice(_above(text, start, adjacent=True), _BLOCK_LINES // 2))
    below = list(islice(_below(text, end), _BLOCK_LINES))
    fields = [text[slice(*span)] for span in (*above, *below)]
    if not any(attributions.IS_SENT.match(line) for line in fields):
        return None
    if not any(attributions.IS_SENT_WITH_TIME.match(line) for line in fields):
        # Without a time it may be the head of a letter, with which a mail begins.
        names = (attributions.IS_TO, attributions.IS_SUBJECT)
        whole = all(any(name.match(line) for line in fields) for name in names)
        if not whole or _WORD.search(text, 0, start) is None:
            return None
    sent = (span[0] for span in above if attributions.IS_SENT.match(text[slice(*span)]))
    return min(sent, default=start)


def _block_end(text: str, end: int) -> int:
    """Return the end of the fields that follow without an empty line between."""
    for start, stop in islice(_lines(text, end), 2 * _BLOCK_LINES):
        if attributions.IS_FIELD.match(text[start:stop]) is None:
            break
        end = stop
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _lines(text: str, at: int) -> Iterator[_Span]:
    while at < len(text):
        end = _line_end(text, at)
        yield at, end
        at = end


def _below(text: str, at: int) -> Iterator[_Span]:
    """Yield the lines from `at` on that are not empty."""
    return (span for span in islice(_lines(text, at), _FAR) if text[slice(*span)].strip())


def _above(text: str, at: int, *, adjacent: bool = False) -> Iterator[_Span]:
    """Yield the lines that end before `at` and are not empty, from the last; only to the first empty one."""
    for _ in range(_FAR):
        if at == 0:
            return
        start = text.rfind("\n", 0, at - 1) + 1
        if at - start > _LONGEST:
            return
        if text[start:at].strip():
            yield start, at
        elif adjacent:
            return
        at = start
