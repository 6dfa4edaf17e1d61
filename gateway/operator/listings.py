"""How the store's records become the rows that an operator reads."""

from collections.abc import Iterable

from gateway.operator.terminal import Listing
from store.records import Partner, ProvisionRecord, QueueLine, QueueState, SlotLine, SlotSummary

OPEN_STATES = (QueueState.READY, QueueState.LEASED, QueueState.DEAD)
"""What `goen queue list` shows: everything that is not finished, and what was given up."""


def slot_listing(summaries: tuple[SlotSummary, ...]) -> Listing:
    """Show each partner's slots at a glance; `towards_next` reads 7/10."""
    return Listing(
        ("partner", "name", "available", "granted", "towards_next", "counted", "counts"),
        tuple(
            (
                s.partner_id,
                s.partner_name,
                s.available,
                s.granted,
                f"{s.towards_next}/{s.policy.ratio}",
                s.counted,
                f"{s.policy.basis} persons",
            )
            for s in summaries
        ),
        empty="No partner yet: add one with `goen partner add`.",
    )


def slot_line_listing(lines: tuple[SlotLine, ...]) -> Listing:
    """Show the lines of the slot ledger, oldest first."""
    return Listing(
        ("line", "at", "partner", "kind", "quantity", "reason", "reference"),
        tuple((n.id, n.at, n.partner_id, n.kind, n.quantity, n.reason, n.reference) for n in lines),
        empty="The slot ledger is empty: nothing has been counted yet.",
    )


def queue_listing(lines: tuple[QueueLine, ...]) -> Listing:
    """Show queued submissions: why they wait and when they are tried again."""
    return Listing(
        ("line", "state", "partner", "next_try", "attempts", "last_error", "queued_at", "submission"),
        tuple(
            (
                n.id,
                n.state,
                n.partner_id,
                n.due_at if n.state in {QueueState.READY, QueueState.LEASED} else None,
                n.attempts,
                n.last_error,
                n.created_at,
                n.submission_key,
            )
            for n in lines
        ),
        empty="Nothing waits.",
    )


def partner_listing(partners: tuple[Partner, ...]) -> Listing:
    """Show the partners, without their secrets."""
    return Listing(
        ("partner", "name", "licence", "licence_expires", "country", "contract", "endpoint", "policy"),
        tuple(
            (
                p.id,
                p.legal_name,
                p.licence_no,
                p.licence_expires,
                p.country,
                p.contract_date.isoformat() if p.contract_date else None,
                p.endpoint,
                f"{p.policy.ratio} {p.policy.basis}",
            )
            for p in partners
        ),
        empty="No partner yet: add one with `goen partner add`.",
    )


def provision_listing(records: Iterable[ProvisionRecord]) -> Listing:
    """Show provision records with all that the law wants recorded, one by one."""
    return Listing(
        (
            *("record", "provided_at", "certain", "partner", "partner_address", "partner_representative"),
            *("person_name", "person_email", "data_items", "consent", "submission", "keep_until"),
        ),
        (
            (
                *(
                    r.id,
                    r.provided_at,
                    "possibly" if r.possibly else "yes",
                    r.partner_name,
                    r.partner_address,
                    r.partner_representative,
                ),
                *(r.person_name, r.person_email, ", ".join(r.data_items)),
                *(r.consent_id, r.submission_key, r.keep_until),
            )
            for r in records
        ),
        empty="Nothing has been provided to a partner yet.",
    )
