"""What the command line takes, and what it answers to the rest; and an output that nobody can write to."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from gateway.operator.founding import found

GOEN = Path(sys.executable).parent / "goen"
ADD = (
    *("partner", "add", "demo-agency", "--name", "サンプル人材紹介株式会社", "--licence", "13-ユ-000000"),
    *("--address", "東京都渋谷区サンプル坂4-5-6", "--representative", "見本 花子"),
    *("--endpoint", "https://agency.example.org/submissions"),
)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    answers = {"next_hop": "mail.example.com", "public_url": "https://goen.example.com"}
    for _ in found(tmp_path, domain="example.com", **answers):
        pass
    return tmp_path / "goen.toml"


def on(settings: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--settings", str(settings), *arguments])


def assert_wrong_usage(result: Result, words: str) -> None:
    assert (result.exit_code, words in result.output) == (2, True), result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("option", ["--licence-expires", "--contract-date"])
def test_the_last_day_of_all_is_wrong_usage_because_no_day_comes_after_it(
    settings: Path, option: str
) -> None:
    assert_wrong_usage(on(settings, *ADD, option, "9999-12-31"), "too far away")


def test_a_licence_may_end_on_the_day_before(settings: Path) -> None:
    result = on(settings, *ADD, "--licence-expires", "9999-12-30")
    assert result.exit_code == 0, result.output
    assert "9999-12-30T15:00:00+00:00" in on(settings, "partner", "list").output


@pytest.mark.parametrize("number", ["0", "2147483648", "9" * 20, "9" * 5000])
def test_a_count_beyond_the_databases_integers_is_wrong_usage(settings: Path, number: str) -> None:
    assert_wrong_usage(on(settings, *ADD, "--ratio", number), "--ratio")
    assert_wrong_usage(on(settings, "queue", "list", "--limit", number), "--limit")


def test_the_largest_count_is_kept(settings: Path) -> None:
    assert on(settings, *ADD, "--ratio", "2147483647").exit_code == 0
    assert on(settings, "queue", "list", "--limit", "2147483647").exit_code == 0


@pytest.mark.parametrize("content", [b"whsec_\xff\x00", b"w" * 10_000])
def test_a_secret_file_that_holds_no_text_is_wrong_usage(
    settings: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert_wrong_usage(on(settings, *ADD, "--secret-file", str(tmp_path / "secret")), "--secret-file")


@pytest.mark.parametrize(
    "arguments",
    [
        (*ADD, "--address", "a\udcff"),
        ("slots", "explain", "a\udcff"),
        ("init", "a\udcff"),
        ("a\udcff",),
    ],
)
def test_an_argument_that_is_no_utf_8_is_wrong_usage(settings: Path, arguments: tuple[str, ...]) -> None:
    """What the terminal sent and Python could not decode arrives as lone surrogates (PEP 383)."""
    assert_wrong_usage(on(settings, *arguments), "not UTF-8")


def test_a_port_has_16_bits(settings: Path) -> None:
    assert_wrong_usage(on(settings, "demo", "--smtp-port", "65536"), "--smtp-port")
    assert_wrong_usage(on(settings, "demo", "--web-port", "-1"), "--web-port")


OUTPUTS = [("--help",), ("check-config",), ("partner", "list", "--json"), ("migrate",)]


@pytest.mark.parametrize("arguments", OUTPUTS)
def test_a_full_disk_behind_the_output_is_one_sentence(settings: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [GOEN, "--settings", settings, *arguments], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0] == b"What this command writes has no space: No space left on device."
    assert b"Traceback" not in ran.stderr
    assert b"Exception" not in ran.stderr


@pytest.mark.parametrize("arguments", OUTPUTS)
def test_an_output_that_nobody_reads_any_more_is_left_quietly(
    settings: Path, arguments: tuple[str, ...]
) -> None:
    with subprocess.Popen(
        [GOEN, "--settings", settings, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        complaint = running.stderr.read()
    assert running.returncode == 1
    assert complaint == b""
