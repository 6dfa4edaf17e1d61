"""What every response gets, whichever route made it, and what becomes of a mistake in this program.

The headers keep the pages out of caches, search engines, frames and referrers, and keep everything foreign
out of the pages. A route may set its own value of one of them; it cannot lose one.
An error leaves as a page without its text, and is reported by its class and place alone.
"""

from collections.abc import Callable
from typing import Final, Protocol

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Name and value; OWASP's secure headers, with the strictest policy that the pages can live under."""


class Journal(Protocol):
    """Where the operator reads what went wrong."""

    def crashed(self, trace_id: str, error: BaseException) -> None:
        """Report a mistake in this program by its class and place, never by its text."""
        ...

    def store_down(self, where: str) -> None:
        """Report that the database cannot be reached."""
        ...


class Shell:
    """ASGI middleware around every route."""

    def __init__(self, app: ASGIApp, *, journal: Journal, failed: Callable[[Request], Response]) -> None:
        """`failed` makes the page for an error."""
        self._app = app
        self._journal = journal
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dressed = _Dressed(send, head=scope["method"] == "HEAD")
        try:
            await self._app(scope, receive, dressed.send)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  # the door: whatever it is, the visitor gets a page
            self._journal.crashed("web", error)
            if not dressed.started:
                await self._failed(Request(scope))(scope, receive, dressed.send)


class _Dressed:
    """A response on its way out: headers added, and no body after HEAD (RFC 9110, section 9.3.2)."""

    def __init__(self, send: Send, *, head: bool) -> None:
        self._send = send
        self._head = head
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS:
                headers.setdefault(name, value)
        elif self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)
