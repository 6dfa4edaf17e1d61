from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from store import consent, ledger
from store.database import Store
from store.records import CaseState, CopyKind, DeliveryState, Settlement
from tests.store.conftest import OpenStore
from tests.store.story import NAME, NOW, Story, arrival, candidate, count_people, internal

MINUTE = timedelta(minutes=1)


def test_a_marked_message_becomes_one_delivery_for_each_planned_copy(store: Store) -> None:
    taro, hanako = candidate("taro@example.jp"), candidate("hanako@example.jp", "見本 花子")
    colleagues = internal("a@example.com", "b@example.com")

    entry = Story(store).capture(hanako, colleagues, taro)

    assert [d.recipients for d in entry.deliveries] == [c.recipients for c in (hanako, colleagues, taro)]
    assert [d.link_id for d in entry.deliveries] == [hanako.link_id, b"", taro.link_id]
    assert [d.details for d in entry.deliveries] == [hanako.details, None, taro.details]
    assert {d.state for d in entry.deliveries} == {DeliveryState.PENDING}
    assert (entry.attempts, entry.trace_id) == (1, "G-first")
    assert store.call(count_people) == 2


def test_a_retry_gets_the_links_and_details_of_the_first_try(store: Store) -> None:
    first = store.call(ledger.open_message, arrival(candidate("taro@example.jp")), now=NOW)
    again = store.call(
        ledger.open_message,
        arrival(candidate("taro@example.jp", "Someone Else"), trace_id="G-second"),
        now=NOW + MINUTE,
    )

    assert again.deliveries == first.deliveries
    assert (again.id, again.attempts, again.trace_id) == (first.id, 2, "G-first")


def test_a_retry_with_one_more_recipient_adds_only_that_one(store: Store) -> None:
    story = Story(store)
    taro = candidate("taro@example.jp")
    first = story.capture(taro)
    story.deliver(first)

    again = story.capture(candidate("hanako@example.jp"), taro)

    assert [d.state for d in again.deliveries] == [DeliveryState.PENDING, DeliveryState.ACCEPTED]
    assert again.deliveries[1].id == first.deliveries[0].id


def test_the_same_recipient_planned_twice_is_one_delivery(store: Store) -> None:
    entry = Story(store).capture(candidate("taro@example.jp"), candidate("taro@example.jp"))

    assert entry.deliveries[0] == entry.deliveries[1]


def test_two_spellings_of_an_address_are_two_deliveries_and_one_person(store: Store) -> None:
    plans = [candidate("Taro@Example.JP", "Taro Yamada"), candidate("taro@example.jp", NAME)]
    entry = Story(store).capture(*plans)

    assert len({d.id for d in entry.deliveries}) == 2
    assert store.call(count_people) == 1
    assert Story(store).capture(*plans).deliveries == entry.deliveries


def test_a_person_is_found_again_in_another_message_and_each_message_keeps_its_name(store: Store) -> None:
    story = Story(store)
    old = story.invite("taro@example.jp", None)
    new = story.invite("TARO@example.jp", NAME)

    seen = [store.call(consent.find_invitation, d.link_id) for d in (old, new)]

    assert seen[0] is not None
    assert seen[1] is not None
    assert seen[0].person_id == seen[1].person_id
    assert seen[0].case_id != seen[1].case_id
    assert [s.name for s in seen if s] == [None, NAME]


class TestTheInternalGroup:
    def test_that_was_not_served_is_one_delivery_again(self, store: Store) -> None:
        story = Story(store)
        first = story.capture(internal("a@example.com", "b@example.com"))
        story.deliver(first, DeliveryState.DEFERRED)

        again = story.capture(internal("b@example.com", "a@example.com"))

        assert again.deliveries[0].id == first.deliveries[0].id

    def test_that_was_served_is_not_served_again(self, store: Store) -> None:
        story = Story(store)
        story.deliver(story.capture(internal("a@example.com", "b@example.com")))

        assert story.capture(internal("a@example.com")).deliveries[0].state is DeliveryState.ACCEPTED

    def test_that_has_grown_gets_a_delivery_for_the_new_ones_only(self, store: Store) -> None:
        story = Story(store)
        story.deliver(story.capture(internal("a@example.com", "b@example.com")))

        again = story.capture(internal("a@example.com", "c@example.com"))

        assert again.deliveries[0].recipients == (b"c@example.com",)
        assert again.deliveries[0].state is DeliveryState.PENDING

    def test_that_has_shrunk_goes_to_none_but_those_it_is_for_now(self, store: Store) -> None:
        story = Story(store)
        story.deliver(story.capture(internal("a@example.com", "b@example.com")), DeliveryState.DEFERRED)

        assert story.capture(internal("b@example.com")).deliveries[0].recipients == (b"b@example.com",)


def test_an_address_keeps_every_byte(store: Store) -> None:
    """SMTPUTF8 and broken clients: what stood between the brackets leads back to itself."""
    odd = replace(candidate(), recipients=(b'"a..b c"@docomo.example.jp',))
    raw = replace(candidate(), recipients=(b"\xff\xfe\x80@example.jp",))
    utf8 = candidate("太郎@例え.example.jp")

    entry = Story(store).capture(odd, raw, utf8)

    assert [d.recipients for d in entry.deliveries] == [odd.recipients, raw.recipients, utf8.recipients]
    found = store.call(ledger.find_message, arrival().fingerprint)
    assert found is not None
    assert [d.recipients for d in found.deliveries] == [d.recipients for d in entry.deliveries]


def test_an_unknown_message_is_not_found(store: Store) -> None:
    assert store.call(ledger.find_message, b"x" * 32) is None


@pytest.mark.parametrize(
    "state", [DeliveryState.DEFERRED, DeliveryState.REFUSED, DeliveryState.UNKNOWN, DeliveryState.PENDING]
)
def test_a_copy_that_was_not_accepted_can_be_claimed_again(store: Store, state: DeliveryState) -> None:
    story = Story(store)
    entry = story.capture(candidate())
    if state is not DeliveryState.PENDING:
        story.deliver(entry, state)

    assert _claim(store, [entry.deliveries[0].id], "G-second") == {entry.deliveries[0].id}


def test_an_accepted_copy_is_never_claimed_again(store: Store) -> None:
    story = Story(store)
    entry = story.capture(candidate())
    story.deliver(entry)

    assert _claim(store, [entry.deliveries[0].id], "G-second", minutes=10_000) == frozenset()


def test_a_claim_holds_until_its_lease_runs_out(store: Store) -> None:
    ids = [Story(store).capture(candidate()).deliveries[0].id]

    assert _claim(store, ids, "G-first") == set(ids)
    assert _claim(store, ids, "G-second") == frozenset()
    assert _claim(store, ids, "G-second", minutes=6) == set(ids)
    found = store.call(ledger.find_message, arrival().fingerprint)
    assert found is not None
    assert found.deliveries[0].attempts == 2


def test_an_accepted_copy_makes_the_case_invited(store: Store) -> None:
    story = Story(store)
    entry = story.capture(candidate())
    link_id = entry.deliveries[0].link_id
    assert _case_state(store, link_id) is CaseState.CAPTURED

    story.deliver(entry)

    assert _case_state(store, link_id) is CaseState.INVITED
    delivery = story.capture(candidate()).deliveries[0]
    assert (delivery.reply_code, delivery.reply_text) == (250, "2.0.0 Ok: queued")


@pytest.mark.parametrize("state", [DeliveryState.DEFERRED, DeliveryState.REFUSED, DeliveryState.UNKNOWN])
def test_a_copy_that_was_not_accepted_invites_nobody(store: Store, state: DeliveryState) -> None:
    story = Story(store)
    entry = story.capture(candidate())

    story.deliver(entry, state)

    assert _case_state(store, entry.deliveries[0].link_id) is CaseState.CAPTURED


def test_who_lost_the_claim_settles_nothing(store: Store) -> None:
    story = Story(store)
    number = story.capture(candidate()).deliveries[0].id
    _claim(store, [number], "G-first")
    _claim(store, [number], "G-second", minutes=6)

    accepted = Settlement(number, DeliveryState.ACCEPTED, 250, "Ok", None)
    store.call(ledger.settle, [accepted], claimed_by="G-first", now=NOW)

    assert story.capture(candidate()).deliveries[0].state is DeliveryState.SENDING


def test_what_was_refused_before_it_was_claimed_is_recorded_too(store: Store) -> None:
    story = Story(store)
    number = story.capture(candidate()).deliveries[0].id

    refused = Settlement(number, DeliveryState.REFUSED, 550, "5.1.1 No such user", None)
    store.call(ledger.settle, [refused], claimed_by="G-first", now=NOW)

    assert story.capture(candidate()).deliveries[0].state is DeliveryState.REFUSED


@pytest.mark.parametrize("state", [DeliveryState.ACCEPTED, DeliveryState.UNKNOWN])
def test_an_outcome_after_the_dot_needs_a_claim(store: Store, state: DeliveryState) -> None:
    story = Story(store)
    number = story.capture(candidate()).deliveries[0].id

    store.call(ledger.settle, [Settlement(number, state, 250, "Ok", None)], claimed_by="G-x", now=NOW)

    assert story.capture(candidate()).deliveries[0].state is DeliveryState.PENDING


def test_the_same_message_on_two_nodes_at_once_is_one_message(open_another: OpenStore, store: Store) -> None:
    """Twenty tries of one message with three recipients, through two stores: one of everything."""
    other = open_another()
    plans = [arrival(*(candidate(f"{n}@example.jp") for n in range(3))) for _ in range(20)]

    with ThreadPoolExecutor(8) as threads:
        entries = list(
            threads.map(
                lambda job: (store, other)[job[0] % 2].call(ledger.open_message, job[1], now=NOW),
                enumerate(plans),
            )
        )

    assert len({entry.id for entry in entries}) == 1
    assert len({tuple((d.id, d.link_id) for d in entry.deliveries) for entry in entries}) == 1
    assert sorted(entry.attempts for entry in entries) == list(range(1, 21))
    assert store.call(count_people) == 3


def test_two_nodes_that_claim_at_once_share_the_copies_out(open_another: OpenStore, store: Store) -> None:
    other = open_another()
    entry = Story(store).capture(*(candidate(f"{n}@example.jp") for n in range(12)))
    ids = [d.id for d in entry.deliveries]

    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda n: _claim((store, other)[n % 2], ids[n % 3 :], f"G-{n}"), range(16)))

    claimed = [number for claim in claims for number in claim]
    assert sorted(claimed) == ids


def test_messages_to_the_same_people_in_another_order_do_not_block_each_other(
    open_another: OpenStore, store: Store
) -> None:
    other = open_another()
    people = [f"{n}@example.jp" for n in range(6)]
    plans = [
        arrival(*(candidate(p) for p in (people if n % 2 else people[::-1])), of=f"message {n}")
        for n in range(20)
    ]

    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda job: (store, other)[job[0] % 2].call(ledger.open_message, job[1], now=NOW),
                enumerate(plans),
            )
        )

    assert store.call(count_people) == len(people)


def _claim(store: Store, ids: list[int], by: str, *, minutes: int = 0) -> frozenset[int]:
    at = NOW + minutes * MINUTE
    return store.call(ledger.claim_deliveries, ids, claimed_by=by, now=at, lease_until=at + 5 * MINUTE)


def _case_state(store: Store, link_id: bytes) -> CaseState | None:
    invitation = store.call(consent.find_invitation, link_id)
    return invitation.state if invitation else None


def test_the_kinds_of_copies_are_those_of_the_plan(store: Store) -> None:
    entry = Story(store).capture(candidate(), internal("a@example.com"))

    assert [d.kind for d in entry.deliveries] == [CopyKind.CANDIDATE, CopyKind.INTERNAL]
