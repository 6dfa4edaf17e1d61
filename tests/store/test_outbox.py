import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.keyring import Keyring
from store import consent, outbox, partners, provisions, tables
from store.database import Store, open_store
from store.errors import LeaseLost
from store.records import Batch, CaseState, Claim, ConsentKind, Invitation, QueueState, Submission
from store.transaction import Transaction, verb
from tests.store.conftest import OpenStore
from tests.store.story import COOLING_OFF, LATER, NAME, NOW, TEXT_DIGEST, Story, agency

MINUTE = timedelta(minutes=1)


@pytest.fixture
def story(store: Store) -> Story:
    """A story with one partner."""
    told = Story(store)
    told.partner()
    return told


def test_nothing_is_claimed_before_the_cooling_off_is_over(story: Story) -> None:
    story.say(story.invite().link_id)

    assert story.claim(at=NOW + COOLING_OFF - timedelta(microseconds=1)) == ()
    assert len(story.claim(at=NOW + COOLING_OFF)) == 1


def test_a_claim_holds_everything_the_payload_needs(story: Story) -> None:
    delivery = story.invite("taro@example.jp")
    story.say(delivery.link_id)

    (claim,) = story.claim()

    sent = claim.submission
    assert (claim.lease_by, claim.attempts) == ("worker-1", 1)
    assert (sent.partner, sent.name, sent.email) == (agency(), NAME, "taro@example.jp")
    assert (sent.job, sent.stage, sent.rejected_at) == ("営業", "final", NOW)
    assert (sent.consented_at, sent.consent_language) == (NOW, "ja")
    assert (sent.consent_text_edition, sent.consent_text_digest) == ("2026-01", TEXT_DIGEST)
    invitation = story.store.call(consent.find_invitation, delivery.link_id)
    assert invitation is not None
    assert invitation.state is CaseState.QUEUED


def test_a_leased_submission_is_left_alone_until_the_lease_is_over(story: Story) -> None:
    story.say(story.invite().link_id)
    (first,) = story.claim("worker-1")

    assert story.claim("worker-2") == ()
    (second,) = story.claim("worker-2", at=LATER + 5 * MINUTE)

    assert (second.id, second.attempts) == (first.id, 2)
    assert second.submission.key == first.submission.key


@pytest.mark.parametrize("second_worker", ["worker-1", "worker-2"])
def test_who_comes_back_after_the_lease_was_given_away_changes_nothing(
    story: Story, second_worker: str
) -> None:
    """A worker's own second lease does not cover its first one either."""
    story.say(story.invite().link_id)
    (late,) = story.claim("worker-1")
    story.claim(second_worker, at=LATER + 5 * MINUTE)

    with pytest.raises(LeaseLost):
        story.send(late)
    with pytest.raises(LeaseLost):
        story.store.call(outbox.postpone, late, due_at=LATER, error="late", now=LATER)
    with pytest.raises(LeaseLost):
        story.store.call(outbox.bury, late, error="late", now=LATER)
    assert [line.state for line in story.store.call(outbox.list_queue)] == [QueueState.LEASED]


def test_a_postponed_submission_waits_and_says_why(story: Story) -> None:
    story.say(story.invite().link_id)
    (claim,) = story.claim()

    again = LATER + 30 * MINUTE
    story.store.call(outbox.postpone, claim, due_at=again, error="HTTP 503", now=LATER)

    (line,) = story.store.call(outbox.list_queue)
    assert (line.state, line.due_at, line.attempts, line.last_error) == (
        QueueState.READY,
        again,
        1,
        "HTTP 503",
    )
    assert story.claim(at=again - MINUTE) == ()
    assert story.claim(at=again)[0].attempts == 2


def test_a_buried_submission_is_listed_and_never_claimed(story: Story) -> None:
    story.say(story.invite().link_id)
    (claim,) = story.claim()

    story.store.call(outbox.bury, claim, error="HTTP 410", now=LATER)

    (line,) = story.store.call(outbox.list_queue)
    assert (line.state, line.last_error) == (QueueState.DEAD, "HTTP 410")
    assert story.claim(at=LATER + timedelta(days=365)) == ()


def test_a_withdrawal_during_a_failed_try_stops_the_next_one(story: Story) -> None:
    link_id = story.invite().link_id
    story.say(link_id)
    (claim,) = story.claim()
    story.say(link_id, ConsentKind.WITHDRAWN)
    refused = "HTTP 404"
    story.store.call(outbox.postpone, claim, due_at=LATER, error=refused, may_have_left=False, now=LATER)

    assert story.claim() == ()
    (line,) = story.store.call(outbox.list_queue, states=tuple(QueueState))
    assert line.state is QueueState.DROPPED
    assert story.store.call(provisions.list_provisions, limit=10) == ()


def _shown(found: Invitation | None) -> tuple[object, ...]:
    assert found is not None
    return found.name, found.email, found.job, found.stage, found.captured_at


def _sent(claim: Claim) -> tuple[object, ...]:
    sent: Submission = claim.submission
    return sent.name, sent.email, sent.job, sent.stage, sent.rejected_at


@pytest.mark.parametrize("address", ["taro@example.jp", "Taro@Example.JP"])
def test_what_leaves_is_what_was_shown_whatever_a_later_mail_says(story: Story, address: str) -> None:
    """P16: a name that the page said would not be passed on is not passed on; two tries carry the same."""
    link_id = story.invite(address, name=None).link_id
    story.invite("taro@example.jp", name="later name")
    shown = _shown(story.store.call(consent.find_invitation, link_id))
    story.say(link_id)

    story.invite("taro@example.jp", name="still later name")
    (first,) = story.claim()
    story.invite("taro@example.jp", name="latest name")
    (second,) = story.claim("worker-2", at=LATER + 5 * MINUTE)

    assert shown == (None, address, "営業", "final", NOW)
    assert _sent(first) == _sent(second) == shown
    assert first.submission == second.submission


def test_what_was_consented_to_is_not_looked_up_again(story: Story) -> None:
    """Even a changed case leaves the submission as it was."""
    story.say(story.invite().link_id)

    @verb
    def change(tx: Transaction) -> None:
        tx.change(tables.RejectionCase.update(job="changed", stage="changed", name=None, captured_at=LATER))
        tx.change(tables.Delivery.update(recipients=tx.seal("other@example.jp", "delivery.recipients")))

    story.store.call(change)

    assert _sent(story.claim()[0]) == (NAME, "taro@example.jp", "営業", "final", NOW)


def _end(story: Story) -> tuple[QueueState, str | None]:
    (line,) = story.store.call(outbox.list_queue, states=tuple(QueueState))
    return line.state, line.last_error


def _possible(story: Story) -> list[tuple[bool, str, tuple[str, ...]]]:
    records = story.store.call(provisions.list_provisions, limit=10)
    return [(record.possibly, record.person_email, record.data_items) for record in records]


RECALL = (QueueState.DEAD, "consent withdrawn; the partner may have it: ask for recall")
ITEMS = (
    *("candidate.name", "candidate.email"),
    *("rejection.job", "rejection.stage", "rejection.rejected_at"),
)


def _lose_the_answer(story: Story, claim: Claim) -> None:
    story.store.call(outbox.postpone, claim, due_at=LATER, error="HTTP 503", now=LATER)


def _give_up(story: Story, claim: Claim) -> None:
    story.store.call(outbox.bury, claim, error="HTTP 503", now=LATER)


def _lose_it_and_then_meet_a_refusal(story: Story, claim: Claim) -> None:
    """Once it may be there, no later refusal makes it unsaid."""
    _lose_the_answer(story, claim)
    (again,) = story.claim()
    story.store.call(outbox.postpone, again, due_at=LATER, error="HTTP 404", may_have_left=False, now=LATER)


@pytest.mark.parametrize("attempt", [_lose_the_answer, _give_up, _lose_it_and_then_meet_a_refusal])
def test_what_may_be_at_the_partner_leaves_a_record_when_consent_is_withdrawn(
    story: Story, attempt: Callable[[Story, Claim], None]
) -> None:
    link_id = story.invite("taro@example.jp").link_id
    story.say(link_id)
    attempt(story, story.claim()[0])
    assert _possible(story) == []

    story.say(link_id, ConsentKind.WITHDRAWN)

    assert _end(story) == RECALL
    assert _possible(story) == [(True, "taro@example.jp", ITEMS)]
    assert story.claim(at=LATER + timedelta(days=9)) == ()


@pytest.mark.parametrize("end", [_lose_the_answer, _give_up, None], ids=["postponed", "given up", "killed"])
def test_a_withdrawal_during_a_try_without_a_known_end_leaves_a_record(
    story: Story, end: Callable[[Story, Claim], None] | None
) -> None:
    link_id = story.invite("taro@example.jp").link_id
    story.say(link_id)
    (claim,) = story.claim()
    story.say(link_id, ConsentKind.WITHDRAWN)
    if end is not None:
        end(story, claim)

    assert story.claim("worker-2", at=LATER + 5 * MINUTE) == ()

    assert _end(story) == RECALL
    assert _possible(story) == [(True, "taro@example.jp", ITEMS)]


def test_what_a_person_must_recall_is_not_sent_again_to_a_changed_endpoint(story: Story) -> None:
    link_id = story.invite().link_id
    story.say(link_id)
    _give_up(story, story.claim()[0])
    story.say(link_id, ConsentKind.WITHDRAWN)

    changed = replace(agency(), endpoint="https://new.example.jp/submissions")

    assert story.store.call(partners.add_partner, changed, now=LATER) == 0
    assert _end(story) == RECALL


def test_a_partner_that_is_not_the_one_shown_gets_nothing(story: Story) -> None:
    """A row changed behind the store's back: the claim compares with what was consented to."""
    for number, change in enumerate(({"legal_name": "別の株式会社"}, {"licence_no": "13-ユ-999999"})):
        story.partner(agency(f"agency-{number}"))
        story.say(story.invite().link_id, to=f"agency-{number}")

        @verb
        def redirect(tx: Transaction, changed: dict[str, str], partner_id: str) -> None:
            tx.change(tables.Partner.update(**changed).where(tables.Partner.id == partner_id))

        story.store.call(redirect, change, f"agency-{number}")

    assert story.claim() == ()
    lines = story.store.call(outbox.list_queue)
    assert [line.state for line in lines] == [QueueState.DEAD] * 2
    assert {line.last_error for line in lines} == {
        "the partner's name or licence is not the one that was consented to"
    }


def test_nothing_leaves_for_a_partner_abroad(story: Story) -> None:
    story.say(story.invite().link_id)

    @verb
    def move(tx: Transaction) -> None:
        tx.change(tables.Partner.update(country="US"))

    story.store.call(move)

    assert story.claim() == ()
    assert _end(story) == (QueueState.READY, "the partner is abroad, which no consent text covers")


def test_a_withdrawal_stops_nobody_elses_submission_in_the_same_batch(story: Story) -> None:
    leaving, staying = (story.invite(f"{n}@example.jp").link_id for n in range(2))
    story.say(leaving)
    story.say(staying)
    for claim in story.claim():
        story.store.call(outbox.postpone, claim, due_at=LATER, error="HTTP 503", now=LATER)
    held, _ = story.claim()
    story.say(leaving, ConsentKind.WITHDRAWN)

    claims = story.claim("worker-2", at=LATER + 5 * MINUTE)

    assert held.submission.email == "0@example.jp"
    assert [claim.submission.email for claim in claims] == ["1@example.jp"]


def test_a_consent_given_anew_does_not_revive_the_old_submission(story: Story) -> None:
    link_id = story.invite().link_id
    story.say(link_id)
    (claim,) = story.claim()
    story.say(link_id, ConsentKind.WITHDRAWN)
    story.say(link_id)
    story.store.call(outbox.postpone, claim, due_at=LATER, error="HTTP 503", now=LATER)

    (only,) = story.claim()

    assert only.submission.key != claim.submission.key


def test_another_persons_refusal_stops_nobody_else(story: Story) -> None:
    story.say(story.invite("taro@example.jp").link_id)
    story.say(story.invite("hanako@example.jp").link_id, ConsentKind.DECLINED)
    story.partner(agency("other"))
    story.say(story.invite("taro@example.jp").link_id, ConsentKind.DECLINED, to="other")

    assert len(story.claim()) == 1


def test_a_partner_whose_licence_has_expired_gets_nothing_and_the_queue_says_so(story: Story) -> None:
    story.partner(agency(expires=LATER))
    story.say(story.invite().link_id)

    assert story.claim(at=LATER) == ()

    (line,) = story.store.call(outbox.list_queue)
    assert (line.state, line.due_at, line.attempts) == (QueueState.READY, LATER + timedelta(days=1), 0)
    assert line.last_error == "the partner's licence has expired"
    story.partner(agency(expires=LATER + timedelta(days=900)))
    assert len(story.claim(at=LATER + timedelta(days=1))) == 1


def test_no_more_is_claimed_than_asked_for_and_the_oldest_comes_first(story: Story) -> None:
    for n in range(4):
        story.say(story.invite(f"{n}@example.jp").link_id)
    (abandoned,) = story.claim(limit=1)

    claims = story.claim("worker-2", at=LATER + 5 * MINUTE, limit=2)

    assert [claim.submission.email for claim in claims] == ["0@example.jp", "1@example.jp"]
    assert claims[0].id == abandoned.id


def test_a_batch_tells_how_many_due_ones_were_kept_back(story: Story) -> None:
    """Nothing leased and nothing kept back means that nothing was due."""
    story.partner(agency("expired", expires=NOW))
    for n in range(2):
        story.say(story.invite(f"{n}@example.jp").link_id, to="expired")
    withdrawn = story.invite("2@example.jp").link_id
    story.say(withdrawn)
    story.say(story.invite("3@example.jp").link_id)
    (first, second) = story.claim()
    story.say(withdrawn, ConsentKind.WITHDRAWN)
    for claim in (first, second):
        story.store.call(outbox.postpone, claim, due_at=LATER, error="HTTP 503", now=LATER)

    again = LATER + timedelta(days=2)
    sizes = [(len(batch.claims), batch.kept_back) for batch in (_batch(story, at=again) for _ in range(3))]

    assert sizes == [(1, 1), (0, 2), (0, 0)]


def _batch(story: Story, *, at: datetime) -> Batch:
    return story.store.call(outbox.claim_due, now=at, lease_by="w", lease_until=at + MINUTE, limit=2)


def test_workers_on_two_nodes_share_the_queue_out(story: Story, open_another: OpenStore) -> None:
    other = Story(open_another())
    for n in range(24):
        story.say(story.invite(f"{n}@example.jp").link_id)

    with ThreadPoolExecutor(8) as threads:
        batches = list(threads.map(lambda n: (story, other)[n % 2].claim(f"worker-{n}", limit=4), range(24)))

    claimed = [claim.id for batch in batches for claim in batch]
    assert len(claimed) == len(set(claimed)) == 24


def test_a_worker_does_not_wait_for_what_another_is_claiming(postgres_url: str, keyring: Keyring) -> None:
    claiming, go_on = threading.Event(), threading.Event()

    @verb
    def claim_slowly(tx: Transaction) -> tuple[Claim, ...]:
        batch = outbox.claim_due(tx, now=LATER, lease_by="slow", lease_until=LATER + MINUTE, limit=1)
        claiming.set()
        go_on.wait(20)
        return batch.claims

    with open_store(postgres_url, keyring, connections=2) as store:
        store.migrate()
        story = Story(store)
        story.partner()
        for n in range(2):
            story.say(story.invite(f"{n}@example.jp").link_id)
        slow = store._submit(claim_slowly)
        claiming.wait(20)
        try:
            quick = story.claim("quick")
            assert not slow.done()
        finally:
            go_on.set()

        assert [claim.submission.email for claim in (*slow.result(20), *quick)] == [
            "0@example.jp",
            "1@example.jp",
        ]


def test_a_withdrawal_and_a_claim_at_the_same_moment_agree(story: Story, open_another: OpenStore) -> None:
    """Whichever comes first: leased means that the claim saw a live consent, dropped means nobody got it."""
    other = Story(open_another())
    links = [story.invite(f"{n}@example.jp").link_id for n in range(16)]
    for link_id in links:
        story.say(link_id)

    with ThreadPoolExecutor(8) as threads:
        withdrawals = [threads.submit(other.say, link_id, ConsentKind.WITHDRAWN) for link_id in links]
        claims = [threads.submit(story.claim, f"worker-{n}", limit=1) for n in range(16)]
        for withdrawal in withdrawals:
            withdrawal.result()
        leased = {claim.id for batch in claims for claim in batch.result()}

    lines = story.store.call(outbox.list_queue, states=tuple(QueueState))
    assert {line.id for line in lines if line.state is QueueState.LEASED} == leased
    assert {line.state for line in lines} <= {QueueState.LEASED, QueueState.DROPPED}
    assert story.claim(at=LATER + 10 * MINUTE) == ()
