"""What the operator shows when asked for proof: the consent chain and the provision records.

Both only grow, so they are read in parts, each in a transaction of its own: neither memory nor a waiting
answer depends on how long they are.
"""

from collections.abc import Iterator

from store import consent, provisions
from store.database import Store
from store.records import ChainCheck, ProvisionRecord

PAGE = 500
"""Events or records in one transaction: some tens of milliseconds."""


def check_consents(store: Store) -> ChainCheck:
    """Check the consent chain to its end, or to the first event that is broken."""
    check = store.call(consent.verify_chain, limit=PAGE)
    while not check.finished:
        check = store.call(consent.verify_chain, check, limit=PAGE)
    return check


def read_provisions(store: Store, *, page: int = PAGE) -> Iterator[ProvisionRecord]:
    """Yield all provision records, oldest first."""
    records = store.call(provisions.list_provisions, limit=page)
    while records:
        yield from records
        records = store.call(provisions.list_provisions, after=records[-1].id, limit=page)
