"""Marked mails as real composers write them, built in memory, for the other benches to measure with."""

import binascii
import quopri
import random
from collections.abc import Callable

from gateway.mail.footer import Footer

LINK = "https://relay.example.jp/c/4f7q"
INVITATION = Footer(
    text=(
        "--------------------------------\n"
        "今回はご縁がありませんでしたが、ご希望の方を提携先の人材紹介会社にご紹介しています。\n"
        f"{LINK}\n"
        "ご不要の場合、お手続きは必要ありません。\n"
    ),
    html=(
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td>'
        "&#12372;&#24076;&#26395;&#12398;&#26041;&#12434;&#25552;&#25658;&#20808;&#12395;"
        f'&#12372;&#32057;&#20171; <a href="{LINK}">{LINK}</a></td></tr></table>'
    ),
    ascii=f"An introduction, if you like:\n{LINK}\nThere is nothing you need to do.\n",
)
MARKER = '[[relay:rejection tpl=ja-standard job="営業" stage=final]]'

_HEAD = (
    b"Received: from mail.example.com ([192.0.2.9])\r\n\tby mx.example.com with ESMTP id 1;\r\n"
    b"\tMon, 23 Nov 2026 10:00:00 +0900\r\n"
    b"From: =?utf-8?B?5Lq65LqL6YOo?= <hr@example.com>\r\n"
    b"To: =?utf-8?B?5bGx55SwIOWkqumDjg==?= <taro@example.jp>\r\n"
    b"Subject: =?utf-8?B?6YG46ICD57WQ5p6c44Gu44GU6YCj57Wh?=\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0900\r\nMessage-ID: <1@example.com>\r\n"
    b"Thread-Index: AdpKJ0xg\r\nX-Mailer: Microsoft Outlook 16.0\r\nMIME-Version: 1.0\r\n"
)
_LETTER = (
    "山田 太郎 様",
    "お世話になっております。株式会社見本 人事部でございます。",
    "先日は弊社の最終面接にお越しいただき、誠にありがとうございました。",
    "慎重に選考を重ねました結果、誠に残念ながら、今回は採用を見送らせていただくこととなりました。",
    "ご希望に沿えず大変恐縮ではございますが、何卒ご了承くださいますようお願い申し上げます。",
    "末筆ではございますが、山田様の今後のご活躍を心よりお祈り申し上げます。",
)
_WORD = (
    "<p class=MsoNormal style='mso-margin-top-alt:auto'><span lang=JA style='font-family:\"游ゴシック\"'>{}"
    "</span><span lang=EN-US><o:p></o:p></span></p>\r\n"
)
_WORD_HEAD = (
    '<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">\r\n'
    "<head><meta http-equiv=Content-Type content='text/html; charset=utf-8'>\r\n"
    "<!--[if !mso]><style>v\\:* {behavior:url(#default#VML);}</style><![endif]--><style><!--\r\n"
    "p.MsoNormal {margin:0mm; font-size:10.5pt;}\r\n--></style></head>\r\n<body lang=JA link=blue>\r\n"
)
_SPELT = "[[<span class=SpellE>relay</span>:rejection tpl=ja-standard job=&quot;営業&quot; stage=final]]"


def letter(size: int) -> str:
    """Return a plain letter of about that many octets of UTF-8, the marker at its end, CRLF line ends."""
    lines = list(_LETTER)
    while sum(len(line.encode()) + 2 for line in lines) < size:
        lines.append(_LETTER[1 + len(lines) % 5])
    return "\r\n".join([*lines, MARKER, "-- ", "株式会社見本 人事部", ""])


def word_page(size: int, *, one_line: bool = False) -> str:
    """Return the letter as Outlook's editor writes it; in one line, as a template engine minifies it."""
    rows = [_WORD.format(line) for line in _LETTER]
    while sum(len(row.encode()) for row in rows) < size - len(_WORD_HEAD):
        rows.append(_WORD.format(_LETTER[1 + len(rows) % 5]))
    page = _WORD_HEAD + "".join(rows) + _WORD.format(_SPELT) + "</body></html>\r\n"
    return page.replace("\r\n", " ") + "\r\n" if one_line else page


def quoted(text: str) -> bytes:
    """Encode in quoted-printable with CRLF line ends."""
    return quopri.encodestring(text.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n")


def packed(data: bytes) -> bytes:
    """Encode in base64, 76 characters a line."""
    text = binascii.b2a_base64(data, newline=False)
    return b"".join(text[at : at + 76] + b"\r\n" for at in range(0, len(text), 76))


def leaf(kind: str, charset: str, encoding: str, body: bytes) -> bytes:
    """Return a part with its header."""
    head = f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


def multipart(subtype: str, boundary: str, *parts: bytes) -> bytes:
    """Return the parts with their delimiters and the header field that names them."""
    delimiter = f"--{boundary}".encode()
    inside = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
    return head + inside + delimiter + b"--\r\n"


def outlook(size: int) -> bytes:
    """Return multipart/alternative in quoted-printable with Outlook's HTML, of about that many octets."""
    text = leaf("text/plain", "utf-8", "quoted-printable", quoted(letter(600)))
    room = size - len(_HEAD) - len(text) - 300
    low, high = 1, room
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(quoted(word_page(middle))) <= room else (low, middle - 1)
    page = leaf("text/html", "utf-8", "quoted-printable", quoted(word_page(low)))
    return _HEAD + multipart("alternative", "----=_NextPart_000_0001", text, page)


def iso_2022_jp() -> bytes:
    """Return a plain mail in 7bit ISO-2022-JP, as Becky! writes it."""
    body = letter(2_500).encode("iso-2022-jp")
    return _HEAD + leaf("text/plain", "ISO-2022-JP", "7bit", body)


def applicant_system() -> bytes:
    """Return multipart/alternative in base64, as applicant tracking systems send it."""
    text = leaf("text/plain", "UTF-8", "base64", packed(letter(2_000).encode()))
    page = leaf("text/html", "UTF-8", "base64", packed(word_page(5_000).encode()))
    return _HEAD + multipart("alternative", "=_a1b2", text, page)


def minified() -> bytes:
    """Return HTML in 8bit whose only line has far more octets than the 998 of RFC 5322."""
    return _HEAD + leaf("text/html", "utf-8", "8bit", word_page(8_000, one_line=True).encode())


def with_attachment(size: int) -> bytes:
    """Return a mail of about that many octets: the alternative of Outlook and an attached file in base64."""
    data = random.Random(size).randbytes((size - 11_000) * 57 // 78)
    head = b'Content-Type: application/pdf; name="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
    attached = head + b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\n' + packed(data)
    body = outlook(10_000)[len(_HEAD) :]
    return _HEAD + multipart("mixed", "----=_NextPart_000_0000", body, attached)


MAILS: dict[str, Callable[[], bytes]] = {
    "10 kB alternative, quoted-printable, Outlook": lambda: outlook(10_000),
    "plain, 7bit ISO-2022-JP": iso_2022_jp,
    "alternative, base64, applicant system": applicant_system,
    "HTML in one line, 8bit": minified,
    "1 MB with attachment": lambda: with_attachment(1_000_000),
    "10 MB with attachment": lambda: with_attachment(10_000_000),
}
"""What is measured, by what it is."""
