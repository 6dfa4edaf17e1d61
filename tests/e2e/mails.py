"""The mails of the end-to-end tests, written and read with the standard library."""

import re
import smtplib
from email import message_from_bytes, policy

from tests.peers.postfix import Postfix

LINK = re.compile(r"http://127\.0\.0\.1:\d+/c/[a-z2-7]{40}")

MARKED = """\
From: =?iso-2022-jp?b?GyRCOk5NUUM0RXYbKEI=?= <recruit@example.com>
To: Taro Yamada <{name}@example.jp>{cc}
Subject: =?iso-2022-jp?b?GyRCQSo5TTdrMkwkTiQ0TyJNbRsoQg==?=
Date: Mon, 23 Nov 2026 10:00:00 +0900
Message-ID: <{name}@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-2022-jp
Content-Transfer-Encoding: 7bit

山田 太郎 様

このたびは弊社の営業職にご応募いただき、誠にありがとうございました。
今回はご期待に沿えない結果となりました。

[[relay:rejection tpl=ja-standard job="営業" stage=final]]

山田様の今後のご活躍をお祈り申し上げます。
"""


def marked(name: str, *, cc: str = "") -> bytes:
    text = MARKED.format(name=name, cc=f"\nCc: {cc}" if cc else "")
    return text.replace("\n", "\r\n").encode("iso-2022-jp")


def send(server: Postfix, mail: bytes, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=30) as client:
        client.sendmail("recruit@example.com", list(recipients), mail, ["BODY=8BITMIME"])


def text_of(delivered: bytes) -> str:
    message = message_from_bytes(delivered, policy=policy.compat32)
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode(message.get_content_charset("utf-8"))
