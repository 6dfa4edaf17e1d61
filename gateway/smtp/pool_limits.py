"""What the pools of connections are bound by, and what they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.smtp.phases import Meter, Timeouts


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How long a connection is kept, how many there are, and when nobody knocks where nobody answered."""

    idle_seconds: float = 20
    age_seconds: float = 14 * 60
    """Exchange Online ends a session after some 20 minutes, in the middle of whatever it is doing."""
    messages: int = 100
    asked_after_seconds: float = 5
    """How long a connection may have been idle and be lent out without a question: a firewall may have
    forgotten it, and then a mail would wait for its reply in vain."""
    connections: int = 50
    """To one server, from this process: half of what Postfix serves at once by default."""
    wait_seconds: float = 10
    """How long a mail waits for one of them to become free."""
    breaker_seconds: float = 5
    """How long a server that could not be reached is left alone: nobody queues behind a black hole."""
    login_again_seconds: float = 60
    """The same after a refused login: a wrong password tried every few seconds locks the account."""
    first_answer_seconds: float = 2
    """How long a session waits for an EHLO reply that another one asked for, or that is only a refresh."""


class ServerJournal(Protocol):
    """What the operator hears of a server."""

    def server_lost(self, server: str, reason: str) -> None:
        """Note that no new connection to the server can be had."""

    def server_back(self, server: str) -> None:
        """Note that one can be had again."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the pools of all servers share."""

    timeouts: Timeouts
    limits: PoolLimits
    offers_seconds: float
    """How long an EHLO reply is believed."""
    ours: Sequence[tuple[str, int]]
    """Where we listen ourselves."""
    probed: bool
    """Whether a server that failed is tried again by us, because other servers carry the mail meanwhile."""
    meter: Meter | None
    journal: ServerJournal | None
