import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from store import outbox, partners
from store.database import Store
from store.errors import LeaseLost, PartnerInvalid
from store.records import Claim, ConsentKind, Partner, QueueLine, QueueState, SlotPolicy
from tests.store.story import COOLING_OFF, LATER, NOW, Story, agency

MENDED = {
    "endpoint": replace(agency(), endpoint="https://agency.example.jp/v1/submissions"),
    "secret": replace(agency(), secret="whsec_MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE="),
}
"""The partner of the story after its operator has corrected a slip."""


def test_a_partner_is_listed_as_it_was_added(store: Store) -> None:
    later = replace(agency("b", expires=LATER), contract_date=date(2024, 2, 29))
    earlier = agency("a-1", ratio=3, basis="submitted")
    for partner in (later, earlier):
        store.call(partners.add_partner, partner, now=NOW)

    assert store.call(partners.list_partners) == (earlier, later)


def test_adding_a_partner_again_replaces_it(store: Store) -> None:
    store.call(partners.add_partner, agency(), now=NOW)
    newer = replace(
        agency(ratio=5, basis="submitted", expires=LATER),
        legal_name="新見本株式会社",
        endpoint="http://127.0.0.1:8026/submissions",
        representative="見本 次郎",
        contract_date=date(2026, 4, 1),
    )

    store.call(partners.add_partner, newer, now=LATER)

    assert store.call(partners.list_partners) == (newer,)


IDENTITY = {
    "legal_name": replace(agency(), legal_name="別の株式会社"),
    "licence_no": replace(agency(), licence_no="13-ユ-999999"),
    "country": replace(agency(), country="US"),
}
"""What makes the partner of the story another company."""


@pytest.mark.parametrize("state", ["consented", "given up", "consented anew"])
@pytest.mark.parametrize("field", IDENTITY)
def test_a_partner_cannot_become_another_company_under_its_consents(
    story: Story, field: str, state: str
) -> None:
    """P16: the consents are to the company that was shown."""
    link_id = story.invite().link_id
    story.say(link_id)
    if state == "consented anew":
        story.say(link_id, ConsentKind.WITHDRAWN)
        story.say(link_id)
    if state == "given up":
        story.store.call(outbox.bury, story.claim()[0], error="HTTP 503", now=LATER)
        story.say(link_id, ConsentKind.WITHDRAWN)

    with pytest.raises(PartnerInvalid, match="add a new partner with another ID") as caught:
        story.store.call(partners.add_partner, IDENTITY[field], now=LATER)

    assert caught.value.field == field
    assert story.store.call(partners.list_partners) == (agency(),)


def test_a_partner_may_change_all_about_itself_while_nobody_consents(story: Story) -> None:
    leaving = story.invite("leaving@example.jp").link_id
    story.say(leaving)
    story.say(leaving, ConsentKind.WITHDRAWN)
    story.say(story.invite("never@example.jp").link_id, ConsentKind.DECLINED)
    story.partner(agency("other"))
    story.say(story.invite().link_id, to="other")

    for changed in IDENTITY.values():
        story.store.call(partners.add_partner, changed, now=LATER)
        assert changed in story.store.call(partners.list_partners)


def test_what_one_database_would_refuse_both_refuse(store: Store) -> None:
    for refused, field in (
        (replace(agency(), id="a" * 201), "id"),
        (replace(agency(), legal_name="あ" * 201), "legal_name"),
        (replace(agency(), licence_no="1" * 201), "licence_no"),
        (replace(agency(), legal_name="a\0b"), "legal_name"),
        (replace(agency(), address="a\0b"), "address"),
        (replace(agency(), representative="a\ud800b"), "representative"),
        (replace(agency(), endpoint="https://agency.example.jp/\0"), "endpoint"),
    ):
        with pytest.raises(PartnerInvalid) as caught:
            store.call(partners.add_partner, refused, now=NOW)
        assert caught.value.field == field
    longest = replace(agency("a" * 200), legal_name="あ" * 200, licence_no="1" * 200)
    store.call(partners.add_partner, longest, now=NOW)


WRONG = [
    (replace(agency(), id=""), "id"),
    (replace(agency(), id="Agency"), "id"),
    (replace(agency(), id="a--b"), "id"),
    (replace(agency(), id="a b"), "id"),
    (replace(agency(), id="agency\n"), "id"),
    (replace(agency(), legal_name=" "), "legal_name"),
    (replace(agency(), address=""), "address"),
    (replace(agency(), representative=""), "representative"),
    (replace(agency(), licence_no="  "), "licence_no"),
    (replace(agency(), licence_expires=NOW.replace(tzinfo=None)), "licence_expires"),
    (replace(agency(), country="jp"), "country"),
    (replace(agency(), country="JPN"), "country"),
    (replace(agency(), endpoint="ftp://agency.example.jp/"), "endpoint"),
    (replace(agency(), endpoint="https://"), "endpoint"),
    (replace(agency(), endpoint="https://agency.example.jp:99999/"), "endpoint"),
    (replace(agency(), endpoint="https://[::1/"), "endpoint"),
    (replace(agency(), endpoint="agency.example.jp"), "endpoint"),
    (replace(agency(), secret=""), "secret"),
    (replace(agency(), secret="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), "secret"),
    (replace(agency(), secret="whsec_MDEyMw=="), "secret"),
    (replace(agency(), secret="whsec_not base64 at all, but long enough for it"), "secret"),
    (replace(agency(), secret="whsec_あ"), "secret"),
    (replace(agency(), contract_date=NOW.date() + timedelta(days=1)), "contract_date"),
    (replace(agency(), policy=SlotPolicy(0)), "policy.ratio"),
    (replace(agency(), policy=SlotPolicy(-10)), "policy.ratio"),
    (replace(agency(), policy=SlotPolicy(10, "guessed")), "policy.basis"),
    (replace(agency(), policy=SlotPolicy(10, "hired")), "policy.basis"),
]
"""A partner, and the field that is wrong with it."""


def test_a_partner_with_a_wrong_field_is_refused_by_its_name(store: Store) -> None:
    for partner, field in WRONG:
        with pytest.raises(PartnerInvalid, match=f"^{re.escape(field)} ") as caught:
            store.call(partners.add_partner, partner, now=NOW)

        assert caught.value.field == field
        assert partner.secret == "" or partner.secret not in str(caught.value)
    assert store.call(partners.list_partners) == ()


@pytest.fixture
def story(store: Store) -> Story:
    """A story with one partner."""
    told = Story(store)
    told.partner()
    return told


def _claim(story: Story, address: str = "taro@example.jp") -> Claim:
    """Return the claim on a consented candidate's submission."""
    story.say(story.invite(address).link_id)
    (claim,) = story.claim()
    return claim


def _lines(story: Story) -> list[QueueLine]:
    lines = story.store.call(outbox.list_queue, states=tuple(QueueState))
    return sorted(lines, key=lambda line: line.id)


@pytest.mark.parametrize("mended", MENDED.values(), ids=MENDED.keys())
def test_what_was_given_up_is_tried_again_when_the_endpoint_or_the_secret_changes(
    story: Story, mended: Partner
) -> None:
    """Due at once and with the whole ladder before it, under the same key."""
    claim = _claim(story)
    story.store.call(outbox.bury, claim, error="answered 404", now=LATER)

    assert story.store.call(partners.add_partner, mended, now=LATER) == 1

    (line,) = _lines(story)
    assert (line.state, line.due_at, line.attempts) == (QueueState.READY, LATER, 0)
    assert line.last_error == "answered 404"
    (again,) = story.claim()
    assert (again.submission.key, again.submission.partner) == (claim.submission.key, mended)


def test_what_waits_after_a_failed_try_is_due_at_once_when_the_endpoint_changes(story: Story) -> None:
    claim = _claim(story)
    story.store.call(outbox.postpone, claim, due_at=LATER + COOLING_OFF, error="answered 404", now=LATER)

    assert story.store.call(partners.add_partner, MENDED["endpoint"], now=LATER) == 1

    (line,) = _lines(story)
    assert (line.state, line.due_at, line.attempts) == (QueueState.READY, LATER, 0)


def test_a_changed_endpoint_does_not_shorten_the_cooling_off(story: Story) -> None:
    story.say(story.invite().link_id)

    assert story.store.call(partners.add_partner, MENDED["endpoint"], now=NOW) == 0

    (line,) = _lines(story)
    assert line.due_at == NOW + COOLING_OFF


def test_another_change_and_another_partners_change_leave_the_queue_as_it_is(story: Story) -> None:
    story.partner(agency("other"))
    claim = _claim(story)
    story.store.call(outbox.bury, claim, error="answered 404", now=LATER)
    before = _lines(story)

    for partner in (
        agency(),
        replace(agency(ratio=3), address="東京都見本区2-2"),
        replace(MENDED["endpoint"], id="other"),
        replace(MENDED["endpoint"], id="new"),
    ):
        assert story.store.call(partners.add_partner, partner, now=LATER) == 0

    assert _lines(story) == before


def test_a_changed_endpoint_revives_nothing_whose_consent_is_gone(story: Story) -> None:
    link_id = story.invite().link_id
    story.say(link_id)
    (claim,) = story.claim()
    story.store.call(outbox.bury, claim, error="answered 404", may_have_left=False, now=LATER)
    story.say(link_id, ConsentKind.WITHDRAWN)

    story.store.call(partners.add_partner, MENDED["endpoint"], now=LATER)

    assert story.claim() == ()
    assert [line.state for line in _lines(story)] == [QueueState.DROPPED]


def test_what_is_leased_or_sent_is_left_alone_when_the_endpoint_changes(story: Story) -> None:
    story.send(_claim(story, "sent@example.jp"))
    held = _claim(story, "held@example.jp")

    assert story.store.call(partners.add_partner, MENDED["endpoint"], now=LATER) == 0

    assert [line.state for line in _lines(story)] == [QueueState.DONE, QueueState.LEASED]
    story.send(held)


def test_a_try_from_before_the_change_cannot_settle_the_one_after_it(story: Story) -> None:
    """Both are the first try of one worker: only the end of the lease tells them apart."""
    late = _claim(story)
    (taken_over,) = story.claim("worker-2", at=LATER + timedelta(minutes=5))
    story.store.call(outbox.bury, taken_over, error="answered 404", now=LATER)
    story.store.call(partners.add_partner, MENDED["endpoint"], now=LATER)
    (again,) = story.claim(at=LATER + timedelta(minutes=6))

    assert (late.lease_by, late.attempts) == (again.lease_by, again.attempts)
    with pytest.raises(LeaseLost):
        story.send(late)
    story.send(again)
