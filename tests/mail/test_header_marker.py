"""Mail that only a header field marks: hundreds of combinations, each read by the standard library."""

import email
import itertools
import quopri
from base64 import encodebytes
from email import policy
from email.message import EmailMessage

import pytest

from gateway.mail import check, eligible, footer
from gateway.mail.footer import Footer

LINK = "https://relay.example.jp/c/4f7q"
TOP = b"From: hr@example.com\r\nTo: t@example.jp\r\nX-Relay-Rejection: stage=final\r\nMIME-Version: 1.0\r\n"
PARTS = b"Content-Type: multipart/%s; boundary=b\r\n\r\n--b\r\n%s\r\n--b\r\n%s\r\n--b--\r\n"
FILE = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\r\nPDF"
CODECS = {"utf-8": "utf-8", "iso-2022-jp": "iso2022_jp", "shift_jis": "cp932", "euc-jp": "euc_jp"}
CODECS |= {"gb18030": "gb18030", "us-ascii": "ascii"}
ENCODINGS = ("7bit", "8bit", "quoted-printable", "base64")
WORDS = {
    "ja": "山田 太郎 様\r\n\r\n最終面接の結果、見送らせていただきます。\r\n\r\n",
    "en": "Dear Jane,\r\n\r\nSorry.\r\n\r\n",
}
ENDS = {
    "nothing": ("", ""),
    "a signature": ("-- \r\nHR\r\n", "-- \r\nHR\r\n"),
    "a signature between rules": (
        "━━━━━━━━\r\n株式会社例\r\nTEL 03-0000-0000\r\n━━━━━━━━\r\n",
        "--------\r\nExample Inc.\r\nTEL 03-0000-0000\r\n--------\r\n",
    ),
    "a signature and a quote": (
        "-- \r\nHR\r\n\r\n2026年6月1日(月) 10:00 山田 <t@example.jp>:\r\n> 応募\r\n",
        "-- \r\nHR\r\n\r\nOn Mon, 1 Jun 2026, J <t@example.jp> wrote:\r\n> hi\r\n",
    ),
    "an original message": (
        "-----Original Message-----\r\nFrom: t@example.jp\r\nSent: Monday, June 1, 2026 10:00 AM\r\n応募\r\n",
        "-----Original Message-----\r\nFrom: t@example.jp\r\nSent: Monday, June 1, 2026 10:00 AM\r\nhi\r\n",
    ),
}
STRUCTURES = ("plain", "flowed", "html", "alternative", "mixed")


def page(text: str) -> str:
    lines = text.replace("<", "&lt;").removesuffix("\r\n").split("\r\n")
    return "<html><body>" + "".join(f"<div>{line or '<br>'}</div>" for line in lines) + "</body></html>\r\n"


def leaf(text: str, kind: str, charset: str, encoding: str) -> bytes:
    data = text.encode(CODECS[charset])
    if encoding == "base64":
        data = encodebytes(data).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        data = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + data


def mail(text: str, structure: str, charset: str, encoding: str) -> bytes:
    kind = "plain; format=flowed" if structure == "flowed" else "plain"
    plain, html = leaf(text, kind, charset, encoding), leaf(page(text), "html", charset, encoding)
    if structure == "alternative":
        return TOP + PARTS % (b"alternative", plain, html)
    if structure == "mixed":
        return TOP + PARTS % (b"mixed", plain, FILE)
    return TOP + (html if structure == "html" else plain)


def texts(message: EmailMessage) -> list[str]:
    """Return what the standard library reads in each text of a mail."""
    found = []
    for part in message.walk():
        data = part.get_payload(decode=True)
        if part.get_content_maintype() == "text" and isinstance(data, bytes):
            found.append(data.decode(CODECS[str(part.get_content_charset())]))
    return found


@pytest.mark.parametrize("end", ENDS)
def test_asked_for_by_the_header_it_stands_between_the_words_and_what_is_below(
    end: str, invitation: Footer
) -> None:
    for charset, encoding, structure in itertools.product(CODECS, ENCODINGS, STRUCTURES):
        name = f"{charset}, {encoding}, {structure}"
        words = WORDS["en" if charset == "us-ascii" else "ja"]
        below = ENDS[end][charset == "us-ascii"]
        raw = mail(words + below, structure, charset, encoding)
        reading = eligible.read(raw, stamp_key=b"")
        copy = footer.rewrite(raw, reading, invitation)
        check.check(raw, copy, reading, invitation)
        message = email.message_from_bytes(copy, policy=policy.default)
        assert isinstance(message, EmailMessage)
        assert "x-relay-rejection" not in message, name
        found = texts(message)
        assert len(found) == (2 if structure == "alternative" else 1), name
        for text in found:
            assert text.count(LINK) == 1, name
            last, first = words.split("\r\n")[2], below.split("\r\n")[0]
            assert text.index(last) < text.index(LINK), name
            assert not first or text.index(LINK) < text.index(first, text.index(last)), name
