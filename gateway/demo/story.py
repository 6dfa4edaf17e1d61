"""The demo's story: one rejection mail from the SMTP door to the slot ledger, each step told as it is seen.

Nothing is taken on trust: a step is told only when its effect was read back from where it must show.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path

import click

from gateway.copies import PassReason
from gateway.demo.agency import Received
from gateway.demo.browser import accept, open_page
from gateway.demo.client import (
    ConversationFailed,
    Given,
    Mail,
    NoEnvelope,
    NoSigningDomain,
    UnfitAddress,
    company_domain,
    compose,
    speak_smtp,
    texts_of,
)
from gateway.demo.folder import FolderInUse, FolderUnusable, hold
from gateway.demo.mailbox import Letter
from gateway.demo.sample import SENDER
from gateway.demo.stage import Stage, set_stage
from gateway.mail.eligible import Reason
from gateway.serving import run, stop_signal
from store.outbox import list_queue
from store.records import QueueState
from store.slots import summarise

READING_SECONDS = 2.5
"""The page counts an answer only after two seconds; a person reads at least as long."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was seen."""

    name: str
    sentence: str
    facts: dict[str, str | int] = field(default_factory=dict)
    url: str = ""
    """Where a person can look at it while the demo runs; with a slash in front, on the demo's own pages."""


PATIENCE_SECONDS = 20
"""How long a step may take before the demo says that it was not seen."""


_NOT_IN_THE_DEMO = frozenset(
    {
        PassReason.UNPREPARED,
        PassReason.NO_PARTNER,
        PassReason.NO_SIGNING_KEY,
        PassReason.CHECK_FAILED,
    }
)


class NotSeen(Exception):
    """A step did not happen; the message says which and what was seen instead."""


_ENDS = (NotSeen, ConversationFailed, NoEnvelope, UnfitAddress, NoSigningDomain, FolderInUse, FolderUnusable)
"""What can end a demo before its time; each says in one sentence what was seen or what to change."""

Say = Callable[[Step], None]


def demonstrate_once(given: Given, *, as_json: bool) -> int:
    """Run the whole loop on free ports and data of its own; return the exit code."""
    say = _teller(as_json=as_json)
    try:
        mail = compose(given)
        with tempfile.TemporaryDirectory(prefix="goen-demo-") as folder:
            run(_once(Path(folder), mail, say))
    except _ENDS as failure:
        say(Step("failed", str(failure)))
        return 1
    return 0


def demonstrate(folder: Path, *, smtp_port: int, web_port: int, as_json: bool) -> None:
    """Run the demo until SIGINT or SIGTERM; the data in `folder` are found again by the next start."""
    try:
        with hold(folder):
            run(_stay(folder, smtp_port, web_port, as_json=as_json))
    except _ENDS as failure:
        raise click.ClickException(str(failure)) from failure


async def _once(folder: Path, mail: Mail, say: Say) -> None:
    domain = company_domain(mail)
    async with set_stage(folder, company_domain=domain, smtp_port=0, web_port=0) as stage:
        say(Step("ready", f"The gateway takes mail at 127.0.0.1:{stage.smtp_port}."))
        await tell(stage, mail, say)


async def _stay(folder: Path, smtp_port: int, web_port: int, *, as_json: bool) -> None:
    mail = compose(Given(None, None, ()))
    domain = company_domain(mail)
    async with (
        stop_signal() as stopped,
        set_stage(folder, company_domain=domain, smtp_port=smtp_port, web_port=web_port) as stage,
    ):
        say = _teller(as_json=as_json, base=stage.web_url)
        earlier = len(stage.mailbox.numbers())
        say(
            Step(
                "start",
                f"Data in {folder}: {_many(earlier, 'mail')} from earlier runs.",
                {"earlier": earlier},
            )
        )
        copies = await send(stage, mail, say)
        links = find_links(stage, copies)
        for letter, link in links:
            say(_invited(letter, link))
        say(Step("mailbox", "What arrived, beside what was sent:", url="/mailbox"))
        for _, link in links:
            say(Step("consent", "The candidate's page; answer it yourself:", {"link": link}, url=link))
        say(Step("agency", "What the partner got:", url="/agency/"))
        say(Step("slots", f"The slots: {_goen()} --settings {folder / 'goen.toml'} slots"))
        swaks = f"swaks --server 127.0.0.1:{stage.smtp_port} --from {SENDER} --to someone@example.jp"
        say(Step("send", f"Send a mail of your own: {swaks} --data MAIL.eml"))
        say(Step("ready", "Ready. Press Ctrl-C to stop."))
        await stopped
        say(Step("stop", "Stopping; mails under way are finished first."))


async def tell(stage: Stage, mail: Mail, say: Say) -> None:
    """Carry one mail through everything; raises `NotSeen` at the first step that does not show."""
    letters = await send(stage, mail, say)
    if [letter.raw for letter in letters] == [mail.raw]:
        say(_unchanged(await asyncio.to_thread(_reason_for_passing, stage.journal_path)))
        return
    links = find_links(stage, letters)
    for letter, link in links:
        say(_invited(letter, link))
    invited = {letter.number for letter, _ in links}
    for letter in letters:
        if letter.number not in invited:
            say(_for_colleagues(letter, mail))
    if not links:
        say(Step("rehearsal", "No recipient is a candidate: nobody was captured and nobody got a link."))
        return
    for _, link in links:
        await _follow(stage, link, say)
    for slots in await stage.house.store.run(summarise):
        if slots.counted != len({letter.rcpt_tos[0].lower() for letter, _ in links}):
            raise NotSeen(f"The slot ledger counts {_many(slots.counted, 'person')}.")
        count = f"{slots.towards_next} of {slots.policy.ratio} persons towards the next free introduction"
        words = f"The slot ledger: {count}, {slots.available} available."
        say(Step("slots", words, {"counted": slots.counted}))


async def send(stage: Stage, mail: Mail, say: Say) -> tuple[Letter, ...]:
    """Send the mail through the SMTP door; return what arrived in the mailbox."""
    before = set(stage.mailbox.numbers())
    code, text = await asyncio.to_thread(speak_smtp, stage.smtp_port, mail)
    where = f"127.0.0.1:{stage.smtp_port}"
    if code != 250:  # noqa: PLR2004  # RFC 5321, section 4.2.3
        raise NotSeen(f"The SMTP door at {where} answered {code} {text}")
    size = f"{len(mail.raw)} bytes, {_many(len(mail.recipients), 'recipient')}"
    reply = f"{code} {text}"
    say(Step("sent", f"The SMTP door at {where} took the mail ({size}): {reply}", {"reply": reply}))
    numbers = sorted(set(stage.mailbox.numbers()) - before)
    if not numbers:
        raise NotSeen("The next hop said 250, but nothing lies in the mailbox.")
    letters = tuple(stage.mailbox.letter(number) for number in numbers)
    words = f"{_many(len(letters), 'mail')} arrived at the next hop."
    say(Step("arrived", words, {"mails": len(letters)}, url="/mailbox"))
    return letters


def find_links(stage: Stage, letters: tuple[Letter, ...]) -> list[tuple[Letter, str]]:
    """Return each letter that carries a link to the candidate's page; all its parts carry the same one."""
    pattern = re.compile(re.escape(stage.web_url) + r"/c/[a-z2-7]+")
    found = []
    for letter in letters:
        links = {link for text in texts_of(letter.raw) for link in pattern.findall(text)}
        if len(links) > 1:
            raise NotSeen(f"Mail {letter.number} carries {len(links)} links.")
        found += [(letter, link) for link in links]
    return found


async def _follow(stage: Stage, link: str, say: Say) -> None:
    """Be the candidate: read the page, tick the box, accept; then look whether the agency got it."""
    known = {entry.key for entry in stage.agency.received}
    page = await open_page(link)
    words = f"GET on the link: {page.status}, a page in “{page.language}”."
    say(Step("page", words, {"link": link, "status": page.status}))
    if page.choices == {"withdraw"}:
        words = "The page shows the decision already: the same person has another link."
        say(Step("answered", words, {"link": link}))
        return
    await asyncio.sleep(READING_SECONDS)
    if {entry.key for entry in stage.agency.received} != known:
        raise NotSeen("Opening the page changed something.")
    answer = await accept(page)
    if not answer.ok or "withdraw" not in answer.choices:
        raise NotSeen(f"The page did not take the consent; it answered {answer.status}.")
    say(Step("consented", f"POST with a ticked box: {answer.status}, the page shows the decision."))
    entry = await _until(
        lambda: next((entry for entry in stage.agency.received if entry.key not in known), None),
        "No submission reached the partner.",
    )
    words = f"The partner checked the signature and took the submission as {entry.reference}."
    say(Step("submitted", words, {"key": entry.key, "reference": entry.reference}, url="/agency/"))
    await _until_done(stage, entry.key)
    say(Step("acknowledged", "The acknowledgement and the provision record are written.", {"key": entry.key}))


async def _until(look: Callable[[], Received | None], otherwise: str) -> Received:
    for _ in range(PATIENCE_SECONDS * 20):
        if (seen := look()) is not None:
            return seen
        await asyncio.sleep(0.05)
    raise NotSeen(otherwise)


async def _until_done(stage: Stage, key: str) -> None:
    for _ in range(PATIENCE_SECONDS * 20):
        done = await stage.house.store.run(list_queue, states=(QueueState.DONE,), limit=1000)
        if any(line.submission_key == key for line in done):
            return
        await asyncio.sleep(0.05)
    raise NotSeen("The acknowledgement was not recorded.")


def _invited(letter: Letter, link: str) -> Step:
    signatures = len(message_from_bytes(letter.raw).get_all("DKIM-Signature", []))
    words = f"Mail {letter.number} carries a personal link and {_many(signatures, 'DKIM signature')}."
    return Step("invited", words, {"link": link, "signatures": signatures}, url=f"/mailbox/{letter.number}")


def _for_colleagues(letter: Letter, mail: Mail) -> Step:
    """Tell of the copy without a link; it must not be the mail as it came, and its marker must be gone."""
    if any("[[relay:" in text for text in texts_of(letter.raw)) or letter.raw == mail.raw:
        raise NotSeen(f"Mail {letter.number} still carries the marker.")
    people = _many(len(letter.rcpt_tos), "recipient")
    words = f"Mail {letter.number} goes to {people} on the company's side: no marker, no link."
    return Step("internal", words, url=f"/mailbox/{letter.number}")


def _unchanged(reason: str) -> Step:
    """Tell why a mail passed as it came; a reason that the demo's own settings exclude is no good end."""
    sentences = {known.value: known.sentence for known in (*Reason, *PassReason)}
    if reason in _NOT_IN_THE_DEMO:
        raise NotSeen(f"The mail passed as it came. {sentences[reason]}")
    return Step("unchanged", f"It passed unchanged, byte for byte. {sentences[reason]}", {"reason": reason})


def _reason_for_passing(journal: Path) -> str:
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    passed = [str(line["reason"]) for line in lines if line["event"] == "passed"]
    if not passed:
        raise NotSeen("The journal has no line that says why the mail passed as it came.")
    return passed[-1]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _goen() -> str:
    """Return the program as this process was started, for the operator to copy."""
    return sys.argv[0]


def _teller(*, as_json: bool, base: str = "") -> Say:
    """Return what prints a step: a line for a person, or one JSON object.

    With a `base` the pages stay up, and each step says where it can be looked at.
    """

    def say(step: Step) -> None:
        url = base + step.url if step.url.startswith("/") else step.url
        shown = {"url": url} if base and url else {}
        if as_json:
            told = {"step": step.name, "what": step.sentence, **step.facts, **shown}
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            click.echo(f"{step.name:<13}{' '.join((step.sentence, *shown.values()))}")

    return say
