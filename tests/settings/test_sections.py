"""Every check of a setting, its default, and what the sections derive."""

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import Endpoint, Fault, RelaySettings, SettingsInvalid, load
from gateway.settings.sources import _check, _fault, _merged, known_names
from gateway.settings.values import read_domain, read_next_hop

DOOR = '[[relay.listeners]]\nname = "branch"\n'
CLIENTS = 'client_ca_file = "ca.pem"\nclient_names = ["mail.example.com"]'
NEXT_HOP = 'next_hop = "mail.example.com"'
REQUIRED = {"GOEN_RELAY__NEXT_HOP": "mail.example.com", "GOEN_WEB__PUBLIC_URL": "https://next.example.com"}


def write(folder: Path, text: str) -> Path:
    path = folder / "goen.toml"
    path.write_text(text, "utf-8")
    return path


def with_required(relay: str = "", web: str = "", rest: str = "") -> str:
    """Return a settings file in which the required settings stand, unless `relay` or `web` gives them."""
    next_hop = "" if re.search(r"^next_hop *=", relay, re.MULTILINE) else NEXT_HOP
    public_url = "" if "public_url" in web else 'public_url = "https://next.example.com"'
    return f"[relay]\n{next_hop}\n{relay}\n[web]\n{public_url}\n{web}\n{rest}\n"


def faults_of(path: Path | None, environ: dict[str, str] | None = None) -> tuple[Fault, ...]:
    with pytest.raises(SettingsInvalid) as caught:
        load(path, environ or {})
    return caught.value.faults


def test_two_settings_are_enough() -> None:
    settings = load(None, REQUIRED)
    assert settings.relay.next_hop == (Endpoint("mail.example.com", 25),)
    assert settings.relay.listen == Endpoint("127.0.0.1", 2525)
    assert [str(network) for network in settings.relay.allowed_networks] == ["127.0.0.0/8", "::1/128"]
    assert settings.relay.deadline_seconds == 540
    assert settings.relay.max_message_octets == 50 * 1024 * 1024
    assert settings.web.public_url == "https://next.example.com"
    assert settings.web.listen == Endpoint("127.0.0.1", 8025)
    assert settings.dkim.keys == ()
    assert settings.consent.cooling_off_hours == 24
    assert settings.organisation.missing
    assert settings.journal.format == "auto"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(None, REQUIRED).relay.hostname = "other.example.com"


def test_settings_can_be_built_without_any_source() -> None:
    relay = RelaySettings(listen=Endpoint("127.0.0.1", 0), next_hop=(Endpoint("127.0.0.1", 1025),))
    assert relay.next_hop[0].port == 1025


RELAY_FAULTS = [
    ('next_hop = ""', "next_hop", "empty"),
    ("next_hop = 25", "next_hop", "text in quotes"),
    ('next_hop = "mail.example.com:0"', "next_hop", "port 0"),
    ('next_hop = "mail.example.com:70000"', "next_hop", "above 65535"),
    ('next_hop = "mail.example.com:smtp"', "next_hop", "must look like"),
    ('next_hop = "::1"', "next_hop", "brackets"),
    ('next_hop = "[127.0.0.1]:25"', "next_hop", "not an IPv6 address"),
    ('next_hop = "10.1.2.300"', "next_hop", "neither an address nor a name"),
    ('next_hop = "smtp://mail.example.com"', "next_hop", "must look like"),
    ('next_hop = "ma il.example.com"', "next_hop", "domain name"),
    ('next_hop = "0.0.0.0:25"', "next_hop", "to listen on"),
    ('next_hop = "127.0.0.1:2525"', "next_hop", "loop"),
    ('next_hop = "localhost:2525"', "next_hop", "loop"),
    ('listen = "127.0.0.1"', "listen", "needs a port"),
    ('listen = "gateway.example.com:2525"', "listen", "address of this machine"),
    ('listen = "0.0.0.0:2525"', "allowed_networks", "must list who may send mail"),
    ('listen = "[::]:2525"\nallowed_networks = []', "allowed_networks", "must list who may send mail"),
    ('allowed_networks = ["0.0.0.0/0"]', "allowed_networks", "open relay"),
    ('allowed_networks = ["::/0"]', "allowed_networks", "open relay"),
    ('allowed_networks = ["10.1.2.3/8"]', "allowed_networks", 'did you mean "10.0.0.0/8"'),
    ('allowed_networks = ["inside"]', "allowed_networks", "an address or a network"),
    ('allowed_networks = "10.0.0.0/8"', "allowed_networks", "list in square brackets"),
    ('sender_domains = ["example.com", "@example.jp"]', "sender_domains", "(entry 2)"),
    ('sender_domains = ["例え.example"]', "sender_domains", "xn--"),
    ('internal_domains = ["exa mple.com"]', "internal_domains", "domain name"),
    ('agency_domains = [""]', "agency_domains", "empty"),
    ('excluded_addresses = ["example.com"]', "excluded_addresses", "mail address alone"),
    ('hostname = "gateway.example.com\\r\\nX: y"', "hostname", "control characters"),
    ("next_hop = []", "next_hop", "at least one"),
    ('next_hop = ["a.example", "a.example:25"]', "next_hop", "twice"),
    ('next_hop = ["a.example", "127.0.0.1:2525"]', "next_hop", "loop"),
    ("max_message_mb = 0", "max_message_mb", "at least 1"),
    ("max_message_mb = 1.5", "max_message_mb", "whole number"),
    ("max_message_mb = true", "max_message_mb", "whole number"),
    ("deadline_seconds = 600", "deadline_seconds", "at most 590"),
    ('allowed_networks = ["0.0.0.0/1", "128.0.0.0/1"]', "allowed_networks", "open relay"),
    ('allowed_networks = ["::/1", "10.0.0.0/8", "8000::/1"]', "allowed_networks", "open relay"),
    ('tls = "required"', "private_key_file", "needed for tls"),
    ('certificate_file = "goen.toml"', "private_key_file", "together with certificate_file"),
    ('auth = "optional"', "auth", "without TLS"),
    ('client_names = ["mail.example.com"]', "client_names", "without client_ca_file"),
    ('client_ca_file = "goen.toml"', "client_ca_file", "without certificate_file"),
    ('tenant_headers = ["X-Tenant"]', "tenant_headers", "header field"),
    ('tenant_headers = ["X Tenant: a"]', "tenant_headers", "header field"),
    ('tenant_headers = ["X-Tenant: é"]', "tenant_headers", "ASCII"),
    ("max_connections = 0", "max_connections", "at least 1"),
    ("memory_mb = 0", "memory_mb", "at least 1"),
    ('proxy_protocol_from = ["0.0.0.0/0"]', "proxy_protocol_from", "everyone"),
]


@pytest.mark.parametrize(("relay", "key", "words"), RELAY_FAULTS)
def test_a_faulty_relay_setting_is_named(tmp_path: Path, relay: str, key: str, words: str) -> None:
    (fault,) = faults_of(write(tmp_path, with_required(relay=relay)))
    assert fault.where == f"relay.{key}"
    assert words in fault.what


OTHER_FAULTS = [
    (f'{DOOR}listen = "127.0.0.1:2525"', "relay.listeners", "as relay does (entry 1)"),
    (f'{DOOR}listen = "0.0.0.0:26"', "relay.listeners.allowed_networks", "must list who may send mail"),
    (f'{DOOR}listen = "127.0.0.1:26"\n{DOOR}listen = "127.0.0.1:27"', "relay.listeners", "two named branch"),
    (f'{DOOR}listen = "127.0.0.1:8025"', "web", "the listener branch takes mail"),
    ('[web]\npublic_url = "http://next.example.com"', "web.public_url", "https"),
    ('[web]\npublic_url = "next.example.com"', "web.public_url", "must be a web address"),
    ('[web]\npublic_url = "https://next!.example.com"', "web.public_url", "domain name"),
    ('[web]\npublic_url = "https://a.example/x y"', "web.public_url", "without spaces"),
    ('[web]\npublic_url = "http://[2001:db8::1]"', "web.public_url", "https"),
    ('[web]\npublic_url = "https://"', "web.public_url", "must be a web address"),
    ('[web]\npublic_url = "https://a.example?x=1"', "web.public_url", "no ?"),
    ('[web]\npublic_url = "https://me:pw@a.example"', "web.public_url", "no user name"),
    ('[web]\npublic_url = "https://例え.example"', "web.public_url", "xn--"),
    ('[web]\npublic_url = "https://[::1"', "web.public_url", "not a web or database address"),
    ('[web]\nlisten = "127.0.0.1:2525"', "web", "choose another port"),
    ('[store]\nurl = "mysql://db/goen"', "store.url", "sqlite:///"),
    ('[store]\nurl = "sqlite://var/goen"', "store.url", "sqlite:///"),
    ('[store]\nurl = "sqlite:///:memory:"', "store.url", "forgets"),
    ('[store]\nurl = "postgresql:///goen"', "store.url", "host and database"),
    ('[store]\nurl = "postgresql://db"', "store.url", "host and database"),
    ('[store]\nurl = "PostgreSQL://db/goen"', "store.url", "sqlite:///"),
    ('[store]\nurl = "postgresql://u:p@q@db/goen"', "store.url", "%40"),
    ('[store]\nurl = "postgresql://u:1/q@db/goen"', "store.url", "%2F"),
    ('[store]\nurl = "postgresql://u:p/q@db/goen"', "store.url", "%2F"),
    ('[store]\nurl = "postgresql://u:1?q=2@db/goen"', "store.url", "%3F"),
    ('[store]\nurl = "postgresql://u:1#q@db/goen"', "store.url", "%23"),
    ('[store]\nurl = "postgresql://db/goen#q"', "store.url", "%23"),
    ('[store]\nurl = "postgresql://u:p%zz@db/goen"', "store.url", "%25"),
    ('[store]\nurl = "postgresql://u:p%4@db/goen"', "store.url", "%25"),
    ('[store]\nurl = "postgresql://u:p%00@db/goen"', "store.url", "%00"),
    ('[store]\nurl = "postgresql://db/goen?application_name=50%"', "store.url", "%25"),
    ('[store]\nurl = "postgresql://db/goen?sslmode=require&bogus=1"', "store.url", "parameter 2"),
    ('[store]\nurl = "postgresql://db/goen?sslmode"', "store.url", "parameter 1"),
    ('[store]\nurl = "postgresql://db/goen?sslmode=a=b"', "store.url", "parameter 1"),
    ('[store]\nurl = "postgresql://db/goen?connect_timeout=soon"', "store.url", "parameter 1"),
    ('[store]\nurl = "postgresql://db/goen?sslmode=require&port=x"', "store.url", "parameter 2"),
    (f'[store]\nurl = "postgresql://{"a" * 64}/goen"', "store.url", "neither an address nor"),
    ('[store]\nurl = "postgresql://db,b..c/goen"', "store.url", "neither an address nor"),
    ('[store]\nurl = "postgresql:///goen?host=a..b"', "store.url", "neither an address nor"),
    ('[store]\nurl = "postgresql://db/goen?SSLMODE=require"', "store.url", "parameter 1"),
    ('[[dkim.keys]]\ndomain = "a b"', "dkim.keys.domain", '"example.com" (entry 1)'),
    ('[organisation]\npurpose_notice_url = "see web"', "organisation.purpose_notice_url", "web address"),
    ('[organisation]\nlegal_name = "A\\nB"', "organisation.legal_name", "one line"),
    ("[consent]\ncooling_off_hours = -1", "consent.cooling_off_hours", "at least 0"),
    ("journal = 1", "journal", "table"),
    ('[journal]\nformat = ["json"]', "journal.format", "must be"),
]


@pytest.mark.parametrize(("text", "where", "words"), OTHER_FAULTS)
def test_a_faulty_setting_of_another_section_is_named(
    tmp_path: Path, text: str, where: str, words: str
) -> None:
    environ = {name: value for name, value in REQUIRED.items() if "public_url" not in text or "RELAY" in name}
    found = faults_of(write(tmp_path, text), environ)
    assert [fault.where for fault in found if words in fault.what] == [where]


def with_certificate(folder: Path, rest: str) -> Path:
    """Return a settings file whose first door has a certificate, and these settings."""
    for name in ("c.pem", "k.pem"):
        (folder / name).touch(0o600)
    files = 'certificate_file = "c.pem"\nprivate_key_file = "k.pem"\n'
    return write(folder, with_required(relay=files + rest))


def test_a_door_with_a_certificate_offers_encryption_unless_told_otherwise(tmp_path: Path) -> None:
    (first, second) = load(with_certificate(tmp_path, f'{DOOR}listen = "127.0.0.1:26"\n'), {}).relay.doors
    assert (first.name, first.encryption) == ("relay", "optional")
    assert (second.name, second.encryption) == ("branch", "none")
    strict = load(with_certificate(tmp_path, 'tls = "required"'), {})
    assert strict.relay.doors[0].encryption == "required"
    (fault,) = faults_of(with_certificate(tmp_path, 'tls = "none"'))
    assert (fault.where, "of no use" in fault.what) == ("relay.private_key_file", True)


@pytest.mark.parametrize("proof", ['auth = "required"', 'auth = "optional"', CLIENTS])
def test_a_door_to_other_machines_needs_some_proof_of_who_sends(tmp_path: Path, proof: str) -> None:
    """A login, or a certificate, is as good as a network."""
    (tmp_path / "ca.pem").touch()
    outside = 'listen = "0.0.0.0:587"\n'
    (fault,) = faults_of(with_certificate(tmp_path, outside))
    assert fault.where == "relay.allowed_networks"
    door = load(with_certificate(tmp_path, outside + proof), {}).relay.doors[0]
    loopback = [str(network) for network in door.allowed_networks]
    assert loopback == ([] if "required" in proof else ["127.0.0.0/8", "::1/128"])


def test_networks_beside_a_required_login_are_refused_because_they_would_open_nothing(tmp_path: Path) -> None:
    path = with_certificate(tmp_path, 'auth = "required"\nallowed_networks = ["10.0.0.0/8"]')
    (fault,) = faults_of(path)
    assert (fault.where, "of no use" in fault.what) == ("relay.allowed_networks", True)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o666, 0o644])
def test_a_signing_key_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "key.pem").touch()
    (tmp_path / "key.pem").chmod(mode)
    key = '[[dkim.keys]]\ndomain = "example.com"\nselector = "goen1"\nprivate_key_file = "key.pem"\n'
    (fault,) = faults_of(write(tmp_path, with_required(rest=key)))
    assert fault.where == "dkim.keys.private_key_file"
    assert f"run: chmod g-w,o-rwx {tmp_path}/key.pem" in fault.what


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440])
def test_a_signing_key_may_be_read_by_its_group(tmp_path: Path, mode: int) -> None:
    (tmp_path / "key.pem").touch()
    (tmp_path / "key.pem").chmod(mode)
    key = '[[dkim.keys]]\ndomain = "example.com"\nselector = "goen1"\nprivate_key_file = "key.pem"\n'
    assert load(write(tmp_path, with_required(rest=key)), {}).dkim.keys[0].selector == "goen1"


def test_one_key_cannot_stand_twice_in_dns(tmp_path: Path) -> None:
    (tmp_path / "key.pem").touch(0o600)
    key = '[[dkim.keys]]\ndomain = "example.com"\nselector = "goen1"\nprivate_key_file = "key.pem"\n'
    (fault,) = faults_of(write(tmp_path, with_required(rest=key * 2)))
    assert "goen1._domainkey.example.com twice" in fault.what
    twice = with_required(rest=key + key.replace("goen1", "goen2"))
    assert [k.selector for k in load(write(tmp_path, twice), {}).dkim.keys] == ["goen1", "goen2"]


LOOPS = [
    ("127.0.0.1:25", "127.0.0.1:25", True),
    ("127.0.0.1:25", "localhost:25", True),
    ("localhost:25", "[::1]:25", True),
    ("0.0.0.0:25", "127.0.0.1:25", True),
    ("[::]:25", "localhost", True),
    ("192.0.2.1:25", "192.0.2.1", True),
    ("127.0.0.1:25", "127.0.0.1:26", False),
    ("127.0.0.1:25", "127.0.0.2:25", False),
    ("127.0.0.1:25", "mail.example.com", False),
    ("0.0.0.0:25", "192.0.2.1:25", False),
]


@pytest.mark.parametrize(("listen", "next_hop", "loop"), LOOPS)
def test_a_next_hop_that_is_our_own_listener_is_a_fault(listen: str, next_hop: str, *, loop: bool) -> None:
    environ = REQUIRED | {
        "GOEN_RELAY__LISTEN": listen,
        "GOEN_RELAY__NEXT_HOP": next_hop,
        "GOEN_RELAY__ALLOWED_NETWORKS": "192.0.2.0/24",
    }
    if loop:
        assert ["loop" in fault.what for fault in faults_of(None, environ)] == [True]
    else:
        assert str(load(None, environ).relay.listen) == listen


def test_internal_domains_default_to_the_sender_domains() -> None:
    relay = load(None, REQUIRED | {"GOEN_RELAY__SENDER_DOMAINS": "Example.COM., example.jp"}).relay
    assert relay.internal_domains == relay.sender_domains == ("example.com", "example.jp")
    own = REQUIRED | {
        "GOEN_RELAY__SENDER_DOMAINS": "example.com",
        "GOEN_RELAY__INTERNAL_DOMAINS": "a.example",
    }
    assert load(None, own).relay.internal_domains == ("a.example",)


def test_the_public_url_keeps_its_path_but_no_slash_at_the_end() -> None:
    environ = REQUIRED | {"GOEN_WEB__PUBLIC_URL": "https://example.com/next/"}
    assert load(None, environ).web.public_url == "https://example.com/next"
    environ["GOEN_WEB__PUBLIC_URL"] = "http://127.0.0.1:8025/"
    assert load(None, environ).web.public_url == "http://127.0.0.1:8025"
    environ["GOEN_WEB__PUBLIC_URL"] = "http://[::1]:8025"
    assert load(None, environ).web.public_url == "http://[::1]:8025"


def test_an_organisation_is_complete_when_all_four_fields_are_filled_in(tmp_path: Path) -> None:
    fields = {
        "legal_name": "株式会社見本",
        "address": "東京都千代田区1-2-3",
        "privacy_officer": "個人情報窓口",
        "purpose_notice_url": "",
    }
    text = "[organisation]\n" + "".join(f'{key} = "{value}"\n' for key, value in fields.items())
    organisation = load(write(tmp_path, with_required(rest=text)), {}).organisation
    assert organisation.missing == ("purpose_notice_url",)
    whole = REQUIRED | {"GOEN_ORGANISATION__PURPOSE_NOTICE_URL": "https://example.com/privacy"}
    assert load(tmp_path / "goen.toml", whole).organisation.missing == ()


ports = st.integers(1, 65535)
hosts = st.one_of(
    st.ip_addresses().filter(lambda address: not address.is_unspecified).map(str),
    st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,20}[a-z0-9])?){0,3}", fullmatch=True),
)


@given(hosts, ports)
def test_an_endpoint_survives_being_written_and_read(host: str, port: int) -> None:
    """What str(endpoint) writes, the settings read as the same endpoint."""
    endpoint = Endpoint(host, port)
    assert read_next_hop(str(endpoint)) == endpoint


toml_values = st.recursive(
    st.text(max_size=20) | st.integers() | st.booleans() | st.floats() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
texts = st.text(max_size=20).filter(lambda text: "\0" not in text)


@given(st.dictionaries(st.sampled_from([*known_names(), "relay.x", "x.y"]), toml_values))
def test_no_value_in_a_file_breaks_the_check(values: dict[str, object]) -> None:
    """Whatever values TOML gives, the answer is either settings or faults that can be told."""
    document: dict[str, object] = {}
    for section, keys in itertools.groupby(sorted(values), lambda name: name.partition(".")[0]):
        document[section] = {name.partition(".")[2]: values[name] for name in keys}
    errors, settings = _check(_merged(document, {}), Path())
    assert bool([str(_fault(error, {})) for error in errors]) == (settings is None)


def test_texts_are_folded_before_they_are_compared() -> None:
    """Blanks around a value, capitals in domains and addresses, and a dot at a domain's end mean nothing."""
    environ = {
        "GOEN_RELAY__HOSTNAME": " Gateway.Example.COM. ",
        "GOEN_RELAY__EXCLUDED_ADDRESSES": '[" Archive@Example.com "]',
        "GOEN_RELAY__MAX_MESSAGE_MB": " 20 ",
    }
    relay = load(None, REQUIRED | environ).relay
    assert relay.hostname == "gateway.example.com"
    assert relay.excluded_addresses == ("archive@example.com",)
    assert relay.max_message_mb == 20


def test_a_domain_has_253_octets_at_most_and_a_label_63() -> None:
    label = "a" * 63
    longest = f"{label}.{label}.{label}.{'a' * 61}"
    assert read_domain(longest) == longest
    for text in (f"{longest}a", f"{label}a.example", "-a.example", "a..example", ".example"):
        with pytest.raises(ValueError, match="domain name"):
            read_domain(text)
