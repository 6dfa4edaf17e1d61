"""What the doors need before they open: certificates that fit their keys, and users who may log in."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.certificates import ends_at
from gateway.settings import Fault, ListenerSettings, Settings
from gateway.smtp.door_tls import CertificateUnfit, server_context
from gateway.users import Users, UsersInvalid, read_users

WARN_BEFORE = timedelta(days=14)
"""Half of the time that Let's Encrypt's clients leave for a renewal."""


@dataclass(frozen=True, slots=True)
class PreparedDoor:
    """What one door needs."""

    name: str
    tls_context: ssl.SSLContext | None
    """None for a door without TLS."""
    certificate_ends: datetime | None

    def days_left(self, now: datetime) -> int | None:
        """Return how many days are left for the certificate, 0 when it has ended; None while it is many."""
        if self.certificate_ends is None or self.certificate_ends - now > WARN_BEFORE:
            return None
        return max((self.certificate_ends - now).days, 0)


@dataclass(frozen=True, slots=True)
class PreparedDoors:
    """What all doors need."""

    doors: tuple[PreparedDoor, ...]
    """In the order of the settings."""
    users: Users | None
    """None where nobody logs in."""


def prepare_doors(settings: Settings, found: Callable[[Fault], None]) -> PreparedDoors:
    """Read certificates, keys and users; tell `found` of every fault."""
    doors = []
    for door in settings.relay.doors:
        try:
            doors.append(_prepare_door(door))
        except CertificateUnfit as unfit:
            key = "client_ca_file" if unfit.of_clients else "certificate_file"
            found(Fault(_where(door, key), str(unfit)))
    return PreparedDoors(tuple(doors), _users(settings, found))


def _prepare_door(door: ListenerSettings) -> PreparedDoor:
    if door.encryption == "none" or door.certificate_file is None or door.private_key_file is None:
        return PreparedDoor(door.name, None, None)
    context = server_context(door.certificate_file, door.private_key_file, door.client_ca_file)
    return PreparedDoor(door.name, context, ends_at(door.certificate_file.read_bytes()))


def _where(door: ListenerSettings, key: str) -> str:
    return f"relay.{key}" if door.name == "relay" else f"relay.listeners ({door.name}).{key}"


def _users(settings: Settings, found: Callable[[Fault], None]) -> Users | None:
    if all(door.auth == "none" for door in settings.relay.doors):
        return None
    path = settings.relay.users_file
    try:
        return read_users(path)
    except FileNotFoundError:
        words = f'names {path}, which is not there; "goen user add NAME" makes it'
    except OSError as error:
        words = f"names {path}, which cannot be read: {error.strerror}; check its path, owner and mode"
    except UsersInvalid as invalid:
        words = f"names {path}, which cannot be used: {invalid}"
    found(Fault("relay.users_file", words))
    return None


def certificates_ending(doors: PreparedDoors, now: datetime) -> Iterator[tuple[str, int]]:
    """Yield name and days of each door whose certificate ends soon, or has ended."""
    for door in doors.doors:
        if (days := door.days_left(now)) is not None:
            yield door.name, days
