import traceback
from pathlib import Path

import pytest

from gateway.keyring import Keyring
from store import ledger, tables
from store.database import Store, open_store
from store.errors import StoreError
from store.records import DeliveryState, Settlement
from store.transaction import Transaction, verb
from tests.store.story import NOW, Story, arrival, candidate, internal

PERSONAL = (
    "taro.yamada",
    "山田 太郎",
    "山田",
    "hr-sender",
    "colleague",
    "見本 花子",
    "MDEyMzQ1Njc4OWFiY2RlZ",
    "0123456789abcdef0123",
    "mailbox of taro",
)
"""Names, addresses, a secret in both its forms, and what a next hop said of an address."""


def _tell_everything(store: Store) -> None:
    story = Story(store)
    story.partner()
    delivery = story.invite("taro.yamada@example.jp", "山田 太郎")
    story.say(delivery.link_id)
    story.send(story.claim()[0])
    message = arrival(candidate("taro.yamada@example.jp", "山田 太郎"), internal("colleague@example.com"))
    entry = store.call(ledger.open_message, message, now=NOW)
    refused = Settlement(
        entry.deliveries[0].id, DeliveryState.REFUSED, 550, "5.1.1 no mailbox of taro.yamada@example.jp", None
    )
    store.call(ledger.settle, [refused], claimed_by="G-first", now=NOW)


def test_no_name_address_or_secret_stands_in_the_files(sqlite_url: str, keyring: Keyring) -> None:
    """P18: neither in the database nor in its write-ahead log, in any encoding the bytes could have."""
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
    with open_store(sqlite_url, keyring) as store:
        store.migrate()
        _tell_everything(store)
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
    files["after closing"] = (folder / "goen.db").read_bytes()

    assert len(files["goen.db-wal"]) > 0
    assert "営業".encode() in files["after closing"]  # What is not personal is found, so the search works.
    for name, content in files.items():
        for words in PERSONAL:
            for encoding in ("utf-8", "utf-16-le", "utf-16-be", "cp932"):
                assert words.encode(encoding) not in content, (name, words, encoding)
            assert words.encode().hex() not in content.decode("latin-1").lower(), (name, words)


def test_records_do_not_show_personal_data_when_they_are_printed(store: Store) -> None:
    story = Story(store)
    story.partner()
    delivery = story.invite("taro.yamada@example.jp", "山田 太郎")
    story.say(delivery.link_id)
    (claim,) = story.claim()

    for record in (delivery, claim, arrival(candidate("taro.yamada@example.jp"))):
        for words in ("taro.yamada", "山田", "whsec_MDEy"):
            assert words not in repr(record)


def test_an_error_does_not_show_personal_data(store: Store) -> None:
    """Not even with its causes: PostgreSQL quotes a row's values in its own message."""

    @verb
    def capture_twice(tx: Transaction) -> None:
        for _ in range(2):
            index = tx.cipher.blind_index(PERSONAL[0], field="person.email")
            sealed = tx.seal(PERSONAL[0], "person.email")
            tx.add(tables.Person.insert(email_index=index, email=sealed, created_at=NOW))

    with pytest.raises(StoreError) as caught:
        store.call(capture_twice)

    shown = "".join(traceback.format_exception(caught.value))
    assert "UNIQUE" in shown.upper()
    assert PERSONAL[0] not in shown
