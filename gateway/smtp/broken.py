"""Every way in which a connection to the next hop can fail; what it means for the mail is decided above."""


class Broken(Exception):
    """The connection is of no use any more; carries why, for the journal, without a word that was sent."""

    word = "next-hop-broken"
    """The kind of failure, as the journal and the metrics name it."""


class Dropped(Broken):
    """The next hop closed the connection, the network did, or there was none to be had."""

    word = "next-hop-lost"


class Silent(Broken):
    """The next hop took longer than the phase allows."""

    word = "next-hop-silent"


class Garbled(Broken):
    """The next hop said something that makes no sense where it stands."""

    word = "next-hop-nonsense"


class Unwilling(Broken):
    """The next hop greets, but will not serve us now."""

    word = "next-hop-unwilling"


class LeadsHome(Broken):
    """The server's name leads to a listener of our own: mail would go round in a loop."""

    word = "next-hop-is-ourselves"


class Insecure(Broken):
    """The connection cannot be encrypted as the TLS policy asks."""

    word = "tls-failed"


class LoginRefused(Broken):
    """The next hop does not take our user and secret, or we have none to show."""

    word = "login-refused"


class LeftAlone(Broken):
    """The server failed a moment ago and is not tried again yet."""

    def __init__(self, trouble: Broken) -> None:
        """`trouble` is how it failed."""
        super().__init__(f"{trouble}; not tried again yet")
        self.word = trouble.word
