"""The web application: routes, and the one place where an error becomes a page."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.rendering import Organisation, Rendering
from gateway.web.candidate_pages import CandidatePages, Candidates
from gateway.web.languages import language_of
from gateway.web.shell import Journal, Shell
from store.errors import StoreUnavailable

RETRY_AFTER: Final = 120
"""Seconds that a visitor is asked to wait for the store: longer than a restart takes."""


def build_app(
    *,
    candidates: Candidates,
    rendering: Rendering,
    organisation: Organisation,
    edition: str,
    public_url: str,
    journal: Journal,
    ready: Callable[[], Awaitable[bool]],
    clock: Callable[[], datetime],
    cooling_off: timedelta = timedelta(),
    extra_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Build the application.

    `edition` is the consent text for new answers, one of `rendering.editions`.
    `public_url` is where candidates reach the pages, without a slash at its end; forms from any other origin
    are refused. A path in it is taken away by the web server in front.
    `ready` tells whether the program can do its work now.
    `cooling_off` lies between a consent and the sending, in whole hours; the pages say so when there is one.
    `extra_routes` come after ours and get the same headers and error pages.
    """
    error_page = partial(_error_page, rendering, organisation, urlsplit(public_url).path)
    pages = CandidatePages(
        candidates=candidates,
        rendering=rendering,
        organisation=organisation,
        edition=edition,
        public_url=public_url,
        clock=clock,
        cooling_off=cooling_off,
    )
    app = Starlette(
        routes=[
            Route("/c/{token}", pages.respond, methods=["GET", "HEAD", "POST"]),
            *_service_routes(rendering.stylesheet(), ready),
            *extra_routes,
        ],
        middleware=[Middleware(Shell, journal=journal, failed=partial(error_page, status=500))],
        exception_handlers=_error_handlers(error_page, journal),
    )
    # Its redirect would believe the Host field, and know neither our scheme nor our path.
    app.router.redirect_slashes = False
    return app


def _service_routes(style: str, ready: Callable[[], Awaitable[bool]]) -> list[Route]:
    async def stylesheet(_request: Request) -> Response:
        return Response(style, media_type="text/css")

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        return PlainTextResponse("ok\n") if await ready() else PlainTextResponse("not ready\n", 503)

    return [Route("/static/style.css", stylesheet), Route("/livez", livez), Route("/readyz", readyz)]


def _error_handlers(
    error_page: Callable[[Request, int], Response], journal: Journal
) -> dict[Any, Callable[[Request, Exception], Awaitable[Response]]]:
    async def declined(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return error_page(request, 500)
        response = error_page(request, error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def store_down(request: Request, _error: Exception) -> Response:
        journal.store_down("web")
        return error_page(request, 503)

    return {HTTPException: declined, StoreUnavailable: store_down}


def _error_page(
    rendering: Rendering, organisation: Organisation, base: str, request: Request, status: int
) -> Response:
    """Render the page for a status; an unknown link and an unknown address get the same bytes."""
    language = language_of(request)
    if status == 404:  # noqa: PLR2004  # RFC 9110, section 15.5.5
        html = rendering.page("not_found", language, organisation=organisation, base=base)
        return HTMLResponse(html, status)
    shown = status if status in {400, 403, 405, 413, 503} else 500
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None  # noqa: PLR2004  # section 15.6.4
    html = rendering.page("error", language, organisation=organisation, base=base, status=shown)
    return HTMLResponse(html, status, headers)
