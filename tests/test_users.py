"""The file of users: what is read, what is refused, and that passwords are hidden."""

import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.users import PasswordHash, User, Users, UsersInvalid, parse_users, read_users

CHEAP = PasswordHash(14, 8, 1, b"s" * 16, b"")


def cheaply(password: str) -> PasswordHash:
    return PasswordHash(14, 8, 1, CHEAP.salt, CHEAP.made_from(password))


names = st.from_regex(r"[a-z0-9][a-z0-9._@+-]{0,20}", fullmatch=True)
users = st.builds(
    User,
    names,
    st.builds(
        PasswordHash,
        st.integers(14, 17),
        st.just(8),
        st.integers(1, 16),
        st.binary(min_size=16, max_size=24),
        st.binary(min_size=32, max_size=32),
    ),
    st.booleans(),
    st.lists(st.sampled_from(["example.com", "xn--a.example.jp"]), unique=True).map(tuple),
)


@given(st.lists(users, unique_by=lambda user: user.name))
def test_users_survive_being_written_and_read(found: list[User]) -> None:
    """Invariant: what to_line writes, parse_users reads as the same users in the same order."""
    text = "# head\n\n" + "".join(user.to_line() + "\n" for user in found)
    assert parse_users(text.encode()) == tuple(found)


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(alphabet=":$=,scryptlnr148\n ab", max_size=200).map(str.encode))
def test_no_file_breaks_the_reader(content: bytes) -> None:
    """Invariant: whatever stands in the file, the answer is users or UsersInvalid."""
    with suppress(UsersInvalid):
        assert all(user.name and user.password.digest for user in parse_users(content))


GOOD = User("ats", cheaply("secret")).to_line()


@pytest.mark.parametrize(
    "line",
    [
        GOOD.replace("ln=14", "ln=13"),
        GOOD.replace("ln=14", "ln=31"),
        GOOD.replace("r=8", "r=99"),
        GOOD.replace("p=1$", "p=0$"),
        GOOD.replace("p=1$", "p=99$"),
        GOOD.replace("enabled", "on"),
        GOOD.replace("ats:", "ATS:"),
        GOOD.replace("ats:", ":"),
        GOOD + "exa mple.com",
        GOOD + ":",
        GOOD[:-20],
        "ats:secret:enabled:",
        GOOD + "\n" + GOOD,
    ],
)
def test_a_line_that_nobody_wrote_so_is_refused_by_its_number_alone(line: str) -> None:
    with pytest.raises(UsersInvalid, match=r"line [12] ") as caught:
        parse_users(line.encode())
    assert "secret" not in str(caught.value)


def test_only_the_right_password_of_an_enabled_user_is_right() -> None:
    secret = cheaply("ご縁 pass")
    found = Users((User("ats", secret), User("gone", secret, disabled=True)))
    assert found.check("ATS", "ご縁 pass") == User("ats", secret)
    assert found.check("ats", unicodedata.normalize("NFD", "ご縁 pass")) is not None
    for name, password in (("ats", "ご縁"), ("ats", ""), ("gone", "ご縁 pass"), ("nobody", "ご縁 pass")):
        assert found.check(name, password) is None


def test_somebody_unknown_costs_as_much_as_a_new_user() -> None:
    made = PasswordHash.of("x")
    nobody = Users(())._nobody
    assert (nobody.cost, nobody.passes) == (made.cost, made.passes)


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o606])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "users"
    path.write_text(GOOD)
    path.chmod(mode)
    with pytest.raises(UsersInvalid, match="0600"):
        read_users(path)
    path.chmod(0o640)
    assert [user.name for user in read_users(path).all] == ["ats"]


def test_hashes_are_hidden() -> None:
    shown = repr(User("ats", cheaply("secret")))
    assert "salt" not in shown
    assert "digest" not in shown
