import base64
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.keyring import KeyFileInvalid, Keyring, new_ed25519_key, new_rsa_key
from store.errors import WrongKey

MASTER = bytes(range(32))
KEYRING = Keyring(MASTER)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LINK = b"0123456789"


class TestFields:
    @given(plain=st.binary(max_size=300), field=st.text(max_size=20))
    def test_come_back_as_they_were(self, plain: bytes, field: str) -> None:
        """decrypt(encrypt(x)) == x for the same field, with any bytes and any field name."""
        assert KEYRING.decrypt(KEYRING.encrypt(plain, field=field), field=field) == plain

    def test_look_different_each_time(self) -> None:
        assert len({KEYRING.encrypt(b"same", field="f") for _ in range(50)}) == 50

    def test_hide_what_they_hold(self) -> None:
        assert b"taro@example.jp" not in KEYRING.encrypt(b"taro@example.jp", field="f")

    def test_cannot_be_read_with_another_key(self) -> None:
        with pytest.raises(WrongKey):
            Keyring(bytes(32)).decrypt(KEYRING.encrypt(b"x", field="f"), field="f")

    def test_cannot_be_moved_to_another_field(self) -> None:
        with pytest.raises(WrongKey):
            KEYRING.decrypt(KEYRING.encrypt(b"x", field="person.name"), field="person.email")

    @given(data=st.data())
    def test_show_when_a_bit_was_changed(self, data: st.DataObject) -> None:
        """No single flipped bit anywhere in a sealed field goes unnoticed."""
        sealed = bytearray(KEYRING.encrypt(b"plain text", field="f"))
        position = data.draw(st.integers(0, len(sealed) * 8 - 1))
        sealed[position // 8] ^= 1 << position % 8
        with pytest.raises(WrongKey):
            KEYRING.decrypt(bytes(sealed), field="f")

    @pytest.mark.parametrize("rubbish", [b"", b"\x01", b"\x01" + bytes(12), b"\x02" + bytes(40), bytes(100)])
    def test_that_are_rubbish_are_the_wrong_keys_too(self, rubbish: bytes) -> None:
        with pytest.raises(WrongKey):
            KEYRING.decrypt(rubbish, field="f")


def test_a_blind_index_depends_on_value_field_and_key() -> None:
    index = KEYRING.blind_index("taro@example.jp", field="person.email")

    assert index == Keyring(MASTER).blind_index("taro@example.jp", field="person.email")
    others = [
        KEYRING.blind_index("jiro@example.jp", field="person.email"),
        KEYRING.blind_index("taro@example.jp", field="person.name"),
        Keyring(bytes(32)).blind_index("taro@example.jp", field="person.email"),
    ]
    assert index not in others


def test_derived_keys_are_pinned() -> None:
    """A changed derivation would make every database and every link that is out there unreadable."""
    assert KEYRING.link_token(LINK) == "gaytemzugu3doobzbscryx2qozwvfo2s3l4yj6kf"
    assert KEYRING.blind_index("taro@example.jp", field="person.email").hex()[:16] == "9657fa0ab2b13707"
    assert KEYRING.stamp_key.hex()[:16] == "f4beed63c48bba00"
    sealed = bytes.fromhex(
        "0108ec67c8cc1a3fae033970c6a6c089d4541756783f40dacab7efccaefac0c4e566e4e025b5959dfcb6"
    )
    assert KEYRING.decrypt(sealed, field="person.name") == "山田 太郎".encode()


class TestLinks:
    @given(link_id=st.binary(min_size=10, max_size=10))
    def test_lead_back_to_their_delivery_in_either_case(self, link_id: bytes) -> None:
        """link_id(link_token(x)) == x, and a token is 40 characters that a mail client leaves alone."""
        token = KEYRING.link_token(link_id)

        assert KEYRING.link_id(token) == KEYRING.link_id(token.upper()) == link_id
        assert len(token) == 40
        assert set(token) <= set("abcdefghijklmnopqrstuvwxyz234567")

    @given(link_id=st.binary(min_size=10, max_size=10), data=st.data())
    def test_with_a_changed_character_lead_nowhere(self, link_id: bytes, data: st.DataObject) -> None:
        """Each of the 40 characters counts: no other token is taken for this one."""
        token = KEYRING.link_token(link_id)
        position = data.draw(st.integers(0, 39))
        other = data.draw(
            st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(lambda c: c != token[position])
        )

        assert KEYRING.link_id(token[:position] + other + token[position + 1 :]) is None

    @given(text=st.text(max_size=60))
    def test_that_are_made_up_lead_nowhere(self, text: str) -> None:
        """Any text at all is answered with None, never with an error."""
        assert KEYRING.link_id(text) is None

    @pytest.mark.parametrize("odd", ["", "a" * 39, "a" * 41, "1" * 40, "あ" * 40, "a" * 38 + "==", "ſ" * 40])
    def test_of_another_form_lead_nowhere(self, odd: str) -> None:
        assert KEYRING.link_id(odd) is None

    def test_of_another_key_lead_nowhere(self) -> None:
        assert KEYRING.link_id(Keyring(bytes(32)).link_token(LINK)) is None

    def test_are_made_for_ten_bytes_only(self) -> None:
        with pytest.raises(ValueError, match="10 bytes"):
            KEYRING.link_token(b"short")


class TestNonces:
    def test_tell_their_age(self) -> None:
        nonce = KEYRING.nonce(LINK, now=NOW)

        for age in (timedelta(0), timedelta(milliseconds=1999), timedelta(days=3), timedelta(seconds=-4)):
            assert KEYRING.nonce_age(LINK, nonce, now=NOW + age) == age

    def test_of_another_link_or_key_are_not_ours(self) -> None:
        nonce = KEYRING.nonce(LINK, now=NOW)

        assert KEYRING.nonce_age(b"9876543210", nonce, now=NOW) is None
        assert Keyring(bytes(32)).nonce_age(LINK, nonce, now=NOW) is None

    @given(text=st.text(max_size=60))
    def test_that_are_made_up_are_not_ours(self, text: str) -> None:
        """Any text at all is answered with None, never with an error."""
        assert KEYRING.nonce_age(LINK, text, now=NOW) is None

    def test_cannot_be_dated_back(self) -> None:
        octets = bytearray(base64.urlsafe_b64decode(KEYRING.nonce(LINK, now=NOW)))
        octets[6] ^= 1

        assert KEYRING.nonce_age(LINK, base64.urlsafe_b64encode(octets).decode(), now=NOW) is None


class TestTheKeyFile:
    def test_is_made_once_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "keys" / "master.key"

        first, second = Keyring.open(path, create=True), Keyring.open(path)

        assert first.stamp_key == second.stamp_key
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert len(path.read_bytes()) == 32
        assert [file.name for file in path.parent.iterdir()] == ["master.key"]

    def test_of_two_installations_is_not_the_same(self, tmp_path: Path) -> None:
        first, second = (Keyring.open(tmp_path / name, create=True) for name in "ab")
        assert first.stamp_key != second.stamp_key

    def test_is_not_made_unasked(self, tmp_path: Path) -> None:
        """A name with a slip in it must not become a second key, nor a directory."""
        with pytest.raises(KeyFileInvalid, match=r"is not there.*store\.key_file"):
            Keyring.open(tmp_path / "kyes" / "master.key")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.timeout(20)
    def test_is_no_pipe_and_nobody_waits_for_one(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", 0o600)
        with pytest.raises(KeyFileInvalid, match="pipe or a device"):
            Keyring.open(tmp_path / "pipe")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
    def test_that_others_can_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "master.key"
        Keyring.open(path, create=True)
        path.chmod(mode)

        with pytest.raises(KeyFileInvalid, match="chmod 600"):
            Keyring.open(path)

    @pytest.mark.parametrize("size", [0, 31, 33, 4096])
    def test_of_another_size_is_refused_and_left_alone(self, tmp_path: Path, size: int) -> None:
        path = tmp_path / "master.key"
        path.write_bytes(bytes(size))
        path.chmod(0o600)

        with pytest.raises(KeyFileInvalid, match="32 bytes"):
            Keyring.open(path)

        assert len(path.read_bytes()) == size

    def test_that_cannot_be_opened_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        for path in (tmp_path, tmp_path / "file" / "master.key"):
            with pytest.raises(KeyFileInvalid):
                Keyring.open(path, create=True)

    def test_is_the_same_for_processes_that_start_at_once(self, tmp_path: Path) -> None:
        program = (
            "import sys, pathlib; from gateway.keyring import Keyring;"
            "print(flush=True); sys.stdin.readline();"
            "print(Keyring.open(pathlib.Path(sys.argv[1]), create=True).stamp_key.hex())"
        )
        starts = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path / "master.key")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for start in starts:
            assert start.stdout is not None
            start.stdout.readline()
        for start in starts:
            assert start.stdin is not None
            start.stdin.write("\n")
            start.stdin.flush()

        assert len({start.communicate(timeout=60)[0] for start in starts}) == 1


def test_a_master_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(b"short")


def test_a_keyring_does_not_show_its_keys() -> None:
    secret = os.urandom(32)

    assert repr(Keyring(secret)) == "Keyring(…)"


MESSAGE = b"From: hr@example.com\r\nTo: taro@example.jp\r\nSubject: x\r\n\r\nText\r\n"


@pytest.mark.parametrize(
    ("new_key", "algorithm"), [(new_rsa_key, b"rsa-sha256"), (new_ed25519_key, b"ed25519-sha256")]
)
def test_a_new_dkim_key_signs_and_its_record_verifies(new_key: object, algorithm: bytes) -> None:
    assert callable(new_key)
    private, record = new_key()

    signature = dkim.sign(MESSAGE, b"goen", b"example.com", private, signature_algorithm=algorithm)

    def lookup(name: bytes, timeout: int = 5) -> bytes | None:  # noqa: ARG001  # dkimpy passes it.
        return record.encode() if name == b"goen._domainkey.example.com." else None

    assert dkim.verify(signature + MESSAGE, dnsfunc=lookup)
    assert not dkim.verify(signature + MESSAGE.replace(b"Text", b"Test"), dnsfunc=lookup)


def test_an_ed25519_record_holds_the_seeds_public_half() -> None:
    seed, record = new_ed25519_key()

    public = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed)).public_key().public_bytes_raw()
    assert record == f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"
