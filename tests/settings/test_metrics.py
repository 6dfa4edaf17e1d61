"""Where the figures are read: nowhere unless asked for, and by nobody from elsewhere unless said."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.settings import Endpoint, SettingsInvalid, load

BASE = {
    "GOEN_RELAY__NEXT_HOP": "mail.example.com",
    "GOEN_RELAY__LISTEN": "127.0.0.1:2525",
    "GOEN_WEB__PUBLIC_URL": "https://next.example.com",
    "GOEN_WEB__LISTEN": "127.0.0.1:8025",
}


def settings_file(folder: Path, text: str) -> Path:
    path = folder / "goen.toml"
    path.write_text(f"[metrics]\n{text}\n")
    return path


def test_nothing_listens_by_default_and_this_machine_alone_may_read(tmp_path: Path) -> None:
    assert load(None, BASE).metrics.listen is None
    settings = load(settings_file(tmp_path, 'listen = "127.0.0.1:9025"'), BASE).metrics
    assert settings.listen == Endpoint("127.0.0.1", 9025)
    assert settings.allowed_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def test_an_empty_text_means_nowhere() -> None:
    assert load(None, BASE | {"GOEN_METRICS__LISTEN": ""}).metrics.listen is None


def test_other_machines_are_named_and_replace_this_one(tmp_path: Path) -> None:
    text = 'listen = "0.0.0.0:9025"\nallowed_networks = ["10.1.2.9"]'
    settings = load(settings_file(tmp_path, text), BASE).metrics
    assert settings.allowed_networks == (ip_network("10.1.2.9/32"),)


FAULTS = [
    ('listen = "0.0.0.0:9025"', "metrics.allowed_networks", "who may read the figures"),
    ('listen = "[2001:db8::1]:9025"', "metrics.allowed_networks", "who may read the figures"),
    ('listen = "metrics.example.com:9025"', "metrics.listen", "an address of this machine"),
    ('listen = "127.0.0.1:2525"', "metrics", "as another listener does"),
    ('listen = "localhost:8025"', "metrics", "as another listener does"),
]


@pytest.mark.parametrize(("text", "key", "words"), FAULTS)
def test_a_faulty_setting_is_named(tmp_path: Path, text: str, key: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(settings_file(tmp_path, text), BASE)
    faults = caught.value.faults
    assert [fault.where for fault in faults if words in fault.what] == [key], faults
