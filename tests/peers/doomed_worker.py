"""A worker in a process of its own that is killed between sending and recording.

Arguments: store URL, master key in hexadecimal, the time in ISO 8601.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime, timedelta

from gateway.candidate_journey import CandidateJourney, Terms
from gateway.journal import open_journal
from gateway.keyring import Keyring
from gateway.partners.https import SignedHttps
from gateway.partners.outcome import Outcome, Sent
from gateway.partners.payload import Payload, Provider
from store.database import open_store
from store.records import Partner


class DiesAfterSending:
    """The way out, and then the end."""

    async def send(self, partner: Partner, payload: Payload, *, at: datetime) -> Outcome:
        """Send once and die like the victim of `kill -9`; a send that fails is told by the exit code."""
        async with SignedHttps() as way_out:
            outcome = await way_out.send(partner, payload, at=at)
        if isinstance(outcome, Sent):
            os.kill(os.getpid(), signal.SIGKILL)
        raise SystemExit(str(outcome))


def main(url: str, master: str, now: str) -> None:
    """Claim what is due, send it, die."""
    keyring = Keyring(bytes.fromhex(master))
    journey = CandidateJourney(
        store=open_store(url, keyring),
        links=keyring,
        way_out=DiesAfterSending(),
        journal=open_journal("json"),
        clock=lambda: datetime.fromisoformat(now),
        worker="doomed",
        terms=Terms(
            provider=Provider("株式会社サンプル商事", "東京都千代田区例町1-2-3", "privacy@example.com"),
            cooling_off=timedelta(hours=24),
            lease=timedelta(minutes=5),
        ),
    )
    asyncio.run(journey.submit_due(10))


if __name__ == "__main__":
    main(*sys.argv[1:])
