"""Opening the store that the settings name: all that a listing such as `goen slots` needs of the house."""

from gateway.keyring import Keyring
from gateway.settings import Settings
from store.database import Store, open_store


def open_store_of(settings: Settings) -> Store:
    """Open the store with its key, as it is; makes the key on first start."""
    return open_store(settings.store.url, Keyring.open(settings.store.key_file, create=True))


def open_settled_store(settings: Settings) -> Store:
    """Open the store and bring it to the form that this version needs."""
    store = open_store_of(settings)
    try:
        store.migrate()
    except BaseException:
        store.close()
        raise
    return store
