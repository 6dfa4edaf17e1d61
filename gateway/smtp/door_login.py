"""Logging in at a door: names and passwords out of AUTH (RFC 4954), checked beside the loop, within bounds.

- PLAIN (RFC 4616) and LOGIN; both show the password to us, so both need TLS.
- A check costs tens of milliseconds and 16 MiB on purpose, so few run at once and few may wait.
- Who fails waits, longer each time; who fails often from one address is not checked for a while.
"""

import asyncio
import time
from base64 import b64decode
from binascii import Error as NoBase64
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gateway import replies
from gateway.replies import Deferred, Refused
from gateway.smtp.access import Login
from gateway.smtp.crowd import neighbourhood
from gateway.users import Users

MECHANISMS = (b"PLAIN", b"LOGIN")

EXCHANGE_OCTETS = 12_288
"""RFC 4954, section 4: the longest line of an exchange."""

TRIES = 3
"""Failures in one session; the last one ends it."""

_LONGEST_PASSWORD = 1024
"""Characters; hashing takes time for each of them."""
_PEERS_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How much guessing is borne."""

    checks_at_once: int = 2
    checks_waiting: int = 32
    delay_seconds: float = 1
    """Before the reply to the first failure of a session; twice as long before the next."""
    failures_of_peer: int = 20
    """Then this address is not listened to..."""
    window_seconds: float = 600
    """...until this long after the first of them."""


class Logins:
    """Who may log in, and who has failed to."""

    def __init__(
        self,
        users: Users,
        limits: LoginLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.users = users
        """May be replaced while it is in use."""
        self.limits = limits or LoginLimits()
        self._threads = ThreadPoolExecutor(self.limits.checks_at_once, thread_name_prefix="login")
        self._clock = clock
        self._waiting = 0
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def check(self, peer: str, name: str, password: str) -> Login | None:
        """Return who this is, or None; raises `Deferred` when too many ask, or this peer has failed often."""
        if self._failed_often(neighbourhood(peer)):
            raise Deferred(replies.login_failed_too_often(), "login-limit-of-peer")
        if self._waiting >= self.limits.checks_waiting:
            raise Deferred(replies.logins_limited(), "login-limit")
        if len(password) > _LONGEST_PASSWORD:
            return None
        self._waiting += 1
        try:
            user = await asyncio.get_running_loop().run_in_executor(
                self._threads, self.users.check, name, password
            )
        finally:
            self._waiting -= 1
        if user is None:
            self._note_failure(neighbourhood(peer))
            return None
        return Login(user.name, frozenset(domain.encode() for domain in user.sender_domains))

    def _failed_often(self, peer: str) -> bool:
        failures, since = self._failures.get(peer, (0, 0.0))
        if failures and self._clock() - since > self.limits.window_seconds:
            del self._failures[peer]
            return False
        return failures >= self.limits.failures_of_peer

    def _note_failure(self, peer: str) -> None:
        failures, since = self._failures.get(peer, (0, self._clock()))
        self._failures[peer] = (failures + 1, since)
        self._failures.move_to_end(peer)
        while len(self._failures) > _PEERS_REMEMBERED:
            self._failures.popitem(last=False)


def decoded(response: bytes) -> bytes:
    """Return what a client's base64 says; raises `Refused` for `*`, which cancels, and for what is none."""
    if response == b"*":
        raise Refused(replies.login_cancelled())
    try:
        return b64decode(response, validate=True)
    except NoBase64:
        raise Refused(replies.bad_base64()) from None


def plain(message: bytes) -> tuple[str, str]:
    """Return name and password of a PLAIN message (RFC 4616); raises `Refused`.

    Acting for somebody else is not possible: the identity to act as must be the same, or empty.
    """
    words = message.split(b"\0")
    if len(words) != 3 or not all(words[1:]):  # noqa: PLR2004  # RFC 4616, section 2
        raise Refused(replies.bad_base64())
    acting_as, name, password = map(text, words)
    return (name, password) if acting_as in {"", name} else ("", password)


def text(octets: bytes) -> str:
    """Return what a client typed; raises `Refused` when it is no UTF-8."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(replies.bad_base64()) from None
