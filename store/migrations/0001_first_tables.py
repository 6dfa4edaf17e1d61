"""The first tables: pool, message ledger, consent chain, outbox, provisions and slot ledger."""

from typing import Any

import peewee


class Utc(peewee.Field):
    """A point in time, as this migration knew it."""

    field_type = "TIMESTAMPTZ"


def _references(table: str) -> list[peewee.Node]:
    return [peewee.SQL(f'REFERENCES "{table}" ("id")')]


def up(migrator: Any, db: peewee.Database) -> None:  # noqa: ARG001  # The runner's signature.
    """Create everything, and the row at which the consent chain begins."""
    for table in (*_capture_tables(), *_consent_tables(), *_outgoing_tables()):
        table.bind(db)
        table.create_table(safe=False)
    first = {"id": 1, "event_id": 0, "hash": bytes(32)}
    peewee.Insert(peewee.Table("chain_head", tuple(first)), first).execute(db)


class _Table(peewee.Model):
    class Meta:
        legacy_table_names = False


def _capture_tables() -> tuple[type[peewee.Model], ...]:
    class StoreFact(_Table):
        name = peewee.CharField(primary_key=True)
        value = peewee.BlobField()

    class Person(_Table):
        id = peewee.AutoField()
        email_index = peewee.BlobField(unique=True)
        email = peewee.BlobField()
        name = peewee.BlobField(null=True)
        created_at = Utc()

    class Partner(_Table):
        id = peewee.CharField(primary_key=True)
        legal_name = peewee.CharField()
        address = peewee.TextField()
        representative = peewee.BlobField()
        licence_no = peewee.CharField()
        licence_expires = Utc(null=True)
        country = peewee.CharField()
        endpoint = peewee.TextField()
        secret = peewee.BlobField()
        contract_date = peewee.DateField(null=True)
        ratio = peewee.IntegerField()
        basis = peewee.CharField()
        created_at = Utc()
        updated_at = Utc()

    class Message(_Table):
        id = peewee.AutoField()
        fingerprint = peewee.BlobField(unique=True)
        trace_id = peewee.CharField()
        mail_from = peewee.BlobField()
        attempts = peewee.IntegerField()
        first_seen = Utc()
        last_seen = Utc(index=True)

    class RejectionCase(_Table):
        id = peewee.AutoField()
        person_id = peewee.IntegerField(index=True, constraints=_references("person"))
        message_id = peewee.IntegerField(constraints=_references("message"))
        state = peewee.CharField(index=True)
        name = peewee.BlobField(null=True)
        name_source = peewee.CharField(null=True)
        job = peewee.TextField(null=True)
        stage = peewee.TextField(null=True)
        language = peewee.CharField()
        template = peewee.TextField(null=True)
        reason_code = peewee.CharField(null=True)
        captured_at = Utc()

        class Meta:
            indexes = ((("message_id", "person_id"), True),)

    class Delivery(_Table):
        id = peewee.AutoField()
        message_id = peewee.IntegerField(constraints=_references("message"))
        case_id = peewee.IntegerField(index=True, null=True, constraints=_references("rejection_case"))
        kind = peewee.CharField()
        recipients_index = peewee.BlobField()
        recipients = peewee.BlobField()
        link_id = peewee.BlobField(null=True, unique=True)
        state = peewee.CharField()
        reply_code = peewee.IntegerField(null=True)
        reply_text = peewee.BlobField(null=True)
        sent_digest = peewee.BlobField(null=True)
        attempts = peewee.IntegerField()
        claimed_by = peewee.CharField(null=True)
        lease_until = Utc(null=True)
        settled_at = Utc(null=True)

        class Meta:
            indexes = ((("message_id", "kind", "recipients_index"), True),)

    return StoreFact, Person, Partner, Message, RejectionCase, Delivery


def _consent_tables() -> tuple[type[peewee.Model], ...]:
    class ConsentEvent(_Table):
        id = peewee.IntegerField(primary_key=True)
        person_id = peewee.IntegerField(constraints=_references("person"))
        case_id = peewee.IntegerField(index=True, constraints=_references("rejection_case"))
        delivery_id = peewee.IntegerField(index=True, constraints=_references("delivery"))
        partner_id = peewee.CharField(index=True, constraints=_references("partner"))
        purpose = peewee.CharField()
        kind = peewee.CharField()
        language = peewee.CharField()
        text_edition = peewee.CharField()
        text_digest = peewee.BlobField()
        sent_digest = peewee.BlobField(null=True)
        at = Utc()
        prev_hash = peewee.BlobField()
        hash = peewee.BlobField()

        class Meta:
            indexes = ((("person_id", "partner_id", "purpose", "id"), False),)

    class ChainHead(_Table):
        id = peewee.IntegerField(primary_key=True)
        event_id = peewee.IntegerField()
        hash = peewee.BlobField()

    return ConsentEvent, ChainHead


def _outgoing_tables() -> tuple[type[peewee.Model], ...]:
    class Submission(_Table):
        id = peewee.AutoField()
        key = peewee.CharField(unique=True)
        partner_id = peewee.CharField(index=True, constraints=_references("partner"))
        person_id = peewee.IntegerField(index=True, constraints=_references("person"))
        case_id = peewee.IntegerField(index=True, constraints=_references("rejection_case"))
        consent_id = peewee.IntegerField(unique=True, constraints=_references("consent_event"))
        person_name = peewee.BlobField(null=True)
        person_email = peewee.BlobField()
        job = peewee.TextField(null=True)
        stage = peewee.TextField(null=True)
        rejected_at = Utc()
        partner_name = peewee.CharField()
        partner_licence_no = peewee.CharField()
        created_at = Utc()
        sent_at = Utc(null=True)
        acknowledged_at = Utc(null=True)
        partner_reference = peewee.TextField(null=True)

    class Outbox(_Table):
        id = peewee.AutoField()
        kind = peewee.CharField()
        reference = peewee.IntegerField()
        state = peewee.CharField()
        created_at = Utc()
        due_at = Utc()
        attempts = peewee.IntegerField()
        may_have_left = peewee.BooleanField()
        lease_by = peewee.CharField(null=True)
        lease_until = Utc(null=True)
        last_error = peewee.TextField(null=True)

        class Meta:
            indexes = (
                (("kind", "reference"), True),
                (("state", "due_at"), False),
                (("state", "lease_until"), False),
            )

    class ProvisionRecord(_Table):
        id = peewee.AutoField()
        submission_key = peewee.CharField(unique=True)
        possibly = peewee.BooleanField()
        partner_id = peewee.CharField()
        partner_name = peewee.CharField()
        partner_address = peewee.TextField()
        partner_representative = peewee.BlobField()
        person_name = peewee.BlobField(null=True)
        person_email = peewee.BlobField()
        data_items = peewee.TextField()
        consent_id = peewee.IntegerField()
        provided_at = Utc()
        keep_until = Utc(index=True)

    class SlotLine(_Table):
        id = peewee.AutoField()
        partner_id = peewee.CharField(index=True, constraints=_references("partner"))
        kind = peewee.CharField()
        quantity = peewee.IntegerField()
        at = Utc()
        reason = peewee.TextField()
        reference = peewee.CharField()
        key = peewee.CharField(unique=True)
        counted_after = peewee.IntegerField()
        towards_next_after = peewee.IntegerField()
        granted_after = peewee.IntegerField()
        available_after = peewee.IntegerField()

        class Meta:
            indexes = ((("partner_id", "id"), False),)

    return Submission, Outbox, ProvisionRecord, SlotLine
