from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import consent, slots
from store.database import Store
from store.errors import UnknownRecord
from store.records import ConsentKind, SlotKind, SlotSummary
from store.transaction import Transaction, verb
from tests.store.conftest import OpenStore
from tests.store.story import NOW, Story, agency, candidate


@verb
def count(tx: Transaction, partner_id: str, person_id: int, step: str = "acknowledged") -> None:
    slots.count(tx, partner_id, person_id, step=step, reference=f"sub_{person_id}", now=NOW)


def _summary(store: Store, partner_id: str = "agency") -> SlotSummary:
    return next(s for s in store.call(slots.summarise) if s.partner_id == partner_id)


def test_ten_acknowledged_persons_earn_one_slot_and_the_lines_explain_it(store: Store) -> None:
    story = Story(store)
    story.partner()
    for n in range(11):
        story.say(story.invite(f"{n}@example.jp").link_id)
    claims = story.claim()
    for claim in claims:
        story.send(claim)

    summary = _summary(store)
    assert (summary.counted, summary.towards_next, summary.granted, summary.available) == (11, 1, 1, 1)
    lines = store.call(slots.explain, "agency")
    assert [line.kind for line in lines] == [SlotKind.ACCRUE] * 10 + [SlotKind.GRANT, SlotKind.ACCRUE]
    assert [line.reference for line in lines[:10]] == [claim.submission.key for claim in claims[:10]]
    assert (lines[10].reason, lines[10].reference) == ("10 persons acknowledged", "persons 1 to 10")


def test_a_partner_without_a_line_has_nothing(store: Store) -> None:
    Story(store).partner()

    summary = _summary(store)
    assert (summary.counted, summary.towards_next, summary.granted, summary.available) == (0, 0, 0, 0)
    assert store.call(slots.explain) == ()


def test_the_lines_of_an_unknown_partner_cannot_be_explained(store: Store) -> None:
    with pytest.raises(UnknownRecord):
        store.call(slots.explain, "nobody")


@pytest.mark.parametrize(
    ("basis", "after_consent", "after_sending", "after_acknowledgement"),
    [("consented", 1, 1, 1), ("submitted", 0, 1, 1), ("acknowledged", 0, 0, 1)],
)
def test_the_partners_policy_decides_which_step_counts(
    store: Store, basis: str, after_consent: int, after_sending: int, after_acknowledgement: int
) -> None:
    story = Story(store)
    story.partner(agency(basis=basis))
    story.say(story.invite("a@example.jp").link_id)
    assert _summary(store).counted == after_consent

    story.send(story.claim()[0], acknowledged=False)
    assert _summary(store).counted == after_sending

    story.say(story.invite("b@example.jp").link_id)
    story.send(story.claim(at=NOW + timedelta(days=2))[0])
    assert _summary(store).counted == after_sending + after_acknowledgement


def test_a_changed_ratio_counts_from_the_next_person_and_takes_nothing_back(store: Store) -> None:
    story = Story(store)
    story.partner(agency(ratio=10))
    for person in range(17):
        store.call(count, "agency", person)

    story.partner(agency(ratio=4))
    assert (_summary(store).granted, _summary(store).towards_next) == (1, 3)
    store.call(count, "agency", 17)
    assert (_summary(store).granted, _summary(store).towards_next) == (3, 0)

    story.partner(agency(ratio=100))
    store.call(count, "agency", 18)
    assert (_summary(store).granted, _summary(store).towards_next) == (3, 1)


def test_two_spellings_of_an_address_in_one_envelope_count_one_person(store: Store) -> None:
    """Two copies and two links, and behind both of them one case, one submission and one withdrawal."""
    story = Story(store)
    story.partner(agency(ratio=1))
    entry = story.capture(candidate("Ann@example.jp"), candidate("ann@example.jp"))
    story.deliver(entry)
    first, second = (delivery.link_id for delivery in entry.deliveries)
    assert first != second

    for link_id in (first, second):
        story.say(link_id)
    (claim,) = story.claim()
    story.send(claim)

    assert claim.submission.email == "Ann@example.jp"
    assert (_summary(store).counted, _summary(store).granted) == (1, 1)
    story.say(second, ConsentKind.WITHDRAWN)
    seen = store.call(consent.find_invitation, first)
    assert seen is not None
    assert [decision.kind for decision in seen.decisions] == [ConsentKind.WITHDRAWN]


def test_each_partner_has_slots_of_its_own(store: Store) -> None:
    story = Story(store)
    story.partner(agency("one", ratio=1))
    story.partner(agency("two", ratio=1))

    store.call(count, "one", 7)
    store.call(count, "two", 7)
    store.call(count, "two", 8)

    assert (_summary(store, "one").granted, _summary(store, "two").granted) == (1, 2)


def test_one_person_counted_on_two_nodes_at_once_counts_once(open_another: OpenStore, store: Store) -> None:
    Story(store).partner(agency(ratio=2))
    other = open_another()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: (store, other)[n % 2].call(count, "agency", n // 4), range(40)))

    summary = _summary(store)
    assert (summary.counted, summary.granted, summary.towards_next) == (10, 5, 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ratio=st.integers(1, 6),
    events=st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from(["consented", "submitted", "acknowledged"])),
        max_size=40,
    ),
)
def test_grants_are_the_distinct_persons_divided_by_the_ratio(
    store: Store, ratio: int, events: list[tuple[int, str]]
) -> None:
    """grants == floor(distinct ÷ ratio), and no total is ever negative, in any order and however often."""
    partner_id = f"p{abs(hash((ratio, tuple(events))))}"
    Story(store).partner(agency(partner_id, ratio=ratio))
    persons = set()
    for person, step in events:
        store.call(count, partner_id, person, step)
        if step == "acknowledged":
            persons.add(person)

        summary = _summary(store, partner_id)
        assert summary.counted == len(persons)
        assert summary.granted == summary.available == len(persons) // ratio
        assert summary.towards_next == len(persons) % ratio
    lines = store.call(slots.explain, partner_id)
    assert sum(line.quantity for line in lines if line.kind is SlotKind.GRANT) == len(persons) // ratio
    assert sum(line.quantity for line in lines if line.kind is SlotKind.ACCRUE) == len(persons)
