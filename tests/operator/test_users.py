"""`goen user`, in process."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from gateway.operator import users
from gateway.operator.users import UserEntryRefused
from gateway.users import read_users

Goen = Callable[..., Result]


@pytest.fixture
def goen(tmp_path: Path) -> Goen:
    """Run a command on an installation whose users are in its folder."""
    (tmp_path / "goen.toml").write_text(
        '[relay]\nnext_hop = "mail.example.com"\nusers_file = "var/users"\n'
        '[web]\npublic_url = "https://next.example.com"\n'
    )

    def run(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(
            main, ["--settings", str(tmp_path / "goen.toml"), "user", *arguments], input=given
        )

    return run


def test_a_user_is_added_with_a_password_asked_for_twice(goen: Goen, tmp_path: Path) -> None:
    result = goen("add", "ATS@example.com", given="a long password\na long password\n")
    assert result.exit_code == 0, result.output
    assert "a long password" not in result.output
    path = tmp_path / "var" / "users"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "a long password" not in path.read_text()
    assert read_users(path).check("ats@example.com", "a long password") is not None
    assert [entry.name for entry in path.parent.iterdir()] == ["users"]


def test_a_generated_password_is_shown_once(goen: Goen, tmp_path: Path) -> None:
    password = goen("add", "ats", "--generate", "--sender-domain", "Example.COM").output.split()[-1]
    user = read_users(tmp_path / "var" / "users").check("ats", password)
    assert user is not None
    assert user.sender_domains == ("example.com",)
    listed = json.loads(goen("list", "--json").output)
    assert listed == [{"name": "ats", "state": "enabled", "sender_domains": "example.com"}]


def test_a_user_is_disabled_enabled_given_a_new_password_and_removed(goen: Goen, tmp_path: Path) -> None:
    path = tmp_path / "var" / "users"
    first = goen("add", "ats", "--generate").output.split()[-1]
    goen("add", "other", "--generate")
    assert goen("disable", "ats").exit_code == 0
    assert read_users(path).check("ats", first) is None
    assert goen("enable", "ATS").exit_code == 0
    assert read_users(path).check("ats", first) is not None
    second = goen("add", "ats", "--generate").output.split()[-1]
    assert read_users(path).check("ats", first) is None
    assert read_users(path).check("ats", second) is not None
    assert goen("remove", "ats").exit_code == 0
    assert [user.name for user in read_users(path).all] == ["other"]


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (("add", "a:b"), "a long password\n" * 2, "letters, digits"),
        (("add", "ats"), "short\nshort\n", "12 characters"),
        (("add", "ats", "--generate", "--sender-domain", "a b"), None, "domain name"),
        (("disable", "nobody"), None, "no user with this name"),
        (("remove", "nobody"), None, "no user with this name"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    goen: Goen, arguments: tuple[str, ...], given: str | None, words: str
) -> None:
    result = goen(*arguments, given=given)
    assert result.exit_code in {1, 2}
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_broken_file_is_never_written_over(goen: Goen, tmp_path: Path) -> None:
    path = tmp_path / "var" / "users"
    path.parent.mkdir()
    path.write_text("somebody edited this\n")
    path.chmod(0o600)
    result = goen("add", "ats", "--generate")
    assert result.exit_code == 1
    assert "line 1" in result.output
    assert path.read_text() == "somebody edited this\n"


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(UserEntryRefused, match="cannot be"):
        users.add(tmp_path / "var" / "users", "ats", "a long password")
