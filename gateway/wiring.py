"""Everything built from the settings, in order: below this module nobody sees them, only plain values."""

import os
import secrets
import socket
from base64 import b32encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from gateway.candidate_journey import CandidateJourney, Terms
from gateway.copies import Scribe
from gateway.delivery import CopyDelivery
from gateway.journal import Journal
from gateway.keyring import Keyring
from gateway.message_journey import MessageJourney
from gateway.metrics.counts import Counts
from gateway.metrics.meters import CopyMeter, NextHopMeter, StoreMeter
from gateway.metrics.metrics import Metrics
from gateway.next_hop_servers import listening, servers_of
from gateway.partners.https import SignedHttps
from gateway.partners.payload import Provider
from gateway.preparing import Prepared, prepare
from gateway.preparing_doors import PreparedDoor, certificates_ending
from gateway.rendering import Organisation
from gateway.reporting import Reporter
from gateway.scribing import octets, scribe_of
from gateway.settings import ListenerSettings, OrganisationSettings, Settings
from gateway.smtp.access import AccessRules
from gateway.smtp.budget import MemoryBudget
from gateway.smtp.crowd import Crowd
from gateway.smtp.door_login import Logins
from gateway.smtp.next_hop import PooledNextHop
from gateway.smtp.pool_limits import PoolLimits
from gateway.smtp.rules import DoorRules, Encryption, Household
from gateway.smtp.tenant import TenantProof
from gateway.web.app import build_app
from gateway.web.metrics_page import build_metrics_app
from gateway.workers.outbox import INTERVAL, OutboxWorker
from store.database import Store, open_store

CLAIM_LEASE = timedelta(seconds=330)
"""How long a copy stays claimed after a crash between its final dot and the ledger.

Longer than the 300 seconds that the next hop has for its answer to a final dot.
"""

SUBMISSION_LEASE = timedelta(minutes=5)
"""How long a claimed submission belongs to its worker; the partner has one minute to answer."""


@dataclass(frozen=True, slots=True)
class House:
    """What runs; `gateway.serving` starts and stops it."""

    store: Store
    journal: Journal
    next_hop: PooledNextHop
    delivery: CopyDelivery
    door_rules: tuple[DoorRules, ...]
    """One for each door, in the order of the settings."""
    household: Household
    way_out: SignedHttps
    worker: OutboxWorker
    app: Starlette
    patience: timedelta
    """How long one message may take."""
    counts: Counts | None = None
    """Where this process counts; None where nobody asks."""
    metrics_app: Starlette | None = None


def build(
    settings: Settings,
    journal: Journal,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    more_routes: Sequence[BaseRoute] = (),
    outbox_interval: timedelta = INTERVAL,
    metrics: Metrics | None = None,
) -> House:
    """Build the house; reads files, opens no socket yet."""
    counts = metrics.counts if metrics else None
    prepared = prepare(settings)
    hostname = settings.relay.hostname or socket.getfqdn()
    keyring = Keyring.open(settings.store.key_file, create=True)
    store = open_store(settings.store.url, keyring, meter=StoreMeter(counts) if counts else None)
    organisation = _organisation(settings.organisation)

    # One message.
    patience = timedelta(seconds=settings.relay.deadline_seconds)
    next_hop = PooledNextHop(
        *servers_of(settings, prepared.tls_contexts, hostname),
        limits=PoolLimits(connections=settings.next_hop.max_connections),
        ours=listening(settings),
        meter=NextHopMeter(counts) if counts else None,
        journal=journal,
    )
    delivery = CopyDelivery(
        next_hop=next_hop,
        store=store,
        journal=journal,
        clock=clock,
        lease=CLAIM_LEASE,
        copies_at_once=settings.next_hop.max_connections,
    )
    scribe = _scribe(settings, prepared, keyring, hostname, counts) if not settings.unprepared else None
    journey = MessageJourney(
        store=store,
        scribe=scribe,
        delivery=delivery,
        reporter=Reporter(delivery=delivery, journal=journal, clock=clock, hostname=hostname),
        journal=journal,
        clock=clock,
        patience=patience,
    )
    household = Household(
        next_hop=next_hop,
        journey=journey,
        journal=journal,
        new_trace_id=new_trace_id,
        memory=MemoryBudget(settings.relay.memory_octets),
        crowd=Crowd(settings.relay.max_connections, settings.relay.max_connections_per_peer),
        logins=Logins(prepared.doors.users) if prepared.doors.users else None,
    )
    door_rules = tuple(
        _door_rules(door, ready, hostname, settings.relay.max_message_octets)
        for door, ready in zip(settings.relay.doors, prepared.doors.doors, strict=True)
    )
    for name, days in certificates_ending(prepared.doors, clock()):
        journal.certificate_ends(name, days=days)

    # One person.
    way_out = SignedHttps()
    terms = Terms(
        provider=Provider(organisation.legal_name, organisation.address, organisation.privacy_officer),
        cooling_off=timedelta(hours=settings.consent.cooling_off_hours),
        lease=SUBMISSION_LEASE,
    )
    candidates = CandidateJourney(
        store=store,
        links=keyring,
        way_out=way_out,
        journal=journal,
        clock=clock,
        worker=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        terms=terms,
    )
    worker = OutboxWorker(candidates.submit_due, journal=journal, interval=outbox_interval)
    app = build_app(
        candidates=candidates,
        rendering=prepared.rendering,
        organisation=organisation,
        edition=prepared.edition,
        public_url=settings.web.public_url,
        journal=journal,
        ready=store.ready,
        clock=clock,
        cooling_off=terms.cooling_off,
        extra_routes=more_routes,
    )
    return House(
        *(store, journal, next_hop, delivery, door_rules, household, way_out, worker, app, patience),
        counts=counts,
        metrics_app=_metrics_app(settings, metrics, store, journal) if metrics else None,
    )


def _metrics_app(settings: Settings, metrics: Metrics, store: Store, journal: Journal) -> Starlette:
    return build_metrics_app(metrics.expose_with(store), settings.metrics.allowed_networks, journal)


def new_trace_id() -> str:
    """Return `G-` and 16 characters of base32: 80 random bits."""
    return "G-" + b32encode(secrets.token_bytes(10)).decode("ascii")


def _door_rules(
    door: ListenerSettings, ready: PreparedDoor, hostname: str, max_message_octets: int
) -> DoorRules:
    return DoorRules(
        hostname=hostname,
        access=AccessRules(
            door.allowed_networks,
            octets(door.sender_domains),
            client_names=frozenset(door.client_names),
            auth=door.auth != "none",
            auth_required=door.auth == "required",
        ),
        max_message_octets=max_message_octets,
        lmtp=door.protocol == "lmtp",
        name=door.name,
        encryption=Encryption(door.encryption),
        tls_context=ready.tls_context,
        proxy_protocol_from=door.proxy_protocol_from,
        tenant=TenantProof.of(door.tenant_headers),
    )


def _organisation(given: OrganisationSettings) -> Organisation:
    return Organisation(
        legal_name=given.legal_name or "",
        address=given.address or "",
        privacy_officer=given.privacy_officer or "",
        purpose_notice_url=given.purpose_notice_url or "",
    )


def _scribe(
    settings: Settings, prepared: Prepared, keyring: Keyring, hostname: str, counts: Counts | None
) -> Scribe:
    return scribe_of(
        settings,
        prepared,
        link_id=keyring.new_link_id,
        link_token=keyring.link_token,
        stamp_key=keyring.stamp_key,
        hostname=hostname,
        wrote=CopyMeter(counts).wrote if counts else None,
    )
