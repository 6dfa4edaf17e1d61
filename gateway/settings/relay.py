"""The mail side of the settings: the listeners, who may send through them, who is a candidate."""

from typing import Annotated

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from gateway.settings.section import Section
from gateway.settings.values import (
    LOOPBACK_NETWORKS,
    Address,
    AllowedNetwork,
    Domain,
    Endpoint,
    Listener,
    OptionalDomain,
    WholeNumber,
    read_next_hops,
    read_text,
)

OCTETS_PER_MB = 1_048_576  # As mail servers count: Postfix's message_size_limit, 10240000, is "about 10 MB".
_CLIENT_GIVES_UP = 600  # RFC 5321, section 4.5.3.2.6: seconds a client waits for the reply to its final dot


class ListenerSettings(Section):
    """A door with rules of its own: one more address and port where mail is handed to the gateway."""

    name: Annotated[str, PlainValidator(read_text)] = Field(examples=["branch"])
    """What messages to you call it."""
    listen: Listener = Field(examples=["10.1.2.3:2525"])
    """Address and port."""
    allowed_networks: tuple[AllowedNetwork, ...] = Field(default=(), examples=[["10.1.2.0/24"]])
    """Addresses and networks that may send mail through it; by default only this machine."""
    sender_domains: tuple[Domain, ...] = Field(default=(), examples=[["example.com"]])
    """Domains that may stand in the envelope sender here; by default relay.sender_domains."""

    @field_validator("allowed_networks")
    @classmethod
    def _are_given_when_needed(
        cls, networks: tuple[AllowedNetwork, ...], info: ValidationInfo
    ) -> tuple[AllowedNetwork, ...]:
        return _who_may_send(networks, info.data.get("listen"), "it")


class RelaySettings(Section):
    """The mail side: who may send through the gateway, and which server it delivers to."""

    listen: Listener = Endpoint("127.0.0.1", 2525)
    """Address and port where your mail server hands mail to the gateway.
    On any other address than loopback, allowed_networks must be given."""
    next_hop: Annotated[tuple[Endpoint, ...], PlainValidator(read_next_hops)] = Field(
        examples=["mail.example.com:25"]
    )
    """Host and port of the mail server that takes every message from the gateway; the port defaults to 25.
    A domain's MX records are not looked up."""
    hostname: OptionalDomain = Field(default=None, examples=["gateway.example.com"])
    """The name by which the gateway greets and signs its Received lines; by default this machine's."""
    allowed_networks: tuple[AllowedNetwork, ...] = Field(default=(), examples=[["10.1.2.0/24", "192.0.2.25"]])
    """Addresses and networks that may send mail through the gateway; by default only this machine.
    What is listed replaces the default."""
    sender_domains: tuple[Domain, ...] = Field(default=(), examples=[["example.com"]])
    """Domains that may stand in the envelope sender. Empty: whoever may connect may use any."""
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
    listeners: tuple[ListenerSettings, ...] = ()
    """More doors, one table for each, beside the one at listen."""

    @field_validator("next_hop")
    @classmethod
    def _is_not_ourselves(cls, next_hop: tuple[Endpoint, ...], info: ValidationInfo) -> tuple[Endpoint, ...]:
        _refuse_loops(next_hop, info.data.get("listen"))
        return next_hop

    @field_validator("allowed_networks")
    @classmethod
    def _are_given_when_needed(
        cls, networks: tuple[AllowedNetwork, ...], info: ValidationInfo
    ) -> tuple[AllowedNetwork, ...]:
        return _who_may_send(networks, info.data.get("listen"), "relay.listen")

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
        first = ListenerSettings(
            name="relay",
            listen=self.listen,
            allowed_networks=self.allowed_networks,
            sender_domains=self.sender_domains,
        )
        return (first, *(self._with_defaults(listener) for listener in self.listeners))

    def _with_defaults(self, listener: ListenerSettings) -> ListenerSettings:
        domains = listener.sender_domains or self.sender_domains
        return listener.model_copy(update={"sender_domains": domains})

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


def _who_may_send(
    networks: tuple[AllowedNetwork, ...], listen: object, name: str
) -> tuple[AllowedNetwork, ...]:
    if not networks and isinstance(listen, Endpoint) and not listen.loopback:
        raise ValueError(f"must list who may send mail, because {name} ({listen}) is open to other machines")
    return networks or LOOPBACK_NETWORKS
