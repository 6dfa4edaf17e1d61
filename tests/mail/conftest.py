"""The invitation that the mail room's tests put into mails."""

import pytest

from gateway.mail.footer import Footer

LINK = "https://relay.example.jp/c/4f7q"


@pytest.fixture
def invitation() -> Footer:
    return Footer(
        text=f"ご希望の方へのご案内\n{LINK}\nご不要の場合、お手続きは必要ありません。\n",
        html=f'<p>&#12372;&#26696;&#20869; <a href="{LINK}">&#12371;&#12385;&#12425;</a></p>',
        ascii=f"For those who wish\n{LINK}\n",
    )
