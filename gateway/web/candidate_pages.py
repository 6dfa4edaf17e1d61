"""The candidate's page: one address per link, which asks, takes the answer, and later shows it.

GET and HEAD change nothing, because mail scanners fetch links and even press buttons.
A POST that does not count yet gets the page again with what is missing, and nothing is stored.
A POST that counts is answered by 303 to the same address.
An unknown link gets the same 404 as any other unknown address.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.rendering import Organisation, Rendering
from gateway.web.answer_view import AnswerView, view_of
from gateway.web.form import AnswerForm, Choice, Problem, judge, read_form
from gateway.web.languages import language_of
from store.errors import UnknownRecord
from store.records import ConsentDecision, ConsentKind, Invitation


class Candidates(Protocol):
    """The person's story, as far as its pages need it."""

    async def invitation(self, token: str) -> Invitation | None:
        """Return what a link leads to, or None for an unknown or forged one; changes nothing."""
        ...

    async def answer(
        self,
        token: str,
        *,
        kind: ConsentKind,
        partner_id: str,
        language: str,
        text_edition: str,
        text_digest: bytes,
    ) -> ConsentDecision | None:
        """Record an answer with its evidence; the same answer again changes nothing."""
        ...

    def nonce(self, token: str) -> str:
        """Return a nonce for a form on this link's page."""
        ...

    def nonce_age(self, token: str, nonce: str) -> timedelta | None:
        """Return how long ago the nonce was given; None when it is forged, expired or another link's."""
        ...


@dataclass(frozen=True, slots=True)
class CandidatePages:
    """The endpoints under `/c/`."""

    candidates: Candidates
    rendering: Rendering
    organisation: Organisation
    edition: str
    """The consent text that is shown to those who have not answered."""
    public_url: str
    """The address under which candidates reach these pages."""
    clock: Callable[[], datetime]
    cooling_off: timedelta
    """Between a consent and the sending, in whole hours."""

    async def respond(self, request: Request) -> Response:
        """Show the page, or take the answer; one route for all methods, so that a 405 names them all."""
        return await (self.take(request) if request.method == "POST" else self.show(request))

    async def show(self, request: Request) -> Response:
        """GET and HEAD."""
        invitation = await self._invitation(request)
        return self._page(request, invitation, language_of(request, invitation.language))

    async def take(self, request: Request) -> Response:
        """POST."""
        self._refuse_foreign_origin(request)
        form = await read_form(request)
        invitation = await self._invitation(request)
        language = form.language or language_of(request, invitation.language)
        token = request.path_params["token"]
        problem = judge(
            form,
            nonce_age=self.candidates.nonce_age(token, form.nonce),
            current=self._view(invitation, language).texts,
        )
        if problem is not None:
            return self._page(request, invitation, language, problem, came_back=form.shown_partners)
        try:
            await self._record(token, form, invitation, language)
        except UnknownRecord:
            raise HTTPException(404) from None
        return RedirectResponse(self._same_page(request), status_code=303)

    async def _invitation(self, request: Request) -> Invitation:
        invitation = await self.candidates.invitation(request.path_params["token"])
        if invitation is None:
            raise HTTPException(404)
        return invitation

    async def _record(self, token: str, form: AnswerForm, invitation: Invitation, language: str) -> None:
        if form.choice is Choice.WITHDRAW:
            await self._withdraw_consent(token, form.partner, invitation, language)
            return
        granted = form.choice is Choice.ACCEPT
        for partner_id, digest in sorted(form.shown):
            if granted and partner_id not in form.ticked:
                continue
            await self.candidates.answer(
                token,
                kind=ConsentKind.GRANTED if granted else ConsentKind.DECLINED,
                partner_id=partner_id,
                language=language,
                text_edition=self.edition,
                text_digest=bytes.fromhex(digest),
            )

    async def _withdraw_consent(
        self, token: str, partner_id: str, invitation: Invitation, language: str
    ) -> None:
        """Withdraw with the text once agreed to as evidence; there is no other text on that form."""
        decision = next((d for d in invitation.decisions if d.partner_id == partner_id), None)
        if decision is None:
            raise HTTPException(400)
        await self.candidates.answer(
            token,
            kind=ConsentKind.WITHDRAWN,
            partner_id=partner_id,
            language=language,
            text_edition=decision.text_edition,
            text_digest=decision.text_digest,
        )

    def _view(
        self, invitation: Invitation, language: str, came_back: frozenset[str] = frozenset()
    ) -> AnswerView:
        return view_of(
            invitation,
            language,
            now=self.clock(),
            rendering=self.rendering,
            edition=self.edition,
            organisation=self.organisation,
            cooling_off=self.cooling_off,
            came_back=came_back,
        )

    def _page(
        self,
        request: Request,
        invitation: Invitation,
        language: str,
        problem: Problem | None = None,
        came_back: frozenset[str] = frozenset(),
    ) -> Response:
        view = self._view(invitation, language, came_back)
        html = self.rendering.page(
            view.page,
            language,
            organisation=self.organisation,
            base=urlsplit(self.public_url).path,
            name=view.name,
            facts=view.facts,
            offers=view.offers,
            standings=view.standings,
            problem=problem.value if problem else None,
            nonce=self.candidates.nonce(request.path_params["token"]),
            waiting_hours=self.cooling_off // timedelta(hours=1),
        )
        return HTMLResponse(html, status_code=422 if problem else 200)

    def _same_page(self, request: Request) -> str:
        """Return the path and query, as candidates see them, of the page that was answered."""
        query = f"?{request.url.query}" if request.url.query else ""
        return f"{urlsplit(self.public_url).path}{request.url.path}{query}"

    def _refuse_foreign_origin(self, request: Request) -> None:
        """Refuse a form that stands on another site.

        Our own form comes with `Origin: null`: a page with `no-referrer` does not tell its origin (Fetch,
        section 3.2). That tells nothing, so the browser's Sec-Fetch-Site is asked as well; what really keeps
        strangers out is the token in the address and the nonce made for it.
        """
        origin = request.headers.get("origin", "null")
        site = request.headers.get("sec-fetch-site", "same-origin")
        if origin not in {"null", _origin(self.public_url)} or site not in {"same-origin", "none"}:
            raise HTTPException(403)


def _origin(url: str) -> str:
    """Return scheme, host and port as a browser writes them (RFC 6454, section 6.2)."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, usual} else "")
