"""Where settings come from: the TOML file and the environment, merged, then checked as one.

An exact name wins: `GOEN_STORE__KEY_FILE` is `store.key_file`, not a file with a `store.key`.
An empty variable counts as not set, because compose files pass on what nobody has set.
"""

import errno
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.regular_file import read_regular
from gateway.settings.faults import Fault, SettingsInvalid, nearest, nearest_setting
from gateway.settings.sections import Settings

FILE_VARIABLE = "GOEN_SETTINGS"
"""The environment variable that names the settings file, when the command line does not."""
DEFAULT_FILE = Path("goen.toml")
"""The settings file that is taken from the working directory when none is named."""
_PREFIX = "GOEN_"
_FILE = "_FILE"
_MOST_OCTETS = 1_048_576
"""A settings file with every comment has a hundredth of it."""


def find(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file to read: the one given, else the one `GOEN_SETTINGS` names, else ./goen.toml.

    A file that was named is returned whether it is there or not; None means that there is no file to read.
    """
    named = environ.get(FILE_VARIABLE)
    if given is None and named:
        return Path(named)
    return given or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read and check the settings; of `environ` only the variables that begin with `GOEN_` matter.

    Raises SettingsInvalid with every fault of file and environment.
    """
    base = Path.cwd() if path is None else path.absolute().parent
    faults: list[Fault] = []
    document = {} if path is None else _read_file(path, faults)
    given = _Environment(base, faults)
    for variable in sorted(environ):
        if variable.startswith(_PREFIX) and variable != FILE_VARIABLE and environ[variable]:
            given.take(variable, environ[variable])
    if document is None:
        # Checking what the environment alone gives would only call the file's settings missing.
        raise SettingsInvalid(faults)
    errors, settings = _check(_merged(document, given.values), base)
    found = [_fault(error, given.origins) for error in errors]
    faults += [fault for fault in found if fault.where not in given.unread]
    if settings is None or faults:
        raise SettingsInvalid(faults)
    return settings


def known_names() -> list[str]:
    """Return every setting as `section.key`, in order."""
    return [f"{section}.{key}" for section, model in sections().items() for key in model.model_fields]


def is_list(name: str) -> bool:
    """Whether the setting `section.key` takes a list."""
    section, _, key = name.partition(".")
    return get_origin(sections()[section].model_fields[key].annotation) is tuple


def sections() -> dict[str, type[BaseModel]]:
    """Return the model of every section by its name, in order."""
    return {
        name: spec.annotation
        for name, spec in Settings.model_fields.items()
        if isinstance(spec.annotation, type) and issubclass(spec.annotation, BaseModel)
    }


def variable_for(name: str) -> str:
    """Return the environment variable that overrides the setting `section.key`."""
    return _PREFIX + name.upper().replace(".", "__")


@dataclass(slots=True)
class _Environment:
    """What the environment gives, gathered variable by variable."""

    base: Path
    faults: list[Fault]
    names: dict[str, str] = field(
        default_factory=lambda: {variable_for(name): name for name in known_names()}
    )
    values: dict[str, object] = field(default_factory=dict)
    """By `section.key`."""
    origins: dict[str, str] = field(default_factory=dict)
    """The variable that gave each value, or should have."""
    unread: set[str] = field(default_factory=set)
    """Settings whose file could not be read: that they are missing is no fault of its own."""

    def take(self, variable: str, text: str) -> None:
        """Take one variable; what is wrong with it becomes a fault."""
        names_file = variable not in self.names and variable.endswith(_FILE)
        name = self.names.get(variable.removesuffix(_FILE) if names_file else variable)
        if name is None:
            what = "is not a setting; remove it, or correct its name"
            self.faults.append(Fault(variable, what, nearest(variable, list(self.names))))
            return
        if name in self.origins:
            self.faults.append(Fault(variable, f"is set beside {self.origins[name]}; unset one of them"))
            return
        self.origins[name] = variable
        try:
            content = _content(self.base / text).decode().strip() if names_file else text
        except (OSError, UnicodeDecodeError) as error:
            self.unread.add(name)
            self.faults.append(Fault(variable, f"names {self.base / text}, which {_why(error)}"))
        else:
            self.values[name] = _as_list(content) if is_list(name) else content


def _as_list(text: str) -> object:
    """Read a TOML array when the text begins like one, else items between commas."""
    if not text.lstrip().startswith("["):
        return [item for item in text.split(",") if item.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _read_file(path: Path, faults: list[Fault]) -> dict[str, object] | None:
    try:
        return tomllib.loads(_content(path).decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        what = f"is not valid TOML: {error}; texts need quotes, and a name may stand only once in a section"
        faults.append(Fault(str(path), what))
    except FileNotFoundError:
        faults.append(Fault(str(path), 'does not exist; "goen init" writes a settings file with comments'))
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Fault(str(path), _why(error)))
    except RecursionError:
        faults.append(Fault(str(path), "is not valid TOML: its lists and tables are too deeply nested"))
    except ValueError:
        # sys.get_int_max_str_digits(), the guard against CVE-2020-10735
        faults.append(Fault(str(path), "is not valid TOML: it has a number with too many digits"))
    return None


def _content(path: Path) -> bytes:
    content = read_regular(path, limit=_MOST_OCTETS + 1).content
    if len(content) > _MOST_OCTETS:
        raise OSError(errno.EFBIG, "it is larger than 1 MB", str(path))
    return content


def _why(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 (byte {error.start}); save it as UTF-8"
    return f"cannot be read: {error.strerror}; check its path, owner and mode"


def _merged(document: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Return the document with every section present and the values of the environment in their places."""
    merged = dict(document)
    for section in sections():
        table = document.get(section, {})
        if isinstance(table, dict):
            own = {n.partition(".")[2]: v for n, v in given.items() if n.partition(".")[0] == section}
            merged[section] = {**table, **own}
    return merged


def _check(values: dict[str, object], base: Path) -> tuple[list[ErrorDetails], Settings | None]:
    # The pydantic error must not become the context of ours: its text shows the values, secrets too.
    try:
        return [], Settings.model_validate(values, context={"base": base})
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False), None


_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a setting; remove it, or correct its name",
    "tuple_type": "must be a list in square brackets",
    "model_type": "must be a table of its own",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}
"""Our words for pydantic's error types; others are only named, because their texts may show a value."""


def _fault(error: ErrorDetails, origins: Mapping[str, str]) -> Fault:
    keys = [str(part) for part in error["loc"] if isinstance(part, str)]
    positions = [part for part in error["loc"] if isinstance(part, int)]
    where = ".".join(keys)
    what = _SENTENCES.get(error["type"], f"is not valid ({error['type']})").format(**error.get("ctx", {}))
    if error["type"] == "missing":
        what += _example(keys)
    if positions:
        what += f" (entry {positions[0] + 1})"
    if origin := origins.get(".".join(keys[:2])):
        what += f" (given by {origin})"
    unknown = error["type"] == "extra_forbidden"
    return Fault(where, what, nearest_setting(where, _names_beside(keys)) if unknown else None)


def _model_of(keys: list[str]) -> type[BaseModel]:
    """Return the model that holds the last of `keys`: the settings, a section, or an entry of its list."""
    model: type[BaseModel] = Settings
    for key in keys[:-1]:
        annotation = model.model_fields[key].annotation
        inner = next(iter(get_args(annotation)), annotation)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return model


def _names_beside(keys: list[str]) -> list[str]:
    if len(keys) == 2:  # noqa: PLR2004  # section and key
        return known_names()
    return [".".join([*keys[:-1], name]) for name in _model_of(keys).model_fields]


def _example(keys: list[str]) -> str:
    examples = _model_of(keys).model_fields[keys[-1]].examples or []
    return f', for example {keys[-1]} = "{examples[0]}"' if examples else ""
