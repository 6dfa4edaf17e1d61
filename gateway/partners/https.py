"""The way out by HTTPS: one signed POST per try, and what its answer means.

The idempotency key is the submission key on every try, so a partner that answered into a broken line
gives the same answer again.
An answer read to its end is needed before a submission counts as sent: an acknowledgement may have been
lost with the rest, and it earns a slot.
Redirects are not followed and the environment's proxies are not used: the signed body goes to the endpoint
that was agreed on and nowhere else.
Known limitation: a host name that resolves to a private address is not refused; a literal one is.
"""

import asyncio
import ipaddress
import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx2

from gateway import __version__
from gateway.partners import standard_webhooks
from gateway.partners.outcome import GiveUp, Outcome, Sent, TryLater
from gateway.partners.payload import Payload
from store.records import Acknowledgement, Partner

REPLY_MAX = 64 * 1024
"""Octets of a partner's reply that are read; an acknowledgement needs a hundred."""

LONGEST_WAIT = timedelta(days=1)
"""A longer Retry-After is cut to this: a partner's slip must not park a candidate for a year."""

REFERENCE_MAX = 200
"""Characters of a partner's reference that are kept."""

_OF_THE_MOMENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""The 4xx that another try may not meet again (RFC 9110, RFC 8470, RFC 6585)."""

_OF_THE_ENDPOINT = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.MISDIRECTED_REQUEST,
    }
)
"""The 4xx that speak of the address or the secret, which a person mends while the submission waits."""

_NOT_YET_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
"""What ends a try before the first octet of the request; a failed TLS handshake is a ConnectError."""

_PORT_MAX = 65_535

_LOCAL_NAME = "localhost"
"""The name itself is the loopback; with a final dot or a name before it, resolvers differ (RFC 6761, 6.3)."""

_NOT_OF_ITSELF = tuple(
    ipaddress.IPv6Network(network)
    for network in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fec0::/10")
)
"""IPv6 that leads to an IPv4 address within it (RFC 4291, 6052, 8215, 3056), and site-local (RFC 3879)."""

_NUMERIC_LABEL = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
"""A host whose last label is one of these is an IPv4 address to some resolvers (WHATWG URL, section 3.5)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a partner may take, in seconds."""

    connect: float = 10
    silence: float = 30
    """The longest pause within the exchange."""
    whole: float = 60
    """The whole try; the lease of a claim must be longer."""


class EndpointInvalid(Exception):
    """The URL may not receive personal data."""


class SignedHttps:
    """Sends submissions to partners' endpoints; use as an async context manager, or call `aclose`."""

    def __init__(self, *, patience: Patience | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`tls` replaces the default trust store."""
        self._patience = patience or Patience()
        self._client = httpx2.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            verify=True if tls is None else tls,
            timeout=httpx2.Timeout(self._patience.silence, connect=self._patience.connect),
            # A compressed reply could be small on the wire and huge in memory.
            headers={"User-Agent": f"goen-gateway/{__version__}", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, partner: Partner, payload: Payload, *, at: datetime) -> Outcome:
        """Send one submission once; network trouble is a value, never raised.

        `at` is the time that is signed; the partner refuses it when the clocks differ by five minutes.
        """
        try:
            url = check_endpoint(partner.endpoint)
            body = payload.to_json()
            headers = standard_webhooks.sign(partner.secret, message_id=payload.key, at=at, body=body)
            headers |= {"Content-Type": "application/json", "Idempotency-Key": payload.key}
            async with asyncio.timeout(self._patience.whole):
                async with self._client.stream("POST", url, content=body, headers=headers) as response:
                    return await _judge(partner.id, response, at)
        except (EndpointInvalid, standard_webhooks.SecretInvalid) as fault:
            return TryLater(f"partner {partner.id}: {fault}", may_have_arrived=False)
        except TimeoutError:
            return TryLater(f"partner {partner.id}: no full answer within {self._patience.whole:g} s")
        except httpx2.RequestError as fault:
            reason = f"partner {partner.id}: {_told(fault)} at {_place(url)}"
            return TryLater(reason, may_have_arrived=not isinstance(fault, _NOT_YET_SENT))


def check_endpoint(endpoint: str) -> httpx2.URL:
    """Return the endpoint as a URL if it is HTTPS to a public host, or HTTP or HTTPS to the loopback.

    Raises EndpointInvalid with a sentence for the operator.
    """
    try:
        url = httpx2.URL(endpoint)
    except httpx2.InvalidURL:
        raise EndpointInvalid("the endpoint is not a URL") from None
    if url.scheme not in {"http", "https"} or not url.host or not 0 < (url.port or 1) <= _PORT_MAX:
        raise EndpointInvalid("the endpoint is not an https:// URL")
    if url.userinfo:
        raise EndpointInvalid("the endpoint has a user name or password in it")
    if "%" in url.host:  # RFC 6874: a zone is of this machine alone.
        raise EndpointInvalid("the endpoint's host has a zone in it")
    if _is_loopback(url.host):
        return url
    if url.scheme == "http":
        raise EndpointInvalid("the endpoint is plain http://, which is taken only for the loopback")
    if not _may_be_public(url.host):
        raise EndpointInvalid(f"the endpoint's host {url.host} is not a public address")
    return url


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _may_be_public(host: str) -> bool:
    address = _address(host)
    if address is None:
        last = host.rstrip(".").rpartition(".")[2]
        return last != _LOCAL_NAME and not _NUMERIC_LABEL.fullmatch(last)
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _NOT_OF_ITSELF):
        return False
    return address.is_global and not address.is_multicast


async def _judge(partner_id: str, response: httpx2.Response, at: datetime) -> Outcome:
    status = response.status_code
    if response.is_success:
        return Sent(_acknowledgement(await _read(response)))
    reason = f"partner {partner_id}: answered {status}"
    if response.is_client_error and status not in _OF_THE_MOMENT | _OF_THE_ENDPOINT:
        return GiveUp(reason)
    if response.is_redirect:
        reason += "; redirects are not followed, the endpoint must be the final address"
    wait = _retry_after(response.headers.get("Retry-After", ""), at)
    return TryLater(reason, wait, may_have_arrived=not (response.is_redirect or response.is_client_error))


async def _read(response: httpx2.Response) -> bytes:
    """Return the reply's body, or nothing when it is too long to be an acknowledgement."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > REPLY_MAX:
            return b""
    return bytes(body)


def _acknowledgement(body: bytes) -> Acknowledgement | None:
    """Read `{"status": "acknowledged", "reference": "…"}`; anything else is no acknowledgement."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(reply, dict) or reply.get("status") != "acknowledged":
        return None
    reference = reply.get("reference")
    if isinstance(reference, str) and len(reference) <= REFERENCE_MAX and reference.isprintable():
        return Acknowledgement(reference)
    return Acknowledgement("")


def _retry_after(value: str, at: datetime) -> timedelta | None:
    """Read Retry-After (RFC 9110, section 10.2.3) in seconds or as a date; nonsense is None."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        wait = timedelta(seconds=int(value))
    else:
        try:
            moment = parsedate_to_datetime(value)
            wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - at
        except (ValueError, OverflowError):  # Numbers too large for C.
            return None
    return min(max(wait, timedelta()), LONGEST_WAIT)


def _place(url: httpx2.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or {'http': 80, 'https': 443}[url.scheme]}"


def _told(fault: httpx2.RequestError) -> str:
    """Say in our own words what went wrong; the library's text may quote the partner's."""
    for cause in _causes(fault):
        match cause:
            case ssl.SSLCertVerificationError():
                return "the certificate is not trusted"
            case ssl.SSLError():
                return "TLS failed"
            case socket.gaierror():
                return "the host name is not known"
            case OSError(errno=int(number)):
                return os.strerror(number).lower()
    return next((words for kind, words in _WORDS if isinstance(fault, kind)), "the exchange failed")


_WORDS = (
    (httpx2.ConnectTimeout, "no connection in time"),
    (httpx2.TimeoutException, "no answer in time"),
    (httpx2.RemoteProtocolError, "the answer is not HTTP or broke off"),
    (httpx2.NetworkError, "the connection broke"),
)


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """Go from what the library raised down to what the system said."""
    cause: BaseException | None = fault
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
