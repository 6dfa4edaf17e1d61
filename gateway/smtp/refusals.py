"""Why the door refuses a mail before its final dot, as the operator reads it: never the client's words."""

from enum import StrEnum


class RefusalReason(StrEnum):
    """A reason of ours; a client's mistake in a command has none and is not journalled."""

    PEER = "peer-not-allowed"
    SENDER_DOMAIN = "sender-domain-not-allowed"
    TOO_BIG = "message-too-big"
