"""How many rows are in which state, for the operator's monitoring."""

from collections.abc import Mapping

import peewee

from store import tables
from store.records import Census, DeliveryState
from store.transaction import Transaction, verb


@verb
def count_states(tx: Transaction) -> Census:
    """Count cases, copies and outbox lines by state; each is read from an index, not from the rows.

    Of the copies those that are accepted are left out: they only grow.
    """
    table = tables.Delivery
    open_copies = table.state.in_([state for state in DeliveryState if state is not DeliveryState.ACCEPTED])
    return Census(
        cases=_by_state(tx, tables.RejectionCase.state),
        copies=_by_state(tx, table.state, open_copies),
        outbox=_by_state(tx, tables.Outbox.state),
    )


def _by_state(
    tx: Transaction, state: "peewee.Field[str]", only: "peewee.Expression | None" = None
) -> Mapping[str, int]:
    query = state.model.select(state, peewee.fn.COUNT(peewee.SQL("*"))).group_by(state).order_by(state)
    rows = (query if only is None else query.where(only)).tuples().execute(tx.database)
    return dict(rows)
