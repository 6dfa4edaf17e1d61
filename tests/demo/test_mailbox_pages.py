"""The mailbox's pages over HTTP, and in a real browser with a hostile mail."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Page, async_playwright

from tests.demo.conftest import Running

HOSTILE = (
    b'From: Mallory <m@example.com>\r\nTo: "<b>" <b@example.jp>\r\nMessage-ID: <h@example.com>\r\n'
    b"Subject: <script>alert(1)</script> \xe7\xb5\x90\xe6\x9e\x9c\r\n"
    b"Content-Type: multipart/alternative; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: text/plain\r\n\r\n"
    b'<img src=x onerror=alert(2)> https://example.com/?a=1&b="2"\r\n'
    b"--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<!doctype html><html><body><script>document.title='owned'</script>"
    b'<img src="/mailbox.json"><img src=x onerror="document.title=\'owned\'">'
    b"<form action=/mailbox><button id=f>go</button></form>"
    b"<p id=p style='color: rgb(1, 2, 3)'>\xe5\xb1\xb1\xe7\x94\xb0</p>"
    b'<a id=a href="/mailbox">link</a></body></html>\r\n--a--\r\n'
)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as http:
        yield http


def changes_in(folder: Path) -> dict[Path, int]:
    """Return when each file was last changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def put(running: Running, raw: bytes) -> int:
    return running.mailbox.keep(b"m@example.com", (b"b@example.jp",), raw)


async def test_the_list_shows_the_newest_first(running: Running, client: httpx2.AsyncClient) -> None:
    for number in (1, 2):
        put(running, b"Subject: mail %d\r\nTo: Jane <jane@example.org>\r\n\r\n" % number)
    page = (await client.get(f"{running.base}/mailbox")).text
    assert page.index("mail 2") < page.index("mail 1")
    assert "Jane &lt;jane@example.org&gt;" in page
    assert "2026-11-23 01:02:03 UTC" in page
    listed = (await client.get(f"{running.base}/mailbox.json")).json()
    assert [entry["number"] for entry in listed] == [2, 1]
    assert listed[0]["rcpt_tos"] == ["b@example.jp"]
    assert listed[0]["page"] == "/mailbox/2"


async def test_an_empty_mailbox_says_so(running: Running, client: httpx2.AsyncClient) -> None:
    assert "Nothing yet" in (await client.get(f"{running.base}/mailbox")).text


async def test_a_mail_without_fields_is_listed_by_its_envelope(
    running: Running, client: httpx2.AsyncClient
) -> None:
    running.mailbox.keep(b"", (b"b\xff@example.jp",), b"")
    page = (await client.get(f"{running.base}/mailbox")).text
    assert "b\\xff@example.jp" in page
    assert "(no subject)" in page
    assert "(null sender)" in page
    assert (await client.get(f"{running.base}/mailbox/1")).status_code == 200


async def test_everything_of_a_mail_is_escaped(running: Running, client: httpx2.AsyncClient) -> None:
    running.mailbox.keep_original(HOSTILE.replace(b"Mallory", b"<i>Mallory"))
    put(running, HOSTILE)
    for path in ("/mailbox", "/mailbox/1"):
        page = (await client.get(running.base + path)).text
        assert "<script" not in page
        assert "<img" not in page
        assert "<i>" not in page
    assert '<a href="https://example.com/?a=1&amp;b="' in page
    assert "&lt;i&gt;Mallory" in page


async def test_the_original_stands_beside_what_arrived(running: Running, client: httpx2.AsyncClient) -> None:
    original = b"Message-ID: <1@example.com>\r\nSubject: x\r\n\r\n[[relay:rejection]]\r\n"
    running.mailbox.keep_original(original)
    arrived = b"Received: by gw\r\n" + original.replace(b"[[relay:rejection]]", b"the invitation")
    put(running, arrived)
    put(running, original)
    page = (await client.get(f"{running.base}/mailbox/1")).text
    assert '<td class="gone">[[relay:rejection]]</td><td class="came">the invitation</td>' in page
    assert '<td class=""></td><td class="came">Received: by gw</td>' in page
    same = (await client.get(f"{running.base}/mailbox/2")).text
    assert "byte for byte" in same
    assert (await client.get(f"{running.base}/mailbox/1/source")).content == arrived
    assert (await client.get(f"{running.base}/mailbox/1/original")).content == original


async def test_a_mail_without_a_known_original_shows_its_source(
    running: Running, client: httpx2.AsyncClient
) -> None:
    put(running, b"Subject: x\r\n\r\nbody & soul\r\n")
    page = (await client.get(f"{running.base}/mailbox/1")).text
    assert "body &amp; soul" in page
    assert "not known" in page


async def test_the_links_of_a_mail_without_text_are_listed(
    running: Running, client: httpx2.AsyncClient
) -> None:
    put(running, b'Content-Type: text/html\r\n\r\n<a href="https://example.com/?a=1&amp;b=2">x</a>')
    page = (await client.get(f"{running.base}/mailbox/1")).text
    assert '<li><a href="https://example.com/?a=1&amp;b=2"' in page


async def test_a_mail_of_attachments_only_says_so(running: Running, client: httpx2.AsyncClient) -> None:
    put(running, b"Content-Type: application/pdf\r\n\r\nx")
    page = (await client.get(f"{running.base}/mailbox/1")).text
    assert "There is no text in this mail" in page
    assert "application/pdf" in page


async def test_one_hostile_mail_does_not_hide_the_others(
    running: Running, client: httpx2.AsyncClient
) -> None:
    put(running, b"Subject: =?unicode_escape?q?=5Cud800?=\r\n\r\n")
    put(running, b"Subject: the other\r\n\r\n")
    for path in ("/mailbox", "/mailbox.json"):
        reply = await client.get(running.base + path)
        assert reply.status_code == 200
        assert "the other" in reply.text
    assert "\\ud800" in (await client.get(f"{running.base}/mailbox/1")).text


@pytest.mark.parametrize(
    "path",
    [
        *("/mailbox/9", "/mailbox/1/original", "/mailbox/1/html", "/mailbox/0/source"),
        *(
            "/mailbox/" + "9" * 300,
            "/mailbox/" + "9" * 5000 + "/html",
            "/mailbox/x",
            "/mailbox/-1",
            "/mailbox/١",
        ),
    ],
)
async def test_what_is_not_there_is_a_plain_404(
    running: Running, client: httpx2.AsyncClient, path: str
) -> None:
    put(running, b"Subject: only text\r\n\r\nx\r\n")
    reply = await client.get(running.base + path)
    assert reply.status_code == 404
    assert "← Mailbox" in reply.text


async def test_sources_are_served_as_bytes_no_browser_interprets(
    running: Running, client: httpx2.AsyncClient
) -> None:
    put(running, b"<html><script>alert(1)</script>\x1b$B\xff")
    reply = await client.get(f"{running.base}/mailbox/1/source")
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]


async def test_looking_changes_no_file(running: Running, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    put(running, HOSTILE)
    before = changes_in(tmp_path)
    for path in ("", ".json", "/1", "/1/html", "/1/source", "/1/original", "/2"):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            await client.request(method, f"{running.base}/mailbox{path}")
    assert changes_in(tmp_path) == before


@pytest.fixture
async def browser_page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium")
        yield await browser.new_page(viewport={"width": 1200, "height": 900})
        await browser.close()


@pytest.mark.peers("chromium")
async def test_a_hostile_mail_can_do_nothing_but_be_read(
    running: Running, browser_page: Page, artifacts: Path
) -> None:
    """No script runs, nothing is fetched, no form is sent; its style is kept and its links open elsewhere."""
    put(running, HOSTILE)
    answered: list[str] = []
    browser_page.on("response", lambda response: answered.append(response.url.removeprefix(running.base)))
    await browser_page.goto(f"{running.base}/mailbox/1")
    frame = browser_page.frame_locator("iframe")
    assert await frame.locator("#p").inner_text() == "山田"
    colour = await frame.locator("#p").evaluate("element => getComputedStyle(element).color")
    assert colour == "rgb(1, 2, 3)"
    await frame.locator("#f").click()
    async with browser_page.context.expect_page() as opening:
        await frame.locator("#a").click()
    opened = await opening.value
    await opened.wait_for_load_state()
    assert opened.url == f"{running.base}/mailbox"
    assert answered == ["/mailbox/1", "/mailbox/1/html"]
    assert "owned" not in await browser_page.title()
    assert [handle.url for handle in browser_page.frames] == [
        f"{running.base}/mailbox/1",
        f"{running.base}/mailbox/1/html",
    ]
    await browser_page.screenshot(path=artifacts / "mailbox-hostile.png", full_page=True)


@pytest.mark.peers("chromium")
async def test_the_pages_own_style_is_not_blocked_by_their_own_policy(
    running: Running, browser_page: Page, artifacts: Path
) -> None:
    complaints: list[str] = []
    browser_page.on("console", lambda message: complaints.append(message.text))
    put(running, b"Subject: x\r\n\r\nx\r\n")
    await browser_page.goto(f"{running.base}/mailbox")
    width = await browser_page.locator("main").evaluate("element => getComputedStyle(element).maxWidth")
    assert width == "1184px"
    await browser_page.screenshot(path=artifacts / "mailbox-list.png")
    await browser_page.goto(f"{running.base}/mailbox/1")
    await asyncio.sleep(0.1)
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []
