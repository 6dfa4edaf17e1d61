import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.keyring import Keyring
from store import chain, consent, outbox, slots, tables
from store.database import Store, open_store
from store.errors import UnknownRecord
from store.records import CaseState, ChainCheck, ConsentDecision, ConsentKind, Invitation, Purpose, QueueState
from store.transaction import Transaction, verb
from tests.store.conftest import OpenStore
from tests.store.story import COOLING_OFF, NAME, NOW, TEXT_DIGEST, Story, agency, answer, check_chain, link


@pytest.fixture
def story(store: Store) -> Story:
    """A story with one partner."""
    told = Story(store)
    told.partner()
    return told


def _invitation(story: Story, link_id: bytes) -> Invitation:
    found = story.store.call(consent.find_invitation, link_id)
    assert found is not None
    return found


def _queue(story: Story) -> list[tuple[QueueState, str]]:
    lines = story.store.call(outbox.list_queue, states=tuple(QueueState))
    return [(line.state, line.submission_key) for line in sorted(lines, key=lambda line: line.id)]


def _events(story: Story) -> list[tuple[ConsentKind, str]]:
    @verb
    def read(tx: Transaction) -> list[tuple[ConsentKind, str]]:
        rows = tx.fetch(tables.ConsentEvent.select().order_by(tables.ConsentEvent.id))
        return [(ConsentKind(row.kind), row.partner_id) for row in rows]

    return story.store.call(read)


def test_a_link_leads_to_the_person_the_case_and_the_partners(story: Story) -> None:
    delivery = story.invite("taro@example.jp")

    found = _invitation(story, delivery.link_id)

    assert (found.name, found.email, found.job, found.stage) == (NAME, "taro@example.jp", "営業", "final")
    assert (found.state, found.captured_at, found.decisions) == (CaseState.INVITED, NOW, ())
    assert found.partners == (agency(),)


def test_an_unknown_link_leads_nowhere(story: Story) -> None:
    assert story.store.call(consent.find_invitation, link()) is None


def test_a_consent_is_kept_with_its_text_and_queues_a_submission(story: Story) -> None:
    link_id = story.invite().link_id

    decision = story.say(link_id)

    assert decision == ConsentDecision(
        ConsentKind.GRANTED, "agency", Purpose.PROVISION, NOW, "ja", "2026-01", TEXT_DIGEST
    )
    (line,) = story.store.call(outbox.list_queue)
    assert (line.state, line.due_at, line.attempts) == (QueueState.READY, NOW + COOLING_OFF, 0)
    assert _invitation(story, link_id).decisions == (decision,)
    assert _invitation(story, link_id).state is CaseState.CONSENTED


def test_the_same_consent_again_changes_nothing(story: Story) -> None:
    link_id = story.invite().link_id

    assert story.say(link_id) == story.say(link_id)

    assert len(_events(story)) == len(_queue(story)) == 1


def test_a_consent_to_a_newer_text_is_recorded_and_not_submitted_twice(story: Story) -> None:
    link_id = story.invite().link_id
    story.say(link_id)

    newer = answer(link_id, digest=hashlib.sha256(b"second edition").digest())
    story.store.call(consent.record_answer, newer, now=NOW, due_at=NOW)

    assert len(_events(story)) == 2
    assert len(_queue(story)) == 1


def test_declining_queues_nothing(story: Story) -> None:
    link_id = story.invite().link_id

    decision = story.say(link_id, ConsentKind.DECLINED)

    assert decision.kind is ConsentKind.DECLINED
    assert _queue(story) == []
    assert _invitation(story, link_id).state is CaseState.DECLINED


def test_withdrawing_what_was_never_granted_is_declining(story: Story) -> None:
    assert story.say(story.invite().link_id, ConsentKind.WITHDRAWN).kind is ConsentKind.DECLINED


@pytest.mark.parametrize("no", [ConsentKind.DECLINED, ConsentKind.WITHDRAWN])
def test_a_no_after_a_yes_is_a_withdrawal_and_drops_what_has_not_left(story: Story, no: ConsentKind) -> None:
    link_id = story.invite().link_id
    story.say(link_id)

    assert story.say(link_id, no).kind is ConsentKind.WITHDRAWN
    assert story.say(link_id, no).kind is ConsentKind.WITHDRAWN

    assert [state for state, _ in _queue(story)] == [QueueState.DROPPED]
    assert _events(story) == [(ConsentKind.GRANTED, "agency"), (ConsentKind.WITHDRAWN, "agency")]
    assert _invitation(story, link_id).state is CaseState.DECLINED


def test_a_yes_after_a_withdrawal_is_a_new_submission_under_a_new_key(story: Story) -> None:
    link_id = story.invite().link_id
    for kind in (ConsentKind.GRANTED, ConsentKind.WITHDRAWN, ConsentKind.GRANTED):
        story.say(link_id, kind)

    first, second = _queue(story)
    assert (first[0], second[0]) == (QueueState.DROPPED, QueueState.READY)
    assert first[1] != second[1]
    assert _invitation(story, link_id).state is CaseState.CONSENTED


def test_a_withdrawal_leaves_what_was_said_to_another_partner(story: Story) -> None:
    story.partner(agency("other"))
    link_id = story.invite().link_id
    story.say(link_id)
    story.say(link_id, to="other")

    story.say(link_id, ConsentKind.WITHDRAWN)

    assert [state for state, _ in _queue(story)] == [QueueState.DROPPED, QueueState.READY]
    kinds = {d.partner_id: d.kind for d in _invitation(story, link_id).decisions}
    assert kinds == {"agency": ConsentKind.WITHDRAWN, "other": ConsentKind.GRANTED}


def test_a_withdrawal_from_one_of_two_partners_leaves_the_case_consented(story: Story) -> None:
    story.partner(agency("other"))
    link_id = story.invite().link_id
    story.say(link_id)
    story.say(link_id, to="other")

    story.say(link_id, ConsentKind.WITHDRAWN)

    assert _invitation(story, link_id).state is CaseState.CONSENTED


def test_a_person_can_withdraw_through_any_of_their_links(story: Story) -> None:
    older = story.invite("taro@example.jp").link_id
    story.say(older)

    newer = story.invite("taro@example.jp").link_id
    story.say(newer, ConsentKind.WITHDRAWN)

    assert [state for state, _ in _queue(story)] == [QueueState.DROPPED]
    assert _invitation(story, older).state is CaseState.DECLINED


def test_a_withdrawal_after_sending_leaves_the_case_submitted(story: Story) -> None:
    link_id = story.invite().link_id
    story.say(link_id)
    story.send(story.claim()[0], acknowledged=False)

    story.say(link_id, ConsentKind.WITHDRAWN)

    assert _invitation(story, link_id).state is CaseState.SUBMITTED
    assert [state for state, _ in _queue(story)] == [QueueState.DONE]


def test_an_answer_through_an_unknown_link_or_to_an_unknown_partner_is_refused(story: Story) -> None:
    with pytest.raises(UnknownRecord):
        story.say(link())
    with pytest.raises(UnknownRecord):
        story.say(story.invite().link_id, to="nobody")
    assert _events(story) == []


def test_a_partner_that_counts_consents_counts_at_the_answer(story: Story) -> None:
    story.partner(agency("eager", ratio=1, basis="consented"))

    story.say(story.invite().link_id, to="eager")

    counted = {s.partner_id: s.granted for s in story.store.call(slots.summarise)}
    assert counted == {"agency": 0, "eager": 1}


OTHER_COLUMNS = ", ".join(column for column in tables.ConsentEvent._meta.columns if column != "id")


class TestTheChain:
    def test_is_whole_when_nobody_has_touched_it(self, story: Story) -> None:
        assert check_chain(story.store) == ChainCheck(finished=True)
        for n in range(5):
            story.say(story.invite(f"{n}@example.jp").link_id)
        whole = check_chain(story.store)
        assert (whole.events, whole.broken_at) == (5, None)

    @pytest.mark.parametrize("limit", [1, 2, 5, 6])
    def test_is_checked_in_parts_and_may_grow_meanwhile(self, story: Story, limit: int) -> None:
        for n in range(5):
            story.say(story.invite(f"{n}@example.jp").link_id)
        started = story.store.call(consent.verify_chain, limit=limit)
        story.say(story.invite("5@example.jp").link_id)

        check = started
        while not check.finished:
            check = story.store.call(consent.verify_chain, check, limit=limit)

        assert started.events == min(limit, 5)
        assert check.events == (5 if limit > 5 else 6)
        assert check.broken_at is None

    @pytest.mark.parametrize(
        ("change", "first_broken"),
        [
            ("UPDATE consent_event SET kind = 'granted' WHERE id = 3", 3),
            ("UPDATE consent_event SET at = '2020-01-01T00:00:00.000000+00:00' WHERE id = 2", 2),
            ("UPDATE consent_event SET hash = prev_hash WHERE id = 4", 4),
            ("DELETE FROM consent_event WHERE id = 2", 2),
            ("DELETE FROM consent_event WHERE id = 5", 5),
            ("DELETE FROM consent_event WHERE id >= 3", 3),
            (f"INSERT INTO consent_event SELECT 0, {OTHER_COLUMNS} FROM consent_event WHERE id = 1", 1),
            ("UPDATE chain_head SET event_id = 4", 5),
            ("UPDATE chain_head SET hash = (SELECT hash FROM consent_event WHERE id = 1)", 5),
        ],
    )
    @pytest.mark.parametrize("limit", [2, 100])
    def test_shows_where_it_was_touched(
        self, story: Story, change: str, first_broken: int, limit: int
    ) -> None:
        for n in range(5):
            story.say(story.invite(f"{n}@example.jp").link_id, ConsentKind.DECLINED)

        @verb
        def touch(tx: Transaction) -> None:
            tx.database.execute_sql(change)  # type: ignore[no-untyped-call]  # peewee's stubs leave it untyped

        story.store.call(touch)

        assert check_chain(story.store, limit=limit).broken_at == first_broken

    def test_cannot_be_forged_without_the_key(self, story: Story, url: str) -> None:
        """Whoever writes the database and knows this program links a changed event anew, and is found out."""
        for n in range(3):
            story.say(story.invite(f"{n}@example.jp").link_id, ConsentKind.DECLINED)

        @verb
        def forge(tx: Transaction) -> None:
            previous = None
            for event in tx.fetch(tables.ConsentEvent.select().order_by(tables.ConsentEvent.id)):
                event.kind = ConsentKind.GRANTED
                event.prev_hash = previous or event.prev_hash
                event.hash = previous = chain.link(tx, event)
                table = tables.ConsentEvent
                changed = table.update(kind=event.kind, prev_hash=event.prev_hash, hash=event.hash)
                tx.change(changed.where(table.id == event.id))
            tx.change(tables.ChainHead.update(hash=previous))

        with open_store(url, Keyring(os.urandom(32))) as forger:
            forger.call(forge)

        assert check_chain(story.store).broken_at == 1

    def test_stays_whole_when_two_nodes_write_to_it_at_once(
        self, story: Story, open_another: OpenStore
    ) -> None:
        other = Story(open_another())
        links = [story.invite(f"{n}@example.jp").link_id for n in range(24)]

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda job: (story, other)[job[0] % 2].say(job[1]), enumerate(links)))

        assert check_chain(story.store).broken_at is None
        assert len(_events(story)) == len(_queue(story)) == 24


def test_a_double_click_on_two_nodes_is_one_consent(story: Story, open_another: OpenStore) -> None:
    other = Story(open_another())
    link_id = story.invite().link_id

    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda n: (story, other)[n % 2].say(link_id), range(16)))

    assert len(set(said)) == 1
    assert len(_events(story)) == len(_queue(story)) == 1
