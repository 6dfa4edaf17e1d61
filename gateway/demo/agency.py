"""A demonstration partner: an agency that takes submissions over HTTP, to try the gateway with.

It checks the Standard Webhooks signature with code of its own, so that the gateway is not its own witness.
A key that it has seen is answered as before and has no second effect, also after a restart.
It never forgets: use example data only.
"""

import base64
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.demo.pages import Markup, fill, join, load, page

BODY_MAX = 1024 * 1024
"""Octets of a submission that are read."""

_CLOCKS_APART = 300
"""Seconds; the tolerance that Standard Webhooks advises."""


@dataclass(frozen=True, slots=True)
class Received:
    """A submission as it came in."""

    key: str
    reference: str
    """What the agency calls the candidate; it stands in the acknowledgement."""
    received_at: str
    """RFC 3339, UTC."""
    payload: str
    """The body, as text."""


class DemoAgency:
    """The agency's book of submissions, and its front door."""

    def __init__(self, folder: Path, *, secret: str, clock: Callable[[], datetime]) -> None:
        """`folder` is created; `secret` is the one agreed with the gateway: `whsec_` and base64."""
        folder.mkdir(parents=True, exist_ok=True)
        self._book = folder / "submissions.jsonl"
        self._secret = base64.b64decode(secret.removeprefix("whsec_"))
        self._clock = clock
        self._received = {entry.key: entry for entry in _read_book(self._book)}

    @property
    def received(self) -> tuple[Received, ...]:
        """Everything that was taken, oldest first; each key once."""
        return tuple(self._received.values())

    def routes(self) -> list[Route]:
        """`POST /submissions` takes one; `GET /` shows all, `GET /submissions.json` for programs."""
        return [
            Route("/submissions", self._take, methods=["POST"]),
            Route("/submissions.json", self._list, methods=["GET"]),
            Route("/", self._show, methods=["GET"]),
        ]

    async def _take(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX:
                return JSONResponse({"error": "too long"}, 413)
        key = request.headers.get("webhook-id", "")
        if not self._is_authentic(request, bytes(body)):
            return JSONResponse({"error": "no good signature"}, 401)
        if request.headers.get("idempotency-key") != key or not _is_submission(bytes(body)):
            return JSONResponse({"error": "not a submission"}, 422)
        # No await from here on: two tries with one key cannot both be the first.
        entry = self._received.get(key) or self._enter(key, bytes(body))
        return JSONResponse({"status": "acknowledged", "reference": entry.reference})

    def _is_authentic(self, request: Request, body: bytes) -> bool:
        key, at, given = (
            request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
        )
        try:
            fresh = abs(self._clock().timestamp() - int(at)) <= _CLOCKS_APART
        except ValueError:
            return False
        mac = hmac.new(self._secret, f"{key}.{at}.".encode() + body, sha256).digest()
        good = b"v1," + base64.b64encode(mac)
        return bool(key) and fresh and any(hmac.compare_digest(good, one.encode()) for one in given.split())

    def _enter(self, key: str, body: bytes) -> Received:
        """Write the submission down durably before it is acknowledged."""
        entry = Received(
            key=key,
            reference=f"AG-{len(self._received) + 1:04}",
            received_at=self._clock().astimezone(UTC).isoformat(timespec="seconds"),
            payload=body.decode("utf-8"),
        )
        with self._book.open("ab") as book:
            book.write(json.dumps(asdict(entry)).encode("ascii") + b"\n")
            book.flush()
            os.fsync(book.fileno())
        self._received[key] = entry
        return entry

    async def _list(self, _: Request) -> Response:
        return JSONResponse(
            [asdict(entry) | {"payload": json.loads(entry.payload)} for entry in self.received]
        )

    async def _show(self, _: Request) -> Response:
        cards = [_card(entry) for entry in reversed(self.received)]
        body = fill(
            load("agency.html"),
            count=f"{len(cards)} submission{'' if len(cards) == 1 else 's'}",
            cards=join(cards) or Markup('<p class="card empty">Nothing yet.</p>'),
        )
        return page("Demo agency", body)


_CARD = """\
<h2>$reference <span class="soft">$received_at</span></h2>
<div class="card"><dl class="fields">$rows</dl></div>
"""


def _card(entry: Received) -> Markup:
    rows = [
        fill("<dt>$path</dt><dd>$text</dd>", path=path, text=text)
        for path, text in _leaves("", json.loads(entry.payload))
    ]
    return fill(_CARD, reference=entry.reference, received_at=entry.received_at, rows=join(rows))


def _leaves(path: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [
            leaf for name in value for leaf in _leaves(f"{path}.{name}" if path else str(name), value[name])
        ]
    return [(path, str(value))]


def _is_submission(body: bytes) -> bool:
    try:
        submission = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(submission, dict) and isinstance(submission.get("candidate"), dict)


def _read_book(book: Path) -> list[Received]:
    """Read the book; a last line torn by a crash was never acknowledged and is cut off."""
    if not book.exists():
        return []
    whole, _, torn = book.read_bytes().rpartition(b"\n")
    if torn:
        with book.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    return [Received(**json.loads(line)) for line in whole.splitlines()]
