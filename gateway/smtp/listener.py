"""A listening socket and its end: no new sessions, 421 to idle ones, the mails under way get their reply."""

import asyncio
import logging
import socket

from gateway.smtp.door import Door
from gateway.smtp.reception import Reception
from gateway.smtp.rules import DoorRules, Encryption, Household
from gateway.smtp.sessions import Sessions

BACKLOG = 512
"""Connections that the kernel holds while the loop is busy."""


class Listener:
    """A door that is open to clients."""

    def __init__(self, opened: asyncio.Server | Reception, sessions: Sessions) -> None:
        self._opened = opened
        self._sessions = sessions

    @property
    def port(self) -> int:
        """The port, chosen by the system when 0 was asked for."""
        if isinstance(self._opened, Reception):
            return self._opened.port
        port: int = self._opened.sockets[0].getsockname()[1]
        return port

    @property
    def sessions(self) -> int:
        """How many clients have a session now."""
        return self._sessions.count

    async def stop(self, seconds: float) -> None:
        """Take no more clients, and wait up to `seconds` for the mails under way; then cut them off."""
        if isinstance(self._opened, Reception):
            await self._opened.close()
        else:
            self._opened.close()
        await self._sessions.drain(seconds)


async def listen(bound: socket.socket, rules: DoorRules, household: Household) -> Listener:
    """Open a door on a bound socket, which is the listener's from here on."""
    mail_log = logging.getLogger("mail.log")
    # Below this level aiosmtpd logs every line, addresses and all.
    mail_log.setLevel(max(mail_log.level, logging.WARNING))
    sessions = Sessions()
    if rules.encryption is Encryption.IMPLICIT or rules.proxy_protocol_from:
        reception = Reception(bound, rules, household, sessions)
        reception.open(BACKLOG)
        return Listener(reception, sessions)
    server = await asyncio.get_running_loop().create_server(
        lambda: Door(rules, household, sessions), sock=bound, backlog=BACKLOG
    )
    return Listener(server, sessions)
