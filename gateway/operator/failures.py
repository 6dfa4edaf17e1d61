"""What the operator reads when a command fails: one sentence for each kind of error, and the exit code.

Errors that are not listed are mistakes of this program and keep their traceback.
"""

from gateway.settings import SettingsInvalid

FAILED = 1
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
            return code, words.format(error=error, cause=_first_line(_innermost(error)))
    return None


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).strip()


_KNOWN = (
    ("store.errors", "StoreUnavailable", FAILED, "The database cannot be used now: {cause}"),
    ("store.errors", "StoreError", FAILED, "{error}"),
    ("gateway.ports", "PortInUse", FAILED, "{error}"),
    ("gateway.ports", "CannotListen", FAILED, "{error}"),
    ("gateway.keyring", "KeyFileInvalid", WRONG_SETTINGS, "{error}"),
    ("gateway.rendering", "TemplateInvalid", WRONG_SETTINGS, "A template cannot be used: {error}"),
    ("gateway.operator.founding", "AlreadyFounded", FAILED, "{error}"),
)
"""Module, class, exit code and words; by name, so that a failing `goen slots` imports no web pages."""
