"""The documents name only what is there: links, commands, targets, settings, files, functions and tests."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from cli import main
from gateway.settings.sources import known_names, sections

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for folder in (".", "docs", "changes")
    for path in (ROOT / folder).glob("*.md")
)
READMES = ("README.md", "README.ja.md")
ROOMS = ("bench", "changes", "docker", "docs", "gateway", "store", "templates", "tests")

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PROGRAM = re.compile(r"(?:ExecStart=)?(?:\S*/)?(goen|make|postconf|postfix|postsuper)")
BEFORE_A_PROGRAM = ("&&", "--", "|")


def read(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def split(text: str) -> tuple[list[str], str]:
    """Return the lines of all code blocks, and the text without them."""
    blocks: list[str] = []
    prose: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            blocks.append(line.strip())
        else:
            prose.append(line)
    return blocks, "\n".join(prose)


def spans(text: str) -> list[str]:
    return SPAN.findall(split(text)[1])


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command in code as its program and the words behind it."""
    blocks, _ = split(text)
    for piece in [*blocks, *spans(text)]:
        try:
            words = shlex.split(piece)
        except ValueError:  # a sentence with an apostrophe, or a piece of some other language
            continue
        for at, word in enumerate(words):
            found = PROGRAM.fullmatch(word)
            if found is not None and (at == 0 or words[at - 1] in BEFORE_A_PROGRAM):
                rest = words[at + 1 :]
                ends = [end for end, other in enumerate(rest) if other in BEFORE_A_PROGRAM]
                yield found[1], rest[: min(ends, default=len(rest))]


def goen_fault(words: list[str]) -> str | None:
    """Say what is wrong with a command of ours, or return None."""
    command: click.Command = main
    context = click.Context(main)
    while True:
        try:
            _, rest, _ = command.make_parser(context).parse_args(list(words))
        except click.NoSuchOption as unknown:
            return f"there is no option {unknown.option_name}"
        except click.UsageError as wrong:
            return wrong.message
        if not isinstance(command, click.Group):
            return f"takes no {rest[0]}" if rest else None
        if not rest:
            return None
        below = command.commands.get(rest[0])
        if below is None:
            return f"there is no command {rest[0]}"
        command, context, words = below, click.Context(below, parent=context), rest[1:]


def anchors(text: str) -> set[str]:
    """Return what the headings can be linked by, as GitHub makes it."""
    return {
        re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in HEADING.findall(text)
    }


def link_fault(document: str, target: str) -> str | None:
    """Say where a link leads to nothing, or return None."""
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    there = (ROOT / document).parent / path if path else ROOT / document
    if not there.exists():
        return f"{target} is not there"
    if anchor and anchor not in anchors(there.read_text("utf-8")):
        return f"{target} has no such heading"
    return None


@cache
def defined(file: str) -> frozenset[str]:
    """Return the functions, classes and methods of a source file, methods behind their class and a dot."""
    names: set[str] = set()

    def gather(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(prefix + node.name)
                gather(node.body, f"{prefix}{node.name}.")

    gather(ast.parse(read(file)).body, "")
    return frozenset(names)


def reference_fault(span: str) -> str | None:
    """Say what is wrong with a path or a `file.py::name`, or return None."""
    if re.fullmatch(r"[\w./-]+\.py::[\w.]+", span):
        file, _, name = span.partition("::")
        if not (ROOT / file).is_file():
            return f"{file} is not there"
        return None if name in defined(file) else f"{file} has no {name}"
    if re.fullmatch(rf"(?:{'|'.join(ROOMS)})(?:/[\w.-]+)*/?", span) and not (ROOT / span).exists():
        return f"{span} is not there"
    return None


def setting_fault(span: str) -> str | None:
    """Say that a setting does not exist, or return None."""
    named = re.fullmatch(rf"(?:{'|'.join(sections())})\.[a-z_]+", span)
    return f"{span} is no setting" if named and span not in known_names() else None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    targets = LINK.findall(split(read(document))[1])
    assert [fault for target in targets if (fault := link_fault(document, target))] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_exists_and_takes_what_it_is_given(document: str) -> None:
    named = [words for program, words in commands(read(document)) if program == "goen"]
    assert [(words, fault) for words in named if (fault := goen_fault(words))] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):(?!=)", read("Makefile"), re.MULTILINE))
    given = [words for program, words in commands(read(document)) if program == "make" and words]
    named = [[name for name in words if "=" not in name][-1] for words in given]
    assert [name for name in named if name not in targets] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_function_test_and_setting_exists(document: str) -> None:
    named = spans(read(document))
    assert [fault for span in named if (fault := reference_fault(span) or setting_fault(span))] == []


def test_both_readmes_name_the_same_commands() -> None:
    """Values may differ, because a name is written in the reader's language; words and options may not."""

    def shape(document: str) -> list[str]:
        named = commands(read(document))
        return [" ".join([program, *(w for w in words if w.isascii())]) for program, words in named]

    def without_names(line: str) -> list[str]:
        options = re.findall(r"(?<!\S)--?[a-zA-Z-]+", line)
        return options if " partner add " in line else [line]

    english, japanese = ([without_names(line) for line in shape(readme)] for readme in READMES)
    assert english == japanese
    assert len(english) > 10


def test_both_readmes_show_the_same_marker_and_the_same_lines_for_postfix() -> None:
    def shown(document: str) -> set[str]:
        blocks, _ = split(read(document))
        return {
            span for span in [*blocks, *spans(read(document))] if "relay" in span.lower() or " = " in span
        }

    assert shown(READMES[0]) == shown(READMES[1])


FOREIGN_SYMPTOMS = frozenset(
    {
        *("STARTTLS", "AUTH", "dkim=fail", "dkim=permerror", "Authentication-Results", "timeout"),
        *("Connection refused", "451 4.4.1", "unmarked", "id", "goen slots explain"),
    }
)
"""What other programs write, and what is not looked for in a text."""


def symptom_is_ours(symptom: str, source: str) -> bool:
    if event := re.fullmatch(r'"(?:event|kind)": ("[\w-]+")', symptom):
        return event[1] in source
    if field := re.fullmatch(r'"(\w+)": \w+', symptom):
        return f"{field[1]}={field[1]}" in source
    return symptom in source


def test_every_known_issue_has_a_symptom_that_can_be_found() -> None:
    issues = re.split(
        r"^### ", read("docs/known-issues.md").partition("## Not there yet")[0], flags=re.MULTILINE
    )
    source = "\n".join(
        p.read_text("utf-8") for room in ("gateway", "store") for p in (ROOT / room).rglob("*.py")
    )
    assert len(issues) > 10
    for issue in issues[1:]:
        title = issue.partition("\n")[0]
        (line,) = re.findall(r"^Symptom: (.+)$", issue, re.MULTILINE)
        ours = [symptom for symptom in SPAN.findall(line) if symptom not in FOREIGN_SYMPTOMS]
        assert [symptom for symptom in ours if not symptom_is_ours(symptom, source)] == [], title


def test_every_fragment_is_of_a_kind_that_the_changelog_knows() -> None:
    kinds = {kind["directory"] for kind in tomllib.loads(read("pyproject.toml"))["tool"]["towncrier"]["type"]}
    names = [path.name for path in (ROOT / "changes").iterdir() if not path.name.startswith(".")]
    wrong = [
        n for n in names if not ((m := re.fullmatch(r"\+[a-z0-9-]+\.([a-z]+)\.md", n)) and m[1] in kinds)
    ]
    assert wrong == []


def test_the_changelog_has_the_line_where_new_notes_go() -> None:
    assert "<!-- towncrier release notes start -->" in read("CHANGELOG.md").splitlines()


@pytest.mark.parametrize("picture", ["docs/flow.svg", "docs/flow.ja.svg"])
def test_a_picture_says_in_words_what_it_shows_and_loads_nothing(picture: str) -> None:
    text = read(picture)
    assert 'role="img" aria-labelledby="title" aria-describedby="desc"' in text
    assert re.search(r'<title id="title">[^<]+</title>\s*<desc id="desc">[^<]{100,}</desc>', text)
    assert "href" not in text
    assert "@import" not in text
    assert "<script" not in text


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("slots explain demo-agency --json", None),
        ("-c goen.toml check-config", None),
        ("slots redeem", "there is no command redeem"),
        ("serve --all", "there is no option --all"),
        ("health now", "takes no now"),
        ("demo --once a.eml", None),
    ],
)
def test_a_command_that_is_not_there_is_seen(words: str, fault: str | None) -> None:
    assert goen_fault(words.split()) == fault


def test_commands_are_found_in_blocks_and_spans_and_behind_other_commands() -> None:
    text = "Use `goen slots`, not `goen.toml`.\n\n    a && .venv/bin/goen health\n    -u goen -- goen init\n"
    assert [words for program, words in commands(text) if program == "goen"] == [
        ["health"],
        ["init"],
        ["slots"],
    ]
