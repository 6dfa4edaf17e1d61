"""From settings to servers: each of the list with its own policy, and files that are tried at the start."""

import ssl
from pathlib import Path

import pytest

from gateway.next_hop_servers import listening, servers_of
from gateway.preparing import prepare
from gateway.settings import SettingsInvalid, load
from gateway.smtp.servers import TlsPolicy
from tests.smtp.certificates import Authority

WEB = {"GOEN_WEB__PUBLIC_URL": "https://next.example.com"}


def settings_file(folder: Path, next_hop: str, more: str = "") -> Path:
    path = folder / "goen.toml"
    path.write_text(f"[relay]\nnext_hop = {next_hop}\n[next_hop]\n{more}\n")
    return path


def test_each_server_of_the_list_is_used_in_its_order_with_its_own_policy(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    more = 'server_name = "smarthost.example.com"\nlogin_user = "relay"\nlogin_secret_file = "secret"'
    path = settings_file(tmp_path, '["a.example.com", "[2001:db8::1]:26", "localhost:27"]', more)
    settings = load(path, WEB | {"GOEN_NEXT_HOP__LOGIN_MECHANISM": "xoauth2"})
    servers = servers_of(settings, prepare(settings).tls_contexts, "gw.example.com")
    assert [server.label for server in servers] == ["a.example.com:25", "[2001:db8::1]:26", "localhost:27"]
    assert [server.tls for server in servers] == [TlsPolicy.VERIFY, TlsPolicy.VERIFY, TlsPolicy.NONE]
    for server in servers:
        assert server.helo_name == b"gw.example.com"
        assert server.server_name == "smarthost.example.com"
        assert server.login is not None
        assert (server.login.user, server.login.mechanism) == ("relay", "XOAUTH2")
        assert server.login.secret_file == tmp_path / "secret"


@pytest.mark.parametrize(
    ("policy", "verified"),
    [("opportunistic", False), ("require", False), ("verify", True), ("implicit", True)],
)
def test_only_the_policies_that_say_so_check_the_certificate(
    tmp_path: Path, policy: str, *, verified: bool
) -> None:
    settings = load(settings_file(tmp_path, '"mail.example.com"', f'tls = "{policy}"'), WEB)
    [server] = servers_of(settings, prepare(settings).tls_contexts, "gw.example.com")
    context = server.tls_context
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname is verified
    assert (context.verify_mode is ssl.CERT_REQUIRED) is verified


def test_a_client_certificate_is_loaded(tmp_path: Path) -> None:
    shown = Authority(tmp_path).certificate("gateway")
    more = f'client_certificate_file = "{shown.certificate}"\nclient_key_file = "{shown.key}"'
    assert prepare(load(settings_file(tmp_path, '"mail.example.com"', more), WEB)).tls_contexts


@pytest.mark.parametrize("content", ["", "no key", "another"])
def test_a_certificate_without_its_key_is_a_fault(tmp_path: Path, content: str) -> None:
    authority = Authority(tmp_path)
    shown, other = authority.certificate("gateway"), authority.certificate("other")
    shown.key.write_bytes(other.key.read_bytes() if content == "another" else content.encode())
    more = f'client_certificate_file = "{shown.certificate}"\nclient_key_file = "{shown.key}"'
    settings = load(settings_file(tmp_path, '"mail.example.com"', more), WEB)
    with pytest.raises(SettingsInvalid, match="not a certificate and its key"):
        prepare(settings)


def test_our_own_doors_are_known(tmp_path: Path) -> None:
    door = '[[relay.listeners]]\nname = "branch"\nlisten = "127.0.0.1:26"\n'
    settings = load(settings_file(tmp_path, '"mail.example.com"', door), WEB)
    assert listening(settings) == (("127.0.0.1", 2525), ("127.0.0.1", 26))
