"""The slot ledger: who was counted for a partner, and which free introductions that has earned.

Lines are only ever added, each with the partner's totals after it.
A person counts once for a partner, whatever happens twice or in another order: the line's key is unique.
The partner's row is the lock, so that two nodes never earn the same slot.
"""

from dataclasses import dataclass
from datetime import datetime

from store import partners, tables
from store.records import SlotKind, SlotLine, SlotSummary
from store.transaction import Transaction, verb


@verb
def summarise(tx: Transaction) -> tuple[SlotSummary, ...]:
    """Return each partner's slots at a glance, by partner id."""
    rows = tx.fetch(tables.Partner.select().order_by(tables.Partner.id))
    return tuple(_summary(row, _totals(tx, row.id)) for row in rows)


@verb
def explain(tx: Transaction, partner_id: str | None = None) -> tuple[SlotLine, ...]:
    """Return the lines that make up the numbers, oldest first; UnknownRecord for an unknown partner."""
    query = tables.SlotLine.select().order_by(tables.SlotLine.id)
    if partner_id is not None:
        partners.find_partner(tx, partner_id)
        query = query.where(tables.SlotLine.partner_id == partner_id)
    return tuple(
        SlotLine(
            id=row.id,
            partner_id=row.partner_id,
            kind=SlotKind(row.kind),
            quantity=row.quantity,
            at=row.at,
            reason=row.reason,
            reference=row.reference,
        )
        for row in tx.fetch(query)
    )


def count(
    tx: Transaction, partner_id: str, person_id: int, *, step: str, reference: str, now: datetime
) -> None:
    """Count a person if this is the step that the partner's policy counts, and grant what that completes.

    A grant uses up as many persons as the ratio says at that moment: a changed ratio never reaches back.
    """
    partner = partners.find_partner(tx, partner_id, lock=True)
    if step != partner.basis:
        return
    totals = _totals(tx, partner_id)
    counted = totals.after(counted=1, towards_next=1)
    line = _Line(SlotKind.ACCRUE, step, reference, f"accrue:{partner_id}:{person_id}")
    if not _write(tx, partner_id, line, counted, now):
        return
    while counted.towards_next >= partner.ratio:
        last = counted.counted - counted.towards_next + partner.ratio
        counted = counted.after(towards_next=-partner.ratio, granted=1, available=1)
        line = _Line(
            SlotKind.GRANT,
            f"{partner.ratio} persons {step}",
            f"persons {last - partner.ratio + 1} to {last}",
            f"grant:{partner_id}:{counted.granted}",
        )
        _write(tx, partner_id, line, counted, now)


@dataclass(frozen=True, slots=True)
class _Totals:
    """A partner's totals: persons counted, persons no grant has used up yet, slots granted, slots left."""

    counted: int = 0
    towards_next: int = 0
    granted: int = 0
    available: int = 0

    def after(
        self, *, counted: int = 0, towards_next: int = 0, granted: int = 0, available: int = 0
    ) -> "_Totals":
        return _Totals(
            self.counted + counted,
            self.towards_next + towards_next,
            self.granted + granted,
            self.available + available,
        )


@dataclass(frozen=True, slots=True)
class _Line:
    kind: SlotKind
    reason: str
    reference: str
    key: str
    quantity: int = 1


def _totals(tx: Transaction, partner_id: str) -> _Totals:
    table = tables.SlotLine
    last = tx.first(table.select().where(table.partner_id == partner_id).order_by(table.id.desc()))
    if last is None:
        return _Totals()
    return _Totals(last.counted_after, last.towards_next_after, last.granted_after, last.available_after)


def _write(tx: Transaction, partner_id: str, line: _Line, totals: _Totals, now: datetime) -> bool:
    """Append a line unless its key is there already; return whether it was appended."""
    line_id = tx.add_new(
        tables.SlotLine.insert(
            partner_id=partner_id,
            kind=line.kind,
            quantity=line.quantity,
            at=now,
            reason=line.reason,
            reference=line.reference,
            key=line.key,
            counted_after=totals.counted,
            towards_next_after=totals.towards_next,
            granted_after=totals.granted,
            available_after=totals.available,
        ),
        tables.SlotLine.id,
    )
    return line_id is not None


def _summary(row: tables.Partner, totals: _Totals) -> SlotSummary:
    return SlotSummary(
        partner_id=row.id,
        partner_name=row.legal_name,
        policy=partners.policy(row),
        counted=totals.counted,
        # A ratio that was lowered since may be reached already; the next person counted earns the slot.
        towards_next=max(0, min(totals.towards_next, row.ratio - 1)),
        granted=totals.granted,
        available=totals.available,
    )
