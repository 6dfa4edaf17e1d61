"""The post-condition of a rewrite, proven on each copy before it leaves.

It reads the result as a stranger would: scanned again, decoded again, compared range by range.
Nothing of what the splice knew is used but the wish: which leaves, which markers, which invitation.
"""

import html
import re
from itertools import zip_longest

from gateway.mail import footer as footers
from gateway.mail import inline, marker, markup, parts
from gateway.mail.eligible import Reading, Target
from gateway.mail.footer import Footer
from gateway.mail.inline import Leaf
from gateway.mail.marker import Found
from gateway.mail.parts import Part
from gateway.mail.text import CannotRewrite, Text, replaced

_MAY_CHANGE = ("content-type", "content-transfer-encoding")
_LONGEST_MARKER = 400
"""Characters of a marker without its white space: its words, two brackets on each side, its attributes."""
_IN_BRACKETS = re.compile(r"\W.*\W", re.DOTALL)
_EMPTY_LINE = re.compile(r"\n[ \t\u3000]*\r?\n")
_ANCHOR = re.compile(r"""href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s\"'<>]+")


class CheckFailed(CannotRewrite):
    """The rewritten mail is not what it must be; the message says in which way, without any content."""


def check(raw: bytes, rewritten: bytes, reading: Reading, footer: Footer | None) -> None:
    """Raise CheckFailed unless `rewritten` is `raw` with exactly the invitation in each invited target.

    `rewritten` comes from `rewrite`, before anything is prepended.
    """
    root = parts.scan(rewritten)
    before, after = list(reading.root.walk()), list(root.walk())
    _same_tree(before, after)
    leaves = {id(leaf.part): leaf for body in inline.bodies(rewritten, root) for leaf in body}
    targets = {id(target.leaf.part): target for target in reading.targets}
    for old, new in zip(before, after, strict=True):
        target = targets.get(id(old))
        _same_fields(raw, rewritten, old, new, target)
        _same_bytes_between(raw, rewritten, old, new)
        if target is not None:
            _intended_text(raw, leaves.get(id(new)), target, footer if target.invited else None)
        elif not old.children and raw[old.body_start : old.end] != rewritten[new.body_start : new.end]:
            raise CheckFailed("a part that is no target was changed")
    if reading.targets and any(leaf.found for leaf in leaves.values()):
        raise CheckFailed("a marker was left")


def _same_tree(before: list[Part], after: list[Part]) -> None:
    def shape(part: Part) -> tuple[str, int, int]:
        return part.content_type, part.depth, len(part.children)

    if any(old is None or new is None or shape(old) != shape(new) for old, new in zip_longest(before, after)):
        raise CheckFailed("the tree of parts was changed")


def _same_fields(raw: bytes, rewritten: bytes, old: Part, new: Part, target: Target | None) -> None:
    """Compare the header blocks byte by byte, without the fields that may differ."""
    free = set(_MAY_CHANGE) if target is not None else set()
    if old.depth == 0:
        free.add(marker.HEADER)
        if target is not None and not old.named_fields("mime-version"):
            free.add("mime-version")
    if _header_without(raw, old, free) != _header_without(rewritten, new, free):
        raise CheckFailed("a header field was changed")
    if new.depth == 0 and new.named_fields(marker.HEADER):
        raise CheckFailed("the marker's header field was left")


def _header_without(raw: bytes, part: Part, names: set[str]) -> bytes:
    kept = b"".join(raw[field.start : field.end] for field in part.fields if field.name not in names)
    return kept + raw[part.fields[-1].end if part.fields else part.start : part.body_start]


def _same_bytes_between(raw: bytes, rewritten: bytes, old: Part, new: Part) -> None:
    """Compare what stands before, between and after the children: preamble, delimiters, epilogue."""
    if not old.children:
        return
    old_at, new_at = old.body_start, new.body_start
    for old_child, new_child in zip(old.children, new.children, strict=True):
        if raw[old_at : old_child.start] != rewritten[new_at : new_child.start]:
            raise CheckFailed("a delimiter was changed")
        old_at, new_at = old_child.end, new_child.end
    if raw[old_at : old.end] != rewritten[new_at : new.end]:
        raise CheckFailed("the end of a multipart was changed")


def _intended_text(raw: bytes, read: Leaf | None, target: Target, footer: Footer | None) -> None:
    if read is None or not isinstance(read.text, Text):
        raise CheckFailed("a rewritten leaf cannot be decoded")
    leaf, source = read.text, target.leaf.text
    best, *others = footers.forms(target, footer)
    form = best
    if leaf.text != replaced(source, footers.edits(target, best)):
        form = next(
            (other for other in others if leaf.text == replaced(source, footers.edits(target, other))), best
        )
        if form == best or form != footers.fitting(raw, target, footer).form:
            raise CheckFailed("a rewritten leaf does not have the intended text")
    if _bare(leaf.text) != _bare(_author_and_invitation(target, form)):
        raise CheckFailed("the author's text was changed")
    if footer is not None:
        _one_link(leaf, footer)


def _author_and_invitation(target: Target, form: str | None) -> str:
    """Return the author's text with the pieces of the first marker replaced and those of all others cut.

    Built from the markers' ranges alone; line ends and space-stuffing are for the comparison to ignore.
    """
    source = target.leaf.text
    for found in target.found:
        _no_longer_than_a_marker(source, found, target.leaf)
    new = form or ""
    if not target.found:
        return replaced(source, [(at, at, new) for at, _, _ in footers.edits(target, form)])
    pieces = [piece for found in target.found for piece in found.pieces]
    wanted = [new] + [""] * (len(pieces) - 1)
    return replaced(source, [(start, end, text) for (start, end), text in zip(pieces, wanted, strict=True)])


def _no_longer_than_a_marker(source: str, found: Found, leaf: Text) -> None:
    """Measure what is cut, however it was found: an author's paragraph is longer, or has a line to itself."""
    cut = [source[start:end] for start, end in found.pieces]
    seen = "".join(html.unescape(piece) for piece in cut) if leaf.html else "".join(cut)
    if len(_bare(seen)) > _LONGEST_MARKER or not _IN_BRACKETS.fullmatch(seen):
        raise CheckFailed("more than a marker was cut")
    if not leaf.html and _EMPTY_LINE.search(seen) is not None:
        raise CheckFailed("more than a marker was cut")


def _bare(text: str) -> str:
    """Take out white space and what a reader does not see, which a whole marker line may take with it."""
    return re.sub(rf"[\s{markup.ZERO_WIDTH}]+", "", text)


def _one_link(leaf: Text, footer: Footer) -> None:
    links = _LINK.findall(footer.text)
    if len(links) != 1:
        raise CheckFailed("the invitation has no link of its own")
    if leaf.html:
        # A link may be shown as text beside its anchor; what can be clicked is counted.
        anchors = _ANCHOR.findall(html.unescape(leaf.text))
        count = anchors.count(links[0])
    else:
        count = leaf.text.count(links[0])
    if count != 1:
        raise CheckFailed("a leaf does not have exactly one link")
