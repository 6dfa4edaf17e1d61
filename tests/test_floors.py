"""The floors of the house: a module imports only from lower floors, sideways only inside its own subpackage.

Read from the source, so imports inside functions and under `if TYPE_CHECKING` count as well.
Each third-party package has one owner, so that a second library for the same thing cannot slip in.
Names that are computed at run time are not seen; store.migrations loads its numbered files that way.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("cli", "gateway", "store", "templates")

FLOORS: tuple[tuple[str, ...], ...] = (
    # what even the settings are read with
    ("gateway.regular_file", "gateway.template_source"),
    # values that travel, and what needs nothing of ours
    (
        "gateway",
        "gateway.settings",
        "gateway.envelope",
        "gateway.replies",
        "gateway.ports",
        "gateway.plain_text",
        "gateway.mail_html",
        "store",
        "store.records",
        "store.errors",
        "templates",
    ),
    # sealed: bytes in, bytes out
    ("gateway.mail",),
    ("gateway.invitation_template",),
    # the database
    ("store.stories",),
    ("store.database", "store.engines", "store.tables", "store.transaction", "store.migrations"),
    # the store's verbs
    (
        "store.census",
        "store.chain",
        "store.consent",
        "store.ledger",
        "store.outbox",
        "store.outbox_lines",
        "store.partners",
        "store.pool",
        "store.provisions",
        "store.slots",
        "store.tracing",
        "store.withdrawals",
    ),
    # adapters, and what the stories are made of
    (
        "gateway.certificates",
        "gateway.copies",
        "gateway.journal",
        "gateway.keyring",
        "gateway.metrics",
        "gateway.partners",
        "gateway.rendering",
        "gateway.users",
    ),
    ("gateway.delivery", "gateway.verdicts"),
    ("gateway.reporting",),
    # the two stories
    ("gateway.message_journey", "gateway.candidate_journey"),
    # doors and loops
    ("gateway.smtp", "gateway.web", "gateway.workers"),
    ("gateway.preparing_doors",),
    ("gateway.preparing",),
    ("gateway.scribing", "gateway.next_hop_servers"),
    ("gateway.wiring",),
    ("gateway.looks",),
    # what runs what wiring built, and what the commands need around it
    ("gateway.operator", "gateway.opening", "gateway.serving"),
    ("gateway.supervising",),
    ("gateway.demo",),
    ("cli",),
)

OWNERS: Mapping[str, tuple[str, ...]] = {
    "aiosmtpd": ("gateway.smtp",),
    "click": ("cli", "gateway.operator.options", "gateway.operator.terminal", "gateway.demo.story"),
    "cryptography": ("gateway.certificates", "gateway.keyring", "gateway.mail.dkim_sign"),
    "dkim": ("gateway.mail.dkim_sign",),
    "httpx2": ("gateway.partners.https", "gateway.demo.browser"),
    "jinja2": ("gateway.rendering",),
    "mailparser": ("gateway.mail.notice",),
    "peewee": ("store",),
    "playhouse": ("store",),
    "prometheus_client": ("gateway.metrics.exposition",),
    "psycopg": ("store",),
    "pydantic": ("gateway.settings",),
    "pydantic_core": ("gateway.settings",),
    "rich": ("gateway.operator.terminal",),
    "starlette": ("gateway.web", "gateway.demo", "gateway.wiring"),
    "structlog": ("gateway.journal",),
    "uvicorn": ("gateway.web.server",),
    "uvloop": ("gateway.serving",),
}

SEALED = ("gateway.mail", "store")
"""They import nothing of ours but themselves."""
IMPURE = frozenset(
    {"asyncio", "logging", "os", "random", "secrets", "socket", "sqlite3", "subprocess", "time"}
)
"""What a pure module has no use for: clock, log, sockets, files, chance."""
PURE = ("gateway.mail", "gateway.copies")
SETTINGS = "gateway.settings"
SETTINGS_STOP_AT = "gateway.preparing_doors"
"""Below it every module receives plain values."""


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def sources(root: Path = ROOT) -> dict[str, str]:
    """Return the text of every module of ours by its dotted name; packages go by their own name."""
    paths = [root / "cli.py", *(path for top in OURS for path in sorted((root / top).rglob("*.py")))]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path.read_text(
            "utf-8"
        )
        for path in paths
    }


def covers(entry: str, module: str) -> bool:
    return module == entry or module.startswith(f"{entry}.")


def floor_of(module: str) -> int | None:
    """Return the floor of the longest entry that covers the module; a top package covers only itself."""
    found = [
        (len(entry), number)
        for number, entries in enumerate(FLOORS)
        for entry in entries
        if (module == entry if entry in OURS else covers(entry, module))
    ]
    return max(found)[1] if found else None


def room_of(module: str) -> str:
    """Return inside what a module may import sideways: its subpackage of gateway, or the whole store."""
    first, *rest = module.split(".")
    return ".".join([first, *rest[:1]]) if first == "gateway" else first


def imports_of(module: str, tree: Mapping[str, str]) -> Iterator[Import]:
    package = module if any(covers(module, other) and other != module for other in tree) else None
    for node in ast.walk(ast.parse(tree[module])):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            above = (package or module.rpartition(".")[0]).split(".")
            base = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield Import(module, inner if inner in tree else source, node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield Import(module, name.value, node.lineno)


def faults_of_import(found: Import) -> Iterator[str]:
    importer, imported = found.importer, found.imported
    top = imported.partition(".")[0]
    if top in sys.stdlib_module_names:
        if top in IMPURE and any(covers(entry, importer) for entry in PURE):
            yield f"{found}, but it is pure"
    elif top not in OURS:
        if not any(covers(owner, importer) for owner in OWNERS.get(top, ())):
            yield f"{found}, which belongs to {' and '.join(OWNERS.get(top, ('nobody yet',)))}"
    else:
        yield from faults_of_our_import(found)


def faults_of_our_import(found: Import) -> Iterator[str]:
    importer, imported = found.importer, found.imported
    here, there, gate = floor_of(importer), floor_of(imported), floor_of(SETTINGS_STOP_AT)
    if here is None or there is None or gate is None:
        return
    if there > here:
        yield f"{found} from a higher floor"
    elif there == here and room_of(importer) != room_of(imported):
        yield f"{found} sideways"
    sealed = next((entry for entry in SEALED if covers(entry, importer)), None)
    if sealed is not None and not covers(sealed, imported):
        yield f"{found}, but {sealed} is sealed"
    if covers(SETTINGS, imported) and not covers(SETTINGS, importer) and here < gate:
        yield f"{found}, but settings stop at {SETTINGS_STOP_AT}"


def circles(imports: list[Import]) -> Iterator[str]:
    """Yield one sentence for each module that can be reached from itself."""
    direct: dict[str, set[str]] = {}
    for found in imports:
        direct.setdefault(found.importer, set()).add(found.imported)
    for start in sorted(direct):
        reached: set[str] = set()
        waiting = [start]
        while waiting:
            for module in direct.get(waiting.pop(), set()) - reached:
                reached.add(module)
                waiting.append(module)
        if start in reached:
            yield f"{start} imports itself in a circle"


def violations(tree: Mapping[str, str]) -> list[str]:
    imports = [found for module in tree for found in imports_of(module, tree)]
    homeless = [f"{module} stands on no floor" for module in tree if floor_of(module) is None]
    unknown = [
        f"{found}, which is not there"
        for found in imports
        if found.imported.partition(".")[0] in OURS and found.imported not in tree
    ]
    faulty = [fault for found in imports for fault in faults_of_import(found)]
    return [*homeless, *unknown, *faulty, *circles(imports)]


def test_every_module_keeps_to_its_floor() -> None:
    assert violations(sources()) == []


def test_every_floor_names_rooms_that_are_there() -> None:
    tree = sources()
    named = [entry for entries in FLOORS for entry in entries]
    assert [entry for entry in named if not any(covers(entry, module) for module in tree)] == []
    assert len(named) == len(set(named))


def test_every_owner_uses_what_it_owns() -> None:
    tree = sources()
    used = {
        (found.imported.partition(".")[0], owner)
        for module in tree
        for found in imports_of(module, tree)
        for owner in OWNERS.get(found.imported.partition(".")[0], ())
        if covers(owner, module)
    }
    optional = {("psycopg", "store")}
    assert {(package, owner) for package, owners in OWNERS.items() for owner in owners} - used <= optional


GOOD = [
    {
        "gateway.mail.parts": "import re",
        "gateway.copies": "from gateway.mail import parts",
        "gateway.mail": "",
    },
    {"gateway.smtp.door": "from gateway.smtp.wire import a", "gateway.smtp.wire": "import aiosmtpd.smtp"},
    {"store.pool": "from . import records\nfrom .records import a", "store.records": "", "store": ""},
    {"gateway.wiring": "from gateway.settings import a", "gateway.settings": "import pydantic"},
    {"store.consent": "from store.slots import a\nfrom peewee import b", "store.slots": ""},
    {"cli": "import gateway.web.app", "gateway.web.app": ""},
]


@pytest.mark.parametrize("tree", GOOD)
def test_a_tree_that_keeps_the_rules_has_no_violation(tree: dict[str, str]) -> None:
    assert violations(tree) == []


UP = "from gateway.web.app import x"
BAD = [
    ({"gateway.oddments": ""}, "gateway.oddments stands on no floor"),
    ({"store.oddments": ""}, "store.oddments stands on no floor"),
    ({"gateway.journal": UP, "gateway.web.app": ""}, "gateway.web.app from a higher floor"),
    (
        {"gateway.journal": f"def f():\n    {UP}", "gateway.web.app": ""},
        "journal:2 imports gateway.web.app from",
    ),
    (
        {
            "gateway.journal": f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {UP}",
            "gateway.web.app": "",
        },
        "journal:3 imports gateway.web.app from a higher floor",
    ),
    (
        {"gateway.journal": "import importlib\nimportlib.import_module('cli')", "cli": ""},
        "journal:2 imports cli",
    ),
    ({"gateway.smtp.door": UP, "gateway.web.app": ""}, "gateway.web.app sideways"),
    ({"gateway.envelope": "from gateway import replies", "gateway.replies": "", "gateway": ""}, "sideways"),
    ({"gateway.envelope": "from . import replies", "gateway.replies": "", "gateway": ""}, "sideways"),
    ({"gateway.smtp.a": "from ..web import b", "gateway.web.b": "", "gateway.web": ""}, "sideways"),
    ({"gateway.smtp": "from .. import web", "gateway.smtp.a": "", "gateway.web": ""}, "gateway.web sideways"),
    ({"gateway.smtp.a": "import gateway.smtp.b", "gateway.smtp.b": "import gateway.smtp.a"}, "circle"),
    ({"gateway.smtp.a": "from gateway.smtp import a"}, "gateway.smtp.a imports itself in a circle"),
    ({"store.slots": "import gateway.replies", "gateway.replies": ""}, "but store is sealed"),
    ({"gateway.mail.a": "import gateway.replies", "gateway.replies": ""}, "but gateway.mail is sealed"),
    ({"gateway.mail.a": "import store.records", "store.records": ""}, "but gateway.mail is sealed"),
    ({"gateway.mail.a": "from time import monotonic"}, "but it is pure"),
    ({"gateway.mail.a": "import jinja2"}, "jinja2, which belongs to gateway.rendering"),
    ({"gateway.mail.notice": "import dkim"}, "dkim, which belongs to gateway.mail.dkim_sign"),
    ({"gateway.rendering": "import mako.template"}, "mako.template, which belongs to nobody yet"),
    ({"gateway.web.a": "from peewee import Model"}, "peewee, which belongs to store"),
    ({"gateway.web.a": "import gateway.settings.values", "gateway.settings.values": ""}, "settings stop at"),
    ({"gateway.web.a": "from gateway.web.b import c"}, "gateway.web.b, which is not there"),
]


@pytest.mark.parametrize(("tree", "words"), BAD)
def test_each_kind_of_violation_is_found(tree: dict[str, str], words: str) -> None:
    assert [words in fault for fault in violations(tree)].count(True) >= 1, violations(tree)


def test_the_source_tree_is_read_whole(tmp_path: Path) -> None:
    for name in ("cli.py", "gateway/__init__.py", "gateway/a/__init__.py", "gateway/a/b.py", "store/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}")
    assert list(sources(tmp_path)) == ["cli", "gateway", "gateway.a", "gateway.a.b", "store.c"]
