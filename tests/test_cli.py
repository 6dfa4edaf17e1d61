"""The operator's commands, in process; what needs a running gateway is in the end-to-end tests."""

import json
import re
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import main
from gateway.opening import open_settled_store
from gateway.operator.evidence import read_provisions
from gateway.settings import load
from store import outbox
from store.partners import list_partners
from store.records import ConsentKind, Partner, SlotPolicy
from tests.peers.ports import free_port
from tests.store.story import LATER, Story

ADD = (
    *("partner", "add", "demo-agency", "--name", "サンプル人材紹介株式会社"),
    *("--address", "東京都渋谷区サンプル坂4-5-6", "--representative", "見本 花子"),
    *("--licence", "13-ユ-000000", "--licence-expires", "2030-03-31"),
    *("--endpoint", "https://agency.example.org/submissions"),
)


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=given)


@pytest.fixture
def founded(tmp_path: Path) -> Path:
    """The settings file of a new installation."""
    result = init(tmp_path)
    assert result.exit_code == 0, result.output
    settings = tmp_path / "goen.toml"
    text = settings.read_text()
    for section in ("relay", "web"):
        text = text.replace(f"[{section}]\n", f'[{section}]\nlisten = "127.0.0.1:{free_port()}"\n')
    settings.write_text(text)
    return settings


def init(
    folder: Path, *, public_url: str = "https://goen.example.com", domain: str = "example.com"
) -> Result:
    return run(
        "init",
        str(folder),
        *("--next-hop", "mail.example.com"),
        *("--public-url", public_url),
        *("--domain", domain),
    )


def on(settings: Path, *arguments: str) -> Result:
    return run("--settings", str(settings), *arguments)


# goen init


def test_init_writes_settings_and_keys_that_only_the_owner_reads_and_prints_the_dns_records(
    tmp_path: Path,
) -> None:
    result = init(tmp_path / "new")
    assert result.exit_code == 0, result.output
    files = {str(p.relative_to(tmp_path / "new")) for p in (tmp_path / "new").rglob("*") if p.is_file()}
    keys = {"var/goen.key", "dkim/goen-rsa.key", "dkim/goen-ed25519.key"}
    assert files == {"goen.toml", "dkim/records.txt", *keys}
    for file in files:
        assert stat.S_IMODE((tmp_path / "new" / file).stat().st_mode) == 0o600
    records = dict(re.findall(r"^  (\S+)\. IN TXT (.*)$", result.output, re.MULTILINE))
    assert set(records) == {"goen-rsa._domainkey.example.com", "goen-ed25519._domainkey.example.com"}
    strings = [re.findall(r'"([^"]*)"', value) for value in records.values()]
    assert all(len(one) <= 255 for value in strings for one in value)
    assert all("".join(value).startswith("v=DKIM1; k=") for value in strings)


def test_init_overwrites_nothing(founded: Path) -> None:
    before = {path: path.read_bytes() for path in founded.parent.rglob("*") if path.is_file()}
    result = init(founded.parent)
    assert result.exit_code == 1
    assert "is there already" in result.output
    founded.unlink()
    assert init(founded.parent).exit_code == 1
    assert {path: path.read_bytes() for path in founded.parent.rglob("*") if path.is_file()} == {
        path: content for path, content in before.items() if path != founded
    }


def test_init_leaves_nothing_behind_when_an_answer_cannot_be_used(tmp_path: Path) -> None:
    result = init(tmp_path / "new", public_url="http://goen.example.com", domain="not a domain")
    assert result.exit_code == 78
    assert "web.public_url" in result.output
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == []
    assert init(tmp_path / "new").exit_code == 0


# goen check-config


def test_check_config_says_that_the_settings_are_good_and_what_is_still_missing(founded: Path) -> None:
    result = on(founded, "check-config")
    assert result.exit_code == 0
    assert "The settings are good" in result.stdout
    assert result.stderr.count("organisation.") == 4


def test_three_mistakes_are_three_messages_each_with_path_and_nearest_name(founded: Path) -> None:
    text = founded.read_text()
    text = text.replace('next_hop = "mail.example.com"', 'nexthop = "mail.example.com"')
    text = text.replace('public_url = "https://goen.example.com"', 'public_url = "goen.example.com"')
    text = text.replace("[consent]", "[consent]\ncooling_off_hours = -1")
    founded.write_text(text)
    result = on(founded, "check-config")
    assert result.exit_code == 78
    assert "relay.nexthop" in result.output
    assert "did you mean relay.next_hop?" in result.output
    assert "web.public_url" in result.output
    assert "consent.cooling_off_hours" in result.output
    assert "4 mistakes" in result.output, "the required relay.next_hop is missing as well"


@pytest.mark.parametrize(
    ("section", "line", "where"),
    [
        ("consent", 'text_edition = "1999-01"', "consent.text_edition"),
        ("organisation", 'legal_name = "🎉"', "organisation.legal_name"),
        ("next_hop", 'ca_file = "goen.toml"', "next_hop.ca_file"),
    ],
)
def test_what_would_stop_serve_is_a_mistake_for_check_config_too(
    founded: Path, section: str, line: str, where: str
) -> None:
    founded.write_text(founded.read_text().replace(f"[{section}]\n", f"[{section}]\n{line}\n"))
    for command in ("check-config", "serve"):
        result = on(founded, command)
        assert result.exit_code == 78, result.output
        assert where in result.output


@pytest.mark.parametrize("key", ["goen-rsa", "goen-ed25519"])
def test_a_damaged_signing_key_is_a_mistake_for_both(founded: Path, key: str) -> None:
    """Otherwise the first marked mail would pass as it came, with the marker in it."""
    (founded.parent / "dkim" / f"{key}.key").write_text("garbage")
    for command in ("check-config", "serve"):
        result = on(founded, command)
        assert result.exit_code == 78, result.output
        assert f"{key}.key holds no private key for" in result.output


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = on(tmp_path / "nowhere.toml", "check-config")
    assert result.exit_code == 78
    assert "nowhere.toml" in result.output


# Listings


def rows(settings: Path, *arguments: str) -> list[dict[str, Any]]:
    result = on(settings, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_a_partner_is_added_listed_and_counted_for(founded: Path) -> None:
    result = on(founded, *ADD)
    assert result.exit_code == 0, result.output
    assert re.search(r"^whsec_[A-Za-z0-9+/]{43}=$", result.stdout, re.MULTILINE)
    (partner,) = rows(founded, "partner", "list")
    assert partner["licence_expires"] == "2030-03-31T15:00:00+00:00", "the end of the day in Japan"
    assert "whsec_" not in json.dumps(partner)
    (slots,) = rows(founded, "slots")
    assert (slots["towards_next"], slots["available"]) == ("0/10", 0)
    assert rows(founded, "slots", "explain") == []
    assert rows(founded, "queue", "list") == []


def test_the_day_of_the_contract_is_kept_and_shown(founded: Path) -> None:
    assert on(founded, *ADD).exit_code == 0
    assert rows(founded, "partner", "list")[0]["contract"] is None
    assert on(founded, *ADD, "--contract-date", "2026-04-01").exit_code == 0
    assert rows(founded, "partner", "list")[0]["contract"] == "2026-04-01"


def test_a_step_that_nothing_reports_cannot_be_the_one_that_counts(founded: Path) -> None:
    assert on(founded, *ADD, "--basis", "consented").exit_code == 0
    result = on(founded, *ADD, "--basis", "hired")
    assert result.exit_code == 2
    assert "acknowledged" in result.output


def test_a_partner_keeps_a_secret_from_a_file(founded: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("whsec_" + "A" * 43 + "=\n")
    result = on(founded, *ADD, "--secret-file", str(tmp_path / "secret"))
    assert result.exit_code == 0, result.output
    assert "whsec_" not in result.output


def test_a_partner_that_cannot_be_is_refused_with_the_field(founded: Path) -> None:
    result = on(founded, *ADD, "--country", "Japan")
    assert result.exit_code == 1
    assert "country" in result.output
    assert rows(founded, "partner", "list") == []


def test_a_partner_whose_name_no_mail_can_show_is_refused(founded: Path) -> None:
    result = on(founded, *ADD, "--name", "Агентство 🎉")
    assert result.exit_code == 1
    assert "legal_name" in result.output


def partner_of(settings: Path) -> Partner:
    """The one partner of an installation, secret and all."""
    with open_settled_store(load(settings, {})) as store:
        (partner,) = store.call(list_partners)
    return partner


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        (("--address", "東京都新宿区サンプル町1"), lambda p: replace(p, address="東京都新宿区サンプル町1")),
        (("--ratio", "3"), lambda p: replace(p, policy=SlotPolicy(3, "submitted"))),
        (("--basis", "consented"), lambda p: replace(p, policy=SlotPolicy(7, "consented"))),
        (("--contract-date", "2026-05-01"), lambda p: replace(p, contract_date=date(2026, 5, 1))),
        ((), lambda p: p),
    ],
)
def test_what_is_not_said_of_a_known_partner_stays(
    founded: Path, said: tuple[str, ...], changed: Callable[[Partner], Partner]
) -> None:
    whole = (*ADD, "--contract-date", "2026-04-01", "--ratio", "7", "--basis", "submitted")
    assert on(founded, *whole).exit_code == 0
    before = partner_of(founded)

    result = on(founded, "partner", "add", "demo-agency", *said)

    assert result.exit_code == 0, result.output
    assert "whsec_" not in result.output
    assert partner_of(founded) == changed(before)


def test_a_new_secret_is_made_only_when_asked_for(founded: Path, tmp_path: Path) -> None:
    on(founded, *ADD)
    before = partner_of(founded)
    result = on(founded, "partner", "add", "demo-agency", "--new-secret")
    after = partner_of(founded)
    assert after.secret in result.stdout
    assert after.secret != before.secret
    assert replace(after, secret=before.secret) == before
    (tmp_path / "secret").write_text(before.secret)
    both = ("--new-secret", "--secret-file", str(tmp_path / "secret"))
    assert on(founded, "partner", "add", "demo-agency", *both).exit_code == 2


def test_what_a_new_partner_lacks_is_named(founded: Path) -> None:
    result = on(
        founded, "partner", "add", "new-agency", "--name", "サンプル", "--endpoint", "https://a.example.org/"
    )
    assert result.exit_code == 2
    assert "new-agency is a new partner, so these are missing: --address, --representative, --licence." in (
        " ".join(result.output.split())
    )
    assert rows(founded, "partner", "list") == []


@pytest.mark.parametrize("endpoint", ["http://agency.example.com/s", "https://10.0.0.1/s"])
def test_an_endpoint_to_which_nothing_would_be_sent_is_refused_with_the_reason(
    founded: Path, endpoint: str
) -> None:
    result = on(founded, *ADD, "--endpoint", endpoint)
    assert result.exit_code == 1
    assert re.search(r"endpoint cannot be used: .*(plain http://|not a public address)", result.stderr)
    assert rows(founded, "partner", "list") == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("--licence-expires", "2020-03-31"), "its licence has expired"),
        (("--country", "US"), "its country is US"),
    ],
)
def test_a_partner_that_is_not_offered_is_said_so(founded: Path, said: tuple[str, ...], why: str) -> None:
    result = on(founded, *ADD, *said)
    assert result.exit_code == 0
    assert f"It is not offered to candidates: {why}" in result.stderr
    assert "not offered" not in on(founded, *ADD, "--country", "JP").output


def test_in_a_pipe_a_listing_is_tab_separated(founded: Path) -> None:
    on(founded, *ADD)
    result = on(founded, "slots", "list")
    assert result.stdout == "demo-agency\tサンプル人材紹介株式会社\t0\t0\t0/10\t0\tacknowledged persons\n"


@contextmanager
def a_story(settings: Path) -> Iterator[Story]:
    """A story in the installation's own database, with a partner that people may consent to."""
    with open_settled_store(load(settings, {})) as store:
        told = Story(store)
        told.partner()
        yield told


def test_a_whole_consent_chain_is_counted(founded: Path) -> None:
    result = on(founded, "consent", "verify")
    assert (result.exit_code, result.stdout) == (0, "The consent chain is whole: 0 events.\n")
    with a_story(founded) as told:
        for n in range(3):
            told.say(told.invite(f"{n}@example.jp").link_id)
    result = on(founded, "consent", "verify")
    assert (result.exit_code, result.stdout) == (0, "The consent chain is whole: 3 events.\n")


def test_a_broken_consent_chain_is_named_by_its_first_broken_event(founded: Path) -> None:
    with a_story(founded) as told:
        for n in range(3):
            told.say(told.invite(f"{n}@example.jp").link_id)
    with closing(sqlite3.connect(founded.parent / "var" / "goen.sqlite3")) as database:
        database.execute("UPDATE consent_event SET kind = 'declined' WHERE id = 2")
        database.commit()
    result = on(founded, "consent", "verify")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "event 2" in result.stderr


def test_provisions_are_listed_all_of_them_however_many_are_read_at_once(founded: Path) -> None:
    assert on(founded, "provisions", "list").stdout == ""
    assert rows(founded, "provisions", "list") == []
    with a_story(founded) as told:
        for n in range(5):
            told.say(told.invite(f"{n}@example.jp").link_id)
        for claim in told.claim():
            told.send(claim)
        numbers = [
            [record.id for record in read_provisions(told.store, page=page)] for page in (1, 2, 5, 500)
        ]
    assert numbers == [[1, 2, 3, 4, 5]] * 4
    records = rows(founded, "provisions", "list")
    assert [record["person_email"] for record in records] == [f"{n}@example.jp" for n in range(5)]
    assert records[0]["partner"] == "見本エージェント株式会社"
    assert records[0]["data_items"] == "name, email"
    assert records[0]["certain"] == "yes"
    assert len(on(founded, "provisions", "list").stdout.splitlines()) == 5


def test_what_may_be_at_the_partner_after_a_withdrawal_is_told_in_both_listings(founded: Path) -> None:
    with a_story(founded) as told:
        link_id = told.invite().link_id
        told.say(link_id)
        (claim,) = told.claim()
        told.store.call(outbox.postpone, claim, due_at=LATER, error="answered 503", now=LATER)
        told.say(link_id, ConsentKind.WITHDRAWN)
    assert [record["certain"] for record in rows(founded, "provisions", "list")] == ["possibly"]
    (line,) = rows(founded, "queue", "list")
    assert line["last_error"] == "consent withdrawn; the partner may have it: ask for recall"


def test_a_corrected_endpoint_says_how_many_submissions_are_sent_now(founded: Path) -> None:
    with a_story(founded) as told:
        told.say(told.invite().link_id)
        (claim,) = told.claim()
        told.store.call(outbox.bury, claim, error="answered 404", now=LATER)
    result = on(founded, "partner", "add", "agency", "--endpoint", "https://agency.example.org/submissions")
    assert result.exit_code == 0, result.output
    assert re.search(r"sent now: 1\.$", result.stdout, re.MULTILINE)
    assert "sent now" not in on(founded, *ADD).stdout


def test_migrate_says_what_it_did(founded: Path) -> None:
    first = on(founded, "migrate")
    assert first.exit_code == 0
    assert first.stdout.startswith("applied 0001")
    assert on(founded, "migrate").stdout == "The database is up to date.\n"


def test_a_database_out_of_reach_is_one_sentence(founded: Path) -> None:
    text = founded.read_text().replace(
        "[store]", '[store]\nurl = "postgresql://goen@127.0.0.1:9/goen?connect_timeout=2"'
    )
    founded.write_text(text)
    result = on(founded, "slots")
    assert result.exit_code == 1
    assert re.fullmatch(r"The database cannot be used now: .*refused.*\n", result.output)


def test_a_master_key_that_others_can_read_is_refused(founded: Path) -> None:
    (founded.parent / "var" / "goen.key").chmod(0o644)
    result = on(founded, "slots")
    assert result.exit_code == 78
    assert "chmod 600" in result.output


def test_health_says_what_does_not_answer(founded: Path) -> None:
    result = on(founded, "health")
    assert result.exit_code == 1
    assert re.search(r"The pages at 127\.0\.0\.1:\d+ do not answer", result.output)
    assert re.search(r"The SMTP door at 127\.0\.0\.1:\d+ does not answer", result.output)


def test_health_asks_only_for_the_parts_that_run_here(founded: Path) -> None:
    assert "SMTP door" not in on(founded, "health", "--web").output
    assert "pages" not in on(founded, "health", "--smtp").output


# goen explain

MARKED = (
    b"From: <hr@example.com>\nTo: <taro@example.jp>\nCc: <boss@example.com>\n"
    b"Content-Type: text/plain; charset=utf-8\n\n" + "不採用\n[[relay:rejection]]\n".encode()
)


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A marked mail as a mail program saves it, in a directory without settings."""
    path = tmp_path / "mails" / "mail.eml"
    path.parent.mkdir()
    path.write_bytes(MARKED)
    monkeypatch.chdir(path.parent)
    return path


def complete(settings: Path) -> None:
    """Fill in what an invitation needs."""
    facts = (
        'legal_name = "A"\naddress = "B"\nprivacy_officer = "C"\npurpose_notice_url = "https://example.com/"'
    )
    settings.write_text(settings.read_text().replace("[organisation]\n", f"[organisation]\n{facts}\n"))


def test_explain_works_without_settings_and_says_so(mail: Path) -> None:
    result = run("explain", str(mail))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("This mail would be rewritten: 1 candidate gets an invitation, 1 other")
    assert "No settings were found" in result.stdout
    assert "7 line ends were LF" in result.stdout
    assert "\x1b" not in result.stdout
    assert [path.name for path in mail.parent.iterdir()] == ["mail.eml"], "nothing was written"


def test_explain_reads_standard_input(mail: Path) -> None:
    result = CliRunner().invoke(main, ["explain", "-"], input=mail.read_bytes())
    assert result.exit_code == 0
    assert result.stdout.startswith("This mail would be rewritten")


def test_explain_uses_the_settings_and_opens_no_store_and_makes_no_key_and_sends_nothing(
    founded: Path, mail: Path
) -> None:
    complete(founded)
    with (
        socket.create_server(("127.0.0.1", 0)) as next_hop,
        socket.create_server(("127.0.0.1", 0)) as database,
    ):
        text = founded.read_text()
        text = text.replace('"mail.example.com', f'"127.0.0.1:{next_hop.getsockname()[1]}')
        url = f"postgresql://goen@127.0.0.1:{database.getsockname()[1]}/goen"
        founded.write_text(text.replace("[store]", f'[store]\nurl = "{url}"'))
        for key in (True, False):
            if not key:
                (founded.parent / "var" / "goen.key").unlink()
            before = {path: path.stat() for path in founded.parent.rglob("*")}
            result = on(founded, "explain", str(mail), "--json")
            assert result.exit_code == 0, result.output
            copies = json.loads(result.stdout)["copies"]
            assert [len(copy["signed_by"]) for copy in copies] == [2, 2]
            assert ("master key is not there" in result.stdout) is not key
            after = {path: path.stat() for path in founded.parent.rglob("*")}
            assert {p: s.st_mtime_ns for p, s in after.items()} == {
                p: s.st_mtime_ns for p, s in before.items()
            }
        for server in (next_hop, database):
            server.setblocking(False)  # noqa: FBT003  # The standard library's own signature.
            with pytest.raises(BlockingIOError):
                server.accept()


def test_explain_opens_no_sqlite_file(founded: Path, mail: Path) -> None:
    complete(founded)
    assert on(founded, "explain", str(mail)).exit_code == 0
    assert sorted(path.name for path in (founded.parent / "var").iterdir()) == ["goen.key"]


def test_explain_says_which_settings_are_missing(founded: Path, mail: Path) -> None:
    result = on(founded, "explain", str(mail), "--check")
    assert result.exit_code == 1
    assert "(unprepared)" in result.stdout
    assert "organisation.legal_name" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--to", "taro@example.jp"), 0),
        (("--to", "boss@example.com"), 1),
        (("--from", "<>"), 1),
    ],
)
def test_explain_can_tell_a_script_whether_a_candidate_is_invited(
    mail: Path, arguments: tuple[str, ...], code: int
) -> None:
    assert run("explain", str(mail), *arguments, "--check").exit_code == code
    assert run("explain", str(mail), *arguments).exit_code == 0


def test_explain_writes_the_copies_and_overwrites_nothing_unless_forced(mail: Path) -> None:
    out = mail.parent / "new" / "copies"
    result = run("explain", str(mail), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert f"Wrote {out / 'internal.eml'}." in result.stdout
    names = {"candidate-1.eml", "internal.eml"}
    assert {path.name for path in out.iterdir()} == names
    assert {stat.S_IMODE((out / name).stat().st_mode) for name in names} == {0o600}
    copy = (out / "candidate-1.eml").read_bytes()
    assert copy.startswith(b"Received: ")
    assert copy.count(b"\n") == copy.count(b"\r\n")
    (out / "candidate-1.eml").unlink()
    (out / "internal.eml").write_text("mine")
    result = run("explain", str(mail), "--out", str(out))
    assert result.exit_code == 1
    assert "internal.eml is there already" in result.stderr
    assert not (out / "candidate-1.eml").exists(), "nothing is written by halves"
    assert run("explain", str(mail), "--out", str(out), "--force").exit_code == 0
    assert (out / "internal.eml").read_bytes().startswith(b"Received: ")


def test_explain_with_force_does_not_write_through_a_link(mail: Path) -> None:
    precious = mail.parent / "precious"
    precious.write_text("mine")
    (mail.parent / "internal.eml").symlink_to(precious)
    assert run("explain", str(mail), "--out", str(mail.parent), "--force").exit_code == 0
    assert precious.read_text() == "mine"


def test_explain_writes_no_copy_of_a_mail_that_passes(mail: Path) -> None:
    mail.write_bytes(MARKED.replace(b"relay", b"delay"))
    result = run("explain", str(mail), "--out", str(mail.parent / "copies"))
    assert result.exit_code == 0
    assert "No copy was written" in result.stdout
    assert not (mail.parent / "copies").exists()


def test_explain_names_what_cannot_be_written(mail: Path) -> None:
    result = run("explain", str(mail), "--out", str(mail / "below-a-file"))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing.eml",), "No such file"),
        (("mail.eml", "--to", "taro"), "--to takes an address"),
        (("mail.eml", "--from", "hr"), "--from takes an address"),
        ((".",), "is a directory"),
        (("mail.eml", "--force"), "without --out"),
        ((), "Missing argument"),
    ],
)
def test_explain_takes_wrong_usage_for_wrong_usage(
    mail: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = run("explain", *arguments)
    assert mail.exists()
    assert result.exit_code == 2
    assert words in result.stderr


def test_explain_does_not_take_broken_settings_for_none(mail: Path) -> None:
    (mail.parent / "goen.toml").write_text("[relay]\nnexthop = 1\n")
    assert run("explain", str(mail)).exit_code == 78


def test_an_unknown_command_is_wrong_usage() -> None:
    assert run("slot").exit_code == 2
