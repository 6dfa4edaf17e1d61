import pytest

from gateway.keyring import Keyring
from store import census
from store.consent import verify_chain
from store.database import Store, open_store
from store.errors import StoreUnavailable
from store.records import Census, DeliveryState
from tests.store.story import Story, candidate, internal


def test_an_empty_store_has_nothing_in_any_state(store: Store) -> None:
    assert store.call(census.count_states) == Census({}, {}, {})


def test_cases_open_copies_and_outbox_lines_are_counted_by_state(store: Store) -> None:
    story = Story(store)
    story.partner()
    story.say(story.invite("taro@example.jp").link_id)
    story.invite("hanako@example.jp")
    story.capture(candidate("jiro@example.jp"), of="one that waits")
    story.deliver(story.capture(internal("hr@example.com"), of="one refused"), DeliveryState.REFUSED)
    assert store.call(census.count_states) == Census(
        cases={"captured": 1, "consented": 1, "invited": 1},
        copies={"pending": 1, "refused": 1},
        outbox={"ready": 1},
    )


class Meter:
    """Notes what the store tells it."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, bool]] = []

    def answered(self, verb: str, seconds: float) -> None:
        assert seconds > 0
        self.notes.append((verb, True))

    def failed(self, verb: str) -> None:
        self.notes.append((verb, False))


async def test_a_meter_hears_how_long_each_verb_took_and_which_got_no_answer(
    sqlite_url: str, keyring: Keyring
) -> None:
    meter = Meter()
    with open_store(sqlite_url, keyring, meter=meter) as store:
        store.migrate()
        await store.run(census.count_states)
        await store.run(verify_chain, limit=1)
    with pytest.raises(StoreUnavailable):
        await store.run(census.count_states)
    assert meter.notes == [("count_states", True), ("verify_chain", True), ("count_states", False)]
