"""The chain that the consent events form: its end, which is the lock for answers, and the link of each event.

A link is keyed: whoever can write the database but has no master key cannot forge one.
"""

import json

from store import tables
from store.transaction import Transaction

HEAD = 1
_FORM = 1
"""The form of the linked content, a part of it: a later form can stand in the same chain."""


def lock_head(tx: Transaction) -> tables.ChainHead:
    """Return the row at the end of the chain, locked: no answer is recorded before the commit.

    To be taken before any other lock, so that two verbs never wait for each other.
    """
    return tx.fetch(tx.locked(tables.ChainHead.select().where(tables.ChainHead.id == HEAD)))[0]


def link(tx: Transaction, event: tables.ConsentEvent) -> bytes:
    """Return a keyed digest of 32 bytes over the event, the link before it included.

    Over JSON: sorted keys, no spaces, ASCII, bytes in hex, ISO 8601 time.
    """
    content = {
        "form": _FORM,
        "id": event.id,
        "person_id": event.person_id,
        "case_id": event.case_id,
        "delivery_id": event.delivery_id,
        "partner_id": event.partner_id,
        "purpose": str(event.purpose),
        "kind": str(event.kind),
        "language": event.language,
        "text_edition": event.text_edition,
        "text_digest": bytes(event.text_digest).hex(),
        "sent_digest": None if event.sent_digest is None else bytes(event.sent_digest).hex(),
        "at": tables.iso(event.at),
        "prev_hash": bytes(event.prev_hash).hex(),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return tx.cipher.blind_index(text, field="consent_event.hash")
