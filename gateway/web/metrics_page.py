"""The page that Prometheus reads, on a listener of its own."""

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.web.shell import Journal, Shell

Network = IPv4Network | IPv6Network


def build_metrics_app(
    expose: Callable[[str], Awaitable[tuple[bytes, str]]], networks: Sequence[Network], journal: Journal
) -> Starlette:
    """Build the application: one page, for clients in `networks` only.

    `expose` takes an Accept field and returns the text with its media type.
    """

    async def metrics(request: Request) -> Response:
        if request.client is None or not _lets_in(networks, request.client.host):
            return PlainTextResponse("not for you\n", 403)
        text, media_type = await expose(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": media_type, "cache-control": "no-store"})

    return Starlette(
        routes=[Route("/metrics", metrics)],
        middleware=[Middleware(Shell, journal=journal, failed=_failed)],
    )


def _failed(_request: Request) -> Response:
    return PlainTextResponse("a mistake of this program; see its journal\n", 500)


def _lets_in(networks: Sequence[Network], host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
