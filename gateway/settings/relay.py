"""The mail side of the settings: the doors together, where mail goes, who is a candidate."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from gateway.settings.doors import DoorSettings, ListenerSettings
from gateway.settings.values import (
    Address,
    Domain,
    Endpoint,
    FilePath,
    Listener,
    OptionalDomain,
    WholeNumber,
    read_next_hops,
)

OCTETS_PER_MB = 1_048_576  # As mail servers count: Postfix's message_size_limit, 10240000, is "about 10 MB".
_CLIENT_GIVES_UP = 600  # RFC 5321, section 4.5.3.2.6: seconds a client waits for the reply to its final dot


class RelaySettings(DoorSettings):
    """The mail side: who may send through the gateway, and which server it delivers to."""

    listen: Listener = Endpoint("127.0.0.1", 2525)
    next_hop: Annotated[tuple[Endpoint, ...], PlainValidator(read_next_hops)] = Field(
        examples=["mail.example.com:25"]
    )
    """Host and port of the mail server that takes every message from the gateway; the port defaults to 25.
    A list names several, tried in their order. A domain's MX records are not looked up."""
    hostname: OptionalDomain = Field(default=None, examples=["gateway.example.com"])
    """The name by which the gateway greets and signs its Received lines; by default this machine's."""
    internal_domains: tuple[Domain, ...] = Field(default=(), examples=[["example.com", "hr.example.com"]])
    """Your company's own domains: recipients there are colleagues and never get a personal link.
    By default the sender_domains; when those are empty too, nobody is invited."""
    agency_domains: tuple[Domain, ...] = Field(default=(), examples=[["agency.example.jp"]])
    """Domains of recruitment agencies: recipients there never get a personal link."""
    excluded_addresses: tuple[Address, ...] = Field(
        default=(), repr=False, examples=[["archive@example.com"]]
    )
    """Single addresses that are no candidates and never get a personal link."""
    max_message_mb: WholeNumber = Field(default=50, ge=1, le=500)
    """Largest message that is taken, in MB of 1,048,576 octets."""
    deadline_seconds: WholeNumber = Field(default=540, ge=10, le=_CLIENT_GIVES_UP - 10)
    """Seconds from a message's last byte to our reply, at most.
    Clients give up after 600 (RFC 5321), and a reply that comes later makes them send the mail again."""
    workers: WholeNumber = Field(default=0, ge=0, le=256)
    """How many processes take mail; 0: one for each processor core that the gateway may use."""
    users_file: FilePath = Path("var/users")
    """The users that may log in, with hashes of their passwords; "goen user add" writes it (mode 0600)."""
    memory_mb: WholeNumber = Field(default=256, ge=1, le=65536)
    """Content that may be under way at once in one process, in MB; beyond it mail is told to come later.
    The program needs some 100 MB besides, and several times the size of a marked mail while it works."""
    max_connections: WholeNumber = Field(default=1000, ge=1, le=100_000)
    """Connections that one process holds open at once, over all doors."""
    max_connections_per_peer: WholeNumber = Field(default=100, ge=1, le=100_000)
    """Connections that one process holds open for one address; this machine's own are not limited."""
    listeners: tuple[ListenerSettings, ...] = ()
    """More doors, one table for each, beside the one at listen; without sender_domains they take its own."""

    @field_validator("next_hop")
    @classmethod
    def _is_not_ourselves(cls, next_hop: tuple[Endpoint, ...], info: ValidationInfo) -> tuple[Endpoint, ...]:
        _refuse_loops(next_hop, info.data.get("listen"))
        return next_hop

    @field_validator("internal_domains")
    @classmethod
    def _default_to_senders(cls, domains: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return domains or tuple(info.data.get("sender_domains", ()))

    @field_validator("listeners")
    @classmethod
    def _stand_apart(
        cls, listeners: tuple[ListenerSettings, ...], info: ValidationInfo
    ) -> tuple[ListenerSettings, ...]:
        taken = {"relay": info.data.get("listen")}
        for number, listener in enumerate(listeners, start=1):
            _refuse_loops(info.data.get("next_hop", ()), listener.listen)
            for name, endpoint in taken.items():
                if name == listener.name:
                    raise ValueError(f"has two named {name}; each needs a name of its own (entry {number})")
                if isinstance(endpoint, Endpoint) and meets(listener.listen, endpoint):
                    raise ValueError(f"listens on {endpoint}, as {name} does (entry {number})")
            taken[listener.name] = listener.listen
        return listeners

    @property
    def doors(self) -> tuple[ListenerSettings, ...]:
        """Every listener with its rules, the one at `listen` first."""
        rules = {name: getattr(self, name) for name in DoorSettings.model_fields}
        first = ListenerSettings.model_construct(name="relay", **rules)
        return (first, *(self._with_defaults(listener) for listener in self.listeners))

    def _with_defaults(self, listener: ListenerSettings) -> ListenerSettings:
        domains = listener.sender_domains or self.sender_domains
        return listener.model_copy(update={"sender_domains": domains})

    @property
    def memory_octets(self) -> int:
        """`memory_mb` in octets."""
        return self.memory_mb * OCTETS_PER_MB

    @property
    def max_message_octets(self) -> int:
        """`max_message_mb` in octets."""
        return self.max_message_mb * OCTETS_PER_MB


def meets(target: Endpoint, listen: Endpoint) -> bool:
    """Whether a connection to `target` ends at `listen`, as far as can be told without DNS."""
    if target.port != listen.port or not listen.port:
        return False
    if target.host == listen.host:
        return True
    wildcard = (listen.unspecified and (target.loopback or target.unspecified)) or (
        target.unspecified and listen.loopback
    )
    return wildcard or ("localhost" in {target.host, listen.host} and target.loopback and listen.loopback)


def _refuse_loops(next_hop: tuple[Endpoint, ...], listen: object) -> None:
    for endpoint in next_hop:
        if isinstance(listen, Endpoint) and meets(endpoint, listen):
            raise ValueError(f"is the gateway's own listener ({listen}): mail would go round in a loop")
