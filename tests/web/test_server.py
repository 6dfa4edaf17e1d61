"""The server on real sockets."""

import asyncio
import signal
import socket

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.ports import PortInUse, bind
from gateway.web.server import WebServer
from tests.web.visitor import Visitor


def _listener() -> socket.socket:
    return bind("127.0.0.1", 0, choose="web.listen")


async def test_pages_are_served_on_the_given_socket(app: Starlette, visitor: Visitor, token: str) -> None:
    server = WebServer(app, _listener())
    await server.start()
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            page = await client.get(f"/c/{token}", headers={"Accept-Language": "en"})
            assert page.status_code == 200
            assert "Would you like to hear" in page.text
            assert "server" not in page.headers
            assert page.headers["cache-control"] == "no-store"
            head = await client.head(f"/c/{token}", headers={"Accept-Language": "en"})
            assert head.headers["content-length"] == page.headers["content-length"]
            visitor.client = client
            answer = await visitor.press(await visitor.open(), "accept", agree=("aozora",))
            assert answer.response.headers["location"] == visitor.address
    finally:
        await server.stop()


async def test_a_stopped_server_has_closed_its_port(app: Starlette) -> None:
    server = WebServer(app, _listener())
    await server.start()
    port = server.port
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_request_in_flight_is_finished_before_the_stop() -> None:
    arrived = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(_request: Request) -> Response:
        arrived.set()
        await go_on.wait()
        return PlainTextResponse("done")

    server = WebServer(Starlette(routes=[Route("/", slow)]), _listener())
    await server.start()
    async with httpx2.AsyncClient(trust_env=False) as client:
        asking = asyncio.create_task(client.get(f"http://127.0.0.1:{server.port}/"))
        await arrived.wait()
        stopping = asyncio.create_task(server.stop())
        go_on.set()
        assert (await asking).text == "done"
        await stopping


async def test_signals_stay_with_the_program(app: Starlette) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    server = WebServer(app, _listener())
    await server.start()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    await server.stop()


async def test_a_taken_port_is_an_error_with_words(app: Starlette) -> None:
    server = WebServer(app, _listener())
    await server.start()
    try:
        with pytest.raises(PortInUse):
            bind("127.0.0.1", server.port, choose="web.listen")
    finally:
        await server.stop()


async def test_a_server_that_cannot_start_says_so(app: Starlette) -> None:
    listener = _listener()
    listener.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        await WebServer(app, listener).start()


async def test_stopping_before_the_start_closes_the_socket(app: Starlette) -> None:
    listener = _listener()
    await WebServer(app, listener).stop()
    assert listener.fileno() == -1


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_garbage_ends_its_connection_and_nothing_else(app: Starlette, garbage: bytes) -> None:
    server = WebServer(app, _listener())
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(garbage)
        writer.write_eof()
        assert b" 200 " not in await reader.read()
        writer.close()
        async with httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/livez")).status_code == 200
    finally:
        await server.stop()
