"""Provisions: what was given to which partner on what ground (APPI, article 29), and what it answered.

The record is written in the transaction that marks the submission as sent, and repeats what it needs:
it is kept for three years, longer than the person's own rows.
A submission of which nobody knows whether it arrived gets one, marked as possible, when its consent ends.
"""

from collections.abc import Sequence
from datetime import datetime

from store import outbox_lines, partners, slots, tables
from store.pool import advance_cases
from store.records import Acknowledgement, CaseState, Claim, Partner, ProvisionRecord, QueueState
from store.transaction import Transaction, verb

_KEEP_YEARS = 3
"""Enforcement Rules of the APPI on the retention of records of provision: three years in the general case."""


DATA_ITEMS = {
    "candidate.name": "person_name",
    "candidate.email": "person_email",
    "rejection.job": "job",
    "rejection.stage": "stage",
    "rejection.rejected_at": "rejected_at",
}
"""The candidate's items in a payload, version 1, and the columns that hold what was frozen for them.

For a try that could not tell what it sent; a test holds them against the payload.
"""


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
    outbox_lines.release(tx, claim, state=QueueState.DONE, last_error=None, may_have_left=True)
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
    _record_provision(tx, row, sent.partner, data_items, possibly=False, now=now)
    advance_cases(tx, [row.case_id], CaseState.SUBMITTED)
    slots.count(tx, row.partner_id, row.person_id, step="submitted", reference=row.key, now=now)
    if acknowledgement is not None:
        advance_cases(tx, [row.case_id], CaseState.ACKNOWLEDGED)
        slots.count(tx, row.partner_id, row.person_id, step="acknowledged", reference=row.key, now=now)


def record_possible(tx: Transaction, submission_id: int, *, now: datetime) -> None:
    """Record that the partner may have a submission, of which no try can tell any more."""
    row = tx.fetch(tables.Submission.select().where(tables.Submission.id == submission_id))[0]
    partner = partners.record(tx, partners.find_partner(tx, row.partner_id))
    items = tuple(item for item, column in DATA_ITEMS.items() if getattr(row, column))
    _record_provision(tx, row, partner, items, possibly=True, now=now)


@verb
def list_provisions(tx: Transaction, *, after: int = 0, limit: int) -> tuple[ProvisionRecord, ...]:
    """Return up to `limit` provision records behind the one with the id `after`, oldest first."""
    table = tables.ProvisionRecord
    rows = tx.fetch(table.select().where(table.id > after).order_by(table.id).limit(limit))
    return tuple(_record(tx, row) for row in rows)


def _record_provision(
    tx: Transaction,
    row: tables.Submission,
    partner: Partner,
    data_items: Sequence[str],
    *,
    possibly: bool,
    now: datetime,
) -> None:
    name = tx.unseal_optional(row.person_name, "submission.person_name")
    email = tx.unseal(row.person_email, "submission.person_email")
    tx.add_new(
        tables.ProvisionRecord.insert(
            submission_key=row.key,
            possibly=possibly,
            partner_id=partner.id,
            partner_name=partner.legal_name,
            partner_address=partner.address,
            partner_representative=tx.seal(partner.representative, "provision_record.representative"),
            person_name=tx.seal_optional(name, "provision_record.person_name"),
            person_email=tx.seal(email, "provision_record.person_email"),
            data_items="\n".join(data_items),
            consent_id=row.consent_id,
            provided_at=now,
            keep_until=_three_years_after(now),
        ),
        tables.ProvisionRecord.id,
    )


def _three_years_after(moment: datetime) -> datetime:
    try:
        return moment.replace(year=moment.year + _KEEP_YEARS)
    except ValueError:  # 29 February.
        return moment.replace(year=moment.year + _KEEP_YEARS, month=3, day=1)


def _record(tx: Transaction, row: tables.ProvisionRecord) -> ProvisionRecord:
    return ProvisionRecord(
        id=row.id,
        submission_key=row.submission_key,
        possibly=row.possibly,
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
