"""What holds on every address: headers, languages, errors as pages."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from gateway.candidate_journey import CandidateJourney
from gateway.journal import Journal
from gateway.rendering import LANGUAGES, Organisation, Rendering
from gateway.web.app import build_app
from store.database import Store
from tests.web.visitor import PUBLIC_URL, Page, Records, Visitor

FORGED = "a" * 40
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

Reported = Callable[[], list[dict[str, Any]]]


async def test_an_unknown_link_and_an_unknown_address_get_the_same_bytes(client: httpx2.AsyncClient) -> None:
    unknown = [f"/c/{FORGED}", "/c/short", "/c/" + "%E3%81%82" * 40, "/nowhere", "/c/a/b", "/c/", "/livez/"]
    answers = [await client.get(address, headers={"Accept-Language": "en"}) for address in unknown]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert "Page not found" in answers[0].text


async def test_a_slash_too_many_leads_nowhere(visitor: Visitor) -> None:
    """A redirect would send the person, token and all, to whatever the Host field names, in plain HTTP."""
    headers = {"Host": "elsewhere.example.com"}
    answer = await visitor.client.get(visitor.address + "/", headers=headers)
    assert answer.status_code == 404
    assert "location" not in answer.headers


async def test_a_forged_link_takes_no_answer(visitor: Visitor, records: Records) -> None:
    before = records.dump()
    page = await visitor.open()
    visitor.address = f"/c/{FORGED}"
    assert (await visitor.press(page, "accept", agree=("aozora",))).status == 404
    assert records.dump() == before


@pytest.mark.parametrize(
    "address", ["/c/{token}", "/c/unknown", "/static/style.css", "/livez", "/readyz", "/x"]
)
async def test_every_response_keeps_out_of_caches_frames_referrers_and_search(
    client: httpx2.AsyncClient, token: str, address: str
) -> None:
    for method in ("GET", "HEAD", "POST"):
        headers = (await client.request(method, address.format(token=token))).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "noindex" in headers["x-robots-tag"]


async def test_pages_bring_nothing_from_elsewhere_and_no_script(visitor: Visitor) -> None:
    for address in (visitor.address, "/nowhere"):
        text = (await visitor.open(address)).text
        assert "<script" not in text
        assert " style=" not in text
        assert re.findall(r'(?:src|href)="(?!\?lang=|#|https://example\.com/privacy)([^"]*)"', text) == [
            "/static/style.css"
        ]


async def test_the_stylesheet_loads_nothing(client: httpx2.AsyncClient) -> None:
    style = await client.get("/static/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text
    assert "@import" not in style.text


async def test_head_has_the_headers_of_get_and_no_body(visitor: Visitor) -> None:
    got = (await visitor.open()).response
    head = await visitor.client.head(visitor.address)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_not_even_the_application_sends_a_body_after_head(app: Starlette, token: str) -> None:
    """Asked without a server, which would take the body away itself."""
    started, *rest = await _ask(app, "HEAD", f"/c/{token}", [])
    assert started["status"] == 200
    assert b"".join(message["body"] for message in rest) == b""


async def test_a_visitor_who_hangs_up_is_no_mistake_of_ours(
    app: Starlette, token: str, reported: Reported
) -> None:
    hung_up: list[Message] = [
        {"type": "http.request", "body": b"choice=", "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert await _ask(app, "POST", f"/c/{token}", hung_up) == []
    assert reported() == []


async def _ask(app: Starlette, method: str, path: str, body: list[Message]) -> list[Message]:
    """Speak ASGI to the application; returns what it sends."""
    sent: list[Message] = []
    pieces = iter(body)

    async def receive() -> Message:
        return next(pieces)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("query", "wish", "language"),
    [
        ("", "", "ja"),
        ("", "fr", "ja"),
        ("", "en-GB,en;q=0.9,ja;q=0.5", "en"),
        ("?lang=ja", "en", "ja"),
        ("?lang=en", "ja", "en"),
        ("?lang=xx", "en", "en"),
    ],
)
async def test_the_switch_goes_before_the_browsers_wish_and_that_before_the_notices_language(
    visitor: Visitor, query: str, wish: str, language: str
) -> None:
    page = await visitor.open(visitor.address + query, **{"Accept-Language": wish})
    assert f'<html lang="{language}">' in page.text


async def test_the_evidence_has_the_language_of_the_page_that_was_answered(
    visitor: Visitor, records: Records
) -> None:
    """The switch was used, and the browser asks for Japanese again when it sends the form."""
    visitor.headers = {"Accept-Language": "ja"}
    page = await visitor.open(visitor.address + "?lang=en")
    await visitor.press(page, "accept", agree=("aozora",))
    assert [decision.language for decision in records.invitation().decisions] == ["en"]
    assert "I have read the above and agree" in (await visitor.open()).text


async def test_the_chosen_language_is_kept_after_the_answer(visitor: Visitor) -> None:
    visitor.address += "?lang=en"
    answer = await visitor.press(await visitor.open(), "decline")
    assert answer.response.headers["location"] == visitor.address


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://elsewhere.example.com"}, 403),
        ({"Origin": "https://goen.example.com"}, 403),
        ({"Origin": "http://goen.example.com:8080"}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": PUBLIC_URL}, 422),
        ({"Origin": "null"}, 422),
        ({"Origin": "null", "Sec_Fetch_Site": "same-origin"}, 422),
    ],
)
async def test_a_form_on_another_site_is_refused(
    visitor: Visitor, headers: dict[str, str], status: int
) -> None:
    assert (await visitor.post("choice=accept", **headers)).status == status


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("choice=maybe", {}, 400),
        ("choice=accept&choice=decline", {}, 400),
        ("choice=accept&admin=1", {}, 400),
        ("choice", {}, 400),
        ("choice=%FF", {}, 400),
        ("choice=あ".encode(), {}, 400),
        ("&".join(["agree=a"] * 300), {}, 400),
        ("choice=accept", {"Content_Type": "application/json"}, 400),
        ("choice=accept", {"Content_Type": "multipart/form-data; boundary=x"}, 400),
        ("nonce=" + "a" * 17_000, {}, 413),
        ("", {}, 422),
        ("choice=withdraw&partner=aozora", {}, 422),
    ],
)
async def test_a_body_that_is_not_our_form_is_answered_with_a_page_and_not_stored(
    visitor: Visitor, records: Records, body: str | bytes, headers: dict[str, str], status: int
) -> None:
    before = records.dump()
    answer = await visitor.post(body, **headers)
    assert answer.status == status
    assert '<html lang="ja">' in answer.text
    assert records.dump() == before


async def test_a_body_sent_in_pieces_is_bounded_too(visitor: Visitor) -> None:
    """Without Content-Length only the count of what came can tell."""
    pieces = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pieces
        while pieces < 1000:
            pieces += 1
            yield b"a" * 1024

    answer = await visitor.client.post(
        visitor.address,
        content=endless(),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"},
    )
    assert answer.status_code == 413


async def test_a_consent_that_was_never_given_cannot_be_withdrawn(visitor: Visitor, records: Records) -> None:
    before = records.dump()
    page = await visitor.open()
    fields = {"nonce": page.fields()["nonce"], "choice": "withdraw", "partner": "aozora"}
    visitor.clock.pass_by(3)
    answer = await visitor.post("&".join(f"{name}={value}" for name, value in fields.items()))
    assert answer.status == 400
    assert records.dump() == before


async def test_another_method_is_answered_with_a_page(visitor: Visitor) -> None:
    answer = Page(await visitor.client.delete(visitor.address))
    assert answer.status == 405
    assert "メールのリンク" in answer.text


@pytest.mark.parametrize(
    ("address", "allowed"), [("/c/a", {"GET", "HEAD", "POST"}), ("/static/style.css", {"GET", "HEAD"})]
)
async def test_another_method_hears_which_ones_there_are(
    client: httpx2.AsyncClient, address: str, allowed: set[str]
) -> None:
    """RFC 9110, section 15.5.6."""
    answer = await client.request("DELETE", address)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(("language", "words"), [("ja", "数分ほどおいて"), ("en", "in a few minutes")])
async def test_when_the_store_is_down_the_page_asks_to_come_back(
    visitor: Visitor, store: Store, reported: Reported, language: str, words: str
) -> None:
    page = await visitor.open()
    store.close()
    for answer in (
        await visitor.open(**{"Accept-Language": language}),
        await visitor.press(page, "decline", language=language),
    ):
        assert answer.status == 503
        assert int(answer.response.headers["retry-after"]) > 0
    assert words in (await visitor.open(**{"Accept-Language": language})).text
    assert {line["event"] for line in reported()} == {"store-unavailable"}


async def test_a_mistake_of_ours_is_a_page_without_its_text_and_a_line_in_the_journal(
    candidates: CandidateJourney,
    rendering: Rendering,
    organisation: Organisation,
    journal: Journal,
    reported: Reported,
) -> None:
    async def broken(_request: Request) -> Response:
        raise RuntimeError("taro.yamada@example.jp")

    async def ready() -> bool:
        return False

    app = build_app(
        candidates=candidates,
        rendering=rendering,
        organisation=organisation,
        edition="2026-11",
        public_url=PUBLIC_URL,
        journal=journal,
        clock=lambda: datetime.now(UTC),
        ready=ready,
        extra_routes=[Route("/broken", broken), Route("/own", _with_its_own_policy)],
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC_URL) as client:
        answer = await client.get("/broken", headers={"Accept-Language": "en"})
        assert answer.status_code == 500
        assert "We are sorry" in answer.text
        assert "no-store" in answer.headers["cache-control"]
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        own = (await client.get("/own")).headers
        assert own["content-security-policy"] == "sandbox"
        assert own["referrer-policy"] == "no-referrer"
        assert "taro.yamada" not in answer.text + str(reported())
    [line] = reported()
    assert (line["event"], line["error"]) == ("crashed", "RuntimeError")


async def test_behind_a_path_of_another_web_server_links_keep_the_path(
    candidates: CandidateJourney,
    rendering: Rendering,
    organisation: Organisation,
    journal: Journal,
    visitor: Visitor,
) -> None:
    async def ready() -> bool:
        return True

    app = build_app(
        candidates=candidates,
        rendering=rendering,
        organisation=organisation,
        edition="2026-11",
        public_url=f"{PUBLIC_URL}/next",
        journal=journal,
        clock=lambda: datetime.now(UTC),
        ready=ready,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC_URL) as client:
        visitor.client = client
        for page in (await visitor.open(), await visitor.open("/nowhere")):
            assert 'href="/next/static/style.css"' in page.text
        answer = await visitor.press(await visitor.open(), "decline")
        assert answer.response.headers["location"] == f"/next{visitor.address}"


async def _with_its_own_policy(_request: Request) -> Response:
    return PlainTextResponse("", headers={"Content-Security-Policy": "sandbox"})


async def test_the_application_is_ready_when_it_is_told_so(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/readyz")).text == "ok\n"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("address", ["/nowhere", "/c/unknown"])
async def test_the_page_of_an_unknown_address_speaks_the_visitors_language(
    client: httpx2.AsyncClient, language: str, address: str
) -> None:
    answer = await client.get(address, headers={"Accept-Language": language})
    assert f'<html lang="{language}">' in answer.text
