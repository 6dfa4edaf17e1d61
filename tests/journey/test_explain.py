"""`goen explain` and the gateway say and write the same of the same mail."""

import re
from pathlib import Path

import pytest

from gateway.copies import Scribe
from gateway.mail import parts
from gateway.operator.explain.circumstances import Circumstances
from gateway.operator.explain.examination import Case, explain, files
from gateway.operator.explain.explanation import Outcome
from gateway.operator.explain.given import understand
from gateway.operator.explain.people import assume
from tests.journey.conftest import PARTNER, Gateway, OpenGateway

CORPUS = Path(__file__).parent.parent / "corpus"
LIMIT = 1 << 20
TO = ("taro@example.jp", "boss@example.com")
OURS = re.compile(
    rb"Received: from [^\r\n]*\r\n\tby gw\.test with ESMTP id G-[^\r\n]*;\r\n\t[^\r\n]*\r\n"
    rb"DKIM-Signature: v=1; a=ed25519-sha256;[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*"
    rb"X-Goen-Processed: v1; id=G-[^\r\n]*;\r\n\th=[A-Z2-7]{32}\r\n"
)
"""What carries the id, the time and the client's address."""


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> tuple[Gateway, Circumstances]:
    """A gateway, and the same circumstances for `goen explain`."""
    scribes: list[Scribe] = []

    def keep(scribe: Scribe) -> Scribe:
        scribes.append(scribe)
        return scribe

    opened = await open_gateway(changes=keep)
    around = Circumstances(
        scribe=scribes[0],
        partners=(PARTNER.legal_name,),
        max_octets=LIMIT,
        missing=(),
        stand_in_key=None,
        notes=(),
    )
    return opened, around


async def test_every_mail_of_the_corpus_becomes_what_was_explained(
    gateway: tuple[Gateway, Circumstances],
) -> None:
    """Copies are equal byte for byte below the fields with id and time, the links in them too."""
    opened, around = gateway
    outcomes = set()
    for path in sorted(CORPUS.glob("*/in.eml")):
        name = path.parent.name
        mail = understand(path.read_bytes(), name, limit=LIMIT).content
        sender = "recruit@example.com"
        envelope = assume(mail, parts.scan(mail), sender=sender, recipients=TO).envelope
        case = Case(mail, envelope, around, "Mon, 23 Nov 2026 05:00:00 +0000")
        told = explain(case)
        outcomes.add(told.outcome)
        opened.hop.messages.clear()
        passed = len(opened.reasons)
        assert (await opened.send(mail, *TO, sender=sender)).startswith(b"250"), name
        assert opened.reasons[passed:] == ([told.reason] if told.reason else []), name
        if told.outcome is Outcome.PASSES:
            assert [message.content for message in opened.hop.messages] == [mail], name
            continue
        sent = {tuple(message.rcpts): message.content for message in opened.hop.messages}
        written = dict(files(case, told))
        assert len(sent) == len(written) == len(told.copies), name
        for copy in told.copies:
            theirs = sent[tuple(f"RCPT TO:<{address}>".encode() for address in copy.recipients)]
            ours = written[copy.file]
            assert OURS.match(ours), name
            assert OURS.match(theirs), name
            assert OURS.sub(b"", ours, count=1) == OURS.sub(b"", theirs, count=1), name
    assert outcomes == {Outcome.PASSES, Outcome.REWRITTEN}
