"""The page that Prometheus reads, as a client on some address sees it."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import httpx2
import pytest

from gateway.web.metrics_page import build_metrics_app


async def expose(accept: str) -> tuple[bytes, str]:
    return f"figures for {accept}\n".encode(), "text/plain; version=1.0.0"


class Journal:
    """Notes where a mistake of the program was reported."""

    def __init__(self) -> None:
        self.crashes: list[type[BaseException]] = []

    def crashed(self, trace_id: str, error: BaseException) -> None:
        assert trace_id
        self.crashes.append(type(error))

    def store_down(self, where: str) -> None:
        raise AssertionError(where)


async def ask(
    host: str,
    path: str = "/metrics",
    method: str = "GET",
    *,
    exposing: Callable[[str], Awaitable[tuple[bytes, str]]] = expose,
    journal: Journal | None = None,
) -> httpx2.Response:
    networks = (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
    app = build_metrics_app(exposing, networks, journal or Journal())
    transport = httpx2.ASGITransport(app=app, client=(host, 4711))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        return await client.request(method, path, headers={"accept": "some/form"})


@pytest.mark.parametrize("host", ["10.1.2.3", "2001:db8::7", "::ffff:10.1.2.3"])
async def test_a_client_in_the_networks_reads_the_figures_in_the_form_it_asks_for(host: str) -> None:
    answer = await ask(host)
    assert (answer.status_code, answer.text) == (200, "figures for some/form\n")
    assert answer.headers["content-type"] == "text/plain; version=1.0.0"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["10.2.0.1", "127.0.0.1", "::ffff:10.2.0.1", "::1", "unknown"])
async def test_nobody_else_does(host: str) -> None:
    answer = await ask(host)
    assert (answer.status_code, answer.text) == (403, "not for you\n")


async def test_there_is_nothing_else_and_nothing_to_be_changed() -> None:
    assert (await ask("10.1.2.3", "/")).status_code == 404
    assert (await ask("10.1.2.3", method="POST")).status_code == 405


async def test_a_mistake_is_journalled_and_its_words_are_shown_to_nobody() -> None:
    async def fail(accept: str) -> tuple[bytes, str]:
        raise ValueError(f"secret {accept}")

    journal = Journal()
    answer = await ask("10.1.2.3", exposing=fail, journal=journal)
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert journal.crashes == [ValueError]
