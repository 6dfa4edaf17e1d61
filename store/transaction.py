"""What a verb is, and what it works on.

A verb is a function of the domain, `(tx: Transaction, …) -> records`, marked `@verb`; it is one transaction.
It must have no effect but those on `tx`: after a lost connection or a deadlock it is run again.
Models are bound to no database: every query runs through `tx`, so several stores can live in one process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

import peewee

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=peewee.Model)


class FieldCipher(Protocol):
    """What the store needs of a key: the store itself knows no cryptography."""

    def encrypt(self, plain: bytes, *, field: str) -> bytes:
        """Return `plain` sealed for this field; a different result each time."""
        ...

    def decrypt(self, sealed: bytes, *, field: str) -> bytes:
        """Return what was sealed; WrongKey when it was sealed with another key or for another field."""
        ...

    def blind_index(self, value: str, *, field: str) -> bytes:
        """Return a keyed digest: equal values give equal digests, and nothing leads back."""
        ...


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a verb works on: queries run here, and fields are sealed and opened here."""

    database: peewee.Database
    cipher: FieldCipher

    def fetch(self, query: "peewee.ModelSelect[M]") -> list[M]:
        """Return the rows of a query."""
        return list(query.execute(self.database))

    def first(self, query: "peewee.ModelSelect[M]") -> M | None:
        """Return the first row of a query, or None."""
        return next(iter(self.fetch(query.limit(1))), None)

    def locked(self, query: "peewee.ModelSelect[M]", *, skip: bool = False) -> "peewee.ModelSelect[M]":
        """Return the query with a lock on its rows; on SQLite the transaction has the write lock already.

        With `skip`, rows that another transaction has locked are left out.
        """
        if not self.database.for_update:
            return query
        # NO KEY: a row that is only referred to by a new row stays free, or two verbs could block each other.
        # peewee takes the clause itself for `True`; its stubs do not say so.
        return query.for_update("FOR NO KEY UPDATE", skip_locked=skip)  # type: ignore[arg-type]  # See above.

    def add(self, query: peewee.ModelInsert) -> int:
        """Insert one row; return its id."""
        row: int = query.execute(self.database)
        return row

    def add_new(self, query: peewee.ModelInsert, key: "peewee.Field[R]") -> R | None:
        """Insert one row unless a unique value is taken; return its key, or None when it was not inserted.

        RETURNING, because SQLite tells the id of some earlier row when nothing was inserted.
        """
        rows = list(query.on_conflict_ignore().returning(key).tuples().execute(self.database))
        found: R | None = rows[0][0] if rows else None
        return found

    def change(self, query: peewee.ModelUpdate) -> int:
        """Update rows; return how many."""
        count: int = query.execute(self.database)
        return count

    def change_returning(
        self, query: peewee.ModelUpdate, *fields: "peewee.Field[Any]"
    ) -> list[tuple[Any, ...]]:
        """Update rows; return these fields of each, as they are now."""
        return list(query.returning(*fields).tuples().execute(self.database))

    def seal(self, text: str, field: str) -> bytes:
        """Return a text encrypted for this field; a lone surrogate becomes a question mark."""
        return self.cipher.encrypt(text.encode("utf-8", "replace"), field=field)

    def seal_optional(self, text: str | None, field: str) -> bytes | None:
        """Return a text encrypted for this field; None stays None."""
        return None if text is None else self.seal(text, field)

    def unseal(self, sealed: bytes, field: str) -> str:
        """Return the text that was sealed; WrongKey when the key is another."""
        return self.cipher.decrypt(bytes(sealed), field=field).decode("utf-8")

    def unseal_optional(self, sealed: bytes | None, field: str) -> str | None:
        """Return the text that was sealed; None stays None."""
        return None if sealed is None else self.unseal(sealed, field)


class Verb(Generic[P, R]):
    """A function of the domain that runs in one transaction."""

    def __init__(self, function: Callable[Concatenate[Transaction, P], R]) -> None:
        self._function = function
        self.name = function.__name__
        update_wrapper(self, function)

    def __call__(self, tx: Transaction, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run inside the transaction of another verb."""
        return self._function(tx, *args, **kwargs)


def verb(function: Callable[Concatenate[Transaction, P], R]) -> Verb[P, R]:
    """Mark a function as a verb of the store: only verbs can be given to `Store.call` and `Store.run`."""
    return Verb(function)
