"""What the candidate's pages show of an invitation: facts, texts to agree to, decisions. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from gateway.rendering import ConsentText, Organisation, Rendering
from store.records import HOME_COUNTRY, CaseState, ConsentDecision, ConsentKind, Invitation, Partner, Purpose

ZONE: Final = ZoneInfo("Asia/Tokyo")
"""The days on the pages are Japanese days: the notices come from companies in Japan."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Fact:
    """One item that a consent would pass on."""

    key: str
    """Which item; the words of the pages have a label for each."""
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """One partner to whom the person may say yes or no, with the text to agree to."""

    partner_id: str
    partner_name: str
    text: ConsentText
    answered: bool
    """Whether the person has said something about this partner before and may change it."""
    came_back: bool
    """Whether it stood on the form that was sent and does not count yet."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the person has decided about one partner."""

    partner_id: str
    partner_name: str
    kind: str
    """`granted`, `declined` or `withdrawn`."""
    day: str
    text: ConsentText | None
    """The text agreed to, when it can still be shown word for word."""
    waits_until: str | None
    """When the data may leave, while that is still to come and a withdrawal leaves no trace."""


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An invitation as its page shows it."""

    name: str | None = field(repr=False)
    facts: tuple[Fact, ...] = field(repr=False)
    offers: tuple[Offer, ...]
    """Open questions: partners without a consent that holds."""
    standings: tuple[Standing, ...]
    texts: frozenset[tuple[str, str]]
    """Partner id and hex digest of every text as it stands now."""

    @property
    def page(self) -> str:
        """The page that shows it."""
        if self.standings:
            return "decision"
        return "invitation" if self.offers else "closed"


def view_of(
    invitation: Invitation,
    language: str,
    *,
    now: datetime,
    rendering: Rendering,
    edition: str,
    organisation: Organisation,
    cooling_off: timedelta = timedelta(),
    came_back: frozenset[str] = frozenset(),
) -> AnswerView:
    """Turn an invitation into what its page shows.

    `cooling_off` lies between a consent and the sending; `came_back` has the ids of the partners on a form
    that does not count yet.

    A partner that may not be asked for at `now` is not offered.
    An expired invitation offers nothing, but decisions stay visible and consent can still be withdrawn.
    """
    latest = {(decision.partner_id, decision.purpose): decision for decision in invitation.decisions}
    decided = {
        partner.id: latest[partner.id, Purpose.PROVISION]
        for partner in invitation.partners
        if (partner.id, Purpose.PROVISION) in latest
    }
    open_partners = [partner for partner in invitation.partners if partner.may_be_offered(now)]
    texts = {
        partner.id: rendering.consent_text(language, edition, organisation=organisation, partner=partner)
        for partner in open_partners
    }
    open_to_answer = [] if invitation.state is CaseState.EXPIRED else open_partners
    return AnswerView(
        name=invitation.name,
        facts=_facts(invitation, language),
        offers=tuple(
            Offer(
                partner.id,
                partner.legal_name,
                texts[partner.id],
                answered=partner.id in decided,
                came_back=partner.id in came_back,
            )
            for partner in open_to_answer
            if partner.id not in decided or decided[partner.id].kind is not ConsentKind.GRANTED
        ),
        standings=tuple(
            _standing(
                partner,
                decided[partner.id],
                language,
                rendering,
                organisation,
                now=now,
                cooling_off=cooling_off,
            )
            for partner in invitation.partners
            if partner.id in decided
        ),
        texts=frozenset((partner, text.digest.hex()) for partner, text in texts.items()),
    )


def _facts(invitation: Invitation, language: str) -> tuple[Fact, ...]:
    return (
        Fact("name", invitation.name),
        Fact("email", masked(invitation.email)),
        Fact("job", invitation.job),
        Fact("stage", invitation.stage),
        Fact("told", day_of(invitation.captured_at, language)),
    )


def _standing(
    partner: Partner,
    decision: ConsentDecision,
    language: str,
    rendering: Rendering,
    organisation: Organisation,
    *,
    now: datetime,
    cooling_off: timedelta,
) -> Standing:
    text = None
    at_home = partner.country == HOME_COUNTRY  # It may have moved since.
    if at_home and decision.kind is ConsentKind.GRANTED and decision.text_edition in rendering.editions:
        again = rendering.consent_text(
            decision.language, decision.text_edition, organisation=organisation, partner=partner
        )
        text = again if again.digest == decision.text_digest else None
    leaves_at = decision.at + cooling_off
    waits = decision.kind is ConsentKind.GRANTED and leaves_at > now
    return Standing(
        partner_id=partner.id,
        partner_name=partner.legal_name,
        kind=decision.kind.value,
        day=day_of(decision.at, language),
        text=text,
        waits_until=moment_of(leaves_at, language) if waits else None,
    )


def masked(address: str) -> str:
    """Show enough of a mail address for its owner: `t…@example.com`; a forwarded link gives none away."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def day_of(moment: datetime, language: str) -> str:
    """Write the Japanese day of a moment: `2026年11月23日`, `23 Nov 2026`."""
    day = moment.astimezone(ZONE)
    if language == "ja":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def moment_of(moment: datetime, language: str) -> str:
    """Write a moment in Japan, rounded up to the minute: `2026年11月24日 10時3分`, `24 Nov 2026, 10:03 …`."""
    minute = moment.astimezone(ZONE) + timedelta(seconds=59, microseconds=999_999)
    if language == "ja":
        return f"{day_of(minute, language)} {minute.hour}時{minute.minute}分"
    return f"{day_of(minute, language)}, {minute:%H:%M} (Japan time)"
