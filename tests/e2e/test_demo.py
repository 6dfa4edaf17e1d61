"""`goen demo`, as a newcomer meets it: the terminal, the mailbox, the page, the agency, the slots."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, expect, sync_playwright

from cli import main
from tests.e2e.mails import marked
from tests.peers.gateway import GOEN, goen
from tests.peers.ports import free_port


@contextmanager
def running_demo(folder: Path, *, web_port: int | None = None) -> Iterator[list[dict[str, Any]]]:
    """Run the demo until it is ready; give its steps; end it as Ctrl-C does."""
    web_port = free_port() if web_port is None else web_port
    ports = ("--smtp-port", str(free_port()), "--web-port", str(web_port))
    process = subprocess.Popen(
        [GOEN, "demo", "--json", "--data", str(folder), *ports], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    steps: list[dict[str, Any]] = []
    try:
        for line in process.stdout:
            steps.append(json.loads(line))
            if steps[-1]["step"] == "ready":
                break
        yield steps
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=20)[0]
        steps += [json.loads(line) for line in rest.splitlines()]
    assert process.returncode == 0


def step(steps: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in steps if one["step"] == name)


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="ja-JP")
        yield page
        browser.close()


@pytest.mark.peers("chromium")
def test_a_newcomer_follows_the_mail_to_the_slot_ledger(page: Page, tmp_path: Path, artifacts: Path) -> None:
    folder = tmp_path / "demo"
    with running_demo(folder) as steps:
        page.goto(step(steps, "mailbox")["url"])
        page.screenshot(path=artifacts / "demo-mailbox.png", full_page=True)
        page.get_by_text("山田 太郎").first.click()
        page.screenshot(path=artifacts / "demo-letter.png", full_page=True)
        assert "relay:rejection" in page.content(), "the original stands beside the copy"
        link = step(steps, "consent")["link"]
        with page.expect_popup() as opened:
            page.frame_locator("iframe").first.locator(f'a[href="{link}"]').first.click()
        consent = opened.value
        expect(consent.get_by_text("山田 太郎").first).to_be_visible()
        consent.screenshot(path=artifacts / "demo-consent.png", full_page=True)
        consent.get_by_role("checkbox").check()
        time.sleep(2.1)  # The page counts no answer that comes faster than a person reads.
        consent.locator('button[value="accept"]').click()
        expect(consent.locator('button[value="withdraw"]')).to_be_visible()
        consent.screenshot(path=artifacts / "demo-decision.png", full_page=True)
        page.goto(step(steps, "agency")["url"])
        end = time.monotonic() + 20
        while not page.get_by_text("AG-0001").count() and time.monotonic() < end:
            page.reload()
        expect(page.get_by_text("AG-0001")).to_be_visible()
        page.screenshot(path=artifacts / "demo-agency.png", full_page=True)
    assert steps[-1]["step"] == "stop"
    (slots,) = json.loads(goen("--settings", str(folder / "goen.toml"), "slots", "--json"))
    assert (slots["counted"], slots["towards_next"]) == (1, "1/10")


def test_a_second_start_finds_its_data_again(tmp_path: Path) -> None:
    with running_demo(tmp_path / "demo") as first:
        assert step(first, "start")["earlier"] == 0
    with running_demo(tmp_path / "demo") as second:
        assert step(second, "start")["earlier"] == 1


def test_a_port_in_use_is_named_with_its_holder_and_the_option_to_change_it(tmp_path: Path) -> None:
    with running_demo(tmp_path / "one") as steps:
        port = re.search(r"127\.0\.0\.1:(\d+)", step(steps, "sent")["what"])
        assert port is not None
        ran = run_demo("--data", str(tmp_path / "two"), "--smtp-port", port[1])
    assert ran.returncode == 1
    assert re.fullmatch(
        rf"Port {port[1]} on 127\.0\.0\.1 is in use by .* \(pid \d+\)\. .* with --smtp-port\.\n", ran.stderr
    )


def test_two_demos_do_not_share_their_data(tmp_path: Path) -> None:
    with running_demo(tmp_path / "demo"):
        ran = run_demo("--data", str(tmp_path / "demo"), "--smtp-port", "0", "--web-port", "0")
    assert ran.returncode == 1
    assert re.fullmatch(
        rf"Error: The data in {tmp_path}/demo are in use by another demo \(pid \d+\)\. .* with --data\.\n",
        ran.stderr,
    )


def test_a_port_of_the_systems_choice_is_shown(tmp_path: Path) -> None:
    with running_demo(tmp_path / "demo", web_port=0) as steps:
        url = step(steps, "mailbox")["url"]
        assert httpx2.get(url, trust_env=False).status_code == 200


@pytest.mark.parametrize("option", ["--smtp-port", "--web-port"])
@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_wrong_usage(option: str, port: str) -> None:
    ran = run_demo(option, port)
    assert ran.returncode == 2
    assert "65535" in ran.stderr


@pytest.mark.parametrize("folder", ["/proc/x", "/dev/null/x", "/tmp/a\nb"])
def test_data_that_cannot_be_kept_are_an_error_with_words(folder: str) -> None:
    ran = run_demo("--data", folder)
    assert ran.returncode == 1
    assert re.fullmatch(
        r"Error: The folder .* cannot be used: .*\. Choose another with --data\.\n", ran.stderr
    )


def run_demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([GOEN, "demo", *arguments], capture_output=True, text=True, check=False, timeout=60)


def once(mail: bytes, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run `goen demo --once` in this process on a mail from standard input; return exit code and steps."""
    ran = CliRunner().invoke(main, ["demo", "--once", "-", "--json", *arguments], input=mail)
    assert ran.stderr == "", ran.stderr
    return ran.exit_code, [json.loads(line) for line in ran.stdout.splitlines()]


def test_once_carries_the_sample_from_the_smtp_door_to_the_slot_ledger() -> None:
    ran = run_demo("--once", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [json.loads(line)["step"] for line in ran.stdout.splitlines()] == [
        *("ready", "sent", "arrived", "invited"),
        *("page", "consented", "submitted", "acknowledged", "slots"),
    ]


def test_once_carries_a_mail_of_ones_own_with_a_colleague_in_cc() -> None:
    code, steps = once(marked("own", cc="boss@example.com"))
    assert code == 0, steps
    assert [one["step"] for one in steps][:5] == ["ready", "sent", "arrived", "invited", "internal"]
    assert steps[-1]["counted"] == 1


def test_once_ends_early_for_a_mail_without_marker() -> None:
    code, steps = once(b"From: a@example.com\nTo: b@example.jp\n\nhello\n")
    assert code == 0
    assert steps[-1]["what"] == "It passed unchanged, byte for byte. It carries no marker."


NOBODY_READS = [b"", b"\xff\xfe\x80" * 50, b"[[relay:rejection]]\n", b"\n\n[[relay:rejection]]"]


@pytest.mark.parametrize("mail", NOBODY_READS)
def test_once_passes_what_no_parser_can_read(mail: bytes) -> None:
    code, steps = once(mail, "--from", "hr@example.com", "--to", "taro@example.jp")
    assert (code, steps[-1]["step"]) == (0, "unchanged"), steps


def test_once_fails_when_a_step_is_not_seen() -> None:
    """A hundred and one hops are refused at the door."""
    code, steps = once(b"Received: x\n" * 101 + marked("hops"))
    assert code == 1
    assert steps[-1]["step"] == "failed"
    assert "554 5.4.6" in steps[-1]["what"]


def test_once_says_what_is_missing_in_a_mail_without_addresses() -> None:
    code, steps = once(b"Subject: nobody\n\nhello\n")
    assert code == 1
    assert "--from and --to" in steps[-1]["what"]


@pytest.mark.parametrize("author", ["hr@[192.0.2.1]", "hr@例え.test", "hr@under_score..jp"])
def test_once_says_that_it_signs_only_for_a_domain(author: str) -> None:
    code, steps = once(f"From: {author}\nTo: b@example.jp\n\n[[relay:rejection]]\n".encode())
    assert (code, [one["step"] for one in steps]) == (1, ["failed"])
    assert "the domain of the From" in steps[-1]["what"]


@pytest.mark.parametrize("address", ["a\r\nRSET@example.com", "a\x00@example.com"])
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_once_says_that_an_address_cannot_be_sent(option: str, address: str) -> None:
    code, steps = once(marked("odd"), option, address)
    assert (code, [one["step"] for one in steps]) == (1, ["failed"])
    assert "--from and --to" in steps[-1]["what"]


def test_one_person_under_two_spellings_answers_once_for_both_links() -> None:
    code, steps = once(marked("taro", cc="TARO@example.jp"))
    assert code == 0, steps
    names = [one["step"] for one in steps]
    assert names.count("invited") == 2
    assert names[-6:] == ["consented", "submitted", "acknowledged", "page", "answered", "slots"]
    assert steps[-1]["counted"] == 1


def test_a_mail_needs_once(tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(marked("usage"))
    ran = run_demo(str(tmp_path / "mail.eml"))
    assert ran.returncode == 2
    assert "--once" in ran.stderr
