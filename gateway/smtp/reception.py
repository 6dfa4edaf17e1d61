"""Connections that need something before a session can begin: a PROXY header, a TLS handshake, or both.

Here sockets are accepted by hand: the header must be read before TLS begins, octet for octet, and asyncio's
server tells nobody when a handshake fails.
"""

import asyncio
import socket
from contextlib import suppress

from gateway.smtp.access import lets_in
from gateway.smtp.crowd import SORRY
from gateway.smtp.door import Door
from gateway.smtp.proxy_header import ProxyHeaderInvalid, Source, address_of, read_source
from gateway.smtp.refusals import TurnedAway
from gateway.smtp.rules import DoorRules, Encryption, Household
from gateway.smtp.sessions import Sessions

_AGAIN_SECONDS = 0.1
"""The pause after a failure to accept: when descriptors run out, it would fail in a circle."""


class _NoSession(Exception):
    """The client is sent away before a session began."""

    def __init__(self, reason: TurnedAway) -> None:
        super().__init__(reason)
        self.reason = reason


class Reception:
    """A listening socket whose clients are received one by one."""

    def __init__(
        self, bound: socket.socket, rules: DoorRules, household: Household, sessions: Sessions
    ) -> None:
        self._bound = bound
        self._rules = rules
        self._household = household
        self._sessions = sessions
        self._accepting: asyncio.Task[None] | None = None

    def open(self, backlog: int) -> None:
        """Begin to accept."""
        self._bound.listen(backlog)
        self._bound.settimeout(0)
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._bound.getsockname()[1]
        return port

    async def close(self) -> None:
        """Accept no more; those that are being received go on."""
        if self._accepting is not None:
            self._accepting.cancel()
            with suppress(asyncio.CancelledError):
                await self._accepting
        self._bound.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, _ = await loop.sock_accept(self._bound)
            except OSError:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self._sessions.spawn(self._receive(connected))

    async def _receive(self, connected: socket.socket) -> None:
        """See a client through to its session, or turn it away; never raises."""
        counted_in: list[str] = []
        try:
            client = await self._identify(connected, counted_in)
            await self._begin(connected, client)
        except _NoSession as told:
            self._turn_away(connected, told.reason)
        except BaseException:
            connected.close()
            self._count_out(counted_in)
            raise
        else:
            return  # the session counts the client out
        connected.close()
        self._count_out(counted_in)

    async def _identify(self, connected: socket.socket, counted_in: list[str]) -> Source:
        """Return who the client is, counted in under its address."""
        neighbour = address_of(connected)
        if not lets_in(self._rules.proxy_protocol_from, neighbour[0]):
            self._count_in(neighbour[0], counted_in)
            return neighbour
        self._count_in("", counted_in)  # the balancer may hold as many connections as there are clients
        loop = asyncio.get_running_loop()

        async def take(octets: int) -> bytes:
            return await loop.sock_recv(connected, octets)

        try:
            async with asyncio.timeout(self._rules.proxy_header_seconds):
                announced = await read_source(take)
        except (ProxyHeaderInvalid, OSError, TimeoutError):
            raise _NoSession(TurnedAway.PROXY_HEADER) from None
        if announced is None:
            return neighbour
        self._count_out(counted_in)
        self._count_in(announced[0], counted_in)
        return announced

    async def _begin(self, connected: socket.socket, client: Source) -> None:
        loop = asyncio.get_running_loop()

        def door() -> Door:
            return Door(self._rules, self._household, self._sessions, client)

        if self._rules.encryption is not Encryption.IMPLICIT:
            await loop.connect_accepted_socket(door, connected)
            return
        try:
            await loop.connect_accepted_socket(
                door,
                connected,
                ssl=self._rules.tls_context,
                ssl_handshake_timeout=self._rules.handshake_seconds,
            )
        except OSError:
            raise _NoSession(TurnedAway.HANDSHAKE) from None

    def _count_in(self, peer: str, counted_in: list[str]) -> None:
        if reason := self._household.crowd.enter(peer):
            raise _NoSession(reason)
        counted_in.append(peer)

    def _count_out(self, counted_in: list[str]) -> None:
        while counted_in:
            self._household.crowd.leave(counted_in.pop())

    def _turn_away(self, connected: socket.socket, reason: TurnedAway) -> None:
        crowd, now = self._household.crowd, asyncio.get_running_loop().time()
        told = reason in SORRY and not crowd.worth_telling(reason, now)
        self._household.journal.turned_away(self._rules.name, reason=reason, told=told)
        if reason in SORRY and self._rules.encryption is not Encryption.IMPLICIT:
            with suppress(OSError):
                connected.send(SORRY[reason]().to_wire())
