"""The copies as they are explained: who gets each, who signed it, and what in it was changed."""

from collections.abc import Iterable, Iterator

from gateway.copies import Copy
from gateway.mail import parts
from gateway.mail.eligible import Reading
from gateway.mail.parts import Part
from gateway.mail.text import Text, read_leaf
from gateway.operator.explain.difference import compare, compare_fields
from gateway.operator.explain.explanation import Change, CopySeen
from gateway.operator.explain.parts_seen import numbered
from store.records import CopyKind


def see_copies(raw: bytes, reading: Reading, copies: Iterable[Copy]) -> Iterator[CopySeen]:
    """Describe each copy of a mail; only the first of each kind with all that is other in it."""
    seen: set[CopyKind] = set()
    for number, copy in enumerate(copies, start=1):
        kind, root = copy.plan.kind, parts.scan(copy.content)
        yield CopySeen(
            file=file_name(copy, number),
            kind=kind,
            recipients=tuple(address(recipient.address) for recipient in copy.recipients),
            octets=len(copy.content),
            growth=len(copy.content) - len(raw),
            signed_by=tuple(_signatures(raw, reading.root, copy.content, root)),
            changes=None if kind in seen else tuple(_changes(raw, reading, copy.content, root)),
        )
        seen.add(kind)


def file_name(copy: Copy, number: int) -> str:
    """Return a copy's name as a file; `number` counts the copies from 1, candidates first."""
    return "internal.eml" if copy.plan.kind is CopyKind.INTERNAL else f"candidate-{number}.eml"


def address(octets: bytes) -> str:
    """Return an envelope's address as text; what is no UTF-8 is escaped."""
    return octets.decode("utf-8", "backslashreplace")


def _signatures(raw: bytes, before: Part, copy: bytes, after: Part) -> Iterator[str]:
    """Name the DKIM signatures that the mail itself does not have."""
    old = {raw[field.start : field.end] for field in before.named_fields("dkim-signature")}
    for field in after.named_fields("dkim-signature"):
        if copy[field.start : field.end] not in old:
            tags = dict(parts.media_type(b";" + parts.field_value(copy, field))[1])
            yield f"{tags.get('s')}._domainkey.{tags.get('d')} ({tags.get('a')})"


def _changes(raw: bytes, reading: Reading, copy: bytes, root: Part) -> Iterator[Change]:
    """Compare part by part; the check has proven that both trees are the same."""
    targets = {id(target.leaf.part): target.leaf for target in reading.targets}
    for old, new in zip(numbered(reading.root), numbered(root), strict=True):
        if hunks := compare_fields(raw, old.part.fields, copy, new.part.fields):
            yield Change(old.number, "header", hunks)
        target = targets.get(id(old.part))
        text = read_leaf(copy, new.part) if target is not None else None
        if target is not None and isinstance(text, Text) and (hunks := compare(target.text, text.text)):
            yield Change(old.number, "text", hunks)
