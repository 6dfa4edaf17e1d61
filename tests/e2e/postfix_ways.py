"""The ways of docs/deploy-postfix.md, read from the page and put into practice with a real Postfix.

An administrator copies the lines of the page; so does this, with the ports and the folder of the test.
"""

import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers.gateway import Gateway
from tests.peers.postfix import Postfix

PAGE = Path(__file__).parent.parent.parent / "docs" / "deploy-postfix.md"
PREPARATION = "Settings on both sides"

_BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACES = re.compile(r"\b(?:2525|2424|10026)\b|/etc/postfix|submission/inet")
_SMTP, _LMTP, _BACK = "2525", "2424", "10026"


def blocks(heading: str, language: str) -> list[str]:
    """Return the code blocks of this language below the heading, in their order."""
    _, _, rest = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")
    assert rest, f"{PAGE} has no {heading}"
    return [code for word, code in _BLOCK.findall(rest.partition("\n## ")[0]) if word == language]


@dataclass(frozen=True)
class Way:
    """One way through the gateway, as the page has it."""

    name: str
    """Its heading."""
    smarthost: bool = False
    """Whether the gateway gives mail to a smarthost, and not back to the same Postfix."""
    sender: str = "recruit@example.com"
    chosen: bytes = b""
    """Header lines of mail that goes this way."""
    past: str = ""
    """A sender whose mail does not go this way; empty: all mail does, or the header decides."""
    queues: bool = True
    """Whether mail waits in Postfix's queue while the gateway is down."""

    def __str__(self) -> str:
        return self.name

    @property
    def services(self) -> str:
        """The services that it needs in master.cf."""
        return "\n".join(blocks(self.name, "master.cf") or blocks(PREPARATION, "master.cf"))

    @property
    def way_in(self) -> str:
        """The commands that send mail through the gateway."""
        return blocks(self.name, "sh")[0]

    @property
    def way_out(self) -> str:
        """The commands that take the gateway out again."""
        return blocks(self.name, "sh")[1]


HEADER = b"X-Relay-Rejection: stage=final\r\n"
TO_SMARTHOST = (
    Way("All outgoing mail", smarthost=True),
    Way("All outgoing mail, over LMTP", smarthost=True),
    Way("The recruiters' outgoing mail", smarthost=True, past="sales@example.com"),
)
AND_BACK = (
    Way("All mail and back"),
    Way("The recruiters' mail and back", past="sales@example.com"),
    Way("Mail with the header field and back", sender="tool@example.com", chosen=HEADER),
    Way("Before the queue", queues=False),
)
WAYS = (*TO_SMARTHOST, *AND_BACK)
OVER_SMTP, OVER_LMTP, BY_SENDER, ALL_BACK, SENDER_BACK, HEADER_BACK, BEFORE_QUEUE = WAYS


Settings = Mapping[str, str | int | list[str]]


def settings(heading: str, number: int = 0) -> Settings:
    """Return the page's lines for the section [relay] of the gateway's settings."""
    given: Settings = tomllib.loads(blocks(heading, "toml")[number])["relay"]
    return given


@dataclass
class Company:
    """A Postfix whose smarthost is the sink, and a gateway for each of the two kinds of next hop."""

    postfix: Postfix
    to_smarthost: Gateway
    back: Gateway
    back_port: int
    sink: Postfix
    lmtp_port: int
    _files: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._files = {name: self._file(name).read_text() for name in ("main.cf", "master.cf")}

    def gateway(self, way: Way) -> Gateway:
        """Return the gateway of this way."""
        return self.to_smarthost if way.smarthost else self.back

    def run(self, script: str, way: Way) -> None:
        """Type lines of the page, and wait until a reload among them has been done."""
        reloads = self._reloads()
        self.postfix.shell(self.placed(script, way))
        end = time.monotonic() + 30
        while "postfix reload" in script and self._reloads() == reloads:
            assert time.monotonic() < end, self.postfix.log()
            time.sleep(0.05)

    def choose(self, way: Way) -> None:
        """Put a way into practice: its services, and its commands."""
        services = self.placed(way.services, way)
        self.postfix.configure("master.cf", self._files["master.cf"] + services)
        self.run(way.way_in, way)

    def leave(self, way: Way) -> None:
        """Take the gateway out as the page says."""
        self.run(way.way_out, way)

    def undo(self) -> None:
        """Set main.cf to what it was, for the next reload; services and mail in the queue stay."""
        self.postfix.configure("main.cf", self._files["main.cf"])

    def forget(self) -> None:
        """Set all files to what they were, for the next reload."""
        self.postfix.configure("master.cf", self._files["master.cf"])
        for extra in self._file("").glob("goen_*"):
            extra.unlink()
        self.undo()

    def arrived(self, recipient: str) -> bytes:
        """Wait for the one mail to this recipient; fail with both logs when none comes."""
        end = time.monotonic() + 30
        while not (mails := self.sink.mails_to(recipient)):
            assert time.monotonic() < end, self.postfix.log() + self.sink.log()
            time.sleep(0.05)
        (mail,) = mails
        return mail

    def asks(self) -> str:
        """Return what main.cf asks for, as Postfix reads it."""
        return self.postfix.command("postconf", "-n")

    def _file(self, name: str) -> Path:
        return self.postfix.root / "conf" / name

    def placed(self, script: str, way: Way) -> str:
        """Return lines of the page with the ports and the folder of this test."""
        places = {
            _SMTP: str(self.gateway(way).smtp_port),
            _LMTP: str(self.lmtp_port),
            _BACK: str(self.back_port),
            "/etc/postfix": str(self._file("")),
            "submission/inet": f"127.0.0.1:{self.postfix.port}/inet",
        }
        return _PLACES.sub(lambda found: places[found[0]], script)

    def _reloads(self) -> int:
        return self.postfix.log().count(": reload -- version")
