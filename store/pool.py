"""The pool: people who were turned down, and the case each of them has in each message.

A person is found again by address; see `look_up_form`.
"""

import string
import unicodedata
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from store import tables
from store.records import CaseState, RejectionDetails
from store.transaction import Transaction

_ORDER = (
    CaseState.CAPTURED,
    CaseState.INVITED,
    CaseState.EXPIRED,
    CaseState.DECLINED,
    CaseState.CONSENTED,
    CaseState.QUEUED,
    CaseState.SUBMITTED,
    CaseState.ACKNOWLEDGED,
    CaseState.INTRODUCED,
    CaseState.HIRED,
)
"""How far a case has come; who has declined, or did not answer in time, may still consent."""


_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

TEXT_MAX = 200
"""Characters of a value from a mail that are kept: more than any job title, less than PostgreSQL's 255."""


def address_text(octets: bytes) -> str:
    r"""Return an envelope address as text: UTF-8, and what is not as `\xff`."""
    return octets.decode("utf-8", "backslashreplace")


def storable(text: str | None) -> str | None:
    """Return a mail's text cut to what is kept, without NUL and lone surrogates, which PostgreSQL refuses."""
    if text is None:
        return None
    return text[:TEXT_MAX].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def find_or_add_person(tx: Transaction, email: str, name: str | None, *, now: datetime) -> int:
    """Return the id of the person with this address; a name that is new to us replaces the one we had."""
    table = tables.Person
    name = storable(name)
    index = tx.cipher.blind_index(look_up_form(email), field="person.email")
    sealed_name = tx.seal_optional(name, "person.name")
    email_sealed = tx.seal(email, "person.email")
    new_id = tx.add_new(
        table.insert(email_index=index, email=email_sealed, name=sealed_name, created_at=now), table.id
    )
    if new_id is not None:
        return new_id
    person = tx.fetch(tx.locked(table.select().where(table.email_index == index)))[0]
    if name is not None and tx.unseal_optional(person.name, "person.name") != name:
        tx.change(table.update(name=sealed_name).where(table.id == person.id))
    return person.id


def capture_case(
    tx: Transaction, *, message_id: int, person_id: int, details: RejectionDetails, now: datetime
) -> tuple[int, RejectionDetails]:
    """Return the id and details of this person's case in this message; one that is there keeps its own.

    The details are as they are kept: cut to what both databases take.
    """
    details = _storable_details(details)
    table = tables.RejectionCase
    new_id = tx.add_new(
        table.insert(
            message_id=message_id,
            person_id=person_id,
            state=CaseState.CAPTURED,
            name=tx.seal_optional(details.name, "rejection_case.name"),
            name_source=details.name_source,
            job=details.job,
            stage=details.stage,
            language=details.language,
            template=details.template,
            reason_code=details.reason_code,
            captured_at=now,
        ),
        table.id,
    )
    if new_id is not None:
        return new_id, details
    known = (table.message_id == message_id) & (table.person_id == person_id)
    case = tx.fetch(table.select().where(known))[0]
    return case.id, details_of(tx, case)


def details_of(tx: Transaction, case: tables.RejectionCase) -> RejectionDetails:
    """Return what the notice said, as it was captured."""
    return RejectionDetails(
        name=tx.unseal_optional(case.name, "rejection_case.name"),
        name_source=case.name_source,
        job=case.job,
        stage=case.stage,
        language=case.language,
        template=case.template,
        reason_code=case.reason_code,
    )


def _storable_details(details: RejectionDetails) -> RejectionDetails:
    return replace(
        details,
        name=storable(details.name),
        job=storable(details.job),
        stage=storable(details.stage),
        template=storable(details.template),
        reason_code=storable(details.reason_code),
    )


def advance_cases(tx: Transaction, case_ids: Collection[int], state: CaseState) -> None:
    """Move cases on to `state`, except those that are there or further already."""
    earlier = _ORDER[: _ORDER.index(state)]
    tx.change(
        tables.RejectionCase.update(state=state).where(
            tables.RejectionCase.id.in_(tuple(case_ids)) & tables.RejectionCase.state.in_(earlier)
        )
    )


def decline_cases(tx: Transaction, person_id: int, case_id: int) -> None:
    """Mark as declined this case, and the person's others that were consented; not what has left already."""
    table = tables.RejectionCase
    open_ones = _ORDER[: _ORDER.index(CaseState.SUBMITTED)]
    consented = (CaseState.CONSENTED, CaseState.QUEUED)
    tx.change(
        table.update(state=CaseState.DECLINED).where(
            (table.person_id == person_id)
            & (((table.id == case_id) & table.state.in_(open_ones)) | table.state.in_(consented))
        )
    )


def look_up_form(email: str) -> str:
    """Return the form under which an address is found again: two that may be two mailboxes stay two.

    In the local part only the case of ASCII letters is dropped: a server may well have both gross@ and groß@.
    A domain has one form, with the labels of RFC 5890 in ASCII; the codec `idna` would make fass of faß.
    """
    local, at, domain = unicodedata.normalize("NFC", email).rpartition("@")
    labels = unicodedata.normalize("NFC", domain.removesuffix(".").lower()).split(".")
    return f"{local.translate(_LOWER)}{at}{'.'.join(_a_label(label) for label in labels)}"


def _a_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"
