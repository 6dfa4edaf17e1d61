"""What `goen init` leaves on the disk, and what it does where it may not write."""

from pathlib import Path

import pytest
from dns.rdatatype import TXT
from dns.zone import from_text

from gateway.operator.founding import CannotWrite, found


def founding(directory: Path) -> list[str]:
    return list(
        found(
            directory,
            next_hop="mail.example.com",
            public_url="https://goen.example.com",
            domain="hr.example.com",
        )
    )


def test_the_dns_records_that_are_printed_once_stay_in_a_zone_file(tmp_path: Path) -> None:
    printed = founding(tmp_path)
    path = tmp_path / "dkim" / "records.txt"
    assert any(str(path) in line for line in printed)
    zone = from_text(
        f"$TTL 3600\n{path.read_text('ascii')}", "example.com.", relativize=False, check_origin=False
    )
    names = {str(name): data for name, _, data in zone.iterate_rdatas(TXT)}
    assert set(names) == {
        "goen-rsa._domainkey.hr.example.com.",
        "goen-ed25519._domainkey.hr.example.com.",
    }
    for name, data in names.items():
        assert f"  {name} IN TXT {data.to_text()}" in printed


def test_a_directory_below_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match=rf"{tmp_path}/file/new cannot be written: Not a directory"):
        founding(tmp_path / "file" / "new")


def test_a_file_where_a_folder_must_be_is_a_sentence_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(Exception, match=r"var.*Not a directory|var.*File exists"):
        founding(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["var"]
