"""The server on real sockets."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.ports import PortInUse, bind
from gateway.web.server import Limits, WebServer
from tests.web.visitor import Visitor

HALF_A_HEADER = b"GET /livez HTTP/1.1\r\nHost: example.com\r\nX-Slow: "
HALF_A_BODY = (
    b"POST /c/a HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 99\r\n\r\nchoice="
)


def _listener() -> socket.socket:
    return bind("127.0.0.1", 0, choose="web.listen")


@contextlib.asynccontextmanager
async def _serving(app: ASGIApp, limits: Limits) -> AsyncIterator[WebServer]:
    server = WebServer(app, _listener(), limits)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _knock(server: WebServer, octets: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(octets)
    await writer.drain()
    return reader, writer


async def _is_alive(server: WebServer) -> bool:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return (await client.get(f"http://127.0.0.1:{server.port}/livez")).text == "ok\n"


async def _until(look: Callable[[], bool]) -> None:
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


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


@pytest.mark.parametrize("waiting", [b"", HALF_A_HEADER, HALF_A_BODY])
async def test_clients_that_never_finish_their_request_make_room_for_those_who_do(
    app: Starlette, waiting: bytes
) -> None:
    """Nobody's patience is waited for: the longest silent one goes when there is no place left."""
    async with _serving(app, Limits(connections=4, exchange_seconds=3600)) as server:
        slow = [await _knock(server, waiting) for _ in range(20)]
        assert await _is_alive(server)
        assert server.connections <= 4
        await asyncio.gather(*(_rest(reader) for reader, _ in slow[:16]))
        for _, writer in slow:
            writer.close()


@pytest.mark.parametrize("waiting", [b"", HALF_A_HEADER, HALF_A_BODY])
async def test_a_request_that_is_not_whole_in_time_ends_its_connection(
    app: Starlette, waiting: bytes
) -> None:
    async with _serving(app, Limits(exchange_seconds=0.2)) as server:
        reader, writer = await _knock(server, waiting)
        assert b" 200 " not in await _rest(reader)
        writer.close()
        assert await _is_alive(server)


async def test_a_trickle_of_octets_does_not_buy_time(app: Starlette) -> None:
    async with _serving(app, Limits(exchange_seconds=0.3)) as server:
        reader, writer = await _knock(server, HALF_A_HEADER)
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()


async def test_each_request_of_a_connection_has_the_whole_time(app: Starlette) -> None:
    async with _serving(app, Limits(exchange_seconds=0.5)) as server:
        reader, writer = await _knock(server, b"")
        for _ in range(4):
            await asyncio.sleep(0.2)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_who_does_not_read_the_answer_is_not_waited_for() -> None:
    """More than the system buffers: closing the connection in the usual way would wait for the client."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("a" * 64 * 1024 * 1024))])
    async with _serving(app, Limits(exchange_seconds=0.3)) as server:
        _, writer = await _knock(server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await _until(lambda: server.connections == 1)
        await _until(lambda: server.connections == 0)
        writer.close()


async def test_requests_that_are_being_answered_are_not_cut_off_for_newcomers() -> None:
    go_on = asyncio.Event()

    async def slow(_request: Request) -> Response:
        await go_on.wait()
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", slow)])
    async with _serving(app, Limits(connections=2)) as server:
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        first = [await _knock(server, request) for _ in range(2)]
        await asyncio.sleep(0.1)
        reader, writer = await _knock(server, request)
        assert await _rest(reader) == b""
        go_on.set()
        for one, other in first:
            assert (await one.read()).endswith(b"done")
            other.close()
        writer.close()


async def test_what_the_server_has_to_say_stays_out_of_the_journal(
    app: Starlette, caplog: pytest.LogCaptureFixture
) -> None:
    """Its lines are no JSON and would stand between ours; the root logger is left as it is."""
    handlers = list(logging.getLogger().handlers)
    async with _serving(app, Limits()) as server:
        websocket = (
            b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
        )
        for octets in (b"no such protocol\r\n\r\n", websocket):
            reader, writer = await _knock(server, octets)
            await _rest(reader)
            writer.close()
    assert caplog.records == []
    assert logging.getLogger().handlers == handlers
