"""ONE PERSON, from the invitation to the partner's acknowledgement.

    captured -> invited -> consented | declined     answer: with text edition, digest and language
      consented -> (cooling-off) -> queued          in the transaction of the answer
      queued -> claimed                             submit_due: a lease, and the consent is checked again
        | write the payload     the whitelist, and nothing else
        | send it               the same key on each try, so the partner counts it once
        | sent                  provision record and slots in one transaction: submitted, or acknowledged
        | not now               waits for the next step of the ladder; after the last it is buried
        | our own mistake       journalled; waits like the partner's, with the name of the error in the queue
      consented -> withdrawn                        what has not left is dropped; what may have left is
                                                    recorded as a possible provision, for a person to recall

Reading a page changes nothing: an invitation, a nonce and its age are only looked at.
A worker that dies between sending and recording leaves a lease that runs out; the next worker sends again
with the same key.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.journal import Journal
from gateway.partners.outcome import GiveUp, Outcome, Sent, TryLater
from gateway.partners.payload import Payload, Provider, compose
from store import consent, outbox, provisions
from store.database import Store
from store.errors import LeaseLost, StoreUnavailable, UnknownRecord
from store.records import Answer, Claim, ConsentDecision, ConsentKind, Invitation, Partner, Purpose

RETRY_LADDER = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(days=1),
    timedelta(days=1),
)
"""The wait after the first, second … failed try.

A restart of the partner's server is over in a minute or five, a broken release in hours, and a weekend in
two days and a half; after about three days it is a person's turn.
"""


class Links(Protocol):
    """What turns a link's token into its identity and gives forms their nonces; keeps no state."""

    def link_id(self, token: str) -> bytes | None:
        """Return the identity in a token, or None when the token is not ours."""
        ...

    def nonce(self, link_id: bytes, *, now: datetime) -> str:
        """Return a form nonce that tells its age and holds for this link only."""
        ...

    def nonce_age(self, link_id: bytes, nonce: str, *, now: datetime) -> timedelta | None:
        """Return how long ago the nonce was given, or None when it is not ours or not for this link."""
        ...


class WayOut(Protocol):
    """How a submission reaches a partner."""

    async def send(self, partner: Partner, payload: Payload, *, at: datetime) -> Outcome:
        """Try once; failures of the partner and of the network are values."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator decided about candidates on their way."""

    provider: Provider
    cooling_off: timedelta
    """Between consent and submission; a withdrawal in it leaves no trace at the partner."""
    lease: timedelta
    """How long a claimed submission belongs to its worker; longer than the way out's whole patience."""
    retry_ladder: tuple[timedelta, ...] = RETRY_LADDER


class CandidateJourney:
    """The steps of one person's story, each a method; one instance serves pages and workers."""

    def __init__(
        self,
        *,
        store: Store,
        links: Links,
        way_out: WayOut,
        journal: Journal,
        clock: Callable[[], datetime],
        worker: str,
        terms: Terms,
    ) -> None:
        """`worker` names this process among all that share the store, and another after a restart."""
        self._store = store
        self._links = links
        self._way_out = way_out
        self._journal = journal
        self._clock = clock
        self._worker = worker
        self._terms = terms

    async def invitation(self, token: str) -> Invitation | None:
        """Return what a link leads to, or None when it leads nowhere."""
        link_id = self._links.link_id(token)
        return None if link_id is None else await self._store.run(consent.find_invitation, link_id)

    def nonce(self, token: str) -> str:
        """Return a nonce for a form on the link's page; raises UnknownRecord when the token is not ours."""
        return self._links.nonce(self._link_id(token), now=self._clock())

    def nonce_age(self, token: str, nonce: str) -> timedelta | None:
        """Return how long ago the form was given out; None when the nonce is not from this link's page."""
        return self._links.nonce_age(self._link_id(token), nonce, now=self._clock())

    async def answer(
        self,
        token: str,
        *,
        kind: ConsentKind,
        partner_id: str,
        language: str,
        text_edition: str,
        text_digest: bytes,
    ) -> ConsentDecision:
        """Record what a person said about one partner; a consent queues the submission at the same time.

        `text_digest` is the SHA-256 of the text that was shown.
        Returns the decision that holds now: declining after a consent withdraws it.
        Raises UnknownRecord for a link or a partner that is not there.
        """
        invitation = await self.invitation(token)
        if invitation is None:
            raise UnknownRecord("invitation", "with this link")
        answer = Answer(
            link_id=self._link_id(token),
            kind=kind,
            partner_id=partner_id,
            purpose=Purpose.PROVISION,
            language=language,
            text_edition=text_edition,
            text_digest=text_digest,
        )
        now = self._clock()
        decision = await self._store.run(
            consent.record_answer, answer, now=now, due_at=now + self._terms.cooling_off
        )
        self._journal.consented(case=invitation.case_id, partner=partner_id, kind=decision.kind.value)
        return decision

    async def submit_due(self, limit: int) -> int:
        """Look at up to `limit` submissions that are due, send them side by side, and record the outcomes.

        Returns how many were due, with those that may no longer leave; 0 means that nothing was.
        Raises StoreUnavailable when the store fails; the leases then run out and the submissions are sent
        again. Every other error is journalled, and the submission waits for its next try.
        """
        now = self._clock()
        batch = await self._store.run(
            outbox.claim_due,
            now=now,
            lease_by=self._worker,
            lease_until=now + self._terms.lease,
            limit=limit,
        )
        # One that fails must not stop the others half-way.
        ends = await asyncio.gather(*(self._submit(claim) for claim in batch.claims), return_exceptions=True)
        unavailable: StoreUnavailable | None = None
        for claim, error in zip(batch.claims, ends, strict=True):
            if isinstance(error, StoreUnavailable):
                unavailable = error
            elif error is not None:
                self._journal.crashed(claim.submission.key, error)
        if unavailable is not None:
            raise unavailable
        return len(batch.claims) + batch.kept_back

    async def _submit(self, claim: Claim) -> None:
        """Try once; a mistake of ours is put off like a failure of the partner's, by its class's name."""
        try:
            await self._send(claim)
        except StoreUnavailable:
            raise
        except LeaseLost:
            # Another worker holds it by now, sends it with the same key, and records it.
            self._journal.postponed(
                key=claim.submission.key,
                partner=claim.submission.partner.id,
                error="the lease ran out before the outcome was recorded",
                attempt=claim.attempts,
            )
        except Exception as error:  # noqa: BLE001  # One submission must not end the round for the others.
            self._journal.crashed(claim.submission.key, error)
            await self._put_off(claim, TryLater(type(error).__name__))

    async def _send(self, claim: Claim) -> None:
        payload = compose(claim.submission, self._terms.provider)
        outcome = await self._way_out.send(claim.submission.partner, payload, at=self._clock())
        match outcome:
            case Sent(acknowledgement):
                await self._store.run(
                    provisions.record_sent,
                    claim,
                    data_items=payload.data_items,
                    acknowledgement=acknowledgement,
                    now=self._clock(),
                )
                self._journal.submitted(
                    key=claim.submission.key,
                    partner=claim.submission.partner.id,
                    acknowledged=acknowledgement is not None,
                )
            case TryLater() | GiveUp():
                await self._put_off(claim, outcome)

    async def _put_off(self, claim: Claim, outcome: TryLater | GiveUp) -> None:
        """Let the claim wait for the next step of the ladder, or bury it after the last."""
        now = self._clock()
        key, partner = claim.submission.key, claim.submission.partner.id
        match outcome:
            case TryLater(reason, after, left) if claim.attempts <= len(self._terms.retry_ladder):
                wait = max(self._terms.retry_ladder[claim.attempts - 1], after or timedelta())
                await self._store.run(
                    outbox.postpone, claim, due_at=now + wait, error=reason, may_have_left=left, now=now
                )
                self._journal.postponed(key=key, partner=partner, error=reason, attempt=claim.attempts)
            case TryLater(reason) | GiveUp(reason):
                left = isinstance(outcome, TryLater) and outcome.may_have_arrived
                await self._store.run(outbox.bury, claim, error=reason, may_have_left=left, now=now)
                self._journal.buried(key=key, partner=partner, error=reason, attempt=claim.attempts)

    def _link_id(self, token: str) -> bytes:
        link_id = self._links.link_id(token)
        if link_id is None:
            raise UnknownRecord("invitation", "with this link")
        return link_id
