"""The rejection mail that the demo sends, as a Japanese mail client writes it: ISO-2022-JP, text and HTML."""

from datetime import datetime
from email.header import Header
from email.utils import format_datetime

SENDER = "recruit@example.com"
CANDIDATE = "taro.yamada@example.jp"

_TEXT = """\
山田 太郎 様

株式会社サンプル商事 採用担当でございます。

このたびは弊社の営業職にご応募いただき、最終面接まで
お越しくださいまして、誠にありがとうございました。

慎重に検討を重ねました結果、誠に残念ではございますが、
今回はご期待に沿えない結果となりました。

[[relay:rejection tpl=ja-standard job="営業" stage=final]]

末筆ながら、山田様の今後のご活躍を心よりお祈り申し上げます。

--\x20
株式会社サンプル商事 人事部 採用担当
recruit@example.com
"""

_HTML_HEAD = '<html><head><meta charset="iso-2022-jp"></head><body>'
_BOUNDARY = "=_sample_0001"


def sample_mail(date: datetime, message_id: str) -> bytes:
    """Return the mail with CRLF line ends, all ASCII bytes (7bit).

    `message_id` is without angle brackets; a new one for each sending, because the same one would be a retry.
    """
    head = "\r\n".join(
        (
            f"From: {_words('株式会社サンプル商事 採用担当')} <{SENDER}>",
            f"To: {_words('山田 太郎')} <{CANDIDATE}>",
            f"Subject: {_words('選考結果のご連絡【株式会社サンプル商事】')}",
            f"Date: {format_datetime(date)}",
            f"Message-ID: <{message_id}>",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"',
        )
    )
    blocks = _TEXT.rstrip("\n").replace("--\x20\n", "").split("\n\n")
    paragraphs = "\n".join(f"<p>{block.replace(chr(10), '<br>' + chr(10))}</p>" for block in blocks if block)
    html = f"{_HTML_HEAD}\n{paragraphs}\n</body></html>\n"
    parts = (_part("plain", _TEXT), _part("html", html))
    body = b"".join(f"--{_BOUNDARY}\r\n".encode() + part + b"\r\n" for part in parts)
    return head.encode("ascii") + b"\r\n\r\n" + body + f"--{_BOUNDARY}--\r\n".encode()


def _words(text: str) -> str:
    return Header(text, "iso-2022-jp").encode(linesep="\r\n")


def _part(subtype: str, text: str) -> bytes:
    fields = f"Content-Type: text/{subtype}; charset=iso-2022-jp\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    return fields.encode("ascii") + text.replace("\n", "\r\n").encode("iso-2022-jp")
