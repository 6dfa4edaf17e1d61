"""Before any mail: whether there is room for the client, TLS, and who it is.

- Before TLS nothing counts that was said, and after it the session begins anew (RFC 3207, section 4.2).
- A password is asked for under TLS only.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping

from gateway import replies
from gateway.replies import Deferred, Refused
from gateway.smtp import door_login, door_tls
from gateway.smtp.access import Client, Login
from gateway.smtp.crowd import SORRY
from gateway.smtp.dialogue import Verb
from gateway.smtp.lines import LineTooLong
from gateway.smtp.refusals import RefusalReason, TurnedAway
from gateway.smtp.rules import DoorRules, Encryption, Household
from gateway.smtp.sessions import Sessions
from gateway.smtp.small_commands import SmallCommands

_BEFORE_TLS = frozenset({"EHLO", "LHLO", "NOOP", "QUIT", "STARTTLS"})
"""RFC 3207, section 4."""

_USER_NAME, _PASSWORD = b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"
"""`Username:` and `Password:`, as every client of LOGIN expects them."""


class Doorstep(SmallCommands):
    """A session that finds out who the client is."""

    def __init__(
        self,
        rules: DoorRules,
        household: Household,
        sessions: Sessions,
        peer: tuple[str, int] | None = None,
    ) -> None:
        """`peer` is the client where somebody has announced it; it has been counted in then."""
        self._rules = rules
        self._household = household
        self._encrypted = False
        self._names: frozenset[str] = frozenset()
        self._login: Login | None = None
        self._login_tries = 0
        self._counted_in = peer is not None
        self._shaking_hands = False
        super().__init__(rules.hostname, rules.command_seconds, rules.patience_seconds, sessions, peer)
        if rules.access.auth:
            self._longest_line = door_login.EXCHANGE_OCTETS
            self.command_size_limits["AUTH"] = door_login.EXCHANGE_OCTETS

    def vocabulary(self) -> Mapping[str, Verb]:
        """Return the commands; those that this listener does not offer are unknown here."""
        verbs = dict(super().vocabulary())
        if self._rules.encryption in {Encryption.OPTIONAL, Encryption.REQUIRED}:
            verbs["STARTTLS"] = self.starttls
        if self._rules.access.auth:
            verbs["AUTH"] = self.auth
        return verbs

    @abstractmethod
    async def start_anew(self) -> None:
        """Forget the client's name, and give up the open mail."""

    @abstractmethod
    def may_log_in(self) -> bool:
        """Whether this is the place for AUTH: after EHLO, outside of a mail."""

    @property
    def client(self) -> Client:
        """What is known of the client by now."""
        return Client(self._peer[0], self._names, self._login)

    @property
    def protocol(self) -> str:
        """What a session after EHLO is called in a Received field (RFC 3848)."""
        name = "LMTP" if self._rules.lmtp else "ESMTP"
        return name + ("S" if self._encrypted else "") + ("A" if self._login else "")

    def own_lines(self) -> tuple[bytes, ...]:
        """Return the EHLO lines that concern only the client and us."""
        lines: list[bytes] = []
        if not self._encrypted and "STARTTLS" in self._verbs:
            lines.append(b"STARTTLS")
        if self._encrypted and "AUTH" in self._verbs:
            lines.append(b"AUTH " + b" ".join(door_login.MECHANISMS))
        return tuple(lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session, under TLS if the handshake has been made already."""
        if transport.get_extra_info("sslcontext") is not None:
            self._note_encryption(transport)
        super().connection_made(transport)

    async def admit(self) -> bool:
        """Count the client in, or say that there is no room."""
        if self._counted_in:
            return True
        crowd = self._household.crowd
        reason = crowd.enter(self._peer[0])
        if reason is None:
            self._counted_in = True
            return True
        told = not crowd.worth_telling(reason, self.loop.time())
        self._household.journal.turned_away(self._rules.name, reason=reason, told=told)
        await self.send(SORRY[reason]())
        return False

    def depart(self) -> None:
        """Count the client out."""
        if self._counted_in:
            self._counted_in = False
            self._household.crowd.leave(self._peer[0])
        if self._shaking_hands:
            self._household.journal.turned_away(self._rules.name, reason=TurnedAway.HANDSHAKE)

    async def _perform(self, verb: str, argument: bytes) -> None:
        closed = self._rules.encryption is Encryption.REQUIRED and not self._encrypted
        if closed and verb in self._verbs and verb not in _BEFORE_TLS:
            raise Refused(replies.starttls_first())
        await super()._perform(verb, argument)

    async def starttls(self, argument: bytes) -> None:
        """Go on under TLS, from the beginning."""
        if argument:
            raise Refused(replies.bad_argument("STARTTLS"))
        if self._encrypted:
            raise Refused(replies.bad_sequence("TLS is on already"))
        assert self._rules.tls_context is not None  # noqa: S101  # wiring gives one with this encryption
        if await self._lines.more_waits():
            raise Deferred(replies.talked_before_tls(), "commands-before-handshake")
        await self.start_anew()
        self._shaking_hands = True
        # Nothing may be awaited between this reply and the handshake: the client's answer would be lost.
        self._writer.write(replies.ready_for_tls().to_wire())
        try:
            await self.encrypt(self._rules.tls_context, self._rules.handshake_seconds)
        except OSError as error:
            raise ConnectionAbortedError from error
        self._shaking_hands = False
        self._note_encryption(self._writer.transport)

    def _note_encryption(self, transport: asyncio.BaseTransport) -> None:
        self._encrypted = True
        self._names = door_tls.names_of(transport.get_extra_info("peercert"))

    async def auth(self, argument: bytes) -> None:
        """Find out who the client is (RFC 4954)."""
        if not self._encrypted:
            raise Refused(replies.login_needs_tls())
        if self._login is not None:
            raise Refused(replies.bad_sequence("logged in already"))
        if not self.may_log_in():
            raise Refused(replies.bad_sequence("send EHLO first, and AUTH before MAIL"))
        mechanism, _, initial = argument.partition(b" ")
        name, password = await self._exchange(mechanism.upper(), initial.strip(b" "))
        self._login_tries += 1
        if self._login_tries > door_login.TRIES:
            raise Deferred(replies.login_failed_too_often(), RefusalReason.LOGIN)
        logins = self._household.logins
        self._login = await logins.check(self._peer[0], name, password) if logins else None
        if self._login is None:
            await self._refuse_login()
        await self.send(replies.logged_in())

    async def _refuse_login(self) -> None:
        """Raise the refusal that is due, after a while."""
        logins = self._household.logins
        await asyncio.sleep(logins.limits.delay_seconds * 2 ** (self._login_tries - 1) if logins else 0)
        if self._login_tries >= door_login.TRIES:
            raise Deferred(replies.login_failed_too_often(), RefusalReason.LOGIN)
        raise Refused(replies.login_failed(), RefusalReason.LOGIN)

    async def _exchange(self, mechanism: bytes, initial: bytes) -> tuple[str, str]:
        """Return name and password; `initial` is what stood in the command, `=` when that is nothing."""
        if mechanism == b"PLAIN":
            return door_login.plain(await self._response(initial, b""))
        if mechanism == b"LOGIN":
            name = door_login.text(await self._response(initial, _USER_NAME))
            return name, door_login.text(await self._response(b"", _PASSWORD))
        raise Refused(replies.unknown_mechanism())

    async def _response(self, initial: bytes, challenge: bytes) -> bytes:
        if initial:
            return b"" if initial == b"=" else door_login.decoded(initial)
        await self.send(replies.challenge(challenge))
        try:
            return door_login.decoded(await self.next_line(door_login.EXCHANGE_OCTETS))
        except LineTooLong:
            raise Refused(replies.login_line_too_long()) from None
