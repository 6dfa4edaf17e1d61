"""The commands that concern no mail, the same on every listener."""

from collections.abc import Mapping

from gateway import replies
from gateway.replies import Refused
from gateway.smtp.dialogue import Dialogue, Verb


class SmallCommands(Dialogue):
    """A session that can say no more than politeness asks."""

    def vocabulary(self) -> Mapping[str, Verb]:
        """Return the commands by their verbs; a listener adds its own."""
        return {
            "NOOP": self.noop,
            "QUIT": self.quit,
            "VRFY": self.vrfy,
            "EXPN": self.expn,
            "HELP": self.help,
        }

    async def noop(self, argument: bytes) -> None:  # noqa: ARG002  # RFC 5321, section 4.1.1.9
        """Do nothing."""
        await self.send(replies.ok())

    async def quit(self, argument: bytes) -> None:
        """Say goodbye."""
        if argument:
            raise Refused(replies.bad_argument("QUIT"))
        await self.send(replies.goodbye())
        self._writer.close()

    async def vrfy(self, argument: bytes) -> None:
        """Neither confirm nor deny."""
        if not argument:
            raise Refused(replies.bad_argument("VRFY address"))
        await self.send(replies.cannot_verify())

    async def expn(self, argument: bytes) -> None:  # noqa: ARG002  # whatever the list
        """Refuse to name the members of a list."""
        raise Refused(replies.not_implemented())

    async def help(self, argument: bytes) -> None:  # noqa: ARG002  # whatever the topic
        """Say in one line what this is."""
        await self.send(replies.help_text())
