"""How the next hop is talked to: each check of a setting, and what the policies come to."""

from pathlib import Path

import pytest

from gateway.settings import SettingsInvalid, load

SERVERS = {"GOEN_RELAY__NEXT_HOP": "mail.example.com", "GOEN_WEB__PUBLIC_URL": "https://next.example.com"}
HERE = SERVERS | {"GOEN_RELAY__NEXT_HOP": "127.0.0.1:1025"}


def settings_file(folder: Path, text: str) -> Path:
    """Write a settings file, and beside it the files that the settings of these tests name."""
    for name in ("ca.pem", "cert.pem", "key.pem", "secret"):
        (folder / name).write_text("x")
        (folder / name).chmod(0o600)
    (folder / "open").write_text("x")
    (folder / "open").chmod(0o644)
    path = folder / "goen.toml"
    path.write_text(f"[next_hop]\n{text}\n")
    return path


FAULTS = [
    ('tls = "maybe"', "tls", "'auto', 'none'"),
    ('ca_file = "absent.pem"', "ca_file", "not a file"),
    ('tls = "none"\nca_file = "ca.pem"', "ca_file", "of no use"),
    ('tls = "require"\nca_file = "ca.pem"', "ca_file", "of no use"),
    ('tls = "opportunistic"\nserver_name = "a.example"', "server_name", "of no use"),
    ('server_name = "a b"', "server_name", "domain name"),
    ('tls = "none"\nclient_certificate_file = "cert.pem"', "client_certificate_file", "of no use"),
    ('client_certificate_file = "cert.pem"', "client_key_file", "need each other"),
    ('client_key_file = "key.pem"', "client_key_file", "need each other"),
    ('client_certificate_file = "cert.pem"\nclient_key_file = "open"', "client_key_file", "others can use"),
    ('login_user = "relay"', "login_secret_file", "need each other"),
    ('login_secret_file = "secret"', "login_secret_file", "need each other"),
    ('login_user = "relay"\nlogin_secret_file = "open"', "login_secret_file", "others can use"),
    ('login_user = "relay"\nlogin_secret_file = "absent"', "login_secret_file", "not a file"),
    ('login_mechanism = "cram-md5"', "login_mechanism", "'plain', 'login'"),
    ("max_connections = 0", "max_connections", "at least 1"),
]


@pytest.mark.parametrize(("text", "key", "words"), FAULTS)
def test_a_faulty_setting_is_named(tmp_path: Path, text: str, key: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(settings_file(tmp_path, text), SERVERS)
    faults = caught.value.faults
    assert [fault.where for fault in faults if words in fault.what] == [f"next_hop.{key}"], faults


LOGIN = 'login_user = "relay"\nlogin_secret_file = "secret"\n'


@pytest.mark.parametrize("policy", ["none", "opportunistic"])
def test_the_secret_is_not_shown_to_the_network(tmp_path: Path, policy: str) -> None:
    path = settings_file(tmp_path, f'{LOGIN}tls = "{policy}"')
    with pytest.raises(SettingsInvalid) as caught:
        load(path, SERVERS)
    [fault] = caught.value.faults
    assert fault.where == "next_hop"
    assert "show the secret" in fault.what
    assert load(path, HERE).next_hop.login_user == "relay"


@pytest.mark.parametrize("policy", ["auto", "require", "verify", "implicit"])
def test_a_login_is_allowed_where_it_is_encrypted(tmp_path: Path, policy: str) -> None:
    assert load(settings_file(tmp_path, f'{LOGIN}tls = "{policy}"'), SERVERS).next_hop.login_secret_file


def test_neither_user_nor_secret_shows_in_a_repr(tmp_path: Path) -> None:
    settings = load(
        settings_file(tmp_path, 'login_user = "relay@example.com"\nlogin_secret_file = "secret"'), SERVERS
    )
    assert "relay@example.com" not in repr(settings)


POLICIES = [
    ("127.0.0.1:1025", "auto", "none"),
    ("localhost:1025", "auto", "none"),
    ("[::1]:1025", "auto", "none"),
    ("mail.example.com", "auto", "verify"),
    ("10.0.0.1", "auto", "verify"),
    *(("10.0.0.1", mode, mode) for mode in ("none", "opportunistic", "require", "verify", "implicit")),
    ("127.0.0.1:1025", "require", "require"),
]


@pytest.mark.parametrize(("next_hop", "mode", "policy"), POLICIES)
def test_auto_verifies_everywhere_but_on_this_machine(next_hop: str, mode: str, policy: str) -> None:
    settings = load(None, SERVERS | {"GOEN_RELAY__NEXT_HOP": next_hop, "GOEN_NEXT_HOP__TLS": mode})
    assert settings.next_hop.policy_for(settings.relay.next_hop[0]) == policy
