"""The tables, as peewee models that nobody outside the store imports.

Models are bound to no database: several stores live in one process, and each query is executed on its own.
References are plain columns with a foreign-key constraint, so that no attribute access can start a query.
A column whose comment says "sealed" holds AES-GCM bytes; "blind index" holds a keyed digest for look-ups.
The migrations hold frozen copies of these definitions; a test compares the two.
"""

from datetime import UTC, datetime

import peewee


def iso(moment: datetime) -> str:
    """Return ISO 8601 in UTC with six digits and offset, of one width; ValueError for a naive value."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime cannot be stored")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class UtcField(peewee.Field):
    """A point in time: aware in, UTC out; TIMESTAMPTZ on PostgreSQL, sortable ISO 8601 text on SQLite.

    peewee's own DateTimeField writes local time on a PostgreSQL server whose zone is not UTC.
    """

    field_type = "TIMESTAMPTZ"

    def db_value(self, value: datetime | None) -> str | None:
        """Return the value's ISO form; ValueError for a naive value."""
        return None if value is None else iso(value)

    def python_value(self, value: datetime | str | None) -> datetime | None:
        """Return an aware UTC value from what either driver gives."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


def _reference(table: str, *, index: bool = True) -> "peewee.IntegerField[int]":
    return peewee.IntegerField(index=index, constraints=[_references(table)])


def _optional_reference(table: str) -> "peewee.IntegerField[int | None]":
    return peewee.IntegerField(index=True, null=True, constraints=[_references(table)])


def _partner_reference() -> "peewee.CharField[str]":
    return peewee.CharField(index=True, constraints=[_references("partner")])


def _references(table: str) -> peewee.SQL:
    return peewee.SQL(f'REFERENCES "{table}" ("id")')


class _Table(peewee.Model):
    class Meta:
        legacy_table_names = False


class StoreFact(_Table):
    """A fact about the database itself, by name."""

    name = peewee.CharField(primary_key=True)
    value = peewee.BlobField()


class Person(_Table):
    """One human being, found again by address."""

    id = peewee.AutoField()
    email_index = peewee.BlobField(unique=True)  # blind index
    email = peewee.BlobField()  # sealed
    name = peewee.BlobField(null=True)  # sealed; from the latest notice that had one
    created_at: "peewee.Field[datetime]" = UtcField()


class Partner(_Table):
    """A recruitment agency."""

    id = peewee.CharField(primary_key=True)
    legal_name = peewee.CharField()
    address = peewee.TextField()
    representative = peewee.BlobField()  # sealed
    licence_no = peewee.CharField()
    licence_expires: "peewee.Field[datetime | None]" = UtcField(null=True)
    country = peewee.CharField()
    endpoint = peewee.TextField()
    secret = peewee.BlobField()  # sealed
    contract_date = peewee.DateField(null=True)
    ratio = peewee.IntegerField()
    basis = peewee.CharField()
    created_at: "peewee.Field[datetime]" = UtcField()
    updated_at: "peewee.Field[datetime]" = UtcField()


class Message(_Table):
    """A marked message, recognised again when the client retries."""

    id = peewee.AutoField()
    fingerprint = peewee.BlobField(unique=True)
    trace_id = peewee.CharField()
    mail_from = peewee.BlobField()  # sealed
    attempts = peewee.IntegerField()
    first_seen: "peewee.Field[datetime]" = UtcField()
    last_seen: "peewee.Field[datetime]" = UtcField(index=True)
    message_id_index = peewee.BlobField(null=True, index=True)  # blind index over the Message-ID field


class Arrival(_Table):
    """One time that a marked message came, the first one or a retry."""

    id = peewee.AutoField()
    message_id = _reference("message")
    trace_id = peewee.CharField(index=True)
    at: "peewee.Field[datetime]" = UtcField()


class RejectionCase(_Table):
    """One person turned down in one message."""

    id = peewee.AutoField()
    person_id = _reference("person")
    message_id = _reference("message", index=False)
    state = peewee.CharField(index=True)
    name = peewee.BlobField(null=True)  # sealed
    name_source = peewee.CharField(null=True)
    job = peewee.TextField(null=True)
    stage = peewee.TextField(null=True)
    language = peewee.CharField()
    template = peewee.TextField(null=True)
    reason_code = peewee.CharField(null=True)
    captured_at: "peewee.Field[datetime]" = UtcField()

    class Meta:  # noqa: D106  # peewee's place for indexes and names.
        indexes = ((("message_id", "person_id"), True),)


class Delivery(_Table):
    """One copy of a message."""

    id = peewee.AutoField()
    message_id = _reference("message", index=False)
    case_id = _optional_reference("rejection_case")
    kind = peewee.CharField()
    recipients_index = peewee.BlobField()  # blind index over all recipients, exactly as they came
    recipients = peewee.BlobField()  # sealed
    link_id = peewee.BlobField(null=True, unique=True)
    state = peewee.CharField(index=True)
    reply_code = peewee.IntegerField(null=True)
    reply_text = peewee.BlobField(null=True)  # sealed: next hops quote the address
    sent_digest = peewee.BlobField(null=True)
    attempts = peewee.IntegerField()
    claimed_by = peewee.CharField(null=True)
    lease_until: "peewee.Field[datetime | None]" = UtcField(null=True)
    settled_at: "peewee.Field[datetime | None]" = UtcField(null=True)

    class Meta:  # noqa: D106  # peewee's place for indexes and names.
        indexes = ((("message_id", "kind", "recipients_index"), True),)


class ConsentEvent(_Table):
    """What a person did about one purpose; append-only, each line sealed by the hash of the one before."""

    id: "peewee.IntegerField[int]" = peewee.IntegerField(primary_key=True)  # given by the chain, no gaps
    person_id = _reference("person", index=False)
    case_id = _reference("rejection_case")
    delivery_id = _reference("delivery")
    partner_id = _partner_reference()
    purpose = peewee.CharField()
    kind = peewee.CharField()
    language = peewee.CharField()
    text_edition = peewee.CharField()
    text_digest = peewee.BlobField()
    sent_digest = peewee.BlobField(null=True)  # of the delivery, when the answer came
    at: "peewee.Field[datetime]" = UtcField()
    prev_hash = peewee.BlobField()
    hash = peewee.BlobField()

    class Meta:  # noqa: D106  # peewee's place for indexes and names.
        indexes = ((("person_id", "partner_id", "purpose", "id"), False),)


class ChainHead(_Table):
    """Where the consent chain ends; its row is the lock that serialises answers."""

    id = peewee.IntegerField(primary_key=True)
    event_id = peewee.IntegerField()
    hash = peewee.BlobField()


class Submission(_Table):
    """One provision of one person to one partner, from consent to acknowledgement.

    What was shown when the person consented is frozen here: later mails and later changes never reach it.
    """

    id = peewee.AutoField()
    key = peewee.CharField(unique=True)
    partner_id = _partner_reference()
    person_id = _reference("person")
    case_id = _reference("rejection_case")
    consent_id: "peewee.IntegerField[int]" = peewee.IntegerField(
        unique=True, constraints=[_references("consent_event")]
    )
    person_name = peewee.BlobField(null=True)  # sealed
    person_email = peewee.BlobField()  # sealed
    job = peewee.TextField(null=True)
    stage = peewee.TextField(null=True)
    rejected_at: "peewee.Field[datetime]" = UtcField()
    partner_name = peewee.CharField()
    partner_licence_no = peewee.CharField()
    created_at: "peewee.Field[datetime]" = UtcField()
    sent_at: "peewee.Field[datetime | None]" = UtcField(null=True)
    acknowledged_at: "peewee.Field[datetime | None]" = UtcField(null=True)
    partner_reference = peewee.TextField(null=True)


class Outbox(_Table):
    """Work that must leave: what kind, and the id of the row it is about."""

    id = peewee.AutoField()
    kind = peewee.CharField()
    reference = peewee.IntegerField()
    state = peewee.CharField()
    created_at: "peewee.Field[datetime]" = UtcField()
    due_at: "peewee.Field[datetime]" = UtcField()
    attempts = peewee.IntegerField()
    may_have_left: "peewee.Field[bool]" = peewee.BooleanField()  # some try ended, or may end, without a word
    lease_by = peewee.CharField(null=True)
    lease_until: "peewee.Field[datetime | None]" = UtcField(null=True)
    last_error = peewee.TextField(null=True)

    class Meta:  # noqa: D106  # peewee's place for indexes and names.
        indexes = (
            (("kind", "reference"), True),
            (("state", "due_at"), False),
            (("state", "lease_until"), False),
        )


class ProvisionRecord(_Table):
    """The record of APPI, article 29; it repeats what it needs, because it outlives the rows it came from."""

    id = peewee.AutoField()
    submission_key = peewee.CharField(unique=True)
    possibly: "peewee.Field[bool]" = peewee.BooleanField()  # the partner may have it; nobody knows
    partner_id = peewee.CharField()
    partner_name = peewee.CharField()
    partner_address = peewee.TextField()
    partner_representative = peewee.BlobField()  # sealed
    person_name = peewee.BlobField(null=True)  # sealed
    person_email = peewee.BlobField()  # sealed
    data_items = peewee.TextField()  # one per line
    consent_id = peewee.IntegerField()
    provided_at: "peewee.Field[datetime]" = UtcField()
    keep_until: "peewee.Field[datetime]" = UtcField(index=True)


class SlotLine(_Table):
    """One line of the slot ledger; append-only, with the partner's totals after it, like a bank statement."""

    id = peewee.AutoField()
    partner_id = _partner_reference()
    kind = peewee.CharField()
    quantity = peewee.IntegerField()
    at: "peewee.Field[datetime]" = UtcField()
    reason = peewee.TextField()
    reference = peewee.CharField()
    key = peewee.CharField(unique=True)  # idempotency
    counted_after = peewee.IntegerField()
    towards_next_after = peewee.IntegerField()
    granted_after = peewee.IntegerField()
    available_after = peewee.IntegerField()

    class Meta:  # noqa: D106  # peewee's place for indexes and names.
        indexes = ((("partner_id", "id"), False),)


TABLES: tuple[type[peewee.Model], ...] = (
    StoreFact,
    Person,
    Partner,
    Message,
    Arrival,
    RejectionCase,
    Delivery,
    ConsentEvent,
    ChainHead,
    Submission,
    Outbox,
    ProvisionRecord,
    SlotLine,
)
"""In the order in which their references allow them to be created."""
