"""The partner agencies: what must be known of one before anything is provided to it."""

import base64
import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import peewee

from store import chain, outbox_lines, tables
from store.errors import PartnerInvalid, UnknownRecord
from store.records import ConsentKind, Partner, SlotPolicy
from store.transaction import Transaction, verb

BASES = ("consented", "submitted", "acknowledged")
"""The steps that a slot policy can count: those that something reports."""

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_NAME_MAX = 200
"""Characters: these columns hold 255 on PostgreSQL and any number on SQLite."""

_SECRET_BYTES = range(24, 65)
"""Standard Webhooks, "Signature scheme": a secret has 24 to 64 random bytes."""


@verb
def add_partner(tx: Transaction, partner: Partner, *, now: datetime) -> int:
    """Add a partner, or replace the one with its id; PartnerInvalid names the field that is wrong.

    A changed slot policy counts from the next person on; slots that were granted stay.
    Another legal name, licence number or country is refused while candidates have consented to this partner,
    or submissions to it have not left: their consents are to the company that was shown.
    With another endpoint or secret, what was given up or put off for this partner is due now; returns how
    many submissions that are.
    """
    _check(partner, now)
    table = tables.Partner
    chain.lock_head(tx)  # No consent comes in between.
    before = tx.first(tx.locked(table.select().where(table.id == partner.id)))
    if before is not None:
        _check_same_company(tx, before, partner)
    fields = {
        table.id: partner.id,
        table.legal_name: partner.legal_name,
        table.address: partner.address,
        table.representative: tx.seal(partner.representative, "partner.representative"),
        table.licence_no: partner.licence_no,
        table.licence_expires: partner.licence_expires,
        table.country: partner.country,
        table.endpoint: partner.endpoint,
        table.secret: tx.seal(partner.secret, "partner.secret"),
        table.contract_date: partner.contract_date,
        table.ratio: partner.policy.ratio,
        table.basis: partner.policy.basis,
        table.updated_at: now,
    }
    replaced = [field for field in fields if field is not table.id]
    insert = table.insert({**fields, table.created_at: now})
    insert.on_conflict(conflict_target=[table.id], preserve=replaced).execute(tx.database)
    if before is None or _way_in(record(tx, before)) == _way_in(partner):
        return 0
    return outbox_lines.try_again(tx, partner_id=partner.id, now=now)


@verb
def list_partners(tx: Transaction) -> tuple[Partner, ...]:
    """Return all partners, by id."""
    return tuple(record(tx, row) for row in tx.fetch(tables.Partner.select().order_by(tables.Partner.id)))


def find_partner(tx: Transaction, partner_id: str, *, lock: bool = False) -> tables.Partner:
    """Return a partner's row, locked if it is to be counted for; UnknownRecord when there is none."""
    query = tables.Partner.select().where(tables.Partner.id == partner_id)
    row = tx.first(tx.locked(query) if lock else query)
    if row is None:
        raise UnknownRecord("partner", partner_id)
    return row


def record(tx: Transaction, row: tables.Partner) -> Partner:
    """Return the record of a row."""
    return Partner(
        id=row.id,
        legal_name=row.legal_name,
        address=row.address,
        representative=tx.unseal(row.representative, "partner.representative"),
        licence_no=row.licence_no,
        licence_expires=row.licence_expires,
        country=row.country,
        endpoint=row.endpoint,
        secret=tx.unseal(row.secret, "partner.secret"),
        policy=policy(row),
        contract_date=row.contract_date,
    )


def policy(row: tables.Partner) -> SlotPolicy:
    """Return a partner's rule for earning slots."""
    return SlotPolicy(row.ratio, row.basis)


def _check_same_company(tx: Transaction, before: tables.Partner, partner: Partner) -> None:
    identity = ("legal_name", "licence_no", "country")
    changed = [field for field in identity if getattr(before, field) != getattr(partner, field)]
    if changed and _is_consented_to(tx, partner.id):
        raise PartnerInvalid(
            changed[0],
            "cannot change while candidates have consented to this partner or submissions to it wait: "
            "add a new partner with another ID instead",
        )


def _is_consented_to(tx: Transaction, partner_id: str) -> bool:
    """Whether anybody's latest answer about this partner is a consent, or a submission to it has not left."""
    event, later = tables.ConsentEvent, tables.ConsentEvent.alias()
    overtaken = later.select(later.id).where(
        (later.person_id == event.person_id)
        & (later.partner_id == event.partner_id)
        & (later.purpose == event.purpose)
        & (later.id > event.id)
    )
    live = event.select().where(
        (event.partner_id == partner_id) & (event.kind == ConsentKind.GRANTED) & ~peewee.fn.EXISTS(overtaken)
    )
    return tx.first(live) is not None or outbox_lines.has_unsent(tx, partner_id=partner_id)


def _way_in(partner: Partner) -> tuple[str, str]:
    return partner.endpoint, partner.secret


def _check(partner: Partner, now: datetime) -> None:
    rules = (
        ("id", _ID.fullmatch(partner.id), "must be lower-case letters, digits and hyphens"),
        ("legal_name", partner.legal_name.strip(), "is missing"),
        ("address", partner.address.strip(), "is missing (the provision record needs it)"),
        ("representative", partner.representative.strip(), "is missing (the provision record needs it)"),
        (
            "licence_no",
            partner.licence_no.strip(),
            "is missing: only a licensed agency may be given candidates",
        ),
        ("licence_expires", _is_aware(partner.licence_expires), "must have a time zone"),
        ("country", _COUNTRY.fullmatch(partner.country), "must be two capital letters (ISO 3166-1)"),
        ("endpoint", _is_http(partner.endpoint), "must be an http or https URL with a host"),
        ("secret", _is_secret(partner.secret), "must be `whsec_` and base64 of 24 to 64 bytes"),
        ("contract_date", not _is_to_come(partner.contract_date, now), "must not be in the future"),
        ("policy.ratio", partner.policy.ratio >= 1, "must be at least 1"),
        ("policy.basis", partner.policy.basis in BASES, f"must be one of {', '.join(BASES)}"),
    )
    names = ("id", "legal_name", "licence_no")
    texts = (*names, "address", "representative", "endpoint")
    short = (
        (f, len(getattr(partner, f)) <= _NAME_MAX, f"is longer than {_NAME_MAX} characters") for f in names
    )
    clean = ((f, _is_storable(getattr(partner, f)), "has a character that cannot be stored") for f in texts)
    for field, holds, complaint in (*rules, *short, *clean):
        if not holds:
            raise PartnerInvalid(field, complaint)


def _is_storable(text: str) -> bool:
    """Whether both databases take the text: PostgreSQL has no NUL and no lone surrogates."""
    return "\0" not in text and text.encode("utf-8", "replace").decode("utf-8") == text


def _is_aware(moment: datetime | None) -> bool:
    return moment is None or moment.tzinfo is not None


def _is_to_come(day: date | None, now: datetime) -> bool:
    """Whether the day has not begun anywhere: the first zone is 14 hours ahead of UTC."""
    return day is not None and day > (now + timedelta(hours=14)).astimezone(UTC).date()


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # Reading it checks it.
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_secret(secret: str) -> bool:
    prefix, _, encoded = secret.partition("_")
    try:
        return prefix == "whsec" and len(base64.b64decode(encoded, validate=True)) in _SECRET_BYTES
    except ValueError:
        return False
