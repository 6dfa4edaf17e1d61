"""Hostile mails, and the same four times as large: the work may grow as they do, never as their square.

Each regular expression, each loop over edits and each library that is fed with a mail is reached by one.
While a regular expression runs, no other session gets a turn, so what is quadratic stalls the whole gateway.
"""

import base64
import gc
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway.mail import check, eligible, footer, trace
from gateway.mail.dkim_sign import CannotSign, SigningKey, sign
from gateway.mail.footer import Footer
from gateway.mail.notice import read_letter

GROWTH = 8
"""Of the time for a mail of four times the size: linear is 4, quadratic is 16."""
LONG_ENOUGH = 0.005
"""Seconds that are measured at the least, by reading the mail as often as that takes."""
TRIES = 4

HEAD = b"From: hr@example.com\r\nTo: t@example.jp\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n"
QUOTED_PRINTABLE = b"Content-Transfer-Encoding: quoted-printable\r\n"
MARKER = b"[[relay:rejection]]\r\n"
BODY = PLAIN + b"\r\n" + MARKER
SEED = base64.b64encode(ed25519.Ed25519PrivateKey.generate().private_bytes_raw())
KEY = SigningKey(b"example.com", b"s", "ed25519-sha256", SEED)
STAMP_KEY = b"a key of the test"
ASKED_FOR = HTML + b"X-Relay-Rejection:\r\n"

Mail = Callable[[int], bytes]


def header(name: bytes, start: bytes, unit: bytes, end: bytes = b"x", rest: bytes = BODY) -> Mail:
    """Return the maker of a mail with one long field."""
    return lambda size: (
        b"From: hr@example.com\r\n%s: %s%s%s\r\n" % (name, start, filled(unit, size), end) + rest
    )


def many(field: bytes) -> Mail:
    return lambda size: HEAD + filled(field, size) + BODY


def text(unit: bytes, head: bytes = PLAIN, start: bytes = MARKER, end: bytes = b"") -> Mail:
    """Return the maker of a mail with one long body."""
    return lambda size: HEAD + head + b"\r\n" + start + filled(unit, size) + end


def filled(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit))


def many_parts(size: int) -> bytes:
    head = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + BODY
    return head + filled(b"\r\n--b\r\n\r\n[[relay", size)


def many_alternatives(size: int) -> bytes:
    head = HEAD + b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + BODY
    return head + filled(b"\r\n--b\r\n\r\na", size)


def unclosed(size: int) -> bytes:
    return HEAD + PLAIN + b"X-Relay-Rejection: job=a\r\n\r\n" + filled(b"-- \r\n", size)


MAILS: dict[str, tuple[int, Mail]] = {
    "content type of semicolons": (
        1_900,
        header(b"Content-Type", b"text/plain", b";", rest=b"\r\n" + MARKER),
    ),
    "content type of folded semicolons": (
        1_900,
        header(b"Content-Type", b"text/plain", b";\r\n ", rest=b"\r\n" + MARKER),
    ),
    "content type of quotes": (
        1_900,
        header(b"Content-Type", b'text/plain; a="', b'\\"', rest=b"\r\n" + MARKER),
    ),
    "content type in sections": (
        1_900,
        header(b"Content-Type", b"text/plain", b"; x*0=a", rest=b"\r\n" + MARKER),
    ),
    "disposition of blanks": (1_900, header(b"Content-Disposition", b"inline;", b" ")),
    "signatures of semicolons": (1_900, header(b"DKIM-Signature", b"v=1", b";")),
    "many signatures": (40_000, many(b"DKIM-Signature: d=example.com\r\n")),
    "many forged stamps": (
        40_000,
        many(b"X-Goen-Processed: v1; id=G-A; h=" + b"A" * 32 + b"\r\n"),
    ),
    "many hops": (20_000, many(b"Received: x\r\n")),
    "many recipients' fields": (20_000, many(b"To: x@example.jp\r\n")),
    "header marker of semicolons": (480, header(b"X-Relay-Rejection", b"", b"a;")),
    "header marker of encoded words": (480, header(b"X-Relay-Rejection", b"", b"=?a?q?")),
    "author of escaped quotes": (
        15_000,
        lambda size: b'From: "' + filled(b'\\"', size) + b" hr@example.com\r\n" + BODY,
    ),
    "author of escaped brackets": (
        15_000,
        lambda size: b"From: (" + filled(b"\\(", size) + b" hr@example.com\r\n" + BODY,
    ),
    "author of a domain and blanks": (
        15_000,
        lambda size: b"From: a@\x80" + b" " * size + b"x\r\n" + BODY,
    ),
    "author of many at signs": (15_000, lambda size: b"From: " + b"a@a" * (size // 3) + b" x\r\n" + BODY),
    "addressee of brackets": (15_000, header(b"To", b"", b"(", b" <t@example.jp>")),
    "addressee of half brackets": (15_000, header(b"To", b'"', "（".encode(), b'" <t@example.jp>')),
    "addressee of encoded words": (15_000, header(b"To", b"", b"=?utf-8?q?a?= ", b"<t@example.jp>")),
    "addressee of commas": (15_000, header(b"To", b"", b"a,", b"<t@example.jp>")),
    "subject of blanks": (60_000, header(b"Subject", b"", b" ")),
    "subject of folds": (60_000, header(b"Subject", b"", b"\r\n x")),
    "subject of markers": (60_000, header(b"Subject", b"", b"=?utf-8?q?[[?=", rest=HTML + b"\r\n[[relay")),
    "markers in UTF-8": (40_000, text(MARKER, start="é\r\n".encode())),
    "markers in one line": (40_000, text(MARKER.strip())),
    "markers in quoted-printable": (40_000, text(MARKER, PLAIN + QUOTED_PRINTABLE)),
    "markers in a line of quoted-printable": (
        40_000,
        text(b"=E3=81=82", PLAIN + QUOTED_PRINTABLE, MARKER * 99),
    ),
    "markers in ISO-2022-JP": (
        40_000,
        text(MARKER, b"Content-Type: text/plain; charset=iso-2022-jp\r\n", b"\x1b$B$3\x1b(B\r\n"),
    ),
    "markers in HTML": (40_000, text(MARKER, HTML)),
    "markers between quotes": (40_000, text(MARKER + b"> x\r\n")),
    "markers before much text": (40_000, text("あ".encode(), start=MARKER * 90)),
    "almost markers": (40_000, text(b"[relai rejektion] [")),
    "markers without end": (40_000, text(b"[[relay:rejection ")),
    "markers in open quotes": (40_000, text(b'[[relay:rejection "')),
    "brackets": (40_000, text(b"[ ")),
    "class and class": (4_000, text(b"class= ", HTML, MARKER + b"<div ", b">")),
    "class and quotes": (4_000, text(b"class=\"id='", HTML, MARKER + b"<div ", b">")),
    "ids": (40_000, text(b"id ", HTML, MARKER + b"<div ", b">")),
    "open tags": (40_000, text(b"<a \"'", HTML)),
    "open comments": (40_000, text(b"<!-- ", HTML)),
    "tags": (20_000, text(b"<b>x</b>", HTML)),
    "blocks": (20_000, text(b"<p>", HTML)),
    "quotes in HTML": (20_000, text(b"<blockquote>a</blockquote>", HTML)),
    "entities": (20_000, text(b"&nbsp;", HTML)),
    "hidden elements": (20_000, text(b"<p hidden>x<template>", HTML)),
    "one hidden element of styles": (4_000, text(b"style= display:none", HTML, b"<p ", b">" + MARKER)),
    "values of attributes": (20_000, text(b"<a b='", HTML)),
    "attributes of blanks": (20_000, text(b"a ", HTML, MARKER + b"<a ", MARKER)),
    "elements without text": (20_000, text(b"<title></style></titl", HTML)),
    "hrefs": (20_000, text(b"href ", HTML)),
    "combining characters": (20_000, text("\u0301\u0327".encode(), start=MARKER + b"a")),
    "zero-width characters": (20_000, text("a\u200b".encode())),
    "soft line ends": (20_000, text(b"a \r\n", b"Content-Type: text/plain; format=flowed\r\n")),
    "empty lines": (20_000, text(b"\r\n", end=b"x\r\n")),
    "lines of blanks": (40_000, text(b" " * 900 + b"\r\n")),
    "signature delimiters": (20_000, unclosed),
    "words between bare tags, without marker": (20_000, text(b"a<i> ", ASKED_FOR, b"")),
    "bare tags before end tags, without marker": (20_000, text(b"<b></p>", ASKED_FOR, b"")),
    "open elements, without marker": (20_000, text(b"<div><p>x<table><td>", ASKED_FOR, b"")),
    "one line between rules, without marker": (
        20_000,
        lambda size: (
            HEAD
            + PLAIN
            + b"X-Relay-Rejection:\r\n\r\n-----\r\n"
            + filled(b"sent from ", size)
            + b"\r\n-----\r\n"
        ),
    ),
    "attributions": (20_000, text(b"From: x\r\n")),
    "half-open corner brackets": (40_000, text("「".encode())),
    "honorifics": (40_000, text("様の".encode())),
    # Of a letter's words ten thousand characters are read, so these are short.
    "letter of empty lines": (2_400, text(b"\r\n ", start=b"", end=MARKER)),
    "letter of labels": (800, text("■職種：\r\n".encode(), start=b"", end=MARKER)),
    "letter of results": (800, text("最終面接,結果".encode(), start=b"", end=MARKER)),
    "letter of recommendations": (800, text("推薦いただき".encode(), start=b"", end=MARKER)),
    "letter of positions": (2_400, text(b"interest in the a position ", start=b"", end=MARKER)),
    "letter of names": (2_400, text(b"Dear A ", start=b"", end=MARKER)),
    "escape sequences": (20_000, text(b"\x1b(B", b"Content-Type: text/plain; charset=iso-2022-jp\r\n")),
    "one line": (40_000, text(b"a", PLAIN + QUOTED_PRINTABLE, b"", MARKER)),
    "blanks": (20_000, text(b" \t", end=b"x\r\n")),
    "blanks in quoted-printable": (40_000, text(b" ", PLAIN + QUOTED_PRINTABLE, end=b"x\r\n")),
    "parts": (20_000, many_parts),
    "alternatives": (8_000, many_alternatives),
}


def work(raw: bytes) -> None:
    """Do all that is done with a marked mail for one candidate."""
    link = "https://relay.example.jp/c/4f7q"
    invitation = Footer(f"ご案内\n{link}\n", f'<p><a href="{link}">&#12372;</a></p>')
    trace.hops(raw)
    trace.fingerprint(b"hr@example.com", raw)
    reading = eligible.read(raw, stamp_key=STAMP_KEY)
    trace.from_domain(raw)
    signed(raw)
    if not reading.targets:
        return
    read_letter(raw, reading).notice(b"t@example.jp", alone=True)
    copy = footer.rewrite(raw, reading, invitation)
    check.check(raw, copy, reading, invitation)
    stamp = trace.stamp_field(STAMP_KEY, "G-A", copy)
    signed(trace.without_own_signatures(copy, b"example.com"), stamp)


def signed(raw: bytes, above: bytes = b"") -> None:
    try:
        sign(raw, KEY, above=above)
    except CannotSign:
        return


def seconds(raw: bytes, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work(raw)
    return time.process_time() - start


@pytest.mark.parametrize("name", MAILS)
def test_the_work_grows_as_the_mail_does(name: str) -> None:
    size, mail = MAILS[name]
    small, large = mail(size), mail(4 * size)
    gc.collect()
    gc.disable()
    try:
        once = max(min(seconds(small, 1) for _ in range(2)), 1e-5)
        times = int(LONG_ENOUGH / once) + 1
        ratios = (seconds(large, times) / seconds(small, times) for _ in range(TRIES))
        assert any(ratio < GROWTH for ratio in ratios)
    finally:
        gc.enable()
