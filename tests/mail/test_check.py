import email
import re
from base64 import encodebytes
from collections.abc import Iterator
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

    def greedy(target: Target, wanted: str | None) -> list[Edit]:
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
        check.check(mail, mail.replace(b"[[relay:rejection]]", b""), reading, None)


def leaf(body: bytes, charset: str, encoding: str = "8bit", kind: str = "plain") -> bytes:
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return HEADER + head.encode() + body


LETTER = "佐々木様\r\n[[relay:rejection]]\r\nさようなら\r\n"
EVERY_WAY = {
    "as it stands": MAIL,
    "iso-2022-jp": leaf(LETTER.encode("iso2022_jp"), "iso-2022-jp", "7bit"),
    "base64": leaf(encodebytes(LETTER.encode()).replace(b"\n", b"\r\n"), "utf-8", "base64"),
    "quoted-printable HTML": leaf(
        b"<p>=E4=BD=90 a</p><p>[[relay:rejec<b>tion]]</b></p>\r\n", "utf-8", "quoted-printable", "html"
    ),
    "moved to UTF-8": leaf(b"caf\xe9\r\n[[relay:rejection]]\r\nbye\r\n", "iso-8859-1"),
    "without MIME": b"Subject: x\r\n\r\n[[relay:rejection]]\r\nbye\r\n",
    "not wholly readable": leaf(b"\xe4\xbd\x90\xff\r\n[[relay:rejection]]\r\n\xfd bye\r\n", "utf-8"),
}


def spoilt(copy: bytes) -> Iterator[bytes]:
    """Yield the copy with each octet changed, taken out, or something put before it."""
    for at, octet in enumerate(copy):
        for new in (bytes([octet ^ 1]), bytes([octet ^ 0x20]), bytes([octet ^ 0x80]), b""):
            yield copy[:at] + new + copy[at + 1 :]
        for more in (b" ", b"=", b"\n", b"\x1b", b"A"):
            yield copy[:at] + more + copy[at:]


def read_by_another(raw: bytes) -> list[object]:
    """Return all that the standard library reads in a mail.

    A soft break with a blank behind its `=` is one (RFC 2045, section 6.7, rule 3), which it does not know.
    """
    found: list[object] = []
    for part in email.message_from_bytes(re.sub(rb"= \r\n", b"=\r\n", raw)).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and part.get_content_maintype() == "text":
            found.append(content.decode(part.get_content_charset("ascii"), "surrogateescape"))
        else:
            found.append(content)
        params = sorted(param for param in part.get_params([]) if param[0] != "charset")
        own = ("content-type", "content-transfer-encoding")
        fields = [(name, str(value)) for name, value in part.items() if name.lower() not in own]
        found += [params, part.get_content_type(), fields, part.preamble, part.epilogue]
    return found


@pytest.mark.parametrize("name", EVERY_WAY)
def test_no_octet_of_a_copy_can_differ_unless_nobody_reads_it(name: str, invitation: Footer) -> None:
    """Each octet changed, lost or added is found, or a second reader finds nothing changed either."""
    raw = EVERY_WAY[name]
    reading = eligible.read(raw, stamp_key=b"")
    copy = footer.rewrite(raw, reading, invitation)
    check.check(raw, copy, reading, invitation)
    meant = read_by_another(copy)
    for wrong in spoilt(copy):
        try:
            check.check(raw, wrong, reading, invitation)
        except CheckFailed:
            continue
        assert read_by_another(wrong) == meant, wrong


@pytest.mark.parametrize("label", [b"us-ascii", b"utf8-lie", b""])
def test_a_leaf_that_says_no_longer_what_it_holds_fails(label: bytes, invitation: Footer) -> None:
    """We would guess rightly; a reader who takes the label at its word sees other letters."""
    raw = b"From: hr@example.com\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
    raw += b"\r\n[[relay:rejection]]\r\n"
    reading = eligible.read(raw, stamp_key=b"k")
    copy = footer.rewrite(raw, reading, invitation)
    check.check(raw, copy, reading, invitation)
    with pytest.raises(CheckFailed):
        check.check(raw, copy.replace(b"charset=utf-8", b"charset=" + label), reading, invitation)


def test_the_form_in_ascii_is_found_where_the_leaf_can_hold_a_better_one(invitation: Footer) -> None:
    reading = eligible.read(MAIL, stamp_key=b"")
    lesser = footer.rewrite(MAIL, reading, replace(invitation, text=invitation.ascii))
    with pytest.raises(CheckFailed, match="a lesser form"):
        check.check(MAIL, lesser, reading, invitation)


def test_octets_that_no_charset_explains_are_compared_as_octets(invitation: Footer) -> None:
    """In the text they are all the same replacement character."""
    raw = EVERY_WAY["not wholly readable"]
    reading = eligible.read(raw, stamp_key=b"")
    copy = footer.rewrite(raw, reading, invitation)
    for old, new in ((b"\xff", b"\xfe"), (b"\xfd", b"\xfc")):
        with pytest.raises(CheckFailed, match="octets"):
            check.check(raw, copy.replace(old, new), reading, invitation)


def test_octets_that_are_characters_each_are_counted_so(invitation: Footer) -> None:
    """Without a charset, a beginning that is UTF-8 by itself is still not read as UTF-8."""
    raw = b"t:\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E5=B1=B1[[relay:rejection]]=8A\r\n"
    reading = eligible.read(raw, stamp_key=b"")
    copy = footer.rewrite(raw, reading, invitation)
    check.check(raw, copy, reading, invitation)
    with pytest.raises(CheckFailed):
        check.check(raw, copy.replace(b"=8A", b"=8B"), reading, invitation)


def test_a_link_in_a_marker_s_attribute_goes_with_the_marker(invitation: Footer) -> None:
    mail = MAIL.replace(b"rejection]]", b'rejection name="https://relay.example.jp/c/4f7q"]]')
    reading = eligible.read(mail, stamp_key=b"")
    copy = footer.rewrite(mail, reading, invitation)
    check.check(mail, copy, reading, invitation)
    assert copy.count(b"https://relay.example.jp/c/4f7q") == 1


def test_an_invitation_with_a_second_link_fails(invitation: Footer) -> None:
    twice = replace(invitation, text=f"{invitation.text}https://relay.example.jp/\n")
    reading = eligible.read(MAIL, stamp_key=b"")
    with pytest.raises(CheckFailed, match="no link of its own"):
        check.check(MAIL, footer.rewrite(MAIL, reading, twice), reading, twice)
