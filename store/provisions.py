"""Provisions: what was given to which partner on what ground (APPI, article 29), and what it answered.

The record is written in the transaction that marks the submission as sent, and repeats what it needs:
it is kept for three years, longer than the person's own rows.
"""

from collections.abc import Sequence
from datetime import datetime

from store import outbox_lines, slots, tables
from store.pool import advance_cases
from store.records import Acknowledgement, CaseState, Claim, ProvisionRecord, QueueState
from store.transaction import Transaction, verb

_KEEP_YEARS = 3
"""Enforcement Rules of the APPI on the retention of records of provision: three years in the general case."""


@verb
def record_sent(
    tx: Transaction,
    claim: Claim,
    *,
    data_items: Sequence[str],
    acknowledgement: Acknowledgement | None,
    now: datetime,
) -> None:
    """Record that a claimed submission has left, and what the partner said to it, if anything.

    `data_items` are the names of the fields that were sent.
    Raises LeaseLost when the claim is no longer ours; then nothing is recorded, and whoever holds it sends
    again under the same key.
    """
    outbox_lines.release(tx, claim, state=QueueState.DONE, last_error=None)
    sent = claim.submission
    table = tables.Submission
    row = tx.fetch(tx.locked(table.select().where(table.key == sent.key)))[0]
    tx.change(
        table.update(
            sent_at=now,
            acknowledged_at=now if acknowledgement else None,
            partner_reference=acknowledgement.reference if acknowledgement else None,
        ).where(table.id == row.id)
    )
    tx.add_new(
        tables.ProvisionRecord.insert(
            submission_key=sent.key,
            partner_id=sent.partner.id,
            partner_name=sent.partner.legal_name,
            partner_address=sent.partner.address,
            partner_representative=tx.seal(sent.partner.representative, "provision_record.representative"),
            person_name=tx.seal_optional(sent.name, "provision_record.person_name"),
            person_email=tx.seal(sent.email, "provision_record.person_email"),
            data_items="\n".join(data_items),
            consent_id=sent.consent_id,
            provided_at=now,
            keep_until=_three_years_after(now),
        ),
        tables.ProvisionRecord.id,
    )
    advance_cases(tx, [row.case_id], CaseState.SUBMITTED)
    slots.count(tx, row.partner_id, row.person_id, step="submitted", reference=row.key, now=now)
    if acknowledgement is not None:
        advance_cases(tx, [row.case_id], CaseState.ACKNOWLEDGED)
        slots.count(tx, row.partner_id, row.person_id, step="acknowledged", reference=row.key, now=now)


@verb
def list_provisions(tx: Transaction, *, after: int = 0, limit: int) -> tuple[ProvisionRecord, ...]:
    """Return up to `limit` provision records behind the one with the id `after`, oldest first."""
    table = tables.ProvisionRecord
    rows = tx.fetch(table.select().where(table.id > after).order_by(table.id).limit(limit))
    return tuple(_record(tx, row) for row in rows)


def _three_years_after(moment: datetime) -> datetime:
    try:
        return moment.replace(year=moment.year + _KEEP_YEARS)
    except ValueError:  # 29 February.
        return moment.replace(year=moment.year + _KEEP_YEARS, month=3, day=1)


def _record(tx: Transaction, row: tables.ProvisionRecord) -> ProvisionRecord:
    return ProvisionRecord(
        id=row.id,
        submission_key=row.submission_key,
        partner_name=row.partner_name,
        partner_address=row.partner_address,
        partner_representative=tx.unseal(row.partner_representative, "provision_record.representative"),
        person_name=tx.unseal_optional(row.person_name, "provision_record.person_name"),
        person_email=tx.unseal(row.person_email, "provision_record.person_email"),
        data_items=tuple(row.data_items.splitlines()),
        consent_id=row.consent_id,
        provided_at=row.provided_at,
        keep_until=row.keep_until,
    )
