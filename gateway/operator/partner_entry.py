"""What an operator says of a partner, made into the whole record: a new one, or a change to a known one."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone
from typing import TypeVar

from gateway.partners.https import EndpointInvalid, check_endpoint
from gateway.partners.standard_webhooks import encode_secret
from gateway.plain_text import ForeignSign, plain_name
from store.errors import PartnerInvalid
from store.records import HOME_COUNTRY, Partner, SlotPolicy

T = TypeVar("T")

JAPAN = timezone(timedelta(hours=9))
"""A licence ends with its last day in Japan, which has no daylight saving time."""

_SECRET_BYTES = 32
"""Standard Webhooks wants 24 to 64."""


class FactsMissing(Exception):
    """A new partner needs more than was said."""

    def __init__(self, partner_id: str, options: Iterable[str]) -> None:
        """`options` are those that are missing, as the operator writes them."""
        super().__init__(f"{partner_id} is a new partner, so these are missing: {', '.join(options)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the operator said; None is what was not said."""

    name: str | None = None
    address: str | None = None
    representative: str | None = None
    licence: str | None = None
    licence_expires: datetime | None = None
    """The last day, at any time of it."""
    country: str | None = None
    contract_date: datetime | None = None
    endpoint: str | None = None
    secret: str | None = field(default=None, repr=False)
    new_secret: bool = False
    ratio: int | None = None
    basis: str | None = None


_NEEDED = ("name", "address", "representative", "licence", "endpoint")
"""What has no sensible value of its own; option and field have one name."""


def enter(partner_id: str, facts: Facts, known: Partner | None) -> tuple[Partner, bool]:
    """Return the partner with what was said, all else kept, and whether its secret was made just now.

    Raises `FactsMissing` for a new partner that is not whole, and `PartnerInvalid` for a name that the
    invitation in a mail could not show and for an endpoint to which nothing would ever be sent.
    """
    if known is None:
        missing = [f"--{name}" for name in _NEEDED if getattr(facts, name) is None]
        if missing:
            raise FactsMissing(partner_id, missing)
    fresh = facts.new_secret or (known is None and facts.secret is None)
    new_secret = encode_secret(secrets.token_bytes(_SECRET_BYTES)) if fresh else None
    before = known or _blank(partner_id)
    partner = Partner(
        id=partner_id,
        legal_name=_said(facts.name, before.legal_name),
        address=_said(facts.address, before.address),
        representative=_said(facts.representative, before.representative),
        licence_no=_said(facts.licence, before.licence_no),
        licence_expires=_said(_end_of_day(facts.licence_expires), before.licence_expires),
        country=_said(facts.country, before.country),
        endpoint=_said(facts.endpoint, before.endpoint),
        secret=_said(new_secret or facts.secret, before.secret),
        policy=SlotPolicy(
            _said(facts.ratio, before.policy.ratio),
            _said(facts.basis, before.policy.basis),
        ),
        contract_date=facts.contract_date.date() if facts.contract_date else before.contract_date,
    )
    _check(partner)
    return partner, fresh


def why_not_offered(partner: Partner, now: datetime) -> str | None:
    """Return why no candidate is asked about this partner now, or None."""
    if partner.may_be_offered(now):
        return None
    if partner.country != HOME_COUNTRY:
        return (
            f"its country is {partner.country}, and the consent texts cover only partners in {HOME_COUNTRY}"
        )
    return "its licence has expired"


def _blank(partner_id: str) -> Partner:
    return Partner(
        id=partner_id,
        legal_name="",
        address="",
        representative="",
        licence_no="",
        licence_expires=None,
        country=HOME_COUNTRY,
        endpoint="",
        secret="",
    )


def _said(said: T | None, before: T) -> T:
    return before if said is None else said


def _check(partner: Partner) -> None:
    try:
        plain_name(partner.legal_name)
    except ForeignSign as sign:
        raise PartnerInvalid("legal_name", str(sign)) from sign
    try:
        check_endpoint(partner.endpoint)
    except EndpointInvalid as invalid:
        raise PartnerInvalid("endpoint", f"cannot be used: {invalid}") from invalid


def _end_of_day(day: datetime | None) -> datetime | None:
    if day is None:
        return None
    return datetime.combine(day.date() + timedelta(days=1), time(), JAPAN).astimezone(UTC)
