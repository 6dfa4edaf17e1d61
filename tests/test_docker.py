"""The container files, checked without a container engine: against the settings, the tree and each other."""

import re
import tomllib
from configparser import ConfigParser
from ipaddress import ip_network
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from gateway.settings import FILE_VARIABLE, Settings, load
from gateway.settings.new_file import settings_file
from gateway.settings.sources import known_names, variable_for

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
COMPOSE_FILES = ("compose.yaml", "compose.postgres.yaml")

Yaml = str | int | bool | list["Yaml"] | dict[str, "Yaml"]


def read_yaml(text: str) -> Yaml:
    """Read the small part of YAML that our compose files keep to; anything else is an error.

    Mappings and lists in block form, two spaces a level, texts always in double quotes: no text can turn
    into a number, a date or a boolean.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    value, rest = _read_block(lines, 0)
    if rest:
        raise ValueError(f"cannot read {rest[0]!r}")
    return value


def _read_block(lines: list[str], indent: int) -> tuple[Yaml, list[str]]:
    is_list = lines[0].lstrip().startswith("- ")
    items: list[Yaml] = []
    entries: dict[str, Yaml] = {}
    pad = " " * indent
    while lines and lines[0].startswith(pad) and not lines[0].startswith(pad + " "):
        line = lines[0][indent:]
        if is_list and re.match(r'- "', line):
            items.append(_read_scalar(line[2:]))
            lines = lines[1:]
        elif is_list:
            item, lines = _read_block([f"{pad}  {line.removeprefix('- ')}", *lines[1:]], indent + 2)
            items.append(item)
        else:
            match = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*):(?: (.+))?", line)
            if match is None or match[1] in entries:
                raise ValueError(f"cannot read {line!r}")
            if match[2] is None:
                entries[match[1]], lines = _read_block(lines[1:], indent + 2)
            else:
                entries[match[1]], lines = _read_scalar(match[2]), lines[1:]
    return (items if is_list else entries), lines


def _read_scalar(text: str) -> Yaml:
    if match := re.fullmatch(r'"([^"\\]*)"', text):
        return match[1]
    if text in {"true", "{}"}:
        return True if text == "true" else {}
    raise ValueError(f"cannot read {text!r}")


def at(value: Yaml, *path: str | int) -> Yaml:
    for step in path:
        match value:
            case dict():
                value = value[str(step)]
            case list():
                value = value[int(step)]
            case _:
                raise TypeError(f"{step!r} leads nowhere in {value!r}")
    return value


def texts(value: Yaml) -> list[str]:
    """Return the items of a list, or the keys of a mapping, as text."""
    assert isinstance(value, list | dict)
    return [str(item) for item in value]


def compose(name: str = "compose.yaml") -> Yaml:
    return read_yaml((DOCKER / name).read_text("utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Return every instruction of the Dockerfile and its argument."""
    text = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text("utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def arguments(instruction: str) -> list[str]:
    return [argument for word, argument in instructions() if word == instruction]


def container_settings() -> Settings:
    """Return the settings without the signing keys, which are in no image."""
    return load(DOCKER / "goen.toml", {"GOEN_DKIM__KEYS": "[]"})


def test_every_variable_in_the_container_files_is_a_setting() -> None:
    known = {variable_for(name) for name in known_names()}
    allowed = known | {f"{name}_FILE" for name in known} | {FILE_VARIABLE}
    paths = [path for path in DOCKER.iterdir() if path.is_file()]
    used = {
        (path.name, name)
        for path in paths
        for name in re.findall(r"\bGOEN_[A-Z0-9_]*[A-Z0-9]\b", path.read_text("utf-8"))
        if name not in {"GOEN_SECTION__KEY", "GOEN_SECTION__KEY_FILE"}
    }
    assert {name for _, name in used} >= {FILE_VARIABLE, "GOEN_STORE__URL_FILE"}
    assert [pair for pair in used if pair[1] not in allowed] == []


def test_the_container_settings_are_what_goen_init_would_write() -> None:
    """Every setting stands in docker/goen.toml with the comment it has in the program."""
    text = (DOCKER / "goen.toml").read_text("utf-8")
    answers = {
        f"{section}.{key}": value
        for section, table in tomllib.loads(text).items()
        for key, value in table.items()
    }
    assert settings_file(answers) == text


def test_the_container_settings_are_valid_and_keep_all_data_in_the_volume() -> None:
    settings = container_settings()
    assert settings.store.url.startswith("sqlite:////data/")
    assert settings.store.key_file.is_relative_to("/data")
    assert settings.journal.format == "json"


def test_the_documented_start_leaves_nothing_to_be_given_but_the_organisation(tmp_path: Path) -> None:
    """The container's settings name the very keys that the documented `init` writes into the volume."""
    (command,) = re.findall(
        r"^    docker compose -f docker/compose.yaml run --rm gateway (init .*)$",
        (ROOT / "docs" / "deploy.md").read_text("utf-8"),
        re.MULTILINE,
    )
    volume = tmp_path / "data"
    result = CliRunner().invoke(main, [str(volume) if word == "/data" else word for word in command.split()])
    assert result.exit_code == 0, result.output
    mounted = tmp_path / "goen.toml"
    mounted.write_text((DOCKER / "goen.toml").read_text("utf-8").replace('"/data/', f'"{volume}/'), "utf-8")
    settings = load(mounted, {})
    assert {name.partition(".")[0] for name in settings.unprepared} == {"organisation"}
    assert settings.store.key_file.is_file()
    assert {key.domain for key in settings.dkim.keys} == set(settings.relay.internal_domains)


def test_the_image_is_built_in_two_stages_from_one_base() -> None:
    assert arguments("FROM") == ["${PYTHON} AS build", "${PYTHON}"]
    assert re.fullmatch(r"PYTHON=python:3\.\d+-slim(@sha256:[0-9a-f]{64})?", arguments("ARG")[0])


def test_the_image_installs_only_what_the_lock_allows() -> None:
    installs = [line for line in arguments("RUN") if "pip install" in line]
    assert [("--require-hashes" in line or "--no-deps" in line) for line in installs] == [True, True]


def test_the_image_runs_goen_without_privileges() -> None:
    assert arguments("USER") == ["10001:10001"]
    assert arguments("ENTRYPOINT") == ['["goen"]']
    assert arguments("CMD") == ['["serve"]']
    assert arguments("HEALTHCHECK")[0].endswith('CMD ["goen", "health"]')
    words = [word for word, _ in instructions()]
    assert words.index("USER") > max(number for number, word in enumerate(words) if word == "RUN")


def test_the_image_starts_a_program_that_setup_cfg_declares() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    assert "goen = cli:main" in config["options.entry_points"]["console_scripts"]


def test_the_build_copies_all_our_source_and_the_build_context_lets_it_through() -> None:
    copied = [
        name for line in arguments("COPY") if not line.startswith("--from") for name in line.split()[:-1]
    ]
    ignore = (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignore
    assert {f"!{name}" for name in copied} == {line for line in ignore if line.startswith("!")}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"cli.py", "gateway", "store", "templates", "setup.cfg", "pyproject.toml"} <= set(copied)


def test_the_service_runs_as_the_image_says() -> None:
    gateway = at(compose(), "services", "gateway")
    assert at(gateway, "user") == arguments("USER")[0]
    assert at(gateway, "read_only") is True
    assert at(gateway, "cap_drop") == ["ALL"]
    assert at(gateway, "security_opt") == ["no-new-privileges:true"]
    assert at(gateway, "build") == {"context": "..", "dockerfile": "docker/Dockerfile"}
    assert f"data:{arguments('VOLUME')[0]}" in texts(at(gateway, "volumes"))


def test_the_service_reads_the_settings_that_it_mounts() -> None:
    gateway = at(compose(), "services", "gateway")
    path = at(gateway, "environment", FILE_VARIABLE)
    assert f"./goen.toml:{path}:ro" in texts(at(gateway, "volumes"))


def test_the_ports_are_the_listeners_and_stay_on_this_machine() -> None:
    settings = container_settings()
    ports = [str(settings.relay.listen.port), str(settings.web.listen.port)]
    assert settings.relay.listen.unspecified
    assert settings.web.listen.unspecified
    assert arguments("EXPOSE") == [" ".join(ports)]
    published = texts(at(compose(), "services", "gateway", "ports"))
    assert published == [f"127.0.0.1:{port}:{port}" for port in ports]


def test_only_loopback_and_the_own_network_may_send_mail() -> None:
    subnet = at(compose(), "networks", "mail", "ipam", "config", 0, "subnet")
    assert {str(network) for network in container_settings().relay.allowed_networks} == {
        "127.0.0.0/8",
        str(ip_network(str(subnet))),
    }


def test_a_stop_waits_longer_than_a_message_may_take() -> None:
    grace = str(at(compose(), "services", "gateway", "stop_grace_period"))
    assert int(grace.removesuffix("s")) > container_settings().relay.deadline_seconds


def test_postgresql_has_every_secret_and_volume_it_names() -> None:
    file = compose("compose.postgres.yaml")
    secrets = texts(at(file, "secrets"))
    for service in ("gateway", "database"):
        environment = at(file, "services", service, "environment")
        named = [str(at(environment, name)) for name in texts(environment) if name.endswith("_FILE")]
        granted = texts(at(file, "services", service, "secrets"))
        assert [path.removeprefix("/run/secrets/") for path in named] == granted
        assert set(granted) <= set(secrets)
    assert at(file, "services", "database", "networks") == texts(at(compose(), "networks"))
    assert "secrets/" in (DOCKER / ".gitignore").read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "a: yes",
        "a: 2525:2525",
        "a: 'b'",
        'a: "b"\na: "c"',
        "a:\n   b: true",
        "a: &x true",
        'a: "b" # c',
        "- a\nb",
    ],
)
def test_yaml_that_could_be_misread_is_refused(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        read_yaml(text)


def test_yaml_is_read_as_its_authors_mean_it() -> None:
    text = 'a:\n  b: true\n  c:\n    - "x"\n    - d: "y"\n      e: {}\n  # note\nf: "1:2"\n'
    assert read_yaml(text) == {"a": {"b": True, "c": ["x", {"d": "y", "e": {}}]}, "f": "1:2"}
