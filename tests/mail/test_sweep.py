"""The sweep over real mails, on mails made here: it plants, judges, and calls wrong what is wrong."""

import base64
import quopri
from dataclasses import replace
from pathlib import Path

import pytest

from bench import planting, sweep
from bench.sweep import FOOTER, LINK, Tally
from gateway.mail import eligible, footer

TEXT = "山田 太郎 様\r\n\r\nお世話になっております。\r\n-- \r\n人事部\r\n"
HEADER = (
    b"From: HR <hr@example.com>\r\nTo: t@example.jp\r\nSubject: =?utf-8?B?6YG46ICD?=\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0900\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)


def leaf(kind: str, charset: str, codec: str, encoding: str) -> bytes:
    text = TEXT if kind == "plain" else f"<html><body>\r\n<p>{TEXT}</p>\r\n</body></html>\r\n"
    body = text.encode(codec)
    if encoding == "base64":
        body = base64.encodebytes(body).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        body = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


def alternative(plain: bytes, rich: bytes) -> bytes:
    bodies = b"\r\n--b\r\n".join((b"", plain, rich))
    return HEADER + b"Content-Type: multipart/alternative; boundary=b\r\n" + bodies + b"\r\n--b--\r\n"


MAILS = {
    "utf-8": HEADER + leaf("plain", "utf-8", "utf-8", "8bit"),
    "jis": alternative(
        leaf("plain", "iso-2022-jp", "iso2022_jp", "7bit"),
        leaf("html", "utf-8", "utf-8", "quoted-printable"),
    ),
    "packed": alternative(
        leaf("plain", "shift_jis", "cp932", "base64"), leaf("html", "shift_jis", "cp932", "base64")
    ),
    "no mime": b"From: hr@example.com\nTo: t@example.jp\n\nDear Jane,\n\nno.\n",
    "list": b"List-Id: <a.example.com>\nSubject: x\n\nDear Jane,\nno.\n",
    "picture": HEADER + b"Content-Type: image/png\r\n\r\nx\r\n",
}


def swept(name: str) -> Tally:
    tally = Tally()
    sweep.sweep(name, sweep.as_sent(MAILS[name], composed=True), tally)
    return tally


@pytest.mark.parametrize("name", ["utf-8", "jis", "packed", "no mime", "list"])
def test_a_planted_marker_is_replaced_only_where_it_asks_for_something(name: str) -> None:
    tally = swept(name)
    assert tally.defects == []
    assert tally.outcomes == {
        ("the body", "rewritten"): 1,
        ("the subject", "unmarked"): 1,
        ("a quote", "marker-quoted"): 1,
        ("an attached message", "marker-attached"): 1,
        ("an attached text", "marker-attached"): 1,
    }


def test_a_mail_without_text_has_no_place_for_a_marker() -> None:
    tally = swept("picture")
    assert (tally.unplanted, tally.defects) == (1, [])


def test_a_mailbox_is_read_mail_by_mail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = b"".join(b"From hr@example.com Mon Nov 23 10:00:00 2026\n" + MAILS["no mime"] + b"\n" for _ in "ab")
    (tmp_path / "box").write_bytes(box)
    (tmp_path / "one.eml").write_bytes(MAILS["jis"])
    assert sweep.main([str(tmp_path), "--examples", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("3 mails")
    assert "100.0%  rewritten" in printed


def test_what_marks_bulk_mail_stays_when_asked() -> None:
    raw = sweep.as_sent(MAILS["list"], composed=False)
    assert raw.startswith(b"List-Id: <a.example.com>\r\nSubject")


def test_what_raises_is_a_defect_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> str:
        raise LookupError("the content of a mail")

    monkeypatch.setattr(planting, "fault", raises)
    tally = swept("utf-8")
    (defect,) = tally.defects
    assert defect.startswith("utf-8: <class 'LookupError'> in raises")
    assert "content" not in defect


SPOILT = {
    "another header field": (b"Subject: ", b"Subject: x"),
    "the author's text was changed": ("お世話".encode(), "御世話".encode()),
    "not exactly one link": (LINK.encode(), f"{LINK} {LINK}".encode()),
    "a marker was left": (LINK.encode(), f"{LINK}\r\n[[relay:rejection]]".encode()),
    "another tree": (b"text/plain", b"text/html"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_copy_is_called_wrong(fault: str) -> None:
    """The judge is seen to fail: each of these would otherwise be counted as rewritten."""
    planted = planting.in_the_body(MAILS["utf-8"])
    assert planted is not None
    reading = eligible.read(planted.raw, stamp_key=b"")
    copy = footer.rewrite(planted.raw, reading, FOOTER)
    assert planting.fault(planted, copy, FOOTER, LINK) == ""
    assert planting.fault(planted, copy.replace(*SPOILT[fault]), FOOTER, LINK) == fault


def test_bytes_outside_of_the_leaf_are_compared_as_they_are() -> None:
    planted = planting.in_the_body(MAILS["packed"])
    assert planted is not None
    reading = eligible.read(planted.raw, stamp_key=b"")
    copy = footer.rewrite(planted.raw, reading, replace(FOOTER, text=FOOTER.ascii))
    assert planting.fault(planted, copy, FOOTER, LINK) == ""
    spoilt = copy.replace(b"--b--\r\n", b"--b-- \r\n")
    assert planting.fault(planted, spoilt, FOOTER, LINK) == "bytes behind the leaves were changed"
