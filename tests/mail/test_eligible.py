import pytest

from gateway.mail import check, eligible, footer
from gateway.mail.eligible import Reason
from gateway.mail.footer import Footer

BODY = b"\r\nDear Jane,\r\n[[relay:rejection]]\r\n"


def verdict(raw: bytes, *, null_sender: bool = False) -> Reason | None:
    return eligible.read(raw, stamp_key=b"", null_sender=null_sender).unfit


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"Subject: x\r\n", None),
        (b"Auto-Submitted: no\r\n", None),
        (b"Precedence: first-class\r\n", None),
        (b"Auto-Submitted: auto-generated\r\n", Reason.AUTOMATIC),
        (b"X-Auto-Response-Suppress: All\r\n", Reason.AUTOMATIC),
        (b"List-Id: <a.example.com>\r\n", Reason.LIST),
        (b"List-Archive: <https://a.example.com/>\r\n", Reason.LIST),
        (b"Mailing-List: contact a@example.com\r\n", Reason.LIST),
        (b"Listed: no\r\n", None),
        (b"Precedence: Bulk\r\n", Reason.LIST),
        (b"Resent-From: x@example.com\r\n", Reason.RESENT),
        (b"Content-Type: text/plain\r\nContent-Type: text/plain\r\n", Reason.TWO_CONTENT_TYPES),
        (b"Content-Transfer-Encoding: x-uuencode\r\n", Reason.UNDECODABLE),
        (b"Content-Type: text/plain; charset=utf-7\r\n", Reason.UNIVERSAL_CHARSET),
        (b"Content-Type: text/plain; charset=hz-gb-2312\r\n", Reason.UNDECODABLE),
        (b"Content-Type: text/plain; charset=ISO-2022-KR\r\n", Reason.UNDECODABLE),
        (b"Content-Type: text/plain; charset=x-ebcdic-japaneseandkana\r\n", Reason.UNDECODABLE),
        (b"Content-Type: text/plain; charset=UTF-16LE\r\n", Reason.UNIVERSAL_CHARSET),
        (b"Content-Type: text/plain; charset=klingon\r\n", None),
        (b"Content-Type: text/plain; charset=unknown-8bit\r\n", None),
        (b"Content-Transfer-Encoding: binary\r\n", Reason.UNDECODABLE),
        (b"Content-Transfer-Encoding: 8bit; (as it is)\r\n", None),
        (b"Content-Transfer-Encoding: 7-bit\r\n", None),
        (b"X-A: b\r\nX\tB: c\r\n", Reason.BROKEN_HEADER),
        (b">From hr@example.com Mon Nov 23 10:00:00 2026\r\n", Reason.BROKEN_HEADER),
        (b"Content-Type: text/enriched\r\n", Reason.INTERACTIVE),
        (b"Content-Type: application/ms-tnef\r\n", Reason.TNEF),
        (b"Content-Type: application/x; name=message.rpmsg\r\n", Reason.ENCRYPTED),
        (b"Content-Type: multipart/report; boundary=x\r\n", Reason.REPORT),
        (b"Content-Type: text/plain; name=a.txt\r\n", Reason.ATTACHED),
    ],
)
def test_a_header_may_make_a_mail_unfit(header: bytes, reason: Reason | None) -> None:
    assert verdict(header + BODY) is reason


def test_a_null_sender_makes_a_mail_unfit() -> None:
    assert verdict(BODY, null_sender=True) is Reason.NULL_SENDER


def test_a_mail_without_marker_is_neither_marked_nor_unfit() -> None:
    reading = eligible.read(b"Subject: x\r\n\r\nHello\r\n", stamp_key=b"")
    assert (reading.marker, reading.unfit, reading.targets) == (None, None, ())


def test_a_clear_signed_text_is_unfit() -> None:
    assert verdict(b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n" + BODY) is Reason.SIGNED


@pytest.mark.parametrize("levels", [99, 101, 5_000])
def test_nesting_is_bounded(levels: int) -> None:
    raw = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(levels)
    )
    reading = eligible.read(raw + BODY, stamp_key=b"")
    assert reading.unfit is (None if levels < 100 else Reason.TOO_DEEP)


def test_the_number_of_parts_is_bounded() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n" + BODY) * 10_001
    assert verdict(raw) is Reason.TOO_DEEP


@pytest.mark.parametrize("number", [20, 21])
def test_the_number_of_alternatives_is_bounded(number: int) -> None:
    raw = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + BODY
    raw += b"--b\r\n\r\na\r\n" * (number - 1) + b"--b--\r\n"
    assert verdict(raw) is (None if number == 20 else Reason.TOO_DEEP)


def test_the_marker_may_stand_after_a_picture() -> None:
    """Apple Mail puts pictures between pieces of text; the piece with the marker is rewritten."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: image/png\r\n\r\nx"
        b"\r\n--b\r\n" + BODY + b"--b--\r\n"
    )
    reading = eligible.read(raw, stamp_key=b"")
    assert [target.leaf.part.start for target in reading.targets] == [raw.index(b"\r\nDear")]


def test_only_the_root_of_a_related_part_is_rewritten() -> None:
    raw = (
        b'Content-Type: multipart/related; start="<root>"; boundary=b\r\n\r\n'
        b"--b\r\nContent-Type: text/html\r\n\r\nx\r\n"
        b"--b\r\nContent-ID: <root>\r\nContent-Type: text/html\r\n\r\n[[relay:rejection]]\r\n--b--\r\n"
    )
    reading = eligible.read(raw, stamp_key=b"")
    assert [target.leaf.text for target in reading.targets] == ["[[relay:rejection]]"]


def test_an_alternative_that_cannot_be_read_makes_the_mail_unfit() -> None:
    """All alternatives or none: the reader chooses which one is shown."""
    raw = (
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + BODY + b"--b\r\n"
        b"Content-Type: text/html; charset=iso-2022-kr\r\n\r\nx\r\n--b--\r\n"
    )
    assert verdict(raw) is Reason.UNDECODABLE


def test_markers_that_agree_are_one() -> None:
    raw = (
        b"X-Relay-Rejection: tpl=a; job==?utf-8?b?5Za25qWt?=\r\n\r\n"
        b"[[relay:rejection job=\xe5\x96\xb6\xe6\xa5\xad]]\r\n[[relay:rejection stage=final]]"
    )
    reading = eligible.read(raw, stamp_key=b"")
    assert reading.unfit is None
    assert reading.marker is not None
    assert (reading.marker.template, reading.marker.job, reading.marker.stage) == ("a", "営業", "final")


def test_each_branch_of_an_alternative_gets_one_invitation() -> None:
    """Apple Mail puts the text below an attachment into a second HTML part."""
    for first, second, invited in (
        (b"", b"[[relay:rejection]]", 1),
        (b"[[relay:rejection]]", b"", 0),
        (b"", b"", 1),
    ):
        raw = (
            b"X-Relay-Rejection: tpl=a\r\n"
            b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\nplain\r\n"
            b"--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\n<p>0 " + first + b"</p>\r\n"
            b"--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\n<p>1 " + second + b"</p>\r\n--b--\r\n--a--\r\n"
        )
        targets = eligible.read(raw, stamp_key=b"").targets
        assert [target.leaf.text[:4] for target in targets if target.invited] == ["plai", f"<p>{invited}"]
        assert all(target.invited for target in targets)


def test_a_second_body_only_loses_its_markers() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + BODY + b"--b\r\n\r\nno marker\r\n"
        b"--b\r\n" + BODY + b"--b--\r\n"
    )
    targets = eligible.read(raw, stamp_key=b"").targets
    assert [(target.leaf.part.start, target.invited) for target in targets] == [
        (raw.index(b"\r\nDear"), True),
        (raw.rindex(b"\r\nDear"), False),
    ]
    contradicting = raw.replace(b"rejection", b"rejection tpl=a", 1).replace(
        b"rejection]", b"rejection tpl=b]"
    )
    assert verdict(contradicting) is Reason.CONTRADICTING


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: [[relay:rejection tpl=a]]\r\n\r\nhello",
        b"Subject: =?utf-8?q?=5B=5Brelay=3Arejection=5D=5D?=\r\n\r\nhello",
        b"Content-Type: text/html\r\n\r\n<title>[[relay:rejection]]</title>",
        b"Content-Type: text/html\r\n\r\n<!-- [[Relay: rejection]] -->",
        b"Content-Type: text/html\r\n\r\n<img alt='[[relay:rejection name=secret]]'>",
    ],
)
def test_a_marker_where_nobody_looks_is_reported(raw: bytes) -> None:
    reading = eligible.read(raw, stamp_key=b"")
    assert (reading.marker, reading.almost) == (None, ("[[relay:rejection",))


def test_a_marker_in_a_comment_beside_a_real_one_is_not_reported() -> None:
    raw = b"Content-Type: text/html\r\n\r\n<!--[[relay:rejection]]--><p>[[relay:rejection]]</p>"
    assert eligible.read(raw, stamp_key=b"").almost == ()


def test_a_marker_that_is_only_quoted_is_not_also_almost_one() -> None:
    raw = b"Content-Type: text/html\r\n\r\n<p>ok</p><blockquote>[[relay:rejection]]</blockquote>\r\n"
    reading = eligible.read(raw, stamp_key=b"")
    assert (reading.unfit, reading.almost) == (Reason.QUOTED, ())


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: text/plain; x=" + b"a" * 9_000 + b"\r\n",
        b"Content-Disposition: inline" + b";" * 9_000 + b"\r\n",
        b"X-Relay-Rejection: job=" + b"a" * 3_000 + b"\r\n",
        b"X-Other: " + b"a" * 300_000 + b"\r\n",
        b"X: y\r\n" * 10_001,
    ],
)
def test_a_header_is_not_read_in_halves(header: bytes) -> None:
    assert verdict(header + BODY) is Reason.HEADER_TOO_LARGE
    part = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + header + BODY + b"--b--\r\n"
    in_part = header.startswith((b"Content-", b"X: y"))
    assert verdict(part) is (Reason.HEADER_TOO_LARGE if in_part else None)


def test_markers_without_number_are_no_request() -> None:
    assert verdict(b"\r\n" + b"[[relay:rejection]]\r\n" * 100) is None
    assert verdict(b"\r\n" + b"[[relay:rejection]]\r\n" * 101) is Reason.TOO_MANY_MARKERS


@pytest.mark.parametrize(
    ("value", "job"),
    [
        (b"job==?utf-8?B?5Za25qWt?=", "営業"),
        (b"job==?utf-8?B?5Za2?=\r\n =?utf-8?B?5qWt?=", "営業"),
        (b"job==?utf-8?B?5Za=?= =?utf-8?B?25qWt?=", None),
        (b'job="=?utf-8?B?5Q==?= =?utf-8?B?lrbmpa0=?="', "営業"),
        (b"job==?iso-2022-jp?B?GyRCMUQ2SBsoQg==?=", "営業"),
        (b"job==?utf-8*ja?Q?=E5=96=B6_x?=", "営"),
        ("job=営業".encode(), "営業"),
        ("job=営業; stage==?utf-8?q?final?=".encode(), "営業"),
        (b"job==?unicode_escape?q?=5Cud800?=", "=?unicode_escape?q?=5Cud800?="),
        (b"job==?utf-7?q?+2AA-?=", "=?utf-7?q?+2AA-?="),
        (b"job==?utf-8?q?a=00b=1B?=", "ab"),
    ],
)
def test_a_header_marker_is_decoded_by_charsets_that_we_know(value: bytes, job: str | None) -> None:
    reading = eligible.read(b"X-Relay-Rejection: " + value + b"\r\n\r\nhello\r\n", stamp_key=b"")
    assert reading.marker is not None
    assert reading.marker.job is not None if job is None else reading.marker.job == job
    assert "\0" not in str(reading.marker)


def test_each_reason_has_a_code_and_a_sentence() -> None:
    assert str(Reason.SIGNED) == "signed"
    assert all(reason.sentence.endswith(".") and " " not in reason for reason in Reason)


@pytest.mark.parametrize("branch", [b"o\r\n", b"Content-Type: text/html\r\n<p>o</p>\r\n"])
def test_no_empty_line_enters_a_part_that_has_none(branch: bytes, invitation: Footer) -> None:
    """It would end the header that had no end, and what stood there as text would be lost in it."""
    raw = (
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        + BODY
        + b"--b\r\n"
        + branch
        + b"--b--\r\n"
    )
    reading = eligible.read(raw, stamp_key=b"")
    assert reading.unfit is None
    try:
        copy = footer.rewrite(raw, reading, invitation)
    except footer.CannotRewrite:
        return
    check.check(raw, copy, reading, invitation)


def test_octets_that_come_to_shift_what_follows_are_not_joined(invitation: Footer) -> None:
    """Without the marker, an escape sequence of another charset stands there."""
    raw = b"\r\n\xef\xbc\xbb\xef\xbc\xbbrelay:rejection]]\x1b$\r\n"
    reading = eligible.read(raw, stamp_key=b"")
    assert footer.rewrite(raw, reading, invitation).endswith(b"\x1b$\r\n")
    with pytest.raises(footer.CannotRewrite):
        footer.rewrite(raw, reading, None)


def test_a_charset_is_declared_before_a_quote_that_stays_open(invitation: Footer) -> None:
    raw = b'Content-Type: text/plain; a="xyz\r\n' + BODY
    copy = footer.rewrite(raw, eligible.read(raw, stamp_key=b""), invitation)
    assert copy.startswith(b'Content-Type: text/plain; charset=utf-8; a="xyz\r\n')


@pytest.mark.parametrize("line", [b"no field\r\n", b"X-\tA: b\r\n"])
def test_a_line_that_is_no_field_matters_in_the_header_of_a_text_that_is_rewritten(line: bytes) -> None:
    """Elsewhere it makes no difference to what is put in and to who reads it."""
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    other = b"\r\n--b\r\nContent-Type: text/plain\r\n" + line + b"\r\nx\r\n--b--\r\n"
    assert verdict(head + BODY + other) is None
    assert verdict(head + line + BODY + other) is Reason.BROKEN_HEADER
