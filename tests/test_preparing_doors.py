"""What is found out about the doors before they open."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.preparing_doors import PreparedDoors, certificates_ending, prepare_doors
from gateway.settings import Fault, load
from gateway.users import PasswordHash, User
from tests.smtp.certificates import Authority

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FILES = 'certificate_file = "one.test-0.pem"\nprivate_key_file = "one.test-0.key"\n'


def prepared(folder: Path, relay: str) -> tuple[PreparedDoors, list[Fault]]:
    path = folder / "goen.toml"
    path.write_text(
        f'[relay]\nnext_hop = "mail.example.com"\n{relay}\n[web]\npublic_url = "https://next.example.com"\n'
    )
    faults: list[Fault] = []
    return prepare_doors(load(path, {}), faults.append), faults


def test_a_door_without_certificate_needs_nothing(tmp_path: Path) -> None:
    found, faults = prepared(tmp_path, "")
    assert faults == []
    assert (found.doors[0].tls_context, found.users) == (None, None)
    assert list(certificates_ending(found, NOW)) == []


@pytest.mark.parametrize(("left", "told"), [(-3, [0]), (0.5, [0]), (13.5, [13]), (15, [])])
def test_a_certificate_that_ends_soon_is_told_of(tmp_path: Path, left: float, told: list[int]) -> None:
    Authority(tmp_path).certificate("one.test", ends=NOW + timedelta(days=left))
    found, faults = prepared(tmp_path, FILES)
    assert faults == []
    assert [days for _, days in certificates_ending(found, NOW)] == told


def test_a_key_of_another_certificate_is_a_fault_of_its_door(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.certificate("one.test")
    authority.certificate("two.test")
    branch = '[[relay.listeners]]\nname = "branch"\nlisten = "127.0.0.1:26"\n'
    wrong = FILES.replace("one.test-0.key", "two.test-0.key")
    _, faults = prepared(tmp_path, wrong + branch + wrong)
    assert [fault.where for fault in faults] == [
        "relay.certificate_file",
        "relay.listeners (branch).certificate_file",
    ]
    assert all("does not belong" in fault.what for fault in faults)


def test_authorities_of_clients_that_are_none_are_a_fault(tmp_path: Path) -> None:
    Authority(tmp_path).certificate("one.test")
    (tmp_path / "ca.pem").write_text("nothing")
    _, faults = prepared(tmp_path, FILES + 'client_ca_file = "ca.pem"\n')
    assert [fault.where for fault in faults] == ["relay.client_ca_file"]


def test_users_are_read_where_somebody_logs_in_and_only_there(tmp_path: Path) -> None:
    Authority(tmp_path).certificate("one.test")
    login = FILES + 'auth = "required"\nusers_file = "users"\n'
    _, faults = prepared(tmp_path, login)
    assert [(fault.where, "goen user add" in fault.what) for fault in faults] == [("relay.users_file", True)]
    users = tmp_path / "users"
    users.write_text("nonsense\n")
    users.chmod(0o600)
    _, faults = prepared(tmp_path, login)
    assert ["line 1" in fault.what for fault in faults] == [True]
    users.write_text(User("ats", PasswordHash(14, 8, 1, b"s" * 16, b"d" * 32)).to_line())
    found, faults = prepared(tmp_path, login)
    assert faults == []
    assert found.users is not None
    assert [user.name for user in found.users.all] == ["ats"]
    users.write_text("nonsense\n")
    assert prepared(tmp_path, FILES + 'users_file = "users"\n')[1] == []
