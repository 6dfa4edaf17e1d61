"""What the operator reads when a command fails: one sentence for each kind of error, and the exit code.

Errors that are not listed are mistakes of this program and keep their traceback.
"""

import errno
import re

from gateway.settings import SettingsInvalid

FAILED = 1
WRONG_USAGE = 2
WRONG_SETTINGS = 78
"""EX_CONFIG of sysexits.h: the service manager need not start it again before the settings change."""


def explain(error: Exception) -> tuple[int, str] | None:
    """Return the exit code and the words for an error that an operator can mend, or None."""
    if isinstance(error, SettingsInvalid):
        count = len(error.faults)
        head = "The settings have one mistake:" if count == 1 else f"The settings have {count} mistakes:"
        return WRONG_SETTINGS, "\n".join((head, *(f"  {fault}" for fault in error.faults)))
    for module, name, code, words in _KNOWN:
        if any(c.__module__ == module and c.__name__ == name for c in type(error).__mro__):
            return code, words.format(error=error, cause=_speakable(_innermost(error)))
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FAILED, f"What this command writes has no space: {error.strerror}."
    return None


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _speakable(error: BaseException) -> str:
    """Return an error's own words as far as they cannot hold a secret.

    libpq and psycopg quote what they were given, and that may be a piece of a password; so of theirs only
    sentences that are known are repeated. SQLite's name tables and columns, and the system's are fixed.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = next(iter(str(error).splitlines()), "")
    if type(error).__module__ in {"sqlite3", "store.errors"}:
        return words
    words = re.sub('"[^"]*"', "…", words)
    known = next((reason for reason in _REASONS if reason in words), None)
    return known or f"{type(error).__name__}; check store.url, and read the database's own log"


_REASONS = (
    "Connection refused",
    "connection timeout expired",
    "timeout expired",
    "Connection timed out",
    "No route to host",
    "Network is unreachable",
    "Name or service not known",
    "Temporary failure in name resolution",
    "No such file or directory",
    "Permission denied",
    "server closed the connection unexpectedly",
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "too many clients already",
    "too many connections for role",
    "remaining connection slots are reserved",
    "password authentication failed",
    "database … does not exist",
    "role … does not exist",
    "root certificate file … does not exist",
    "no password supplied",
    "no pg_hba.conf entry for host",
    "server does not support SSL, but SSL was required",
    "certificate verify failed",
)
"""What PostgreSQL and its client library say when no connection can be had, without what they quote."""

_KNOWN = (
    ("store.errors", "StoreUnavailable", FAILED, "The database cannot be used now: {cause}"),
    ("store.errors", "StoreError", FAILED, "{error}"),
    ("gateway.ports", "PortInUse", FAILED, "{error}"),
    ("gateway.ports", "CannotListen", FAILED, "{error}"),
    ("gateway.keyring", "KeyFileInvalid", WRONG_SETTINGS, "{error}"),
    ("gateway.template_source", "TemplateInvalid", WRONG_SETTINGS, "A template cannot be used: {error}"),
    ("gateway.operator.founding", "AlreadyFounded", FAILED, "{error}"),
    ("gateway.operator.founding", "CannotWrite", FAILED, "{error}"),
    ("gateway.operator.users", "UserEntryRefused", FAILED, "{error}"),
    ("gateway.smtp.stranger", "OpenRelay", WRONG_SETTINGS, "{error}"),
    ("gateway.operator.explain.given", "MailUnusable", WRONG_USAGE, "{error}"),
    ("gateway.operator.explain.people", "NoAddress", WRONG_USAGE, "{error}"),
    ("gateway.operator.explain.on_disk", "CannotWriteCopies", FAILED, "{error}"),
)
"""Module, class, exit code and words; by name, so that a failing `goen slots` imports no web pages."""
