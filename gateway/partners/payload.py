"""Submission payload v1: the whitelist of what may leave for a partner.

The table `_ITEMS` is the whole truth: a value without a line there never leaves, and the data items in the
provision record (APPI, article 29) are read from the same lines.
Provider identity and the way of acquisition are there because the partner must check them (APPI, article 30).
A missing value is left out, never sent as null.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from store.records import Purpose, Submission

VERSION = "1"
"""Raised when a field changes its meaning or goes away; a new field alone does not raise it."""

ACQUISITION = (
    "Obtained by the provider from the candidate, who applied to it for a job; "
    "provided with the candidate's consent, given on the provider's page through a personal link."
)
"""How the data were acquired (取得の経緯, APPI article 30), for everyone captured from a rejection."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The company that provides the data: it sent the rejection."""

    legal_name: str
    address: str
    privacy_officer: str


@dataclass(frozen=True, slots=True)
class Payload:
    """The values of one submission that leave."""

    key: str
    """The submission key, the same for each try."""
    values: tuple[tuple[str, str], ...] = field(repr=False)
    """Path with at most one dot, and text, in the order of the table; `("candidate.email", …)`."""
    data_items: tuple[str, ...]
    """The paths among `values` that are data of the candidate, for the provision record."""

    def to_json(self) -> bytes:
        """Return the payload as canonical JSON: UTF-8, keys sorted, no spaces (RFC 8785 for strings)."""
        alone: dict[str, str] = {}
        groups: dict[str, dict[str, str]] = {}
        for path, text in self.values:
            group, _, name = path.rpartition(".")
            (groups.setdefault(group, {}) if group else alone)[name] = text
        tree = {**alone, **groups}
        return json.dumps(tree, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8")


@dataclass(frozen=True, slots=True)
class _Item:
    path: str
    read: Callable[[Submission, Provider], str | None]
    of_candidate: bool = False


_ITEMS = (
    _Item("version", lambda _s, _p: VERSION),
    _Item("submission_key", lambda s, _p: s.key),
    _Item("provider.legal_name", lambda _s, p: p.legal_name),
    _Item("provider.address", lambda _s, p: p.address),
    _Item("provider.privacy_officer", lambda _s, p: p.privacy_officer),
    _Item("acquisition", lambda _s, _p: ACQUISITION),
    _Item("candidate.name", lambda s, _p: s.name, of_candidate=True),
    _Item("candidate.email", lambda s, _p: s.email, of_candidate=True),
    _Item("rejection.job", lambda s, _p: s.job, of_candidate=True),
    _Item("rejection.stage", lambda s, _p: s.stage, of_candidate=True),
    _Item("rejection.rejected_at", lambda s, _p: _rfc3339(s.rejected_at), of_candidate=True),
    _Item("consent.id", lambda s, _p: str(s.consent_id)),
    _Item("consent.purpose", lambda _s, _p: Purpose.PROVISION.value),
    _Item("consent.given_at", lambda s, _p: _rfc3339(s.consented_at)),
    _Item("consent.language", lambda s, _p: s.consent_language),
    _Item("consent.text_edition", lambda s, _p: s.consent_text_edition),
    _Item("consent.text_digest", lambda s, _p: f"sha256:{s.consent_text_digest.hex()}"),
)


def compose(submission: Submission, provider: Provider) -> Payload:
    """Pick the whitelisted values of a submission; the same submission and provider give the same bytes."""
    read = [(item, item.read(submission, provider)) for item in _ITEMS]
    return Payload(
        key=submission.key,
        values=tuple((item.path, text) for item, text in read if text),
        data_items=tuple(item.path for item, text in read if text and item.of_candidate),
    )


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
