"""The scribe that the settings ask for: `goen serve` lets it write copies, `goen explain` shows them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.copies import Copy, MarkedMessage, PassReason, RecipientRules, Scribe, Unfit
from gateway.mail.footer import Footer
from gateway.preparing import Prepared
from gateway.rendering import Rendering, TemplateInvalid
from gateway.settings import Settings
from store.records import PlannedCopy


@dataclass(frozen=True, slots=True)
class MailableFooters:
    """The footers of the templates; a name that no mail can carry lets the message pass as it came."""

    rendering: Rendering

    def footer(self, language: str, *, link: str, company: str, partners: Sequence[str]) -> Footer:
        """See `gateway.copies.Footers`; raises `Unfit`."""
        try:
            return self.rendering.footer(language, link=link, company=company, partners=partners)
        except TemplateInvalid as invalid:
            raise Unfit(PassReason.CANNOT_CARRY) from invalid


@dataclass(frozen=True, slots=True)
class TimedScribe(Scribe):
    """A scribe whose work is measured."""

    wrote: Callable[[float], None]
    """Hears how many seconds each copy took; called in the thread that wrote it."""

    def write(self, message: MarkedMessage, plan: PlannedCopy, *, partners: Sequence[str], date: str) -> Copy:
        """See `Scribe.write`."""
        began = time.perf_counter()
        try:
            return Scribe.write(self, message, plan, partners=partners, date=date)
        finally:
            self.wrote(time.perf_counter() - began)


def scribe_of(
    settings: Settings,
    prepared: Prepared,
    *,
    link_id: Callable[[bytes, bytes], bytes],
    link_token: Callable[[bytes], str],
    stamp_key: bytes,
    hostname: str,
    wrote: Callable[[float], None] | None = None,
) -> Scribe:
    """Return the scribe; `link_token` makes a link id into the last part of the candidate's address.

    `wrote` hears how long each copy took, in the thread that wrote it.
    """
    return TimedScribe(
        wrote=wrote or (lambda _seconds: None),
        footers=MailableFooters(prepared.rendering),
        company=settings.organisation.legal_name or "",
        rules=RecipientRules(
            internal_domains=octets(settings.relay.internal_domains),
            agency_domains=octets(settings.relay.agency_domains),
            excluded=octets(settings.relay.excluded_addresses),
        ),
        link_id=link_id,
        link_url=lambda identity: f"{settings.web.public_url}/c/{link_token(identity)}",
        signing_keys=prepared.signing_keys,
        stamp_key=stamp_key,
        hostname=hostname,
    )


def octets(names: Sequence[str]) -> frozenset[bytes]:
    """Return domains or addresses as the envelope has them, in lower case."""
    return frozenset(name.lower().encode() for name in names)
