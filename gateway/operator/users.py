"""`goen user`: who may log in at a door. The file is replaced as a whole, so that nobody reads half of it."""

import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gateway.operator.terminal import Listing
from gateway.users import NAME, PasswordHash, User, UsersInvalid, read_users

SHORTEST_PASSWORD = 12
"""Characters; a program remembers it, not a person."""

_HEAD = '# The users of Goen Gateway; "goen user" writes this file. Password hashes: keep it private.\n'


class UserEntryRefused(Exception):
    """A change to the users cannot be made; carries a sentence for the operator."""


def add(path: Path, name: str, password: str, sender_domains: Iterable[str] = ()) -> None:
    """Add a user, or give the one with this name a new password and these domains; it is enabled then.

    Raises `UserEntryRefused`, as the other verbs here do.
    """
    if not NAME.fullmatch(name.lower()):
        raise UserEntryRefused(
            "A name has up to 64 letters, digits and . _ @ + -, and begins with a letter or a digit."
        )
    if len(password) < SHORTEST_PASSWORD:
        raise UserEntryRefused(f"A password has {SHORTEST_PASSWORD} characters or more.")
    users = _read(path)
    users[name.lower()] = User(name.lower(), PasswordHash.of(password), sender_domains=tuple(sender_domains))
    _write(path, users.values())


def set_disabled(path: Path, name: str, *, disabled: bool) -> None:
    """Disable or enable a user."""
    users = _read(path)
    users[name.lower()] = replace(_known(users, name), disabled=disabled)
    _write(path, users.values())


def remove(path: Path, name: str) -> None:
    """Forget a user."""
    users = _read(path)
    del users[_known(users, name).name]
    _write(path, users.values())


def listing(path: Path) -> Listing:
    """Return every user by name, without passwords."""
    users = sorted(_read(path).values(), key=lambda user: user.name)
    rows = ((u.name, "disabled" if u.disabled else "enabled", ",".join(u.sender_domains)) for u in users)
    return Listing(("name", "state", "sender_domains"), rows, empty="There are no users.")


def new_password() -> str:
    """Return a password that nobody guesses: 144 bits."""
    return secrets.token_urlsafe(18)


def _known(users: dict[str, User], name: str) -> User:
    try:
        return users[name.lower()]
    except KeyError:
        raise UserEntryRefused("There is no user with this name.") from None


def _read(path: Path) -> dict[str, User]:
    try:
        return {user.name: user for user in read_users(path).all}
    except FileNotFoundError:
        return {}
    except UsersInvalid as invalid:
        raise UserEntryRefused(f"{path} cannot be used: {invalid}.") from invalid
    except OSError as error:
        raise UserEntryRefused(f"{path} cannot be read: {error.strerror}.") from error


def _write(path: Path, users: Iterable[User]) -> None:
    try:
        _replace(path, _HEAD + "".join(f"{user.to_line()}\n" for user in users))
    except OSError as error:
        raise UserEntryRefused(f"{path} cannot be written: {error.strerror}.") from error


def _replace(path: Path, text: str) -> None:
    """Replace the file: who reads it sees the old one or the new one, also after a power cut."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
