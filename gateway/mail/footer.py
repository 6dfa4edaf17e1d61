"""The invitation in the marker's place.

- A marker alone on its line gives its whole line; within a line it gives only itself.
- In HTML its first piece gives way to the invitation and the others to nothing, so tags stay balanced.
- When only a header field asked for it, it stands before the signature or the quoted mail at the end.
- Several markers that agree are one request: the first that is seen is replaced, the others go.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.mail import marker, markup, placement, text, unseen
from gateway.mail.eligible import Reading, Target
from gateway.mail.marker import Found
from gateway.mail.text import CannotRewrite, Edit, Splice

__all__ = ["CannotRewrite", "Fitting", "Footer", "edits", "fitting", "forms", "rewrite"]

_BLANK = re.compile(rf"[\s{markup.ZERO_WIDTH}]*")
_STUFFED = re.compile(r"^(?=[ >]|From )", re.MULTILINE)
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_NEAR = 2 * marker.MAX_ATTRIBUTES
"""Characters beside a marker in which the two halves of another one are looked for."""
_EMPTY_LINE = re.compile(r"[^\S\n]*\n")
_PREFORMATTED = re.compile(r"<pre\b", re.IGNORECASE)
_TAG_AND_LINE_END = re.compile(r">(\r\n|\r|\n)")


@dataclass(frozen=True, slots=True)
class Footer:
    """An invitation with its link, in all its forms."""

    text: str = field(repr=False)
    """Lines in any line-end style; the leaf's own is used."""
    html: str = field(repr=False)
    """ASCII with numeric character references, a fragment without script; line ends as in the text."""
    ascii: str = field(default="", repr=False)
    """Lines of ASCII with the same link, for text that can hold nothing else; empty when there is none."""


def rewrite(raw: bytes, reading: Reading, footer: Footer | None) -> bytes:
    """Return the mail with the invitation in each target; `None` only takes the markers out.

    An X-Relay-Rejection field is removed.
    Raises CannotRewrite when charset or structure cannot carry the invitation.
    """
    changes: list[Splice] = []
    for target in reading.targets:
        fit = fitting(raw, target, footer if target.invited else None)
        _make_no_delimiter(reading, target, fit.edits)
        _make_no_marker(target, fit.edits)
        changes += fit.splices
    changes += [(named.start, named.end, b"") for named in reading.root.named_fields(marker.HEADER)]
    return text.apply(raw, changes)


@dataclass(frozen=True, slots=True)
class Fitting:
    """The form of the invitation that a leaf can hold."""

    form: str | None = field(repr=False)
    edits: list[Edit] = field(repr=False)
    splices: list[Splice] = field(repr=False)


def forms(target: Target, footer: Footer | None) -> tuple[str | None, ...]:
    """Return the forms that a target may get, the one it should get first."""
    if footer is None:
        return (None,)
    if target.leaf.html:
        return (footer.html,)
    return (footer.text, footer.ascii) if footer.ascii else (footer.text,)


def fitting(raw: bytes, target: Target, footer: Footer | None) -> Fitting:
    """Choose the first form that the leaf can hold without loss; raises CannotRewrite if it holds none."""
    *better, last = forms(target, footer)
    for form in better:
        with contextlib.suppress(CannotRewrite):
            return _fitted(raw, target, form)
    return _fitted(raw, target, last)


def _fitted(raw: bytes, target: Target, form: str | None) -> Fitting:
    made = edits(target, form)
    return Fitting(form, made, text.splices(raw, target.leaf, made))


def _make_no_delimiter(reading: Reading, target: Target, made: Sequence[Edit]) -> None:
    """Raise CannotRewrite when a line becomes a delimiter of a multipart around the leaf."""
    leaf, source = target.leaf.part, target.leaf.text
    around = [part for part in reading.root.walk() if part.children and part.start <= leaf.start < part.end]
    delimiters = {f"--{part.param('boundary').rstrip()}" for part in around}
    for start, end, new in made if delimiters else ():
        line_end = source.find("\n", end)
        line = source[source.rfind("\n", 0, start) + 1 : start] + new
        line += source[end : line_end if line_end >= 0 else len(source)]
        if any(words.rstrip().removesuffix("--") in delimiters for words in line.split("\n")):
            raise CannotRewrite("a line of the leaf would become a delimiter")


def _make_no_marker(target: Target, made: Sequence[Edit]) -> None:
    """Raise CannotRewrite when what stands on both sides of a marker becomes another one."""
    result = text.replaced(target.leaf.text, made)
    moved = 0
    for start, end, new in made:
        at = start + moved
        moved += len(new) - (end - start)
        before = result[max(at - _NEAR, 0) : at]
        behind = result[at : at + len(new) + _NEAR]
        if marker.might_be_marked((before + behind).encode("utf-8", "surrogatepass")):
            findings = marker.find(before + behind, html=target.leaf.html)
            if any(found.start < len(before) < found.end for found in findings.found):
                raise CannotRewrite("a marker stands within a marker")


def edits(target: Target, form: str | None) -> list[Edit]:
    """Return the edits of one leaf's text that put this form of the invitation there, ascending."""
    if not target.found:
        return [] if form is None else [_insertion(target, form)]
    found: list[Edit] = []
    for number, spot in enumerate(target.found):
        wanted = form if number == target.place else None
        found += _html_edits(target, spot, wanted) if target.leaf.html else [_text_edit(target, spot, wanted)]
    return found


def _html_edits(target: Target, spot: Found, form: str | None) -> list[Edit]:
    first, *others = spot.pieces
    new = _markup(target, form) if form is not None else ""
    return [(*first, new), *((start, end, "") for start, end in others)]


def _text_edit(target: Target, spot: Found, form: str | None) -> Edit:
    source, newline = target.leaf.text, target.leaf.newline
    line_start = source.rfind("\n", 0, spot.start) + 1
    line_end = source.find("\n", spot.end)
    after = len(source) if line_end < 0 else line_end + 1
    line_end = after if line_end < 0 else line_end
    line_end -= source[line_end - 1 : line_end] == "\r" and line_end > spot.end
    before_blank = _BLANK.fullmatch(source, line_start, spot.start) is not None
    after_blank = _BLANK.fullmatch(source, spot.end, line_end) is not None
    if form is None:
        if before_blank and after_blank:
            return line_start, after, ""
        return spot.start, spot.end, ""
    lines = _lines(target, form)
    start = line_start if before_blank else spot.start
    end = line_end if after_blank else spot.end
    if not before_blank or _flows_into(target, line_start):
        lines = newline + lines
    return start, end, lines if after_blank else lines + newline


def _flows_into(target: Target, at: int) -> bool:
    """Whether the line before `at` would take what follows as its continuation (RFC 3676, section 4.1)."""
    line = target.leaf.text[target.leaf.text.rfind("\n", 0, max(at - 1, 0)) + 1 : at].rstrip("\r\n")
    return target.leaf.flowed and line.endswith(" ") and line != "-- "


def _lines(target: Target, form: str) -> str:
    """Return the invitation's lines in the leaf's line ends, without one at the end."""
    lines = [line.rstrip() for line in _LINE_ENDS.split(form.strip("\r\n"))]
    text = "\n".join(lines)
    if target.leaf.flowed:
        text = _STUFFED.sub(" ", text)
    return text.replace("\n", target.leaf.newline)


def _markup(target: Target, form: str) -> str:
    """Return the invitation's HTML in the leaf's line ends.

    Where the leaf has preformatted text, a line end would show: it goes into the tag before it.
    """
    if _PREFORMATTED.search(target.leaf.text) is not None:
        form = _TAG_AND_LINE_END.sub(r"\1>", form)
    return _LINE_ENDS.sub(target.leaf.newline, form)


def _insertion(target: Target, form: str) -> Edit:
    source, newline = target.leaf.text, target.leaf.newline
    if target.leaf.html:
        at = placement.in_html(source, target.quoted, target.body_end)
        if any(unseen.unseen(source, [at])):
            raise CannotRewrite("below the author's words is only what no reader sees")
        return at, at, _markup(target, form)
    at, blank = _below_one_blank_line(source, placement.in_text(source, target.quoted))
    line_is_blank = not source[source.rfind("\n", 0, at) + 1 : at].strip()
    before = "" if at == 0 or blank else newline if line_is_blank else newline * 2
    if at and blank and _flows_into(target, at):
        before = newline
    rest = source[at:]
    behind = newline if not rest.strip() or _EMPTY_LINE.match(rest) is not None else newline * 2
    return at, at, before + _lines(target, form) + behind


def _below_one_blank_line(source: str, at: int) -> tuple[int, bool]:
    """Go up over blank lines, but for the first; the flag says whether there is one."""
    authored = len(source[:at].rstrip())
    if not authored:
        return 0, False
    line_end = source.find("\n", authored, at) + 1
    blank_end = source.find("\n", line_end, at) + 1 if line_end else 0
    return (blank_end, True) if blank_end else (at, False)
