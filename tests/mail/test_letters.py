"""Whole letters as companies send them, and all that is read in each; any text at all gives a notice."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail import eligible, words
from gateway.mail.notice import Confidence, Finding, Notice, Source, read_letter

MARKER = "[[relay:rejection]]"
HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW
Read = tuple[str, Source, Confidence] | None


@dataclass(frozen=True)
class Letter:
    """A letter, and what is to be read in it; `conflicts` names what contradicts itself."""

    body: str
    name: Read = None
    job: Read = None
    stage: Read = None
    language: Read = ("ja", Source.BODY, MEDIUM)
    conflicts: tuple[str, ...] = ()
    to: str = "t@example.jp"
    marker: str = MARKER
    kind: str = "plain"


EN: Read = ("en", Source.BODY, MEDIUM)
LETTERS = {
    "mid-career": Letter(
        "佐々木 太郎 様\n\nお世話になっております。\n株式会社サンプル商事 採用担当の鈴木です。\n\n"
        "この度は「法人営業職」にご応募いただき、誠にありがとうございました。\n"
        "最終面接の結果、誠に残念ながら今回は採用を見送らせていただくこととなりました。\n\n"
        "末筆ながら、佐々木様の今後のご活躍をお祈り申し上げます。\n\n"
        "━━━━━━━━━━\n株式会社サンプル商事\n人事部 鈴木 花子\n〒150-0000 東京都渋谷区\n",
        name=("佐々木 太郎", Source.ADDRESSEE, HIGH),
        job=("法人営業職", Source.BODY, MEDIUM),
        stage=("final", Source.BODY, MEDIUM),
    ),
    "graduate": Letter(
        "東都大学　文学部\n山田　太郎　様\n\n先日は弊社の一次面接にお越しいただきありがとうございました。\n"
        "慎重に検討いたしました結果、貴意に沿いかねることとなりました。\n"
        "山田様の就職活動のご成功をお祈りいたします。\n",
        name=("山田 太郎", Source.ADDRESSEE, HIGH),
    ),
    "kana in brackets": Letter(
        "山田 太郎（ヤマダ タロウ）様\n\n職種：経理\n選考段階：書類選考\n\n今回は見送りといたします。\n",
        name=("山田 太郎", Source.ADDRESSEE, MEDIUM),
        job=("経理", Source.BODY, MEDIUM),
        stage=("screening", Source.BODY, MEDIUM),
    ),
    "to nobody in particular": Letter(
        "応募者各位\n\nこの度はご応募いただきありがとうございました。\n"
        "厳正なる選考の結果、採用には至りませんでした。\n皆様の今後のご活躍をお祈り申し上げます。\n",
    ),
    "only the closing names somebody": Letter(
        "応募者様\n\n書類選考の結果、ご希望に沿えないこととなりました。\n髙橋様の今後のご活躍をお祈り申し上げます。\n",
        name=("髙橋", Source.CLOSING, LOW),
        stage=("screening", Source.BODY, MEDIUM),
    ),
    "template of the last candidate": Letter(
        "佐々木様\n\n選考の結果、採用を見送らせていただきます。\n鈴木様の今後のご活躍をお祈り申し上げます。\n",
        conflicts=("name",),
    ),
    "marker, display name and text": Letter(
        "佐々木様\n\n「営業」にご応募いただき、最終面接の結果、見送らせていただきます。\n",
        name=("佐々木太郎", Source.MARKER, HIGH),
        job=("法人営業", Source.MARKER, HIGH),
        stage=("final", Source.MARKER, HIGH),
        language=("ja", Source.MARKER, HIGH),
        to="佐々木 太郎 様 <t@example.jp>",
        marker='[[relay:rejection tpl=ja-standard name="佐々木太郎" job="法人営業" stage="最終面接"]]',
    ),
    "marker of another letter": Letter(
        "鈴木様\n\n「経理」にご応募いただき、書類選考の結果、見送らせていただきます。\n",
        name=("佐々木", Source.MARKER, LOW),
        job=("営業", Source.MARKER, LOW),
        stage=("final", Source.MARKER, LOW),
        language=("en", Source.MARKER, LOW),
        conflicts=("name", "job", "stage", "language"),
        marker="[[relay:rejection tpl=en name=佐々木 job=営業 stage=final]]",
    ),
    "free stage in the marker": Letter(
        "山田様\n\n最終面接の結果、見送らせていただきます。\n",
        name=("山田", Source.ADDRESSEE, MEDIUM),
        stage=("懇親会", Source.MARKER, HIGH),
        marker="[[relay:rejection stage=懇親会]]",
    ),
    "display name of a company": Letter(
        "山田様\n\n選考の結果、見送らせていただきます。\n",
        name=("山田", Source.ADDRESSEE, MEDIUM),
        to="サンプル商事 <t@example.jp>",
    ),
    "display name and addressee": Letter(
        "山田様\n\n選考の結果、見送らせていただきます。\n",
        name=("山田 太郎", Source.DISPLAY_NAME, HIGH),
        to="山田 太郎 様 <t@example.jp>",
    ),
    "display name in another script": Letter(
        "山田様\n\n選考の結果、見送らせていただきます。\n",
        name=("Taro Yamada", Source.DISPLAY_NAME, MEDIUM),
        to="Taro Yamada <t@example.jp>",
    ),
    "agency": Letter(
        "株式会社サンプルエージェント\n田中様\n\nお世話になっております。\n"
        "ご推薦いただきました山田太郎様の一次面接の結果につきまして、今回は見送らせていただきます。\n"
        "田中様の益々のご活躍をお祈り申し上げます。\n",
        name=("山田太郎", Source.BODY, MEDIUM),
        stage=("interview_1", Source.BODY, MEDIUM),
    ),
    "agency without the candidate's name": Letter(
        "株式会社サンプルエージェント\n田中様\n\n先日の件、今回は見送らせていただきます。\n田中様のご活躍をお祈りします。\n",
    ),
    "agency with a label": Letter(
        "田中様\n\nお世話になっております。\n候補者：山田 太郎 様\n求人名：経理スタッフ\n結果：お見送り\n"
        "田中様の益々のご活躍をお祈りいたします。\n",
        name=("山田 太郎", Source.BODY, MEDIUM),
        job=("経理スタッフ", Source.BODY, MEDIUM),
    ),
    "two rounds": Letter(
        "山田様\n\n一次面接の結果、および二次面接の結果につきましてご連絡いたします。\n",
        name=("山田", Source.ADDRESSEE, MEDIUM),
        conflicts=("stage",),
    ),
    "two jobs": Letter(
        "山田様\n\n「営業」にご応募、また「経理」にご応募いただき、ありがとうございました。\n",
        name=("山田", Source.ADDRESSEE, MEDIUM),
        conflicts=("job",),
    ),
    "wrapped by a mailer": Letter(
        "山田様\n\nこの度は弊社の「バックエンド\nエンジニア」にご応募いただき、先日の二次\n面接の結果につきまして、\n"
        "ご連絡いたします。\n",
        name=("山田", Source.ADDRESSEE, MEDIUM),
        job=("バックエンドエンジニア", Source.BODY, MEDIUM),
        stage=("interview_2", Source.BODY, MEDIUM),
    ),
    "html": Letter(
        "<style>p{}</style><table><tr><td>株式会社サンプル</td></tr></table><p>山田&nbsp;<b>太郎</b> 様</p>"
        "<p>この度は<b>「営業」</b>にご応募いただき、<br>書類選考の<br>結果、見送らせていただきます。</p>",
        name=("山田 太郎", Source.ADDRESSEE, MEDIUM),
        job=("営業", Source.BODY, MEDIUM),
        stage=("screening", Source.BODY, MEDIUM),
        kind="html",
    ),
    "html wrapped in its source": Letter(
        "<div>\n  Dear Ms.\n  Smith,</div>\n\n<p>Thank you for applying for the\n\n  "
        "<b>Senior\n  Engineer</b> position.\nWe have decided to move on.</p>",
        name=("Smith", Source.ADDRESSEE, MEDIUM),
        job=("Senior Engineer", Source.BODY, MEDIUM),
        language=EN,
        kind="html",
    ),
    "html as it was typed": Letter(
        "<PRE>\n山田 太郎 様\n\n「法人\n営業」にご応募いただき、最終面接の結果、\n"
        "見送らせていただきます。\n</PRE>",
        name=("山田 太郎", Source.ADDRESSEE, MEDIUM),
        job=("法人営業", Source.BODY, MEDIUM),
        stage=("final", Source.BODY, MEDIUM),
        kind="html",
    ),
    "flowed": Letter(
        "山田 太郎 \n様\n\nこの度は「法人 \n営業」にご応募いただきありがとうございました。\n",
        name=("山田 太郎", Source.ADDRESSEE, MEDIUM),
        job=("法人営業", Source.BODY, MEDIUM),
        kind="plain; format=flowed; delsp=yes",
    ),
    "english": Letter(
        "Dear Ms. Smith,\n\nThank you for applying for the Senior\nEngineer position at Example Inc.\n"
        "Following your second interview, we have decided to move forward with other candidates.\n\n"
        "Best regards,\nHanako Suzuki\nPosition: HR Manager\n株式会社サンプル みなとみらいオフィス\n",
        name=("Smith", Source.ADDRESSEE, MEDIUM),
        job=("Senior Engineer", Source.BODY, MEDIUM),
        stage=("interview_2", Source.BODY, MEDIUM),
        language=EN,
    ),
    "english, short": Letter(
        "Hi Jane, thanks for your interest in our Data Analyst role. We went with someone else this time.\n",
        name=("Jane Smith", Source.DISPLAY_NAME, HIGH),
        job=("Data Analyst", Source.BODY, MEDIUM),
        language=EN,
        to="Jane Smith <t@example.jp>",
    ),
    "english to nobody": Letter(
        "Dear Candidate,\n\nWe appreciate the time you took to apply for the position. "
        "You have not been selected.\n",
        language=EN,
    ),
    "english, other order": Letter(
        "Dear Mr. Yamada Taro,\n\nWe are unable to offer you the position at this time.\n",
        name=("Taro Yamada", Source.DISPLAY_NAME, HIGH),
        language=EN,
        to="Taro Yamada <t@example.jp>",
    ),
    "both languages": Letter(
        "山田様 / Dear Mr. Yamada,\n\n今回は見送らせていただきます。We have decided not to move forward.\n",
        language=("ja", Source.DEFAULT, LOW),
    ),
    "nothing": Letter("", language=("ja", Source.DEFAULT, LOW)),
}


def read(letter: Letter, subject: str = "選考結果のご連絡") -> Notice:
    raw = (
        f"From: hr@example.com\r\nTo: {letter.to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/{letter.kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"{letter.body}\n{letter.marker}\n".replace("\r\n", "\n").replace("\n", "\r\n")
    ).encode()
    reading = eligible.read(raw, stamp_key=b"")
    found = read_letter(raw, reading)
    assert found == read_letter(raw, reading)
    return found.notice(b"t@example.jp", alone=True)


def told(found: Finding | None) -> Read:
    return (found.value, found.source, found.confidence) if found is not None else None


@pytest.mark.parametrize("which", LETTERS)
def test_a_letter_says_what_a_person_reads_in_it(which: str) -> None:
    letter = LETTERS[which]
    found = read(letter)
    assert [told(one) for one in (found.name, found.job, found.stage, found.language)] == [
        letter.name,
        letter.job,
        letter.stage,
        letter.language,
    ]
    assert tuple(conflict.what for conflict in found.conflicts) == letter.conflicts
    assert all(len(conflict.findings) > 1 for conflict in found.conflicts)


@pytest.mark.parametrize("which", LETTERS)
def test_the_subject_decides_nothing(which: str) -> None:
    subject = "【営業職】最終面接の結果 鈴木様 Position: Director"
    assert read(LETTERS[which], subject) == read(LETTERS[which])


TEXTS = st.lists(
    st.sampled_from(
        [
            *(
                "山田",
                "太郎",
                "様",
                "さん",
                "の今後のご活躍を",
                "お祈り",
                "「",
                "」",
                "営業",
                "職",
                "に",
                "ご応募",
                "職種：",
                "\n",
            ),
            *(
                "最終面接",
                "一次",
                "の結果",
                "、",
                "。",
                "（",
                "）",
                "ご推薦いただきました",
                "候補者：",
                "株式会社",
                "Dear ",
                "Jane",
            ),
            *(
                ",",
                " for the ",
                " position",
                "Senior ",
                "following the ",
                "final interview",
                "{{x}}",
                "○○",
                "*",
                " ",
                "\u3000",
            ),
        ]
    )
    # A NUL, which no reading outlives, has a reason code of its own.
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4),
    max_size=60,
).map("".join)


@given(text=TEXTS, kind=st.sampled_from(["plain", "html", "plain; format=flowed"]))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_a_notice_of_short_clean_values(text: str, kind: str) -> None:
    """Whatever a letter says, a value is one line without controls, and a second reading gives the same."""
    found = read(Letter("本文" + text.replace("[", ""), kind=kind))
    for one in (found.name, found.job, found.stage):
        if one is not None:
            assert 0 < len(one.value) <= 60
            assert one.value == words.clean(one.value)
    assert found.language.value in ("ja", "en")
