"""What a file holds becomes what the wire would carry, and each change is told."""

import io
import os
from pathlib import Path

import pytest

from gateway.operator.explain.given import MailUnusable, read_mail, understand

MAIL = b"From: hr@example.com\r\nTo: taro@example.jp\r\n\r\nfirst\r\nFrom the start\r\n"
LF = MAIL.replace(b"\r\n", b"\n")
LIMIT = 1000


def understood(raw: bytes) -> tuple[bytes, str]:
    given = understand(raw, "x.eml", limit=LIMIT)
    return given.content, " ".join(given.notes)


def test_a_mail_as_the_wire_has_it_stays_as_it_is_and_nothing_is_told() -> None:
    assert understood(MAIL) == (MAIL, "")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (LF, "5 line ends were LF"),
        (MAIL.replace(b"first\r\n", b"first\n"), "1 line ends were LF"),
        (MAIL[:-2], "The last line had no end"),
        (b"\xef\xbb\xbf" + MAIL, "byte order mark"),
        (b"From hr@example.com Mon Nov 23 05:05:02 2026\r\n" + MAIL, "“From ” line"),
        (b"From hr@example.com Mon Nov 23 05:05:02 2026\n" + LF, "“From ” line"),
        (b"%d      \n" % len(LF) + LF + b'<?xml version="1.0"?>\n<plist></plist>\n', ".emlx"),
    ],
)
def test_what_programs_add_when_they_save_a_mail_is_taken_away_and_told(raw: bytes, told: str) -> None:
    content, notes = understood(raw)
    assert content == MAIL
    assert told in notes


def test_of_a_mailbox_only_the_first_mail_is_explained() -> None:
    line = b"From hr@example.com Mon Nov 23 05:05:02 2026\n"
    content, notes = understood(line + LF + b"\n" + line + LF)
    assert content == MAIL
    assert "only the first" in notes


def test_a_line_of_the_text_that_begins_like_a_mailbox_is_no_other_mail() -> None:
    text = MAIL + b"\r\nFrom 2026 on, we are\r\nhiring\r\n"
    assert understood(text) == (text, "")


def test_what_the_gateway_refuses_is_left_for_it_to_refuse() -> None:
    raw = MAIL + b"bare\rreturn and \0\r\n"
    assert understood(raw)[0] == raw
    assert understood(raw.replace(b"\r\n", b"\n"))[0] == raw


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty"),
        (b" \r\n\n", "is empty"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512), "Outlook's own format"),
        ("From: hr@example.com\n\n".encode("utf-16"), "UTF-16"),
        (MAIL + b"x" * LIMIT, "larger than the 1,000 bytes"),
        (b"From: a@example.com\n\n" + b"\n" * (LIMIT - 22), "larger than the 1,000 bytes"),
    ],
)
def test_what_is_no_mail_is_refused_with_what_to_give_instead(raw: bytes, words: str) -> None:
    with pytest.raises(MailUnusable, match=words):
        understand(raw, "x.eml", limit=LIMIT)


def test_a_mail_is_read_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(MAIL)
    assert read_mail(tmp_path / "a.eml", io.BytesIO(), limit=LIMIT).content == MAIL
    assert read_mail(Path("-"), io.BytesIO(MAIL), limit=LIMIT).content == MAIL
    assert read_mail(tmp_path / "a.eml", None, limit=LIMIT).content == MAIL
    with pytest.raises(MailUnusable, match="standard input is empty"):
        read_mail(Path("-"), None, limit=LIMIT)


def test_no_more_is_read_than_the_gateway_takes() -> None:
    source = io.BytesIO(b"x" * 10_000)
    with pytest.raises(MailUnusable):
        read_mail(Path("-"), source, limit=LIMIT)
    assert source.tell() == LIMIT + 1


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path, "it is a directory"),
        (tmp_path / "nothing.eml", "No such file"),
        (tmp_path / "pipe", "a pipe or a device"),
        (tmp_path / "a\0b", "NUL"),
    ):
        with pytest.raises(MailUnusable, match=words):
            read_mail(path, io.BytesIO(), limit=LIMIT)
