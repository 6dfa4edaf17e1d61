"""The settings file that `goen init` writes: complete, explained, and read back as it was meant."""

import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.settings import DkimKey, ListenerSettings, load
from gateway.settings.new_file import TomlValue, settings_file
from gateway.settings.sources import known_names


def write(folder: Path, text: str) -> Path:
    path = folder / "goen.toml"
    path.write_text(text, "utf-8")
    return path


def commented_settings(text: str) -> Iterator[str]:
    """Yield `section.key` for every setting line of a settings file, in force or behind a #."""
    section = ""
    for line in text.splitlines():
        if header := re.fullmatch(r"#?\[+([a-z_.]+)\]+", line):
            section = header[1]
        elif key := re.match(r"#?([a-z_]+) = ", line):
            yield f"{section}.{key[1]}"


ANSWERS = {"relay.next_hop": "mail.example.com:25", "web.public_url": "https://next.example.com"}
TABLES: dict[str, type[BaseModel]] = {"relay.listeners": ListenerSettings, "dkim.keys": DkimKey}
"""The settings that are lists of tables, and what an entry is."""
FIELDS = [f"{name}.{key}" for name, model in TABLES.items() for key in model.model_fields]


def test_a_new_settings_file_holds_every_setting_and_loads_back(tmp_path: Path) -> None:
    text = settings_file(ANSWERS)
    expected = [name for name in known_names() if name not in TABLES]
    found = list(commented_settings(text))
    assert [name for name in found if name not in FIELDS] == expected
    assert [name for name in found if name in FIELDS] == FIELDS
    minimum = '[relay]\nnext_hop = "mail.example.com"\n[web]\npublic_url = "https://next.example.com"'
    assert load(write(tmp_path, text), {}) == load(write(tmp_path, minimum), {})


def test_every_example_in_a_new_settings_file_is_valid(tmp_path: Path) -> None:
    """Removing the # before every setting gives a file without faults."""
    (tmp_path / "dkim").mkdir()
    (tmp_path / "dkim" / "goen1.pem").touch(0o600)
    for name in ("company-ca.pem", "gateway.pem", "gateway.key", "login.secret"):
        (tmp_path / name).touch(0o600)
    (tmp_path / "smtp").mkdir()
    for name in ("fullchain.pem", "privkey.pem", "client-ca.pem"):
        (tmp_path / "smtp" / name).touch(0o600)
    settings = load(write(tmp_path, re.sub(r"(?m)^#(?=[a-z\[])", "", settings_file({}))), {})
    assert not settings.organisation.missing
    assert settings.dkim.keys[0].private_key_file == tmp_path / "dkim/goen1.pem"


def test_every_setting_is_explained_in_a_new_settings_file() -> None:
    lines = settings_file({}).splitlines()
    unexplained = [
        line
        for before, line in itertools.pairwise(lines)
        if re.match(r"#?[a-z_]+ = ", line) and not before.startswith("# ")
    ]
    assert unexplained == []
    assert max(map(len, lines)) <= 110


def test_answers_stand_in_a_new_settings_file_as_they_were_given(tmp_path: Path) -> None:
    for name in ("a.pem", "b.pem"):
        (tmp_path / name).touch(0o600)
    keys = [
        {"domain": "example.com", "selector": "goen1", "private_key_file": "a.pem"},
        {
            "domain": "example.com",
            "selector": "goen2",
            "algorithm": "ed25519-sha256",
            "private_key_file": "b.pem",
        },
    ]
    answers: dict[str, TomlValue] = {
        **ANSWERS,
        "organisation.legal_name": 'A "quoted" \\ 株式会社見本',
        "relay.sender_domains": ["example.com", "example.jp"],
        "consent.cooling_off_hours": 0,
        "dkim.keys": keys,
    }
    text = settings_file(answers)
    assert "株式会社見本" in text
    assert tomllib.loads(text)["dkim"]["keys"] == keys
    settings = load(write(tmp_path, text), {})
    assert settings.organisation.legal_name == answers["organisation.legal_name"]
    assert settings.relay.sender_domains == ("example.com", "example.jp")
    assert settings.consent.cooling_off_hours == 0


def test_an_answer_to_a_question_nobody_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="no such setting: relay"):
        settings_file({"relay.nexthop": "a"})
