"""The candidate's page, from the first look to the changed mind."""

import re
from dataclasses import replace
from typing import Any

import pytest

from gateway.keyring import Keyring
from gateway.rendering import Organisation, Rendering
from store import partners
from store.database import Store
from store.records import CaseState, ConsentKind, Partner
from tests.web.visitor import Clock, Records, Visitor


async def test_the_invitation_says_what_would_be_shared_with_whom_and_for_what(visitor: Visitor) -> None:
    page = await visitor.open()
    assert page.status == 200
    for needed in (
        "山田 太郎 様",
        "営業",
        "最終面接",
        "2026年11月23日",
        "株式会社サンプル商事",
        "株式会社あおぞら人材",
        "13-ユ-000000",
        "職業紹介のために求人をご案内すること",
        "今後の選考に一切影響しません",
        "privacy@example.com",
        "いつでも撤回できます",
    ):
        assert needed in page.text


async def test_no_box_is_ticked_beforehand(visitor: Visitor) -> None:
    page = await visitor.open()
    assert page.text.count('type="checkbox"') == 1
    assert page.ticked == []


async def test_the_page_does_not_tell_the_whole_mail_address(visitor: Visitor) -> None:
    page = await visitor.open()
    assert "t…@example.jp" in page.text
    assert "taro.yamada" not in page.text


async def test_get_and_head_change_nothing_however_often(visitor: Visitor, records: Records) -> None:
    before = records.dump()
    for _ in range(3):
        pressed = visitor.address + "?lang=en&choice=accept&agree=aozora"
        assert (await visitor.open()).status == (await visitor.open(pressed)).status == 200
        assert (await visitor.client.head(visitor.address)).status_code == 200
    assert records.dump() == before


async def test_consent_is_stored_with_the_text_that_was_shown(
    visitor: Visitor, records: Records, rendering: Rendering, organisation: Organisation, partner: Partner
) -> None:
    answer = await visitor.press(await visitor.open(), "accept", agree=("aozora",))
    assert answer.status == 303
    invitation = records.invitation()
    [decision] = invitation.decisions
    text = rendering.consent_text("ja", "2026-11", organisation=organisation, partner=partner)
    assert decision.kind is ConsentKind.GRANTED
    assert (decision.partner_id, decision.language, decision.text_edition) == ("aozora", "ja", "2026-11")
    assert decision.text_digest == text.digest
    assert invitation.state in {CaseState.CONSENTED, CaseState.QUEUED}


async def test_after_consent_the_same_address_shows_the_decision_and_the_text_agreed_to(
    visitor: Visitor,
) -> None:
    shown = await visitor.open()
    answer = await visitor.press(shown, "accept", agree=("aozora",))
    assert answer.response.headers["location"] == visitor.address
    page = await visitor.open(answer.response.headers["location"])
    assert "株式会社あおぞら人材への情報の提供に同意されています" in page.text
    assert "同意いただいた文面を見る" in page.text
    assert 'value="withdraw"' in page.text
    assert 'value="accept"' not in page.text


async def test_consent_can_be_withdrawn_with_one_button(visitor: Visitor, records: Records) -> None:
    await visitor.press(await visitor.open(), "accept", agree=("aozora",))
    answer = await visitor.press(await visitor.open(), "withdraw")
    assert answer.status == 303
    [decision] = records.invitation().decisions
    assert decision.kind is ConsentKind.WITHDRAWN
    page = await visitor.open()
    assert "同意を撤回されています" in page.text
    assert page.ticked == []


async def test_declining_needs_no_box_and_is_shown(visitor: Visitor, records: Records) -> None:
    answer = await visitor.press(await visitor.open(), "decline")
    assert answer.status == 303
    [decision] = records.invitation().decisions
    assert decision.kind is ConsentKind.DECLINED
    assert "情報の提供を希望されていません" in (await visitor.open()).text


async def test_a_no_beats_a_ticked_box(visitor: Visitor, records: Records) -> None:
    await visitor.press(await visitor.open(), "decline", agree=("aozora",))
    [decision] = records.invitation().decisions
    assert decision.kind is ConsentKind.DECLINED


async def test_who_declined_can_still_agree_later(visitor: Visitor, records: Records) -> None:
    await visitor.press(await visitor.open(), "decline")
    await visitor.press(await visitor.open(), "accept", agree=("aozora",))
    [decision] = records.invitation().decisions
    assert decision.kind is ConsentKind.GRANTED


async def test_a_no_in_a_stale_tab_takes_a_consent_back(visitor: Visitor, records: Records) -> None:
    """The form was opened before the consent; the last word is the person's."""
    stale = await visitor.open()
    await visitor.press(await visitor.open(), "accept", agree=("aozora",))
    assert (await visitor.press(stale, "decline")).status == 303
    [decision] = records.invitation().decisions
    assert decision.kind is ConsentKind.WITHDRAWN


async def test_the_same_consent_twice_is_stored_once(visitor: Visitor, records: Records) -> None:
    page = await visitor.open()
    await visitor.press(page, "accept", agree=("aozora",))
    before = records.dump()
    assert (await visitor.press(page, "accept", agree=("aozora",))).status == 303
    assert records.dump() == before


async def test_without_a_ticked_box_the_page_says_what_is_missing(visitor: Visitor, records: Records) -> None:
    before = records.dump()
    answer = await visitor.press(await visitor.open(), "accept")
    assert answer.status == 422
    assert "同意の欄にチェックを入れて" in answer.text
    assert 'href="#agree-aozora"' in answer.text
    assert 'id="agree-aozora" name="agree" value="aozora" aria-invalid="true"' in answer.text
    assert answer.ticked == []
    assert records.dump() == before


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_a_page_that_came_back_says_first_that_nothing_is_recorded_yet(
    visitor: Visitor, language: str
) -> None:
    """In its title, which is read out first, and in the notice, where the reading goes on."""
    visitor.headers = {"Accept-Language": language}
    words = {"ja": "まだ受け付けておりません – ", "en": "Not recorded yet – "}[language]
    shown = await visitor.open()
    assert f"<title>{words}" not in shown.text
    assert "autofocus" not in shown.text
    answer = await visitor.press(shown, "accept")
    assert f"<title>{words}" in answer.text
    assert 'role="alert" tabindex="-1" autofocus>' in answer.text
    await visitor.press(answer, "accept", agree=("aozora",))
    late = await visitor.press(await visitor.open(), "withdraw", after=0)
    assert f"<title>{words}" in late.text
    assert 'role="alert" tabindex="-1" autofocus>' in late.text
    assert {"ja": "ご回答を承りました", "en": "We have your answer"}[language] not in late.text


@pytest.mark.parametrize("choice", ["accept", "decline"])
@pytest.mark.parametrize(
    "too_soon_or_forged",
    [
        {"after": 1.9},
        {"after": 60 * 60 * 24 + 1},
        {"nonce": ""},
        {"nonce": "AAAA"},
        {"nonce": "あ"},
        {"website": "https://spam.example.com"},
    ],
)
async def test_an_answer_that_a_program_may_have_given_does_not_count(
    visitor: Visitor, records: Records, choice: str, too_soon_or_forged: dict[str, Any]
) -> None:
    before = records.dump()
    page = await visitor.open()
    answer = await visitor.press(page, choice, agree=("aozora",), **too_soon_or_forged)
    assert answer.status == 422
    assert "もう一度ご回答ください" in answer.text
    assert answer.ticked == []
    assert records.dump() == before


async def test_the_nonce_of_the_page_that_comes_again_is_fresh_and_good(
    visitor: Visitor, records: Records
) -> None:
    answer = await visitor.press(await visitor.open(), "accept", agree=("aozora",), after=0)
    assert (await visitor.press(answer, "accept", agree=("aozora",))).status == 303
    assert records.invitation().decisions[0].kind is ConsentKind.GRANTED


async def test_the_nonce_of_another_link_does_not_count(
    visitor: Visitor, records: Records, keyring: Keyring, clock: Clock
) -> None:
    before = records.dump()
    strange = keyring.nonce(b"0123456789", now=clock())
    answer = await visitor.press(await visitor.open(), "accept", agree=("aozora",), nonce=strange)
    assert answer.status == 422
    assert records.dump() == before


async def test_a_box_that_did_not_stand_on_the_form_does_not_count(
    visitor: Visitor, records: Records
) -> None:
    before = records.dump()
    answer = await visitor.press(await visitor.open(), "accept", agree=("aozora", "hoshi"))
    assert answer.status == 422
    assert records.dump() == before


async def test_a_form_without_a_pressed_button_asks_for_one(visitor: Visitor, records: Records) -> None:
    before = records.dump()
    answer = await visitor.press(await visitor.open(), "", agree=("aozora",))
    assert answer.status == 422
    assert "ご回答を選んでから" in answer.text
    assert records.dump() == before


async def test_two_seconds_are_enough(visitor: Visitor) -> None:
    assert (await visitor.press(await visitor.open(), "decline", after=2)).status == 303


async def test_a_text_that_changed_meanwhile_must_be_read_again(
    visitor: Visitor, records: Records, store: Store, partner: Partner, clock: Clock
) -> None:
    page = await visitor.open()
    store.call(partners.add_partner, replace(partner, legal_name="株式会社ゆうやけ人材"), now=clock())
    before = records.dump()
    answer = await visitor.press(page, "accept", agree=("aozora",))
    assert answer.status == 422
    assert "内容が更新されました" in answer.text
    assert "株式会社ゆうやけ人材" in answer.text
    assert records.dump() == before


@pytest.fixture
def second(store: Store, partner: Partner, clock: Clock) -> Partner:
    """A second agency that is offered beside the first."""
    other = replace(partner, id="hoshi", legal_name="ほし人材株式会社")
    store.call(partners.add_partner, other, now=clock())
    return other


@pytest.mark.usefixtures("second")
async def test_of_two_partners_only_the_ticked_one_is_agreed_to(visitor: Visitor, records: Records) -> None:
    page = await visitor.open()
    assert page.text.count('type="checkbox"') == 2
    await visitor.press(page, "accept", agree=("hoshi",))
    [decision] = records.invitation().decisions
    assert (decision.partner_id, decision.kind) == ("hoshi", ConsentKind.GRANTED)
    later = await visitor.open()
    assert 'value="aozora"' in later.text
    assert later.text.count('type="checkbox"') == 1


@pytest.mark.usefixtures("second")
async def test_a_partner_without_an_answer_is_not_offered_as_a_change(visitor: Visitor) -> None:
    await visitor.press(await visitor.open(), "accept", agree=("hoshi",))
    text = (await visitor.open()).text
    assert "ご回答を変更する" not in text
    assert text.index("まだ回答されていない提供先") < text.index('id="agree-aozora"')


async def test_a_partner_added_after_a_no_stands_apart_from_the_change(
    visitor: Visitor, store: Store, partner: Partner, clock: Clock
) -> None:
    """Two forms on one page: each answer is for its own partner, and a missing tick is shown where it was."""
    await visitor.press(await visitor.open(), "decline")
    store.call(partners.add_partner, replace(partner, id="hoshi", legal_name="ほし人材株式会社"), now=clock())
    page = await visitor.open()
    parts = [page.text.index(mark) for mark in ("まだ回答されていない提供先", 'id="agree-hoshi"')]
    parts += [page.text.index(mark) for mark in ("ご回答を変更する", 'id="agree-aozora"')]
    assert parts == sorted(parts)
    ids = re.findall(r' id="([^"]+)"', page.text)
    assert len(ids) == len(set(ids))
    assert page.text.count("お伝えする内容</h2>") == 1
    answer = await visitor.press(page, "accept", without=("text-aozora",))
    assert answer.status == 422
    assert 'href="#agree-hoshi"' in answer.text
    assert answer.text.count("aria-invalid") == 1
    assert '<details class="change">' in answer.text
    answer = await visitor.press(page, "accept", without=("text-hoshi",))
    assert 'href="#agree-aozora"' in answer.text
    assert '<details class="change" open>' in answer.text


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_after_a_yes_the_page_shows_again_which_values_are_passed_on(
    visitor: Visitor, language: str
) -> None:
    visitor.headers = {"Accept-Language": language}
    await visitor.press(await visitor.open(), "accept", agree=("aozora",))
    text = (await visitor.open()).text
    assert {"ja": "ご同意に基づいてお伝えするのは", "en": "What is passed on"}[language] in text
    for value in (
        "山田 太郎",
        "t…@example.jp",
        "営業",
        {"ja": "最終面接", "en": "Final interview"}[language],
    ):
        assert value in text


async def test_after_a_no_nothing_is_said_to_be_passed_on(visitor: Visitor) -> None:
    await visitor.press(await visitor.open(), "decline")
    text = (await visitor.open()).text
    assert "ご同意に基づいてお伝えするのは" not in text
    assert "より後です" not in text


async def test_the_page_says_that_a_waiting_time_lies_between_yes_and_sending(
    visitor: Visitor, clock: Clock
) -> None:
    """The clock reads 10:02:03 in Japan; a minute that is not over yet is not promised."""
    page = await visitor.open()
    assert "同意されてから24時間が過ぎた後です" in page.text
    await visitor.press(page, "accept", agree=("aozora",))
    assert "2026年11月24日 10時3分より後です" in (await visitor.open()).text
    english = await visitor.open(visitor.address + "?lang=en")
    assert "after 24 Nov 2026, 10:03 (Japan time)" in english.text
    clock.pass_by(24 * 60 * 60)
    assert "より後です" not in (await visitor.open()).text


async def test_on_an_english_page_japanese_names_are_marked_as_japanese(
    visitor: Visitor, rendering: Rendering, organisation: Organisation, partner: Partner
) -> None:
    """The published text of the consent is left out: it is shown as it was published."""
    visitor.address += "?lang=en"
    text = rendering.consent_text("en", "2026-11", organisation=organisation, partner=partner)
    page = await visitor.open()
    pages = [page, await visitor.press(page, "accept")]
    await visitor.press(page, "accept", agree=("aozora",))
    pages.append(await visitor.open())
    for one in pages:
        assert unmarked_japanese(one.text.replace(text.html, "").replace(text.statement, "")) == []


async def test_a_text_agreed_to_in_japanese_stands_as_japanese_on_the_english_page(visitor: Visitor) -> None:
    await visitor.press(await visitor.open(), "accept", agree=("aozora",))
    assert unmarked_japanese((await visitor.open(visitor.address + "?lang=en")).text) == []


def unmarked_japanese(html: str) -> list[str]:
    """Return the texts with kana or kanji that no element around them marks as Japanese."""
    found = []
    languages: list[str] = []
    for tag, attributes, text in re.findall(r"<(/?[a-z0-9]+)([^>]*)>|([^<]+)", html):
        if tag.startswith("/"):
            languages.pop()
        elif tag and tag not in {"meta", "link", "input", "br"}:
            own = re.search(r' lang="([a-z]+)"', attributes)
            languages.append(own[1] if own else languages[-1] if languages else "")
        elif re.search("[぀-鿿]", text) and languages[-1] != "ja":
            found.append(text)
    return found


async def test_a_partner_abroad_is_not_offered(
    visitor: Visitor, records: Records, store: Store, partner: Partner, clock: Clock
) -> None:
    """The published texts lack what APPI, article 28 asks for."""
    store.call(partners.add_partner, replace(partner, country="US"), now=clock())
    page = await visitor.open()
    assert page.status == 200
    assert "checkbox" not in page.text
    assert "お手続きも必要ございません" in page.text
    before = records.dump()
    answer = await visitor.press(page, "accept", agree=("aozora",))
    assert answer.status == 422
    assert records.dump() == before
