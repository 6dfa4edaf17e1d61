"""What is sent instead of a marked message: who gets which copy, how it is written, what comes of it.

Pure: no clock, no socket, no store. The journey decides when; this module decides what.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from gateway.envelope import Envelope, Recipient
from gateway.mail import check, footer, trace
from gateway.mail.coded import Coded
from gateway.mail.dkim_sign import CannotSign, SigningKey, sign
from gateway.mail.eligible import Reading
from gateway.mail.footer import Footer
from gateway.mail.marker import Marker
from gateway.mail.notice import Conflict, Notice, read_letter
from gateway.replies import Reply
from store.records import CopyKind, DeliveryState, PlannedCopy, RejectionDetails


class PassReason(Coded):
    """Why a message passes as it came, beside the reasons that lie in its own kind."""

    UNMARKED = "unmarked", "It carries no marker."
    UNPREPARED = "unprepared", "Settings that an invitation needs are missing; goen check-config names them."
    NO_PARTNER = "no-partner", "There is no partner with a live licence to offer to a candidate."
    NO_AUTHOR = "no-author", "It has no From address, so no signature can stand for it."
    NO_SIGNING_KEY = "no-signing-key", "There is no DKIM key for the domain of its From address."
    CANNOT_CARRY = "cannot-carry", "Its charset or its structure cannot carry the invitation."
    CANNOT_SIGN = "cannot-sign", "Its header is too broken to be signed."
    CHECK_FAILED = "check-failed", "The rewritten copy did not pass the check; please report this."


class Unfit(Exception):
    """The message cannot be rewritten after all and passes as it came."""

    def __init__(self, reason: PassReason) -> None:
        """`reason` goes to the journal."""
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RecipientRules:
    """Who is never a candidate. Domains and addresses in lower case."""

    internal_domains: frozenset[bytes]
    """The company's own; the envelope sender's domain counts as one too."""
    agency_domains: frozenset[bytes] = frozenset()
    excluded: frozenset[bytes] = frozenset()
    """Whole addresses."""

    def excludes(self, recipient: Recipient, sender_domain: bytes) -> bool:
        """Tell whether this recipient never gets a personal link.

        Subdomains count as their domain; an address without a domain is the company's own postmaster.
        """
        if not recipient.domain:
            return True
        own = self.internal_domains | {sender_domain}
        labels = recipient.domain.split(b".")
        domains = {b".".join(labels[i:]) for i in range(len(labels))}
        return recipient.address.lower() in self.excluded or bool(domains & (own | self.agency_domains))


@dataclass(frozen=True, slots=True)
class MarkedMessage:
    """A message whose marker was found and which may be rewritten."""

    envelope: Envelope
    content: bytes = field(repr=False)
    """CRLF line ends, not dot-stuffed."""
    reading: Reading = field(repr=False)
    fingerprint: bytes
    """SHA-256 that is the same for each retry; see `trace.fingerprint`."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy, ready to be sent."""

    plan: PlannedCopy
    recipients: tuple[Recipient, ...] = field(repr=False)
    content: bytes = field(repr=False)
    """CRLF line ends, not dot-stuffed."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content: evidence of what the candidate got."""
        return sha256(self.content).digest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one copy, on this try or an earlier one."""

    state: DeliveryState
    reply: Reply | None
    """The next hop's, if there was one on this try."""
    reason: str = ""
    """For the journal, when it was not accepted; never the next hop's words, which may quote an address."""


class Footers(Protocol):
    """Renders the invitation that takes the marker's place."""

    def footer(self, language: str, *, link: str, company: str, partners: Sequence[str]) -> Footer:
        """Return the text and the HTML form."""


def split_recipients(
    envelope: Envelope, rules: RecipientRules
) -> tuple[tuple[Recipient, ...], tuple[Recipient, ...]]:
    """Return the candidates and the others, each address once, in the client's order."""
    candidates: list[Recipient] = []
    others: list[Recipient] = []
    for recipient in {recipient.address: recipient for recipient in envelope.recipients}.values():
        excluded = rules.excludes(recipient, envelope.sender.domain)
        (others if excluded else candidates).append(recipient)
    return tuple(candidates), tuple(others)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which copies of one message are to be made, and what in the message contradicts itself."""

    copies: tuple[PlannedCopy, ...]
    """One for each candidate, and one for all others together; at least one."""
    conflicts: tuple[Conflict, ...] = field(repr=False)
    """Of all candidates, each once."""


def details_of(notice: Notice, marker: Marker | None) -> RejectionDetails:
    """Return what the notice says of one candidate as the ledger keeps it."""
    return RejectionDetails(
        name=notice.name.value if notice.name else None,
        name_source=str(notice.name.source) if notice.name else None,
        job=notice.job.value if notice.job else None,
        stage=notice.stage.value if notice.stage else None,
        language=notice.language.value,
        template=marker.template if marker else None,
        reason_code=marker.reason if marker else None,
    )


@dataclass(frozen=True, slots=True)
class Scribe:
    """Plans and writes copies; holds what does not change from one message to the next."""

    footers: Footers
    company: str
    """The company's legal name."""
    rules: RecipientRules
    link_id: Callable[[bytes, bytes], bytes]
    """Message fingerprint and recipient to the ten bytes of the candidate's link."""
    link_url: Callable[[bytes], str]
    """Link id to the whole URL."""
    signing_keys: Mapping[bytes, tuple[SigningKey, ...]]
    """By the domain of the From field, in lower case."""
    stamp_key: bytes = field(repr=False)
    hostname: str

    def plan(self, message: MarkedMessage) -> Plan:
        """Decide which copies are to be made, and read what is known of each candidate."""
        candidates, others = split_recipients(message.envelope, self.rules)
        letter = read_letter(message.content, message.reading)
        # With another candidate beside, the name in the text may be that one's.
        alone = len(candidates) == 1
        notices = {one.address: letter.notice(one.address, alone=alone) for one in candidates}
        plans = [
            PlannedCopy(
                kind=CopyKind.CANDIDATE,
                recipients=(address,),
                link_id=self.link_id(message.fingerprint, address),
                details=details_of(notice, message.reading.marker),
            )
            for address, notice in notices.items()
        ]
        if others:
            addresses = tuple(other.address for other in others)
            plans.append(PlannedCopy(kind=CopyKind.INTERNAL, recipients=addresses, link_id=b""))
        conflicts = (conflict for notice in notices.values() for conflict in notice.conflicts)
        return Plan(tuple(plans), tuple(dict.fromkeys(conflicts)))

    def write(self, message: MarkedMessage, plan: PlannedCopy, *, partners: Sequence[str], date: str) -> Copy:
        """Write one copy: marker replaced, checked, stamped, signed, with our Received field on top.

        `date` is the time of arrival in the form of RFC 5322. Raises `Unfit`.
        """
        envelope, content, reading = message.envelope, message.content, message.reading
        domain = trace.from_domain(content)
        if not domain:
            raise Unfit(PassReason.NO_AUTHOR)
        keys = self._keys_for(domain)
        invitation = self._invitation(plan, partners)
        try:
            rewritten = footer.rewrite(content, reading, invitation)
        except footer.CannotRewrite as failed:
            raise Unfit(PassReason.CANNOT_CARRY) from failed
        try:
            check.check(content, rewritten, reading, invitation)
        except check.CheckFailed as failed:
            raise Unfit(PassReason.CHECK_FAILED) from failed
        if trace.fault(rewritten):
            raise Unfit(PassReason.CHECK_FAILED)
        unsigned = rewritten
        for own in {domain, keys[0].domain}:
            unsigned = trace.without_own_signatures(unsigned, own)
        stamp = trace.stamp_field(self.stamp_key, envelope.trace_id, unsigned)
        try:
            signatures = sign(unsigned, *keys, above=stamp)
        except CannotSign as failed:
            raise Unfit(PassReason.CANNOT_SIGN) from failed
        received = trace.received_field(
            peer=envelope.peer,
            helo=envelope.helo,
            protocol=envelope.protocol,
            hostname=self.hostname,
            trace_id=envelope.trace_id,
            date=date,
        )
        by_address = {recipient.address: recipient for recipient in envelope.recipients}
        recipients = tuple(by_address[address] for address in plan.recipients if address in by_address)
        return Copy(plan, recipients, b"".join((received, signatures, stamp, unsigned)))

    def _keys_for(self, domain: bytes) -> tuple[SigningKey, ...]:
        """Return the keys of the From domain, else of the nearest domain above it, which DMARC takes as well.

        Relaxed alignment is RFC 7489, section 3.1.1.
        """
        labels = domain.split(b".")
        for start in range(len(labels)):
            keys = self.signing_keys.get(b".".join(labels[start:]))
            if keys:
                return keys
        raise Unfit(PassReason.NO_SIGNING_KEY)

    def _invitation(self, plan: PlannedCopy, partners: Sequence[str]) -> Footer | None:
        if plan.details is None:
            return None
        return self.footers.footer(
            plan.details.language,
            link=self.link_url(plan.link_id),
            company=self.company,
            partners=partners,
        )
