"""What leads from an id in somebody's log to a message: every arrival's trace id, and the Message-ID."""

from typing import Any

import peewee
from playhouse.migrate import migrate  # type: ignore[import-untyped]  # peewee's stubs leave playhouse out


class Utc(peewee.Field):
    """A point in time, as this migration knew it."""

    field_type = "TIMESTAMPTZ"


def up(migrator: Any, db: peewee.Database) -> None:
    """Add the arrivals, the blind index over Message-IDs, and the index by which states are counted.

    Of messages that are there already the first arrival is known, and no Message-ID.
    """

    class Arrival(peewee.Model):
        id = peewee.AutoField()
        message_id = peewee.IntegerField(index=True, constraints=[peewee.SQL('REFERENCES "message" ("id")')])
        trace_id = peewee.CharField(index=True)
        at = Utc()

        class Meta:
            legacy_table_names = False

    Arrival.bind(db)
    Arrival.create_table(safe=False)
    first = peewee.Table("message")
    arrivals = peewee.Table("arrival")
    known = first.select(first.c.id, first.c.trace_id, first.c.first_seen)
    arrivals.insert(known, columns=[arrivals.c.message_id, arrivals.c.trace_id, arrivals.c.at]).execute(db)
    migrate(
        migrator.add_column("message", "message_id_index", peewee.BlobField(null=True, index=True)),
        migrator.add_index("delivery", ("state",)),
    )
