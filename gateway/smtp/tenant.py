"""The proof that a message comes from our own account at a cloud service whose customers share addresses.

The service stamps the messages of each customer with a header field that no customer can set. A network that
all of them send from proves nothing without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.mail.parts import field_value, scan_header


@dataclass(frozen=True, slots=True)
class TenantProof:
    """The header fields of which a message must have one."""

    fields: tuple[tuple[str, bytes], ...] = ()
    """Names in lower case, and values without surrounding blanks; none: no proof is asked for."""

    @classmethod
    def of(cls, fields: Sequence[str]) -> "TenantProof":
        """Take fields as the settings have them: `Name: value`."""
        parted = (field.partition(":") for field in fields)
        return cls(tuple((name.strip().lower(), value.strip().encode()) for name, _, value in parted))

    def given(self, content: bytes) -> bool:
        """Whether the message has one of the fields in its top header, and no field of that name differs.

        A field that the service adds beside one that a stranger has written proves nothing.
        """
        if not self.fields:
            return True
        found: dict[str, set[bytes]] = {name: set() for name, _ in self.fields}
        for field in scan_header(content):
            if field.name in found:
                found[field.name].add(field_value(content, field).strip())
        return any(values and values <= self._accepted(name) for name, values in found.items())

    def _accepted(self, name: str) -> set[bytes]:
        return {value for other, value in self.fields if other == name}
