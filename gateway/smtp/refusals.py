"""Why the door refuses, as the operator reads it: never the client's words."""

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a mail is refused; a client's mistake in a command has no reason and is not journalled."""

    PEER = "peer-not-allowed"
    SENDER_DOMAIN = "sender-domain-not-allowed"
    TOO_BIG = "message-too-big"
    TENANT = "tenant-proof-missing"
    LOGIN = "login-failed"
    LOGIN_MISSING = "not-logged-in"


class TurnedAway(StrEnum):
    """Why a connection was closed outside of any mail."""

    TOO_MANY = "too-many-connections"
    TOO_MANY_OF_PEER = "too-many-connections-of-peer"
    HANDSHAKE = "tls-handshake-failed"
    PROXY_HEADER = "proxy-header-missing-or-malformed"
