"""The commented settings file that `goen init` writes: made from the sections, so that it cannot drift.

What is answered is written; everything else stands there with its default or an example behind `#`.
Prose has a space after the `#`, a setting has none, so removing the `#` is all it takes.
"""

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings.sources import known_names, sections
from gateway.settings.values import Endpoint

TomlValue = str | int | Sequence[str] | Sequence[Mapping[str, str]]

_WIDTH = 100
_HEAD = """\
# The settings of Goen Gateway.
#
# Only relay.next_hop and web.public_url are required; what stands behind a # is a default or an example.
# GOEN_SECTION__KEY in the environment overrides a setting, GOEN_SECTION__KEY_FILE names a file with it.
# Relative paths start at the directory of this file.
# "goen check-config" says what is wrong with it.
"""


def settings_file(answers: Mapping[str, TomlValue]) -> str:
    """Return the text of a settings file with LF line ends.

    `answers` go by `section.key`; those of `dkim.keys` are one mapping for each key.
    Raises ValueError for a name that is no setting; the values are not checked.
    """
    unknown = sorted(set(answers) - set(known_names()))
    if unknown:
        raise ValueError(f"no such setting: {', '.join(unknown)}")
    return "\n".join([_HEAD, *(_section(name, model, answers) for name, model in sections().items())])


def _section(section: str, model: type[BaseModel], answers: Mapping[str, TomlValue]) -> str:
    texts = _docstrings(model)
    lines = [*_prose(inspect.getdoc(model) or ""), f"[{section}]"]
    for key, spec in model.model_fields.items():
        name = f"{section}.{key}"
        lines += ["", *_prose(texts[key])]
        if entry := _entry_model(spec):
            lines += _tables(name, entry, answers.get(name, ()))
        elif name in answers:
            lines.append(f"{key} = {_toml(answers[name])}")
        else:
            lines.append(f"#{key} = {_toml(_shown(spec))}")
    return "\n".join(lines) + "\n"


def _tables(name: str, model: type[BaseModel], answer: TomlValue) -> list[str]:
    """Return one `[[table]]` for each answer, or an example of one; the first explains its fields."""
    texts = _docstrings(model)
    example = {key: _shown(spec) for key, spec in model.model_fields.items()}
    entries = () if isinstance(answer, str | int) else [e for e in answer if isinstance(e, Mapping)]
    mark = "" if entries else "#"
    lines: list[str] = []
    tables: Sequence[Mapping[str, TomlValue]] = entries or [example]
    for number, entry in enumerate(tables):
        lines.append(f"{mark}[[{name}]]")
        for key, value in entry.items():
            lines += _prose(texts[key]) if number == 0 else []
            lines.append(f"{mark}{key} = {_toml(value)}")
    return lines


def _entry_model(spec: FieldInfo) -> type[BaseModel] | None:
    """Return the model of the tables that a setting is a list of, if it is one."""
    inner = next(iter(get_args(spec.annotation)), None)
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _shown(spec: FieldInfo) -> TomlValue:
    """Return the default, or an example where the default is nothing to look at."""
    if spec.is_required() or spec.default in (None, ()):
        example: TomlValue = (spec.examples or [""])[0]
        return example
    return str(spec.default) if isinstance(spec.default, Endpoint | Path) else spec.default


def _toml(value: TomlValue) -> str:
    # A JSON string is a TOML string, but for DEL, which no setting may hold.
    return json.dumps(value if isinstance(value, str | int) else list(value), ensure_ascii=False)


def _prose(text: str) -> list[str]:
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line.strip(), _WIDTH)]
    return [f"# {line}" for line in lines]


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring of every field: the text that stands below it in the source, inherited or not."""
    bases = (
        base for base in reversed(model.__mro__) if issubclass(base, BaseModel) and base is not BaseModel
    )
    trees = (ast.parse(inspect.getsource(base)).body for base in bases)
    classes = (node for tree in trees for node in tree if isinstance(node, ast.ClassDef))
    return {
        field.target.id: text.value.value
        for node in classes
        for field, text in itertools.pairwise(node.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }
