"""File and environment: what overrides what, every fault at once, and no secret in any of them."""

import os
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import DEFAULT_FILE, FILE_VARIABLE, Fault, SettingsInvalid, find, load
from gateway.settings.faults import nearest_setting
from gateway.settings.sources import known_names, sections, variable_for

REQUIRED = {"GOEN_RELAY__NEXT_HOP": "mail.example.com", "GOEN_WEB__PUBLIC_URL": "https://next.example.com"}
SECRET = "correct-horse"
WHOLE = '[relay]\nnext_hop = "mail.example.com"\n[web]\npublic_url = "https://next.example.com"\n'
texts = st.text(max_size=20).filter(lambda text: "\0" not in text)


def write(folder: Path, text: str) -> Path:
    path = folder / "goen.toml"
    path.write_text(text, "utf-8")
    return path


def faults_of(path: Path | None, environ: dict[str, str] | None = None) -> tuple[Fault, ...]:
    with pytest.raises(SettingsInvalid) as caught:
        load(path, environ or {})
    return caught.value.faults


def test_nothing_at_all_names_both_required_settings_with_an_example() -> None:
    assert [str(fault) for fault in faults_of(None)] == [
        'relay.next_hop: is required, for example next_hop = "mail.example.com:25"',
        'web.public_url: is required, for example public_url = "https://next.example.com"',
    ]


def test_a_file_with_three_mistakes_gives_three_messages(tmp_path: Path) -> None:
    path = write(tmp_path, '[relay]\nnexthop = "a"\n[web]\npublic_url = "http://example.com"\n')
    assert [fault.where for fault in faults_of(path)] == ["relay.next_hop", "relay.nexthop", "web.public_url"]


def test_faults_of_file_and_environment_come_together(tmp_path: Path) -> None:
    path = write(tmp_path, "[relay]\nmax_message_mb = 0")
    environ = {"GOEN_JOURNAL__FORMAT": "yaml", "GOEN_RELAY__NEXTHOP": "a"}
    found = {fault.where: fault.what for fault in faults_of(path, REQUIRED | environ)}
    assert list(found) == ["GOEN_RELAY__NEXTHOP", "relay.max_message_mb", "journal.format"]
    assert found["journal.format"].endswith("(given by GOEN_JOURNAL__FORMAT)")


UNKNOWN = [
    ('[relay]\nnexthop = "a"', "relay.nexthop", "relay.next_hop"),
    ('[web]\nnext_hop = "a"', "web.next_hop", "relay.next_hop"),
    ('[realy]\nnext_hop = "a"', "realy", "relay"),
    ('[organization]\nlegal_name = "a"', "organization", "organisation"),
    ('hostname = "a"', "hostname", None),
    ('[[dkim.keys]]\nselectr = "a"', "dkim.keys.selectr", "dkim.keys.selector"),
    ("[consent]\nzzz = 1", "consent.zzz", None),
]


@pytest.mark.parametrize(("text", "where", "nearest"), UNKNOWN)
def test_an_unknown_key_is_a_fault_with_the_nearest_known_name(
    tmp_path: Path, text: str, where: str, nearest: str | None
) -> None:
    found = [fault for fault in faults_of(write(tmp_path, text)) if "not a setting" in fault.what]
    assert [(fault.where, fault.nearest) for fault in found] == [(where, nearest)]


def test_a_name_of_another_section_is_found_before_a_similar_one() -> None:
    assert nearest_setting("web.hostname", known_names()) == "relay.hostname"
    assert nearest_setting("web.lisen", known_names()) == "web.listen"


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[relay]\nmax_message_mb = 10\nhostname = "a.example"')
    relay = load(
        path, REQUIRED | {"GOEN_RELAY__MAX_MESSAGE_MB": "20", "OTHER_RELAY__HOSTNAME": "b.example"}
    ).relay
    assert (relay.max_message_mb, relay.hostname) == (20, "a.example")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    path = write(tmp_path, '[relay]\nhostname = "a.example"')
    assert (
        load(path, REQUIRED | {"GOEN_RELAY__HOSTNAME": "", "GOEN_NONSENSE": ""}).relay.hostname == "a.example"
    )


def test_a_list_in_the_environment_has_commas_or_is_toml(tmp_path: Path) -> None:
    (tmp_path / "goen1.pem").touch(0o600)
    keys = f'[{{domain="example.com", selector="goen1", private_key_file="{tmp_path}/goen1.pem"}}]'
    environ = {
        "GOEN_RELAY__ALLOWED_NETWORKS": "10.0.0.0/8, 192.0.2.1",
        "GOEN_RELAY__AGENCY_DOMAINS": ' ["a.example", "b.example"]',
        "GOEN_DKIM__KEYS": keys,
    }
    settings = load(None, REQUIRED | environ)
    assert settings.relay.allowed_networks == (IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.1/32"))
    assert settings.relay.agency_domains == ("a.example", "b.example")
    assert settings.dkim.keys[0].selector == "goen1"
    (fault,) = faults_of(None, REQUIRED | {"GOEN_DKIM__KEYS": "[oops"})
    assert (fault.where, "square brackets" in fault.what) == ("dkim.keys", True)
    for fault in faults_of(None, REQUIRED | {"GOEN_DKIM__KEYS": "[{}]"}):
        assert fault.what.endswith("(entry 1) (given by GOEN_DKIM__KEYS)")


def test_a_variable_can_name_a_file_with_the_value(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"postgresql://goen:{SECRET}@db.example.com/goen\n")
    (tmp_path / "format").write_text(" json\n")
    environ = {"GOEN_STORE__URL_FILE": f"{tmp_path}/url", "GOEN_JOURNAL__FORMAT_FILE": f"{tmp_path}/format"}
    settings = load(None, REQUIRED | environ)
    assert settings.journal.format == "json"
    assert settings.store.url == f"postgresql://goen:{SECRET}@db.example.com/goen"


def test_a_value_and_a_file_with_the_value_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("a.example")
    environ = {
        "GOEN_RELAY__HOSTNAME": "b.example",
        "GOEN_RELAY__HOSTNAME_FILE": str(tmp_path / "name"),
    }
    (fault,) = faults_of(None, REQUIRED | environ)
    assert str(fault) == ("GOEN_RELAY__HOSTNAME_FILE: is set beside GOEN_RELAY__HOSTNAME; unset one of them")


def test_a_file_with_a_value_that_cannot_be_read_is_one_fault_not_two(tmp_path: Path) -> None:
    environ = {**REQUIRED, "GOEN_RELAY__NEXT_HOP": "", "GOEN_RELAY__NEXT_HOP_FILE": str(tmp_path / "absent")}
    (fault,) = faults_of(None, environ)
    assert fault.where == "GOEN_RELAY__NEXT_HOP_FILE"
    assert f"{tmp_path}/absent, which cannot be read: No such file" in fault.what


def test_an_exact_name_wins_over_the_file_form() -> None:
    assert load(None, REQUIRED | {"GOEN_STORE__KEY_FILE": "/etc/goen.key"}).store.key_file == Path(
        "/etc/goen.key"
    )


def test_no_setting_shadows_the_file_form_of_another() -> None:
    assert [name for name in known_names() if f"{name}_file" in known_names()] == []


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("GOEN_RELAY__NEXTHOP", "GOEN_RELAY__NEXT_HOP"),
        ("GOEN_RELAY_NEXT_HOP", "GOEN_RELAY__NEXT_HOP"),
        ("GOEN_RELAY__NEXT_HOPP_FILE", "GOEN_RELAY__NEXT_HOP"),
        ("GOEN_XYZZY", None),
    ],
)
def test_an_unknown_variable_is_a_fault(variable: str, nearest: str | None) -> None:
    (fault,) = faults_of(None, REQUIRED | {variable: "a"})
    assert (fault.where, fault.nearest) == (variable, nearest)


def test_a_named_file_that_is_missing_says_how_to_make_one(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path / "absent.toml")
    assert fault.where == str(tmp_path / "absent.toml")
    assert "goen init" in fault.what


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path)
    assert "cannot be read: Is a directory" in fault.what


def test_a_toml_mistake_is_told_with_line_and_column(tmp_path: Path) -> None:
    (fault,) = faults_of(write(tmp_path, "[relay]\nnext_hop = mail.example.com\n"))
    assert fault.what.startswith("is not valid TOML: Invalid value (at line 2, column 12)")


def test_a_broken_file_hides_no_fault_of_the_environment(tmp_path: Path) -> None:
    found = faults_of(write(tmp_path, "[relay"), {"GOEN_RELAY__NEXTHOP": "a"})
    assert [fault.where for fault in found] == [str(tmp_path / "goen.toml"), "GOEN_RELAY__NEXTHOP"]


def test_a_file_in_another_charset_is_a_fault_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    path = tmp_path / "goen.toml"
    path.write_bytes("# 株式会社".encode("cp932"))
    (fault,) = faults_of(path)
    assert "is not UTF-8 (byte 2)" in fault.what
    path.write_text(WHOLE, "utf-8-sig")
    assert load(path, {}).relay.next_hop[0].port == 25


def test_relative_paths_start_at_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ca.pem").touch()
    path = write(tmp_path / "etc", WHOLE.replace("[web]", '[next_hop]\nca_file = "ca.pem"\n[web]'))
    monkeypatch.chdir(tmp_path)
    settings = load(path.relative_to(tmp_path), {"GOEN_STORE__KEY_FILE": "keys/goen.key"})
    assert settings.next_hop.ca_file == tmp_path / "etc/ca.pem"
    assert settings.store.key_file == tmp_path / "etc/keys/goen.key"
    assert settings.store.url == f"sqlite:///{tmp_path}/etc/var/goen.sqlite3"
    absolute = load(path, {"GOEN_STORE__URL": "sqlite:////data/goen.sqlite3"})
    assert absolute.store.url == "sqlite:////data/goen.sqlite3"
    assert load(None, REQUIRED).store.key_file == tmp_path / "var/goen.key"


def test_the_settings_file_is_given_or_named_or_beside_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(None, {}) is None
    named = {FILE_VARIABLE: "/absent.toml"}
    assert find(None, named) == Path("/absent.toml")
    assert find(Path("given.toml"), named) == Path("given.toml")
    write(tmp_path, WHOLE)
    assert find(None, {}) == DEFAULT_FILE
    assert load(find(None, {}), named).relay.next_hop[0].port == 25


def test_no_secret_is_shown() -> None:
    """The database's password and excluded people's addresses stand in no repr, no text and no fault."""
    url = f"postgresql://goen:{SECRET}@db.example.com:5433/goen?sslpassword={SECRET}&sslmode=require"
    environ = REQUIRED | {"GOEN_STORE__URL": url, "GOEN_RELAY__EXCLUDED_ADDRESSES": f"{SECRET}@example.com"}
    settings = load(None, environ)
    assert SECRET in settings.store.url
    assert SECRET not in f"{settings!r} {settings} {settings.store} {settings.relay}"


@pytest.mark.parametrize(
    "bad",
    [
        {"GOEN_STORE__URL": f"postgres://goen:{SECRET}@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:{SECRET}@db:port/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:{SECRET}[@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:{SECRET}\N{NO-BREAK SPACE}\0@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:p@{SECRET}@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:12/{SECRET}@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:12?{SECRET}=a@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:12#{SECRET}@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen:{SECRET}%zz@db/goen"},
        {"GOEN_STORE__URL": f"postgresql://goen@db/goen?{SECRET}=1"},
        {"GOEN_STORE__URL": f"postgresql://{SECRET}..a/goen"},
        {"GOEN_STORE__URL": f"postgresql://db/goen?connect_timeout={SECRET}"},
        {"GOEN_RELAY__EXCLUDED_ADDRESSES": f"{SECRET} example.com, {SECRET}@exa mple.com"},
    ],
)
def test_a_refused_secret_is_not_shown_either(bad: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(None, REQUIRED | bad)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_fresh_start_imports_nothing_that_only_a_faulty_one_needs() -> None:
    code = "import sys, gateway.settings; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pydantic" in loaded
    assert not {"pydantic_settings", "difflib", "gateway.settings.new_file"} & set(loaded)


@pytest.mark.timeout(20)
def test_a_pipe_is_no_settings_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (fault,) = faults_of(tmp_path / "pipe")
    assert "cannot be read: it is a pipe or a device" in fault.what
    (fault,) = faults_of(None, REQUIRED | {"GOEN_STORE__URL_FILE": str(tmp_path / "pipe")})
    assert "cannot be read: it is a pipe or a device" in fault.what
    (fault,) = faults_of(Path("/dev/zero"))
    assert "cannot be read: it is a pipe or a device" in fault.what


def test_a_file_that_is_far_too_large_is_not_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    os.truncate(path, 10**12)
    (fault,) = faults_of(path)
    assert "it is larger than 1 MB" in fault.what
    (fault,) = faults_of(None, REQUIRED | {"GOEN_RELAY__HOSTNAME_FILE": str(path)})
    assert (fault.where, "it is larger than 1 MB" in fault.what) == ("GOEN_RELAY__HOSTNAME_FILE", True)


DEEP = "[" * 20_000 + "]" * 20_000
LONG = "9" * 5_000


@pytest.mark.parametrize(
    ("value", "words"), [(DEEP, "too deeply nested"), (LONG, "number with too many digits")]
)
def test_toml_beyond_what_the_parser_takes_is_a_fault(tmp_path: Path, value: str, words: str) -> None:
    (fault,) = faults_of(write(tmp_path, f"{WHOLE}x = {value}"))
    assert fault.what.startswith("is not valid TOML: ")
    assert words in fault.what


def test_a_list_in_the_environment_beyond_what_the_parser_takes_is_a_fault() -> None:
    for value in (DEEP, f"[{LONG}]"):
        (fault,) = faults_of(None, REQUIRED | {"GOEN_RELAY__SENDER_DOMAINS": value})
        assert (fault.where, "square brackets" in fault.what) == ("relay.sender_domains", True)


@pytest.mark.parametrize("name", known_names())
def test_a_variable_that_is_no_utf_8_is_a_fault(name: str) -> None:
    """The environment holds octets; what cannot be decoded arrives as lone surrogates."""
    found = faults_of(None, REQUIRED | {variable_for(name): "a\udcff"})
    assert name in {fault.where for fault in found}


def outcome(environ: dict[str, str]) -> tuple[Fault, ...]:
    try:
        load(None, environ)
    except SettingsInvalid as invalid:
        return invalid.faults
    return ()


@given(
    st.dictionaries(
        st.sampled_from(known_names()), texts | st.sampled_from(["[", "a:b:c", "[::]", "//[", "1e9"])
    )
)
def test_no_text_in_the_environment_breaks_the_reader(given_texts: dict[str, str]) -> None:
    """Whatever text stands in a variable, the answer is settings or faults, each naming a known setting."""
    environ = REQUIRED | {variable_for(name): text for name, text in given_texts.items()}
    known = {*known_names(), *sections()}
    assert all(".".join(fault.where.split(".")[:2]) in known for fault in outcome(environ))
