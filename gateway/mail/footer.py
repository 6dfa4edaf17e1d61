"""The invitation in the marker's place.

- A marker alone on its line gives its whole line; within a line it gives only itself.
- In HTML its first piece gives way to the invitation and the others to nothing, so tags stay balanced.
- When only a header field asked for it, it stands before the signature or the quoted mail at the end.
- Several markers that agree are one request: the first is replaced, the others go.
"""

import re
from dataclasses import dataclass, field

from gateway.mail import marker, markup, quotes, text
from gateway.mail.eligible import Reading, Target
from gateway.mail.marker import Found
from gateway.mail.text import CannotRewrite, Edit, Splice

__all__ = ["CannotRewrite", "Footer", "edits", "rewrite"]

_BLANK = re.compile(rf"[\s{markup.ZERO_WIDTH}]*")
_SIGNATURE = re.compile(r"^-- ?\r?$", re.MULTILINE)
_STUFFED = re.compile(r"^(?=[ >]|From )", re.MULTILINE)
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Footer:
    """An invitation with its link, in both forms."""

    text: str = field(repr=False)
    """Lines in any line-end style; the leaf's own is used."""
    html: str = field(repr=False)
    """ASCII with numeric character references, a fragment without script; line ends as in the text."""


def rewrite(raw: bytes, reading: Reading, footer: Footer | None) -> bytes:
    """Return the mail with the invitation in each target; `None` only takes the markers out.

    An X-Relay-Rejection field is removed.
    Raises CannotRewrite when charset or structure cannot carry the invitation.
    """
    changes: list[Splice] = []
    for target in reading.targets:
        changes += text.splices(raw, target.leaf, edits(target, footer if target.invited else None))
    changes += [(named.start, named.end, b"") for named in reading.root.named_fields(marker.HEADER)]
    return text.apply(raw, changes)


def edits(target: Target, footer: Footer | None) -> list[Edit]:
    """Return the edits of one leaf's text, ascending: the decision behind `rewrite`."""
    if not target.found:
        return [] if footer is None else [_insertion(target, footer)]
    found: list[Edit] = []
    for number, spot in enumerate(target.found):
        wanted = footer if number == 0 else None
        found += _html_edits(target, spot, wanted) if target.leaf.html else [_text_edit(target, spot, wanted)]
    return found


def _html_edits(target: Target, spot: Found, footer: Footer | None) -> list[Edit]:
    first, *others = spot.pieces
    new = _markup(target, footer) if footer is not None else ""
    return [(*first, new), *((start, end, "") for start, end in others)]


def _text_edit(target: Target, spot: Found, footer: Footer | None) -> Edit:
    source, newline = target.leaf.text, target.leaf.newline
    line_start = source.rfind("\n", 0, spot.start) + 1
    line_end = source.find("\n", spot.end)
    after = len(source) if line_end < 0 else line_end + 1
    line_end = after if line_end < 0 else line_end
    line_end -= source[line_end - 1 : line_end] == "\r" and line_end > spot.end
    before_blank = _BLANK.fullmatch(source, line_start, spot.start) is not None
    after_blank = _BLANK.fullmatch(source, spot.end, line_end) is not None
    if footer is None:
        if before_blank and after_blank:
            return line_start, after, ""
        return spot.start, spot.end, ""
    lines = _lines(target, footer)
    start = line_start if before_blank else spot.start
    end = line_end if after_blank else spot.end
    if not before_blank or _flows_into(target, line_start):
        lines = newline + lines
    return start, end, lines if after_blank else lines + newline


def _flows_into(target: Target, at: int) -> bool:
    """Whether the line before `at` would take what follows as its continuation (RFC 3676, section 4.1)."""
    line = target.leaf.text[target.leaf.text.rfind("\n", 0, max(at - 1, 0)) + 1 : at].rstrip("\r\n")
    return target.leaf.flowed and line.endswith(" ") and line != "-- "


def _lines(target: Target, footer: Footer) -> str:
    """Return the invitation's lines in the leaf's line ends, without one at the end."""
    lines = [line.rstrip() for line in _LINE_ENDS.split(footer.text.strip("\r\n"))]
    text = "\n".join(lines)
    if target.leaf.flowed:
        text = _STUFFED.sub(" ", text)
    return text.replace("\n", target.leaf.newline)


def _markup(target: Target, footer: Footer) -> str:
    """Return the invitation's HTML in the leaf's line ends."""
    return _LINE_ENDS.sub(target.leaf.newline, footer.html)


def _insertion(target: Target, footer: Footer) -> Edit:
    at = _place(target)
    if target.leaf.html:
        return at, at, _markup(target, footer)
    source, newline = target.leaf.text, target.leaf.newline
    before = "" if at == 0 else newline if source[at - 1] == "\n" else newline * 2
    behind = newline if at == len(source) else newline * 2
    return at, at, before + _lines(target, footer) + behind


def _place(target: Target) -> int:
    """Return where an invitation without marker goes: before the signature or the quoted mail at the end."""
    source = target.leaf.text
    end = target.body_end
    for start, stop in reversed(target.quoted):
        if stop >= end or not source[stop:end].strip():
            end = start
        else:
            break
    if target.leaf.html:
        return end
    signature = None
    for match in _SIGNATURE.finditer(source, 0, end):
        if not quotes.inside(target.quoted, match.start()):
            signature = match
    return signature.start() if signature is not None else end
