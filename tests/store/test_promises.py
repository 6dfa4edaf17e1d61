from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import consent, outbox, provisions, slots
from store.database import Store
from store.errors import LeaseLost
from store.records import Acknowledgement, Claim, ConsentKind, QueueState
from tests.store.story import LATER, Story, agency, check_chain

PEOPLE = 3
STEPS = st.one_of(
    st.tuples(st.sampled_from(["grant", "withdraw"]), st.integers(0, PEOPLE - 1)),
    st.tuples(st.sampled_from(["claim", "wait"]), st.just(0)),
    st.tuples(st.sampled_from(["send", "send, acknowledged", "postpone", "bury"]), st.integers(0, 9)),
)


class Told:
    """Runs steps against the store, and keeps the little that is needed to judge them."""

    def __init__(self, store: Store, partner_id: str) -> None:
        self.store = store
        self.partner_id = partner_id
        self.story = Story(store)
        self.story.partner(agency(partner_id, ratio=2))
        people = [self.story.invite(f"{partner_id}-{n}@example.jp") for n in range(PEOPLE)]
        self.links = [delivery.link_id for delivery in people]
        self.consents: dict[int, bool] = {}
        self.claims: list[Claim] = []
        self.recorded: list[str] = []
        self.acknowledged: set[int] = set()
        self.now = LATER

    def take(self, step: str, number: int) -> None:
        if step in {"grant", "withdraw"}:
            kind = ConsentKind.GRANTED if step == "grant" else ConsentKind.WITHDRAWN
            self.story.say(self.links[number], kind, to=self.partner_id)
            self.consents[self.person(number)] = step == "grant"
        elif step == "wait":
            self.now += timedelta(minutes=6)
        elif step == "claim":
            self._claim()
        elif self.claims:
            self._finish(step, self.claims[number % len(self.claims)])

    def person(self, number: int) -> int:
        invitation = self.store.call(consent.find_invitation, self.links[number])
        assert invitation is not None
        return invitation.person_id

    def _claim(self) -> None:
        for claim in self.story.claim("worker", at=self.now):
            if claim.submission.partner.id == self.partner_id:
                assert self.consents[claim.submission.person_id], "leased without a live consent"
                self.claims.append(claim)

    def _finish(self, step: str, claim: Claim) -> None:
        run = self.store.call
        try:
            if step in {"send", "send, acknowledged"}:
                said = Acknowledgement("theirs") if step == "send, acknowledged" else None
                run(provisions.record_sent, claim, data_items=("name",), acknowledgement=said, now=self.now)
                self.recorded.append(claim.submission.key)
                self.acknowledged |= {claim.submission.person_id} if said else set()
            elif step == "postpone":
                run(outbox.postpone, claim, due_at=self.now, error="HTTP 503", now=self.now)
            else:
                run(outbox.bury, claim, error="HTTP 410", now=self.now)
        except LeaseLost:
            pass


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=5, max_size=30))
def test_whatever_happens_in_whatever_order(store: Store, steps: list[tuple[str, int]]) -> None:
    """Nothing is leased without a live consent; each record of a provision stands for one finished claim;

    slots are the distinct acknowledged persons divided by the ratio; the consent chain is whole.
    """
    told = Told(store, f"p{len(store.call(slots.summarise))}")

    for step, number in steps:
        told.take(step, number)

    records = [r.submission_key for r in store.call(provisions.list_provisions, limit=10_000)]
    assert [key for key in records if key in told.recorded] == told.recorded
    assert len(told.recorded) == len(set(told.recorded))
    lines = store.call(outbox.list_queue, states=tuple(QueueState), limit=10_000)
    done = {
        line.submission_key for line in lines if line.partner_id == told.partner_id and line.state == "done"
    }
    assert done == set(told.recorded)
    summary = next(s for s in store.call(slots.summarise) if s.partner_id == told.partner_id)
    assert (summary.counted, summary.granted) == (len(told.acknowledged), len(told.acknowledged) // 2)
    assert check_chain(store).broken_at is None
