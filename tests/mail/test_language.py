"""Which language a letter is in, whatever its signature is in."""

import pytest

from gateway.mail.notice import language
from gateway.mail.notice.language import Language, Spoken

JA = (
    "この度は弊社の求人にご応募いただき、誠にありがとうございました。\n"
    "慎重に選考を進めました結果、残念ながら今回は採用を見送らせていただくこととなりました。\n"
    "末筆ながら今後のご活躍をお祈り申し上げます。\n"
)
EN = (
    "Thank you for your interest in Example. After careful consideration we have decided to move\n"
    "forward with other candidates. We wish you every success in your search.\n"
)
SIGNED_EN = (
    "-----\nHanako Yamada\nPeople and Culture, Example Inc.\n1-2-3 Sample, Shibuya-ku\nhttps://example.com/\n"
)
SIGNED_JA = "━━━━━\n株式会社サンプル・テクノロジーズ\n採用担当 山田 花子\n〒220-0000 横浜市西区みなとみらい\n"
NOTICE_EN = "This e-mail is confidential. If you are not the intended recipient please delete it.\n"
CLEAR: list[tuple[str, Language]] = [
    (JA, "ja"),
    (EN, "en"),
    (JA + SIGNED_EN, "ja"),
    (EN + SIGNED_JA, "en"),
    (JA + NOTICE_EN, "ja"),
    ("Dear 山田, we will move forward.", "en"),
    ("お祈り申し上げます。", "ja"),
    ("Ihre Bewerbung müssen wir leider ablehnen.", "en"),
    ("귀하의 지원에 감사드립니다.", "en"),
]
UNCLEAR: list[tuple[str, Language]] = [
    (JA + EN + EN + EN, "en"),
    (JA + EN + EN, "ja"),
    ("", "ja"),
    ("不採用通知", "ja"),
    ("https://example.com/a/b?c=d", "ja"),
    ("Sorry.", "en"),
]


@pytest.mark.parametrize(("text", "spoken"), CLEAR)
def test_a_letter_in_one_language_is_in_that_one(text: str, spoken: Language) -> None:
    assert language.of_text(text) == Spoken(spoken, clear=True)


@pytest.mark.parametrize(("text", "spoken"), UNCLEAR)
def test_a_letter_in_both_languages_or_none_is_not_clearly_in_one(text: str, spoken: Language) -> None:
    assert language.of_text(text) == Spoken(spoken, clear=False)


@pytest.mark.parametrize(
    ("template", "said"),
    [("ja", "ja"), ("JA-short", "ja"), ("en_final", "en"), ("en", "en"), ("java", None), ("", None)],
)
def test_a_template_s_id_may_begin_with_a_language(template: str, said: Language | None) -> None:
    assert language.of_template(template) == said
