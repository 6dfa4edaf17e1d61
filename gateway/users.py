"""The users that may log in at a door: their file, and whether a password is theirs.

    name:$scrypt$ln=14,r=8,p=1$SALT$HASH:enabled:example.com,example.jp

- One line for each user; lines that begin with # and empty ones mean nothing.
- The third field is `enabled` or `disabled`; the fourth names the envelope sender domains of this user,
  in place of any that the door allows; it may be empty.
- The hash is scrypt (RFC 7914) in the PHC form, with ln the binary logarithm of N.
- Passwords are normalised (NFKC, as in RFC 4013), because keyboards disagree about how letters are made up.
"""

import hashlib
import hmac
import re
import secrets
import unicodedata
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from dataclasses import dataclass, field
from pathlib import Path

from gateway.regular_file import read_regular

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
"""What a user may be called, in lower case: mail clients often take a mail address for it."""
LEAST_COST, MOST_COST = 14, 17
"""Binary logarithms of N: OWASP's least beside p=5, and 128 MiB of memory."""
USUAL_COST, BLOCK_SIZE, PASSES = 14, 8, 5
"""OWASP's Password Storage Cheat Sheet: N=2^14 (16 MiB), r=8, p=5."""
MOST_PASSES = 16
_SALT_OCTETS = 16
_HASH_OCTETS = 32
_HASH = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_MOST_OCTETS = 8 * 1024 * 1024
"""A file of users with a hundred thousand lines is smaller."""
_OPEN_TO_OTHERS = 0o027
"""Its group may read it, others may do nothing with it, and only its owner may write."""


class UsersInvalid(Exception):
    """The file of users cannot be used; the words name the line, and nothing that stands in it."""


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A salted hash, and what it cost."""

    cost: int
    """The binary logarithm of N."""
    block_size: int
    passes: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str) -> "PasswordHash":
        """Hash a new password; takes some tens of milliseconds and 16 MiB."""
        blank = cls(USUAL_COST, BLOCK_SIZE, PASSES, secrets.token_bytes(_SALT_OCTETS), b"")
        return cls(USUAL_COST, BLOCK_SIZE, PASSES, blank.salt, blank.made_from(password))

    def made_from(self, password: str) -> bytes:
        """Return what a password becomes with this salt and cost."""
        work = 1 << self.cost
        return hashlib.scrypt(
            unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass"),
            salt=self.salt,
            n=work,
            r=self.block_size,
            p=self.passes,
            maxmem=128 * self.block_size * (work + self.passes + 2),
            dklen=_HASH_OCTETS,
        )

    def is_of(self, password: str) -> bool:
        """Whether it was made from this password; takes as long for a wrong one."""
        return hmac.compare_digest(self.made_from(password), self.digest)

    def __str__(self) -> str:
        """Return the PHC form."""
        salt, digest = (b64encode(octets).decode().rstrip("=") for octets in (self.salt, self.digest))
        return f"$scrypt$ln={self.cost},r={self.block_size},p={self.passes}${salt}${digest}"


@dataclass(frozen=True, slots=True)
class User:
    """One who may log in."""

    name: str
    password: PasswordHash = field(repr=False)
    disabled: bool = False
    sender_domains: tuple[str, ...] = ()
    """In lower case; empty: whatever the door allows."""

    def to_line(self) -> str:
        """Return the user's line in the file, without line end."""
        state = "disabled" if self.disabled else "enabled"
        return f"{self.name}:{self.password}:{state}:{','.join(self.sender_domains)}"


class Users:
    """Everybody who may log in."""

    def __init__(self, users: tuple[User, ...]) -> None:
        self._by_name = {user.name: user for user in users}
        # Somebody unknown costs as much as somebody known, so that time tells nobody which names exist.
        self._nobody = PasswordHash(
            USUAL_COST,
            BLOCK_SIZE,
            PASSES,
            secrets.token_bytes(_SALT_OCTETS),
            secrets.token_bytes(_HASH_OCTETS),
        )

    @property
    def all(self) -> tuple[User, ...]:
        """Everybody, by name."""
        return tuple(sorted(self._by_name.values(), key=lambda user: user.name))

    def check(self, name: str, password: str) -> User | None:
        """Return the user with this name and password, unless disabled; to be called in a thread."""
        user = self._by_name.get(name.lower())
        right = (user.password if user else self._nobody).is_of(password)
        return user if user and right and not user.disabled else None


def read_users(path: Path) -> Users:
    """Read the file; raises `UsersInvalid`, also for a file that others can read or change, and OSError."""
    return Users(parse_users(_private_content(path)))


def parse_users(content: bytes) -> tuple[User, ...]:
    """Return the users in their order; raises `UsersInvalid`."""
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise UsersInvalid("it is not UTF-8") from None
    users: dict[str, User] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user = _parse_line(line.strip())
        if user is None:
            raise UsersInvalid(f'line {number} is not as "goen user add" writes it')
        if user.name in users:
            raise UsersInvalid(f"line {number} has a name that stands above already")
        users[user.name] = user
    return tuple(users.values())


def _private_content(path: Path) -> bytes:
    file = read_regular(path, limit=_MOST_OCTETS + 1)
    if file.mode & _OPEN_TO_OTHERS:
        raise UsersInvalid("others can use it; it needs mode 0600")
    if len(file.content) > _MOST_OCTETS:
        raise UsersInvalid("it is too large for a file of users")
    return file.content


def _parse_line(line: str) -> User | None:
    fields = line.split(":")
    if len(fields) != 4 or not NAME.fullmatch(fields[0]) or fields[2] not in {"enabled", "disabled"}:  # noqa: PLR2004  # name, hash, state, domains
        return None
    domains = tuple(filter(None, fields[3].split(",")))
    password = _parse_hash(fields[1])
    if password is None or not all(map(_DOMAIN.fullmatch, domains)):
        return None
    return User(fields[0], password, fields[2] == "disabled", domains)


def _parse_hash(text: str) -> PasswordHash | None:
    found = _HASH.fullmatch(text)
    if found is None:
        return None
    cost, block_size, passes = (int(found[number]) for number in (1, 2, 3))
    within = LEAST_COST <= cost <= MOST_COST and block_size == BLOCK_SIZE and 1 <= passes <= MOST_PASSES
    try:
        salt, digest = (b64decode(found[number] + "=" * (-len(found[number]) % 4)) for number in (4, 5))
    except NoBase64:
        return None
    if not within or len(salt) < _SALT_OCTETS or len(digest) != _HASH_OCTETS:
        return None
    return PasswordHash(cost, block_size, passes, salt, digest)
