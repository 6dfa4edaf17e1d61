"""Where the figures are read, and by whom."""

from typing import Annotated

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from gateway.settings.section import Section
from gateway.settings.values import LOOPBACK_NETWORKS, AllowedNetwork, Endpoint, Network, read_listener


def read_optional_listener(value: object) -> Endpoint | None:
    """Read `address:port` to listen on; a missing or empty one is None."""
    return None if value is None or value == "" else read_listener(value)


class MetricsSettings(Section):
    """Figures for Prometheus, in plain HTTP at /metrics. They hold no addresses, names or content."""

    listen: Annotated[Endpoint | None, PlainValidator(read_optional_listener)] = Field(
        default=None, examples=["127.0.0.1:9025"]
    )
    """Address and port where the figures are read; by default nowhere.
    On any other address than loopback, allowed_networks must be given."""
    allowed_networks: tuple[AllowedNetwork, ...] = Field(default=(), examples=[["10.1.2.9"]])
    """Addresses and networks that may read them; by default only this machine.
    What is listed replaces the default."""

    @field_validator("allowed_networks")
    @classmethod
    def _close_an_open_listener(
        cls, networks: tuple[Network, ...], info: ValidationInfo
    ) -> tuple[Network, ...]:
        listen = info.data.get("listen")
        if not networks and listen is not None and not listen.loopback:
            raise ValueError(f"must say who may read the figures, because listen is {listen}")
        return networks or LOOPBACK_NETWORKS
