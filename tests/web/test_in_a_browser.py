"""The pages in a real Chromium without script, on a phone and on a desk, in both languages."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from starlette.applications import Starlette

from gateway.ports import bind
from gateway.web.server import WebServer
from store.database import Store
from store.partners import add_partner
from store.records import ConsentKind, Partner
from tests.web.visitor import Clock, Records

pytestmark = pytest.mark.peers("chromium")

SIZES = {"phone": ViewportSize(width=390, height=844), "desk": ViewportSize(width=1280, height=900)}
WORDS = {
    "ja": ("同意する", "同意しない", "同意を撤回する", "ご回答を変更する"),
    "en": ("Yes, I agree", "No, thank you", "Withdraw my consent", "Change your answer"),
}


@pytest.fixture
async def address(app: Starlette, token: str) -> AsyncIterator[str]:
    server = WebServer(app, bind("127.0.0.1", 0, choose="web.listen"))
    await server.start()
    yield f"http://127.0.0.1:{server.port}/c/{token}"
    await server.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium")
        yield browser
        await browser.close()


async def _open(browser: Browser, address: str, size: str, language: str, *, dark: bool = False) -> Page:
    context = await browser.new_context(
        viewport=SIZES[size],
        device_scale_factor=2 if size == "phone" else 1,
        locale={"ja": "ja-JP", "en": "en-GB"}[language],
        java_script_enabled=False,
        color_scheme="dark" if dark else "light",
    )
    page = await context.new_page()
    await page.goto(address)
    return page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", WORDS)
async def test_a_person_agrees_withdraws_and_finds_the_decision_again(
    *,
    browser: Browser,
    address: str,
    clock: Clock,
    records: Records,
    artifacts: Path,
    size: str,
    language: str,
) -> None:
    accept, decline, withdraw, change = WORDS[language]
    page = await _open(browser, address, size, language)

    async def picture(name: str) -> None:
        await page.screenshot(path=artifacts / f"consent-{language}-{size}-{name}.png", full_page=True)

    await picture("1-invitation")
    clock.pass_by(3)
    await page.get_by_role("button", name=accept, exact=True).click()
    assert await page.get_by_role("alert").locator(":scope:focus").count() == 1
    await picture("2-box-missing")
    assert records.invitation().decisions == ()

    clock.pass_by(3)
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name=accept, exact=True).click()
    await picture("3-agreed")
    assert [d.kind for d in records.invitation().decisions] == [ConsentKind.GRANTED]

    clock.pass_by(3)
    await page.get_by_role("button", name=withdraw, exact=True).click()
    await picture("4-withdrawn")
    assert [d.kind for d in records.invitation().decisions] == [ConsentKind.WITHDRAWN]

    await page.locator("summary").filter(has_text=change).click()
    assert await page.get_by_role("checkbox").is_checked() is False
    assert await page.get_by_role("button", name=decline, exact=True).is_visible()
    await picture("5-change")
    await page.goto(address + "x")
    await picture("6-not-found")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", WORDS)
async def test_an_agency_that_came_later_stands_apart_from_the_one_that_was_answered(
    *,
    browser: Browser,
    address: str,
    clock: Clock,
    records: Records,
    store: Store,
    partner: Partner,
    artifacts: Path,
    size: str,
    language: str,
) -> None:
    accept, decline, *_ = WORDS[language]
    page = await _open(browser, address, size, language)
    clock.pass_by(3)
    await page.get_by_role("button", name=decline, exact=True).click()
    store.call(add_partner, replace(partner, id="hoshi", legal_name="ほし人材株式会社"), now=clock())
    await page.goto(address)
    clock.pass_by(3)
    await page.get_by_role("button", name=accept, exact=True).click()
    await page.screenshot(path=artifacts / f"consent-{language}-{size}-7-two-agencies.png", full_page=True)
    assert await page.locator("[aria-invalid=true]:visible").count() == 1
    clock.pass_by(3)
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name=accept, exact=True).click()
    await page.screenshot(path=artifacts / f"consent-{language}-{size}-8-one-of-two.png", full_page=True)
    kinds = {decision.partner_id: decision.kind for decision in records.invitation().decisions}
    assert kinds == {"aozora": ConsentKind.DECLINED, "hoshi": ConsentKind.GRANTED}


@pytest.mark.parametrize("language", WORDS)
async def test_both_answers_have_the_same_weight(browser: Browser, address: str, language: str) -> None:
    accept, decline, *_ = WORDS[language]
    for size in SIZES:
        page = await _open(browser, address, size, language)
        boxes = [
            await page.get_by_role("button", name=name, exact=True).bounding_box()
            for name in (accept, decline)
        ]
        widths = {(round(box["width"]), round(box["height"])) for box in boxes if box is not None}
        assert len(widths) == 1
        assert min(min(sides) for sides in widths) >= 44


async def test_the_page_fits_a_narrow_phone_and_a_dark_room(
    browser: Browser, address: str, artifacts: Path
) -> None:
    page = await _open(browser, address, "phone", "ja", dark=True)
    await page.screenshot(path=artifacts / "consent-ja-phone-dark.png", full_page=True)
    await page.set_viewport_size({"width": 320, "height": 640})
    await page.screenshot(path=artifacts / "consent-ja-narrow.png", full_page=True)
    main = await page.locator("main").bounding_box()
    assert main is not None
    assert main["x"] >= 0
    assert main["x"] + main["width"] <= 320


async def test_a_refusal_by_keyboard_alone(
    browser: Browser, address: str, clock: Clock, records: Records
) -> None:
    page = await _open(browser, address, "desk", "ja")
    clock.pass_by(3)
    await page.get_by_role("checkbox").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert [d.kind for d in records.invitation().decisions] == [ConsentKind.DECLINED]
