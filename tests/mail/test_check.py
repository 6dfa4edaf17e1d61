from dataclasses import replace

import pytest

from gateway.mail import check, eligible, footer
from gateway.mail.check import CheckFailed
from gateway.mail.eligible import Target
from gateway.mail.footer import Footer
from gateway.mail.text import Edit

HEADER = b"From: hr@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
MAIL = (
    HEADER
    + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n"
    + PLAIN
    + "佐々木様\r\n[[relay:rejection]]\r\nさようなら\r\n".encode()
    + b"--m\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n--m--\r\n"
)


def test_a_faithful_rewrite_passes(invitation: Footer) -> None:
    reading = eligible.read(MAIL, stamp_key=b"")
    check.check(MAIL, footer.rewrite(MAIL, reading, invitation), reading, invitation)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: x", b"Subject:  x"),
        (b"PDF\r\n", b"PDF \r\n"),
        (b"--m--\r\n", b"--m-- \r\n"),
        (b"--m--\r\n", b"--m\r\n\r\n--m--\r\n"),
        ("さようなら".encode(), "さようなら。".encode()),
        ("さようなら".encode(), " さようなら".encode()),
        ("佐々木".encode(), "佐佐木".encode()),
        (b"4f7q", b"5f7q"),
        (b"https", b"https://relay.example.jp/c/4f7q https"),
        (b"charset=utf-8", b"charset=euc-jp"),
        (b"text/plain", b"text/html"),
        (b"\r\n\r\nPDF", b"\r\nX-A: b\r\n\r\nPDF"),
    ],
)
def test_anything_else_is_found(old: bytes, new: bytes, invitation: Footer) -> None:
    reading = eligible.read(MAIL, stamp_key=b"")
    copy = footer.rewrite(MAIL, reading, invitation)
    broken = copy.replace(old, new, 1)
    assert broken != copy
    with pytest.raises(CheckFailed):
        check.check(MAIL, broken, reading, invitation)


def test_a_wrong_wish_is_found_too(invitation: Footer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check does not believe the edits: a rewrite that takes one character too many is caught."""
    right = footer.edits

    def greedy(target: Target, wanted: Footer | None) -> list[Edit]:
        return [(start - 3, end, new) for start, end, new in right(target, wanted)]

    monkeypatch.setattr(footer, "edits", greedy)
    reading = eligible.read(MAIL, stamp_key=b"")
    copy = footer.rewrite(MAIL, reading, invitation)
    with pytest.raises(CheckFailed, match="author"):
        check.check(MAIL, copy, reading, invitation)


@pytest.mark.parametrize("grown", [(0, 700), (-15, 0), (0, 30)])
def test_a_marker_that_swallows_text_is_found_too(invitation: Footer, grown: tuple[int, int]) -> None:
    """The check does not believe where a marker ends: text before it, text behind it, or much of either."""
    mail = MAIL.replace("佐々木様\r\n".encode(), "佐々木様\r\n\r\nWe regret.\r\n\r\n".encode())
    mail = mail.replace(
        "さようなら".encode(), b"\r\nDear X, we liked you.\r\n" + b"word and word\r\n" * 99 + b"[1]"
    )
    reading = eligible.read(mail, stamp_key=b"")
    (target,) = reading.targets
    ((start, end),) = target.found[0].pieces
    pieces = ((start + grown[0], end + grown[1]),)
    greedy = replace(target, found=(replace(target.found[0], pieces=pieces),))
    wrong = replace(reading, targets=(greedy,))
    with pytest.raises(CheckFailed, match="more than a marker"):
        check.check(mail, footer.rewrite(mail, wrong, invitation), wrong, invitation)


def test_a_marker_left_in_another_body_is_found(invitation: Footer) -> None:
    second = PLAIN + b"[[relay:rejection]]\r\n"
    mail = MAIL.replace(b"--m\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n", b"--m\r\n" + second)
    reading = eligible.read(mail, stamp_key=b"")
    check.check(mail, footer.rewrite(mail, reading, invitation), reading, invitation)
    forgetful = replace(reading, targets=reading.targets[:1])
    with pytest.raises(CheckFailed, match="a marker was left"):
        check.check(mail, footer.rewrite(mail, forgetful, invitation), forgetful, invitation)


def test_a_mail_that_was_not_rewritten_fails(invitation: Footer) -> None:
    reading = eligible.read(MAIL, stamp_key=b"")
    with pytest.raises(CheckFailed):
        check.check(MAIL, MAIL, reading, invitation)
    with pytest.raises(CheckFailed):
        check.check(MAIL, MAIL, reading, None)


def test_an_invitation_without_link_fails() -> None:
    without = Footer("ご案内です。", "")
    reading = eligible.read(MAIL, stamp_key=b"")
    with pytest.raises(CheckFailed, match="no link"):
        check.check(MAIL, footer.rewrite(MAIL, reading, without), reading, without)


def test_a_link_that_the_author_has_already_written_fails(invitation: Footer) -> None:
    """Two links in one leaf: nobody could say which one the candidate followed."""
    mail = MAIL.replace("さようなら".encode(), b"https://relay.example.jp/c/4f7q")
    reading = eligible.read(mail, stamp_key=b"")
    with pytest.raises(CheckFailed, match="exactly one link"):
        check.check(mail, footer.rewrite(mail, reading, invitation), reading, invitation)


def test_a_cut_that_uncovers_a_delimiter_fails() -> None:
    """Taking the marker out would put the author's `--m--` at the start of a line."""
    mail = MAIL.replace(b"[[relay:rejection]]", b"[[relay:rejection]]--m--")
    reading = eligible.read(mail, stamp_key=b"")
    with pytest.raises(CheckFailed):
        check.check(mail, footer.rewrite(mail, reading, None), reading, None)
