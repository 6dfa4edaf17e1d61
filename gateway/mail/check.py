"""The post-condition of a rewrite, proven on each copy before it leaves.

It reads the result as a stranger would: scanned again, decoded again, compared range by range.
Nothing of what the splice knew is used but the wish: which leaves, which markers, which invitation.
"""

import html
import re
from collections.abc import Sequence
from itertools import zip_longest

from gateway.mail import charsets, inline, marker, markup, parts, transfer, unseen
from gateway.mail import footer as footers
from gateway.mail.eligible import Reading, Target
from gateway.mail.footer import Footer
from gateway.mail.marker import Found
from gateway.mail.parts import Part
from gateway.mail.text import CannotRewrite, Edit, Text, Unreadable, read_leaf, replaced

_LONGEST_MARKER = 400
"""Characters of a marker without its white space: its words, two brackets on each side, its attributes."""
_IN_BRACKETS = re.compile(r"\W.*\W", re.DOTALL)
_EMPTY_LINE = re.compile(r"\n[ \t\u3000]*\r?\n")
_CHARSET = re.compile(rb";\s*charset[^=;]*=\s*(?:\"[^\"]*\"[^;]*|[^;]*)", re.IGNORECASE)
_ANCHOR = re.compile(r"""href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s\"'<>]+")
_UNSEEN = re.compile(rf"[\s{markup.ZERO_WIDTH}]+")
_REPLACEMENT = "\ufffd"
"""What stands in a text for octets that its charset does not explain, whichever they are."""


class CheckFailed(CannotRewrite):
    """The rewritten mail is not what it must be; the message says in which way, without any content."""


def check(raw: bytes, rewritten: bytes, reading: Reading, footer: Footer | None) -> None:
    """Raise CheckFailed unless `rewritten` is `raw` with exactly the invitation in each invited target.

    `rewritten` comes from `rewrite`, before anything is prepended.
    """
    root = parts.scan(rewritten)
    before, after = list(reading.root.walk()), list(root.walk())
    _same_tree(before, after)
    targets = {id(target.leaf.part): target for target in reading.targets}
    for old, new in zip(before, after, strict=True):
        target = targets.get(id(old))
        _same_fields(raw, rewritten, old, new, target)
        _same_bytes_between(raw, rewritten, old, new)
        if target is not None:
            _intended_text(raw, read_leaf(rewritten, new), target, footer if target.invited else None)
        elif not old.children and not _same(
            raw, (old.body_start, old.end), rewritten, (new.body_start, new.end)
        ):
            raise CheckFailed("a part that is no target was changed")
    if reading.targets and _holds_marker(rewritten, root):
        raise CheckFailed("a marker was left")


def _holds_marker(rewritten: bytes, root: Part) -> bool:
    """Whether a marker that counts stands in the mail; the sieve has no false negatives, and is fast."""
    return marker.might_be_marked(rewritten) and any(map(inline.marked, inline.bodies(rewritten, root)))


def _same(raw: bytes, old: tuple[int, int], rewritten: bytes, new: tuple[int, int]) -> bool:
    """Whether two ranges have the same bytes; a range may be an attached file, so it is not copied."""
    if old[1] - old[0] != new[1] - new[0]:
        return False
    return raw.startswith(memoryview(rewritten)[new[0] : new[1]], old[0])


def _same_tree(before: list[Part], after: list[Part]) -> None:
    def shape(part: Part) -> tuple[str, int, int]:
        return part.content_type, part.depth, len(part.children)

    if any(old is None or new is None or shape(old) != shape(new) for old, new in zip_longest(before, after)):
        raise CheckFailed("the tree of parts was changed")


def _same_fields(raw: bytes, rewritten: bytes, old: Part, new: Part, target: Target | None) -> None:
    """Compare the header blocks byte by byte, without the fields that a leaf's new form needs."""
    free = _free_fields(raw, rewritten, old, new) if target is not None else set()
    if old.depth == 0:
        free.add(marker.HEADER)
    if _header_without(raw, old, free) != _header_without(rewritten, new, free):
        raise CheckFailed("a header field was changed")
    if new.depth == 0 and new.named_fields(marker.HEADER):
        raise CheckFailed("the marker's header field was left")


def _free_fields(raw: bytes, rewritten: bytes, old: Part, new: Part) -> set[str]:
    """Return the fields of a target that may differ, because its charset or its encoding had to."""
    free = set[str]()
    if old.param("charset") != new.param("charset"):
        free.add("content-type")
        written = _fields(raw, old, "content-type") or b"Content-Type: text/plain"
        if new.param("charset") != "utf-8" or _undeclared(written) != _undeclared(
            _fields(rewritten, new, "content-type")
        ):
            raise CheckFailed("a rewritten leaf is declared as something else")
        if old.depth == 0 and not old.named_fields("mime-version") and not old.named_fields("content-type"):
            free.add("mime-version")
            if _fields(rewritten, new, "mime-version") != b"MIME-Version: 1.0\r\n":
                raise CheckFailed("a header field was changed")
    if old.encoding != new.encoding:
        free.add("content-transfer-encoding")
        if old.encoding not in transfer.IDENTITY or (
            _fields(rewritten, new, "content-transfer-encoding")
            != b"Content-Transfer-Encoding: quoted-printable\r\n"
        ):
            raise CheckFailed("a rewritten leaf has another encoding than it may")
    return free


def _fields(raw: bytes, part: Part, name: str) -> bytes:
    return b"".join(raw[field.start : field.end] for field in part.named_fields(name))


def _undeclared(content_type: bytes) -> bytes:
    """Take the charset out of a Content-Type."""
    return _CHARSET.sub(b"", content_type).rstrip(b"; \t\r\n")


def _header_without(raw: bytes, part: Part, names: set[str]) -> bytes:
    kept = b"".join(raw[field.start : field.end] for field in part.fields if field.name not in names)
    return kept + raw[part.fields[-1].end if part.fields else part.start : part.body_start]


def _same_bytes_between(raw: bytes, rewritten: bytes, old: Part, new: Part) -> None:
    """Compare what stands before, between and after the children: preamble, delimiters, epilogue."""
    if not old.children:
        return
    old_at, new_at = old.body_start, new.body_start
    for old_child, new_child in zip(old.children, new.children, strict=True):
        if not _same(raw, (old_at, old_child.start), rewritten, (new_at, new_child.start)):
            raise CheckFailed("a delimiter was changed")
        old_at, new_at = old_child.end, new_child.end
    if not _same(raw, (old_at, old.end), rewritten, (new_at, new.end)):
        raise CheckFailed("the end of a multipart was changed")


def _intended_text(raw: bytes, leaf: Text | Unreadable, target: Target, footer: Footer | None) -> None:
    if not isinstance(leaf, Text):
        raise CheckFailed("a rewritten leaf cannot be decoded")
    if leaf.guessed and not target.leaf.guessed:
        raise CheckFailed("a rewritten leaf does not say in which charset it is")
    form, edits = _form(raw, leaf.text, target, footer)
    if not _same_words(leaf.text, _author_and_invitation(target, form, edits)):
        raise CheckFailed("the author's text was changed")
    if _REPLACEMENT in leaf.text:
        _same_octets_around(target.leaf, leaf, edits)
    if footer is not None:
        _one_link(leaf, footer)


def _form(raw: bytes, text: str, target: Target, footer: Footer | None) -> tuple[str | None, list[Edit]]:
    """Return the form of the invitation that a rewritten text has, and the edits that make it.

    Only one form may be there; one that is not the best only where the leaf can hold no better one.
    """
    forms = footers.forms(target, footer)
    for form in forms:
        edits = footers.edits(target, form)
        if text == replaced(target.leaf.text, edits):
            if form is not forms[0] and form != footers.fitting(raw, target, footer).form:
                raise CheckFailed("a leaf has a lesser form of the invitation than it can hold")
            return form, edits
    raise CheckFailed("a rewritten leaf does not have the intended text")


def _same_octets_around(old: Text, new: Text, edits: Sequence[Edit]) -> None:
    """Compare the octets before the first edit and behind the last, where the text does not tell which."""
    if not edits:
        return
    if old.charset != new.charset:
        raise CheckFailed("a leaf with unknown characters was moved to another charset")
    before, after = old.decoded.data, new.decoded.data
    head = before[: _common(before, after)]
    if _characters(head, old.charset) < edits[0][0]:
        raise CheckFailed("octets before the invitation were changed")
    at = len(before) - _common(before[::-1], after[::-1])
    last = edits[-1][1]
    if old.charset == "iso-2022-jp":
        # What it shifts to stands before; half a pair counts as a character.
        changed = _characters(before[:at], old.charset) > last + 1
    else:
        changed = _characters(before[at:], old.charset) < len(old.text) - last
    if changed:
        raise CheckFailed("octets behind the invitation were changed")


def _characters(data: bytes, charset: str) -> int:
    """Return how many characters a stretch of a leaf is; in one read as ASCII each octet is one."""
    return len(data) if charset == "us-ascii" else len(charsets.decode_any(data, charset).text)


def _common(one: bytes, other: bytes) -> int:
    """Return the length of the longest common beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _author_and_invitation(target: Target, form: str | None, edits: Sequence[Edit]) -> str:
    """Return the author's text with the pieces of the first marker replaced and those of all others cut.

    Built from the markers' ranges alone; line ends and space-stuffing are for the comparison to ignore.
    """
    source = target.leaf.text
    for found in target.found:
        _no_longer_than_a_marker(source, found, target.leaf)
    new = form or ""
    if not target.found:
        return replaced(source, [(at, at, new) for at, _, _ in edits])
    pieces = [piece for found in target.found for piece in found.pieces]
    place = target.found[target.place].start
    wanted = [new if start == place else "" for start, _ in pieces]
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
    return _UNSEEN.sub("", text)


def _same_words(one: str, other: str) -> bool:
    """Whether two texts are the same without white space and what a reader does not see."""
    # Mostly they are one text, and the words of a large one take several times its space.
    return one == other or "".join(one.split()) == "".join(other.split()) or _bare(one) == _bare(other)


def _one_link(leaf: Text, footer: Footer) -> None:
    links = _LINK.findall(footer.text)
    if len(links) != 1:
        raise CheckFailed("the invitation has no link of its own")
    if leaf.html:
        # A link may be shown as text beside its anchor; what can be clicked is counted.
        anchors = [
            match.start() for match in _ANCHOR.finditer(leaf.text) if html.unescape(match[1]) == links[0]
        ]
        count = len(anchors)
        if any(unseen.unseen(leaf.text, [leaf.text.rfind("<", 0, at) for at in anchors])):
            raise CheckFailed("the link stands where no reader sees it")
    else:
        count = leaf.text.count(links[0])
    if count != 1:
        raise CheckFailed("a leaf does not have exactly one link")
