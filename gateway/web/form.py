"""The answer form as it comes back: read within bounds, taken apart, judged. Only `read_form` does I/O.

A POST counts only with a nonce that was given long enough ago and an empty honeypot.
A consent also needs a ticked box, and the text that was shown must still be the text.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.rendering import LANGUAGES

MAX_BODY: Final = 16 * 1024
"""Octets; the form with a hundred partners is half of it."""

MAX_FIELDS: Final = 256
"""Two for each of a hundred partners, and the form's own."""

YOUNGEST_NONCE: Final = timedelta(seconds=2)
"""Nobody reads the page in less; a mail scanner that presses buttons does."""

OLDEST_NONCE: Final = timedelta(days=1)
"""A page that lay open longer is read again before it counts."""

_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_SINGLE: Final = ("choice", "nonce", "language", "website", "partner")


class Choice(StrEnum):
    """Which button was pressed."""

    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


class Problem(StrEnum):
    """Why an answer does not count yet; the page says it in the person's words."""

    CHOICE = "choice"
    """No button was pressed."""
    BOX = "box"
    """Consent without a ticked box."""
    NONCE = "nonce"
    """The form was answered too fast, is too old or not ours, or a program filled it in."""
    CHANGED = "changed"
    """The text is not the one that was shown."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What a person sent."""

    choice: Choice | None
    ticked: frozenset[str]
    """Ids of the partners whose box is ticked."""
    shown: frozenset[tuple[str, str]]
    """Partner id and hex digest of each consent text that stood on the form."""
    partner: str
    """The partner whose consent is withdrawn, or empty."""
    nonce: str
    language: str
    """The language of the page that was answered, or empty."""
    website: str
    """The honeypot; people do not see it."""

    @property
    def shown_partners(self) -> frozenset[str]:
        """Ids of the partners whose texts stood on the form."""
        return frozenset(partner for partner, _ in self.shown)


async def read_form(request: Request) -> AnswerForm:
    """Read the body of a POST; raises HTTPException 413 when it is too large, 400 when it is not our form."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise HTTPException(400)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise HTTPException(413)
    return parse_form(bytes(body))


def parse_form(body: bytes) -> AnswerForm:
    """Take an urlencoded body apart; raises HTTPException 400 for anything that our form does not send."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
        single = dict.fromkeys(_SINGLE, "") | _singles(pairs)
        choice = Choice(single["choice"]) if single["choice"] else None
    except ValueError:
        raise HTTPException(400) from None
    return AnswerForm(
        choice=choice,
        ticked=frozenset(value for name, value in pairs if name == "agree"),
        shown=frozenset((name[5:], value) for name, value in pairs if name.startswith("text-")),
        partner=single["partner"],
        nonce=single["nonce"],
        language=single["language"] if single["language"] in LANGUAGES else "",
        website=single["website"],
    )


def _singles(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return the fields that may stand once; raises ValueError for a repeated or a foreign one."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name == "agree" or name.startswith("text-"):
            continue
        if name not in _SINGLE or name in found:
            raise ValueError(name)
        found[name] = value
    return found


def judge(
    form: AnswerForm, *, nonce_age: timedelta | None, current: frozenset[tuple[str, str]]
) -> Problem | None:
    """Say why the answer does not count, or None when it does.

    `current` has partner id and hex digest of each text as it stands now, in the form's language.
    """
    if form.website or nonce_age is None or not YOUNGEST_NONCE <= nonce_age <= OLDEST_NONCE:
        return Problem.NONCE
    if form.choice is None:
        return Problem.CHOICE
    if form.choice is Choice.WITHDRAW:
        return None
    if form.choice is Choice.ACCEPT and not form.ticked:
        return Problem.BOX
    return (
        None
        if form.shown and form.shown <= current and form.ticked <= form.shown_partners
        else Problem.CHANGED
    )
