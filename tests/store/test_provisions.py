from datetime import UTC, datetime

import pytest

from store import consent, outbox, provisions, slots
from store.database import Store
from store.errors import LeaseLost
from store.records import CaseState, QueueState
from tests.store.story import LATER, NAME, Story, agency


@pytest.fixture
def story(store: Store) -> Story:
    """A story with one partner who grants a slot for each acknowledgement."""
    told = Story(store)
    told.partner(agency(ratio=1))
    return told


def _state(story: Story, link_id: bytes) -> CaseState | None:
    found = story.store.call(consent.find_invitation, link_id)
    return found.state if found else None


def _granted(story: Story) -> int:
    (summary,) = story.store.call(slots.summarise)
    return summary.granted


def test_what_was_sent_is_recorded_with_all_that_the_law_asks_for(story: Story) -> None:
    link_id = story.invite("taro@example.jp").link_id
    story.say(link_id)
    (claim,) = story.claim()

    story.send(claim)

    (record,) = story.store.call(provisions.list_provisions, limit=10)
    assert record.submission_key == claim.submission.key
    assert (record.partner_name, record.partner_address, record.partner_representative) == (
        "見本エージェント株式会社",
        "東京都見本区1-1",
        "見本 花子",
    )
    assert (record.person_name, record.person_email) == (NAME, "taro@example.jp")
    assert record.data_items == ("name", "email")
    assert (record.consent_id, record.provided_at) == (claim.submission.consent_id, LATER)
    assert record.keep_until == LATER.replace(year=LATER.year + 3)
    assert _state(story, link_id) is CaseState.ACKNOWLEDGED
    assert _granted(story) == 1
    (line,) = story.store.call(outbox.list_queue, states=[QueueState.DONE])
    assert line.last_error is None


def test_a_record_of_the_29th_of_february_is_kept_until_the_first_of_march(story: Story) -> None:
    story.say(story.invite().link_id)
    leap_day = datetime(2028, 2, 29, tzinfo=UTC)
    (claim,) = story.claim(at=leap_day)

    story.store.call(provisions.record_sent, claim, data_items=(), acknowledgement=None, now=leap_day)

    (record,) = story.store.call(provisions.list_provisions, limit=10)
    assert record.keep_until == datetime(2031, 3, 1, tzinfo=UTC)
    assert record.data_items == ()


def test_what_is_not_acknowledged_is_submitted_and_earns_nothing(story: Story) -> None:
    link_id = story.invite().link_id
    story.say(link_id)

    story.send(story.claim()[0], acknowledged=False)

    assert (_state(story, link_id), _granted(story)) == (CaseState.SUBMITTED, 0)


def test_the_records_are_read_page_by_page_oldest_first(story: Story) -> None:
    for n in range(5):
        story.say(story.invite(f"{n}@example.jp").link_id)
        story.send(story.claim()[0])

    pages = []
    after = 0
    while page := story.store.call(provisions.list_provisions, after=after, limit=2):
        pages.append([record.person_email for record in page])
        after = page[-1].id

    assert pages == [["0@example.jp", "1@example.jp"], ["2@example.jp", "3@example.jp"], ["4@example.jp"]]


def test_the_same_claim_is_recorded_once(story: Story) -> None:
    story.say(story.invite().link_id)
    (claim,) = story.claim()
    story.send(claim)

    with pytest.raises(LeaseLost):
        story.send(claim)

    assert len(story.store.call(provisions.list_provisions, limit=10)) == 1
    assert _granted(story) == 1
