"""How the gateway talks to the next hop."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.settings.section import Section
from gateway.settings.values import Endpoint, OptionalPresentFile


class NextHopSettings(Section):
    """How the gateway talks to the servers that relay.next_hop names."""

    tls: Literal["auto", "none", "require"] = "auto"
    """Encryption: "require" (with a valid certificate), "none",
    or "auto", which means none on this machine and require everywhere else."""
    ca_file: OptionalPresentFile = Field(default=None, examples=["company-ca.pem"])
    """PEM file with the authorities that may sign the server's certificate, instead of the system's."""

    @field_validator("ca_file")
    @classmethod
    def _is_of_use(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None and info.data.get("tls") == "none":
            raise ValueError('is of no use with tls = "none"; remove one of them')
        return path

    def needs_tls(self, endpoint: Endpoint) -> bool:
        """Whether the connection to this server must be encrypted, with "auto" decided."""
        return not endpoint.loopback if self.tls == "auto" else self.tls == "require"
