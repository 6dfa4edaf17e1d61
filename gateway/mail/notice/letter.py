"""What a rejection notice says of its candidate: name, job, stage and language, each with its source.

Sources rank: the marker, the display name of the recipient, the addressee line, the closing line.
Two that contradict each other are reported, and nothing is guessed:
no name from an address, no cut in an unspaced name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mailparser

from gateway.mail import markup, parts, words
from gateway.mail.eligible import Reading, Target
from gateway.mail.notice import findings, greetings, jobs, language, names, stages
from gateway.mail.notice.findings import Claim, Confidence, Conflict, Finding, Source
from gateway.mail.text import replaced

_MAX_TEXT = 10_000
"""Characters of a mail that are read; a rejection has some hundred."""
_MAX_SOURCE = 100_000
"""Characters of source, tags and style sheets included, in which they stand."""
_MAX_TO = 1 << 17
"""Octets of To that mail-parser is given: a thousand recipients with Japanese names, in half a second."""
_MAX_MAILBOXES = 4_000
"""Separators in a To field beyond which it is not read; mail-parser takes 20 µs even for an empty one."""
_MAX_TO_FIELDS = 10
"""To fields that are read; RFC 5322, section 3.6, allows one."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is known of one candidate; None for what the mail does not say, or says in two ways."""

    name: Finding | None
    """As written, without honorific and title; perhaps only a family name."""
    job: Finding | None
    """As written."""
    stage: Finding | None
    """One of `stages.STAGES`, or free text."""
    language: Finding
    """`ja` or `en`."""
    conflicts: tuple[Conflict, ...]
    """At most one for each of name, job, stage, language; the value itself is then None or the marker's."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says, read once for all its candidates; claims stand with the likelier first."""

    marker_name: Claim | None
    display_names: Mapping[str, str]
    """By address in lower case, as in To."""
    text_names: tuple[Claim, ...]
    jobs: tuple[Claim, ...]
    stages: tuple[Claim, ...]
    languages: tuple[Claim, ...]
    """At least one."""

    def notice(self, recipient: bytes, *, alone: bool) -> Notice:
        """Return what it says of the candidate at this envelope address.

        Unless the candidate is the only one, the name in marker and text may be somebody else's, and only
        the display name counts.
        """
        shown = self._display_name(recipient.decode("utf-8", "replace").lower())
        claims = [Claim(shown, Source.DISPLAY_NAME)] if shown is not None else []
        if alone:
            claims = [*((self.marker_name,) if self.marker_name else ()), *claims, *self.text_names]
        name, unnamed = findings.weigh("name", claims, names.agree)
        job, unemployed = findings.weigh("job", self.jobs, jobs.same_job)
        stage, unstaged = findings.weigh("stage", self.stages, stages.same_stage)
        spoken, unspoken = findings.weigh("language", self.languages, str.__eq__)
        return Notice(
            name=name,
            job=job,
            stage=stage,
            language=spoken or _DEFAULT_LANGUAGE,
            conflicts=(*unnamed, *unemployed, *unstaged, *unspoken),
        )

    def _display_name(self, address: str) -> str | None:
        written = self.display_names.get(address)
        # A mailer's address book repeats the address where it knows no name.
        local = address.rpartition("@")[0]
        return None if written is None or written.casefold() == local else names.person(written)


_DEFAULT_LANGUAGE = Finding("ja", Source.DEFAULT, Confidence.LOW)


def read_letter(raw: bytes, reading: Reading) -> Letter:
    """Read all that does not depend on the recipient."""
    text, marker = _text_of(reading), reading.marker
    name = names.explicit(marker.name) if marker is not None and marker.name else None
    said_job = marker.job if marker is not None else None
    said_stage = stages.stage_of(marker.stage) if marker is not None and marker.stage else None
    joined = words.unwrapped(text)
    return Letter(
        marker_name=Claim(name, Source.MARKER) if name is not None else None,
        display_names=_display_names(raw, reading),
        text_names=tuple(_names_in(text)),
        jobs=_claims(said_job, jobs.jobs_in(joined, text)),
        stages=_claims(said_stage, stages.stages_in(joined, text)),
        languages=_languages(marker.template if marker is not None else None, text),
    )


def _languages(template: str | None, text: str) -> tuple[Claim, ...]:
    """Return at least one language; a text in both does not contradict the template."""
    said, spoken = language.of_template(template or ""), language.of_text(text)
    marked = (Claim(said, Source.MARKER),) if said else ()
    if spoken.clear:
        return (*marked, Claim(spoken.language, Source.BODY))
    return marked or (Claim(spoken.language, Source.DEFAULT),)


def _claims(said: str | None, read: Sequence[str]) -> tuple[Claim, ...]:
    """Return what the marker said, and then what was read in the text."""
    marked = (Claim(said, Source.MARKER),) if said else ()
    return (*marked, *(Claim(value, Source.BODY) for value in read))


def _names_in(text: str) -> list[Claim]:
    addressees, recommended, closing = (
        greetings.addressees(text),
        greetings.recommended(text),
        greetings.closing(text),
    )
    candidate, agent = addressees.candidate, addressees.agent
    # The addressee of a letter with a recommendation is an agency's consultant, not the candidate.
    if recommended and candidate and names.agree(recommended, candidate) is False:
        candidate, agent = None, agent or candidate
    if agent and closing and names.agree(agent, closing):
        closing = None
    said = ((recommended, Source.BODY), (candidate, Source.ADDRESSEE), (closing, Source.CLOSING))
    return [Claim(name, source) for name, source in said if name is not None]


def _display_names(raw: bytes, reading: Reading) -> dict[str, str]:
    """Return the names in To by address in lower case; an address under two names has none."""
    charset = next((target.leaf.charset for target in reading.targets), None)
    found: dict[str, set[str]] = {}
    left = _MAX_TO
    for field in reading.root.named_fields("to")[:_MAX_TO_FIELDS]:
        value = words.portable(parts.field_value(raw, field), charset)
        if len(value) > left:
            value = value[:left].rpartition(b",")[0]
        if value.count(b",") + value.count(b";") > _MAX_MAILBOXES:
            break
        left -= len(value)
        for name, address in _addressees(value):
            found.setdefault(address.strip().lower(), set()).add(words.decoded(name.encode()).strip())
    return {address: name for address, (name, *others) in found.items() if not others}


def _addressees(value: bytes) -> list[tuple[str, str]]:
    """Return display names and addresses of To, as mail-parser reads them: the one place where it is asked.

    It raises AttributeError, ValueError and more on real mail, leaves words undecoded and drops recipients,
    and what it does changes with its version: so it gets one field at a time, in ASCII.
    """
    try:
        pairs = mailparser.parse_from_bytes(b"To: " + value + b"\r\n").to
        return [(str(name), str(address)) for name, address in pairs if name]
    except Exception:  # noqa: BLE001  # a mail that it cannot read has no display name, and that is all
        return []


def _text_of(reading: Reading) -> str:
    """Return the author's words, of the plain alternative or, if it is empty, of the HTML; lines end in LF.

    Markers and quotes are left out.
    """
    own = sorted((one for one in reading.targets if one.invited), key=lambda target: target.leaf.html)
    return next((text for target in own if (text := _words_of(target)).strip()), "")


def _words_of(target: Target) -> str:
    cut = [(start, end, "") for start, end in _without_own(target)]
    source = replaced(target.leaf.text, cut)[:_MAX_SOURCE]
    if target.leaf.html:
        text = markup.read_html(source).text.replace(markup.BREAK, "\n")
    else:
        text = markup.read_text(source, flowed=target.leaf.flowed, delsp=target.leaf.delsp).text
    return words.lines(text)[:_MAX_TEXT]


def _without_own(target: Target) -> list[tuple[int, int]]:
    """Return the ranges of markers and quotes, ascending, those inside others left out."""
    found: list[tuple[int, int]] = []
    for span in sorted([piece for spot in target.found for piece in spot.pieces] + list(target.quoted)):
        if not found or span[0] >= found[-1][1]:
            found.append(span)
    return found
