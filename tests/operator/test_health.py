"""What `goen health` asks, against real sockets: whether the gateway lives, not whether its database does."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway.operator.health import ask
from gateway.settings import Settings, load


class _Pages(BaseHTTPRequestHandler):
    """The pages of a gateway that has lost its database."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # The base class named it.
        """Say nothing: standard error belongs to the tests."""


class _Door(socketserver.StreamRequestHandler):
    greeting = b"220 gateway.example.com ESMTP\r\n"

    def handle(self) -> None:
        self.wfile.write(self.greeting)
        self.rfile.readline()


class _ShutDoor(_Door):
    greeting = b"421 gateway.example.com goes away\r\n"


class _LostPages(_Pages):
    def do_GET(self) -> None:
        self.send_error(404)


@contextmanager
def running(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(smtp: int, web: int) -> Settings:
    return load(
        None,
        {
            "GOEN_RELAY__NEXT_HOP": "mail.example.com",
            "GOEN_RELAY__LISTEN": f"127.0.0.1:{smtp}",
            "GOEN_WEB__PUBLIC_URL": "https://next.example.com",
            "GOEN_WEB__LISTEN": f"0.0.0.0:{web}",
        },
    )


def complaints(pages: type[_Pages], door: type[_Door]) -> list[str]:
    with (
        running(HTTPServer(("127.0.0.1", 0), pages)) as web,
        running(socketserver.TCPServer(("127.0.0.1", 0), door)) as smtp,
    ):
        return ask(settings(smtp, web), smtp=True, web=True)


def test_a_gateway_without_its_database_is_well_because_ordinary_mail_needs_none() -> None:
    assert complaints(_Pages, _Door) == []


@pytest.mark.parametrize(
    ("pages", "door", "words"),
    [(_Pages, _ShutDoor, "does not greet with 220"), (_LostPages, _Door, "answer 404")],
)
def test_a_part_that_answers_otherwise_is_named(pages: type[_Pages], door: type[_Door], words: str) -> None:
    (complaint,) = complaints(pages, door)
    assert words in complaint
