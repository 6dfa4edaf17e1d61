"""What a page shows of an invitation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.rendering import Organisation, Rendering
from gateway.web.answer_view import AnswerView, day_of, masked, view_of
from store.records import CaseState, ConsentDecision, ConsentKind, Invitation, Partner, Purpose

ViewOf = Callable[[Invitation], AnswerView]

NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


def _invitation(
    partner: Partner, *decisions: ConsentDecision, state: CaseState = CaseState.INVITED
) -> Invitation:
    return Invitation(
        case_id=1,
        person_id=1,
        state=state,
        name=None,
        email="taro.yamada@example.jp",
        job=None,
        stage="役員面接",
        language="ja",
        captured_at=NOW,
        partners=(partner,),
        decisions=decisions,
    )


def _granted(digest: bytes) -> ConsentDecision:
    return ConsentDecision(
        kind=ConsentKind.GRANTED,
        partner_id="aozora",
        purpose=Purpose.PROVISION,
        at=NOW,
        language="en",
        text_edition="2026-11",
        text_digest=digest,
    )


@pytest.fixture
def view(rendering: Rendering, organisation: Organisation) -> ViewOf:
    def _view(invitation: Invitation) -> AnswerView:
        return view_of(
            invitation, "ja", now=NOW, rendering=rendering, edition="2026-11", organisation=organisation
        )

    return _view


def test_what_is_not_recorded_is_said_to_be_missing(
    view: ViewOf, partner: Partner, rendering: Rendering, organisation: Organisation
) -> None:
    shown = view(_invitation(partner))
    assert [(fact.key, fact.value) for fact in shown.facts] == [
        ("name", None),
        ("email", "t…@example.jp"),
        ("job", None),
        ("stage", "役員面接"),
        ("told", "2026年11月24日"),
    ]
    html = rendering.page(
        "invitation",
        "ja",
        organisation=organisation,
        base="",
        name=shown.name,
        facts=shown.facts,
        offers=shown.offers,
        problem=None,
        nonce="",
        waiting_hours=0,
    )
    assert html.count("記録がないため、お伝えしません") == 2
    assert "役員面接" in html
    assert "None" not in html
    assert "過ぎた後" not in html


def test_the_text_agreed_to_is_shown_in_its_own_language_only_while_it_is_word_for_word_the_same(
    view: ViewOf, partner: Partner, rendering: Rendering, organisation: Organisation
) -> None:
    text = rendering.consent_text("en", "2026-11", organisation=organisation, partner=partner)
    [standing] = view(_invitation(partner, _granted(text.digest))).standings
    assert standing.text == text
    [standing] = view(_invitation(partner, _granted(bytes(32)))).standings
    assert standing.text is None


def test_an_expired_invitation_asks_nothing(view: ViewOf, partner: Partner) -> None:
    shown = view(_invitation(partner, state=CaseState.EXPIRED))
    assert shown.offers == ()
    assert shown.page == "closed"


def test_after_expiry_a_consent_is_still_shown_and_can_be_withdrawn(view: ViewOf, partner: Partner) -> None:
    shown = view(_invitation(partner, _granted(bytes(32)), state=CaseState.EXPIRED))
    assert shown.page == "decision"
    assert [standing.kind for standing in shown.standings] == ["granted"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("taro@example.jp", "t…@example.jp"),
        ('"a@b"@example.jp', '"…@example.jp'),
        ("@example.jp", "…@example.jp"),
    ],
)
def test_an_address_is_shown_for_its_owner_only(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_days_are_japanese_days() -> None:
    assert day_of(NOW, "ja") == "2026年11月24日"
    assert day_of(NOW, "en") == "24 Nov 2026"


def test_a_partner_whose_licence_has_expired_is_not_offered_any_more(view: ViewOf, partner: Partner) -> None:
    valid = replace(partner, licence_expires=NOW + timedelta(seconds=1))
    assert [offer.partner_id for offer in view(_invitation(valid)).offers] == ["aozora"]
    expired = replace(partner, licence_expires=NOW)
    assert view(_invitation(expired)).offers == ()


def test_a_partner_that_moved_abroad_after_the_consent_still_shows_it(view: ViewOf, partner: Partner) -> None:
    """It can be withdrawn; the text it rests on cannot be rendered for a partner abroad."""
    (standing,) = view(_invitation(replace(partner, country="US"), _granted(bytes(32)))).standings
    assert (standing.kind, standing.text) == ("granted", None)
