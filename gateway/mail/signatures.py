"""Where the author's signature begins in the lines of a letter.

- `-- ` begins one wherever it stands last (RFC 3676, section 4.3); without its space only a short one.
- Japanese letters draw a rule above it, often one below and some within; a rule may also divide a letter.
  So what begins at a rule must hold an address of some kind, or end in a rule, and must not read as prose.
- A telephone's line about itself ends the letter.
"""

import re
import unicodedata
from collections.abc import Sequence

MAX_LINES = 15
"""Lines with text of a signature that a rule begins; longer ones are a part of the letter."""
_LONGEST = 200
"""Characters of a line that can be a rule or a telephone's; others are prose."""
_SHORTEST_RULE = 5
"""Signs of a rule; three or four are an ellipsis or a divider."""
_CAPTION = re.compile(r"(?P<left>\W{4,})\w[^。]{0,60}?(?P<right>\W{4,})")
_CONTACT = re.compile(
    r"""(?ix)
    〒 | ☎ | ℡ | (?<![a-z]) (?: tel | fax | e-?mail | mobile | phone | url ) (?![a-z])
    | ＴＥＬ | ＦＡＸ | 電話 | 携帯
    | https?:// | (?<!\w) www\. | [\w.+-]{1,64}[@＠]\w | \d{2,4}-\d{2,4}-\d{4}
    | 会社 | 法人 | ㈱ | [(（][株有][)）] | \b (?: inc | ltd | llc | gmbh | corp ) \b
    """
)
_PROSE = re.compile(
    r"""(?x)
    .{7,} [。！？] [\s」』）)]* $
    | .{4,} (?: ます | です | ません | ください | 下さい | ました | でした | ましょう ) [\s、！!]* $
    | (?: \S+ [ ] ){5,} \S+ [.!?] \s* $
    """
)
_TELEPHONE = re.compile(
    r"""(?ix)
    (?: sent \s from | sent \s via | get \s outlook \s for ) \s .{1,100}
    | .{1,40} (?: から送信 (?: されました | しています )? | を入手 (?: する )? | を使用して送信 ) [。.]?
      (?: \s* <\S+> )?
    """
)


def begin(lines: Sequence[str]) -> int:
    """Return the index of the line that the signature begins with; `len(lines)` when there is none.

    `lines` are the author's alone, with or without line ends, from any line before the signature to the last.
    """
    end = _telephone(lines, len(lines))
    end = _delimiter(lines, end)
    return _ruled(lines, end)


def is_rule(line: str) -> bool:
    """Whether a line is drawn and not written: `-----`, `━━━━━`, `*-*-*-*`, `==== Example ====`."""
    signs = "".join(line.split())
    if not _SHORTEST_RULE <= len(signs) <= _LONGEST or signs[0] in ">＞":
        return False
    if all(map(_drawn, signs)):
        return True
    caption = _CAPTION.fullmatch(signs)
    return caption is not None and all(map(_drawn, caption["left"] + caption["right"]))


def _is_prose(line: str) -> bool:
    return len(line) > _LONGEST or _PROSE.search(line) is not None


def _holds_contact(line: str) -> bool:
    return _CONTACT.search(line, 0, _LONGEST) is not None


def _drawn(sign: str) -> bool:
    return sign in "ーｰ" or unicodedata.category(sign) in ("Pd", "Pc", "Po", "So", "Sm", "Sk")


def _written(lines: Sequence[str], end: int) -> int:
    """Return the index after the last line before `end` that is not blank."""
    while end and not lines[end - 1].strip():
        end -= 1
    return end


def _telephone(lines: Sequence[str], end: int) -> int:
    last = _written(lines, end)
    if last == 0:
        return end
    line = lines[last - 1].strip()
    return last - 1 if len(line) <= _LONGEST and _TELEPHONE.fullmatch(line) is not None else end


def _delimiter(lines: Sequence[str], end: int) -> int:
    below = 0
    for number in range(end - 1, -1, -1):
        line = lines[number].rstrip("\r\n")
        if line == "-- " or (line.rstrip() == "--" and below <= MAX_LINES):
            return number
        below += bool(line.strip())
    return end


def _ruled(lines: Sequence[str], end: int) -> int:
    """Return where a signature with rules begins: at its own first rule, or at one further up."""
    written: list[int] = []
    for number in range(_written(lines, end) - 1, -1, -1):
        if len(written) > MAX_LINES:
            break
        if lines[number].strip():
            written.append(number)
    rules = [number for number in written if is_rule(lines[number])]
    if not rules:
        return end
    found = _first_of_block(lines, written, rules)
    if found is None:
        return end
    for upper in rules:
        if upper < found:
            if any(_is_prose(line.strip()) for line in lines[upper + 1 : found]):
                break
            found = upper
    return found


def _first_of_block(lines: Sequence[str], written: list[int], rules: list[int]) -> int | None:
    """Return the rule that begins the last block, if the block looks like one; all indices descend."""
    closed = rules[0] == written[0]
    for upper in rules:
        inner = [lines[number].strip() for number in reversed(written) if number > upper]
        words = [line for line in inner if not is_rule(line)]
        if not words:
            continue
        contact = any(map(_holds_contact, words))
        prose = _is_prose(words[0])
        return upper if (contact and not prose) or (closed and (contact or not prose)) else None
    return None
