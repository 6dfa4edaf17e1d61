"""The text that a mail shows of itself: its inline bodies, each with its alternatives, read and searched.

- An alternative shows one branch, so each branch gives one leaf: the one with the marker, or else the last.
- What else stands in a branch is a body of its own: nobody is invited there, but no marker stays in it.
- Attached parts and attached messages are somebody else's words, and are not here.
  So is a part with a file name, unless it is an alternative or the root of its pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.mail import marker, quotes, unseen
from gateway.mail.marker import Found
from gateway.mail.parts import Part
from gateway.mail.text import Text, Unreadable, read_leaf

TEXTS = ("text/plain", "text/html")
"""What an invitation can be written in."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """An inline text leaf, read as far as it can be."""

    part: Part
    text: Text | Unreadable
    found: tuple[Found, ...] = ()
    """The markers outside quoted text, ascending."""
    place: int | None = 0
    """Which of them the reader sees first; None when there is none that is seen."""
    swallowed: int = 0
    """How many markers stand in a tag or in an element without text, where nothing is changed."""
    in_quotes: int = 0
    """How many markers stand in quoted text."""
    quoted: tuple[tuple[int, int], ...] = ()
    """Ranges of the leaf's text that are quoted mail, ascending."""
    body_end: int = 0
    """Index of `</body>` in HTML, or of the end of the text."""
    almost: tuple[str, ...] = ()


Body = tuple[Leaf, ...]
"""One leaf, or all alternatives of one text."""


def bodies(raw: bytes, root: Part) -> list[Body]:
    """Return the inline bodies, in order; after an alternative what else is in its branches."""
    return [body for found in _bodies(raw, root) for body in (found.body, *found.rest)]


def marked(body: Body) -> bool:
    """Whether a marker that counts stands in one of the body's alternatives."""
    return any(leaf.found for leaf in body)


def read(raw: bytes, part: Part) -> Leaf:
    """Read a text leaf and search it."""
    text = read_leaf(raw, part)
    if not isinstance(text, Text):
        return Leaf(part, text)
    findings = marker.find(text.text, html=text.html, flowed=text.flowed, delsp=text.delsp)
    spans = findings.quotes if text.html else tuple(quotes.quoted_ranges(text.text))
    own = tuple(found for found in findings.found if not quotes.inside(spans, found.start))
    others = len(findings.found) - len(own)
    in_text = _in_text(text, own)
    swallowed = len(own) - len(in_text)
    place = _first_seen(text, in_text)
    return Leaf(part, text, in_text, place, swallowed, others, spans, findings.body_end, findings.almost)


def _in_text(text: Text, own: tuple[Found, ...]) -> tuple[Found, ...]:
    """Return the markers without those whose removal would change a tag."""
    if not text.html:
        return own
    swallowed = unseen.swallowed(text.text, [found.start for found in own])
    return tuple(found for found, flag in zip(own, swallowed, strict=True) if not flag)


def _first_seen(text: Text, own: Sequence[Found]) -> int | None:
    if not text.html:
        return 0
    hidden = unseen.hidden(text.text, [found.start for found in own])
    return next((number for number, is_hidden in enumerate(hidden) if not is_hidden), None)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A body with the bodies that are never shown beside it."""

    body: Body
    rest: tuple[Body, ...] = ()


def _bodies(raw: bytes, part: Part, *, shown_here: bool = False) -> Iterator[_Shown]:
    if part.content_type in TEXTS and not part.children:
        if part.disposition != "attachment" and (shown_here or not part.named):
            yield _Shown((read(raw, part),))
    elif part.content_type == "multipart/alternative":
        branches = [list(_bodies(raw, child, shown_here=True)) for child in part.children]
        if shown := [_chosen(branch) for branch in branches if branch]:
            body = tuple(leaf for branch in shown for leaf in branch.body)
            yield _Shown(body, tuple(other for branch in shown for other in branch.rest))
    elif part.content_type == "multipart/related":
        yield from _bodies(raw, _related_root(raw, part), shown_here=True) if part.children else ()
    elif part.content_type.startswith("multipart/"):
        for child in part.children:
            yield from _bodies(raw, child)


def _chosen(branch: list[_Shown]) -> _Shown:
    """Return the text of a branch that an invitation belongs to, and all others of it as the rest."""
    one = next((shown for shown in branch if marked(shown.body)), branch[-1])
    return _Shown(
        one.body,
        tuple(body for shown in branch for body in (shown.body, *shown.rest) if body is not one.body),
    )


def _related_root(raw: bytes, part: Part) -> Part:
    """Return the part that `start` names (RFC 2387), or the first."""
    start = part.param("start").encode("latin-1")
    named = (child for child in part.children if start and start in child.values(raw, "content-id"))
    return next(named, part.children[0])
