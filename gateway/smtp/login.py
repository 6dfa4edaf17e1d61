"""Logging in at the next hop: PLAIN, LOGIN and XOAUTH2 (RFC 4954, RFC 4616; Google's XOAUTH2).

- Only where nobody can read along: under TLS, or on this machine.
- The secret is read anew each time, because tokens are renewed by others, and is forgotten at once.
- No error carries the user, the secret or the server's words, which may repeat them.
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gateway.regular_file import read_regular
from gateway.replies import Reply
from gateway.smtp.broken import LoginRefused
from gateway.smtp.connection import Connection
from gateway.smtp.offers import AUTH
from gateway.smtp.servers import Login

ACCEPTED = 235
"""RFC 4954, section 6."""
CONTINUE = 334
"""RFC 4954, section 4."""

MOST_OCTETS = 16_384
"""Access tokens have up to some kilobytes; RFC 4954, section 4 allows lines of 12,288."""


async def log_in(connection: Connection, login: Login) -> None:
    """Prove who we are; raises `LoginRefused`, or another `Broken` when the connection fails."""
    if not connection.private:
        raise LoginRefused("not tried, because the connection is not encrypted")
    perform = _MECHANISMS[_choose(connection.offers, login.mechanism)]
    secret = await asyncio.to_thread(_read_secret, login.secret_file)
    reply = await perform(connection, login.user.encode(), secret)
    if reply.code != ACCEPTED:
        raise LoginRefused(f"the server said {reply.code}")


def _choose(offers: Mapping[bytes, bytes], wanted: str) -> str:
    offered = offers.get(AUTH, b"").upper().split()
    for mechanism in [wanted] if wanted else _MECHANISMS:
        if mechanism.encode() in offered:
            return mechanism
    raise LoginRefused(f"the server does not offer {wanted or 'a mechanism that we know'}")


def _read_secret(path: Path) -> bytes:
    """Return the content without line ends behind it."""
    try:
        secret = read_regular(path, limit=MOST_OCTETS + 1).content.rstrip(b"\r\n")
    except OSError:
        raise LoginRefused("the file with the secret cannot be read") from None
    if not secret or len(secret) > MOST_OCTETS or any(octet in secret for octet in b"\x00\r\n\x01"):
        raise LoginRefused("the file with the secret does not hold one line")
    return secret


async def _plain(connection: Connection, user: bytes, secret: bytes) -> Reply:
    return await connection.login_step(b"AUTH PLAIN " + b64encode(b"\0" + user + b"\0" + secret))


async def _login(connection: Connection, user: bytes, secret: bytes) -> Reply:
    reply = await connection.login_step(b"AUTH LOGIN")
    for answer in (user, secret):
        if reply.code != CONTINUE:
            raise LoginRefused(f"the server said {reply.code} before it knew the secret")
        reply = await connection.login_step(b64encode(answer))
    return reply


async def _xoauth2(connection: Connection, user: bytes, token: bytes) -> Reply:
    text = b"user=" + user + b"\x01auth=Bearer " + token + b"\x01\x01"
    reply = await connection.login_step(b"AUTH XOAUTH2 " + b64encode(text))
    if reply.code == CONTINUE:  # The reason stands in the challenge; an empty answer brings the refusal.
        reply = await connection.login_step(b"")
    return reply


_MECHANISMS: Mapping[str, Callable[[Connection, bytes, bytes], Awaitable[Reply]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "XOAUTH2": _xoauth2,
}
"""In the order of preference."""
