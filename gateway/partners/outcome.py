"""What became of one try to hand a submission to a partner.

Reasons are written for the operator, who reads them in the queue: our own words with the partner's id,
never the partner's reply text and never personal data.
"""

from dataclasses import dataclass
from datetime import timedelta

from store.records import Acknowledgement


@dataclass(frozen=True, slots=True)
class Sent:
    """The partner has the submission."""

    acknowledgement: Acknowledgement | None
    """None when the partner took it without saying that it acknowledges."""


@dataclass(frozen=True, slots=True)
class TryLater:
    """The partner may or may not have the submission, or cannot be reached as it is set up.

    The same key is sent again.
    """

    reason: str
    after: timedelta | None = None
    """How long the partner asks us to wait, already bounded; None when it did not say."""
    may_have_arrived: bool = True
    """False only when nothing was sent, or the answer says that it was not taken."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The partner refuses this very submission; another try would meet the same refusal."""

    reason: str


Outcome = Sent | TryLater | GiveUp
