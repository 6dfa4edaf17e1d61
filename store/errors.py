"""What can go wrong at the border of the store: a small tree, one sentence each.

Errors of the database and of its driver are translated here once; nothing above sees peewee's.
"""


class StoreError(Exception):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, is locked for too long, or its disk is full; try again later."""


class WrongKey(StoreError):
    """A field cannot be decrypted: the key file does not belong to this database."""


class UnknownRecord(StoreError):
    """No record has this identity."""

    def __init__(self, kind: str, identity: object) -> None:
        """`identity` is an id or a code, never personal data."""
        super().__init__(f"no {kind} {identity}")
        self.kind = kind
        self.identity = identity


class LeaseLost(StoreError):
    """The claim ran out and another worker holds it now; nothing was recorded."""

    def __init__(self, claim_id: int) -> None:
        """`claim_id` is the outbox row's id."""
        super().__init__(f"the lease of outbox line {claim_id} is lost")
        self.claim_id = claim_id


class PartnerInvalid(StoreError):
    """A partner's data are incomplete or contradict each other."""

    def __init__(self, field: str, complaint: str) -> None:
        """`field` is the field's name; its value is not shown."""
        super().__init__(f"{field} {complaint}")
        self.field = field


class StoreTooNew(StoreError):
    """The database was migrated by a newer program than this one; use that one, or a backup from before."""

    def __init__(self, unknown: list[str]) -> None:
        """`unknown` names the migrations that only the database knows."""
        super().__init__(f"the database is newer than this program: it has {', '.join(unknown)}")
        self.unknown = tuple(unknown)
