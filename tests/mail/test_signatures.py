"""Which lines of a letter are its signature: real ones in form, made up in content."""

import pytest

from gateway.mail.signatures import begin, is_rule

LETTER = "選考の結果、今回はご縁がございませんでした。\n\n"
COMPANY = "株式会社サンプル商事 人事部\nTEL 03-0000-0000\nhttps://example.co.jp/\n"

SIGNATURES = {
    "the delimiter": "-- \n人事部\n",
    "the delimiter, whatever is below": "-- \n" + "人事部です。\n" * 40,
    "the delimiter without its space": "--\n人事部\n",
    "hyphens, open": f"----------\n{COMPANY}",
    "hyphens, closed": f"----------\n{COMPANY}----------\n",
    "heavy lines": f"━━━━━━━━━━━━━━━\n{COMPANY}━━━━━━━━━━━━━━━\n\n",
    "light lines with spaces": f"─ ─ ─ ─ ─ ─\n{COMPANY}─ ─ ─ ─ ─ ─\n",
    "full-width asterisks": f"＊＊＊＊＊＊＊＊\n{COMPANY}＊＊＊＊＊＊＊＊\n",
    "equals signs": f"=====\n{COMPANY}=====\n",
    "diamonds": f"◇◆◇◆◇◆◇\n{COMPANY}◇◆◇◆◇◆◇\n",
    "underscores, as Outlook draws them": f"________________________________\n{COMPANY}",
    "asterisks and hyphens": f"*-*-*-*-*-*-*\n{COMPANY}*-*-*-*-*-*-*\n",
    "dots and stars": f".:*:.☆.:*:.\n{COMPANY}.:*:.☆.:*:.\n",
    "long vowels": f"ーーーーーーーー\n{COMPANY}ーーーーーーーー\n",
    "a caption": f"━━━━ サンプル商事 ━━━━\n{COMPANY}",
    "a rule inside": f"=======\nサンプル商事\n-------\n{COMPANY}=======\n",
    "two rules above": f"=======\n-------\n{COMPANY}-------\n=======\n",
    "an address alone": "-----\n人事部\nhr@example.co.jp\n",
    "a post code alone": "-----\n〒100-0000 東京都千代田区\n",
    "English": "-----\nExample Inc.\nPeople Team\n",
    "no address, but closed": "-----\nサンプル商事 人事部\n山田\n-----\n",
    "with a notice": f"-----\n{COMPANY}※本メールは送信専用のため、ご返信いただけません。\n-----\n",
    "a telephone": "Sent from my iPhone\n",
    "a telephone, in Japanese": "iPhoneから送信\n",
    "Outlook on a telephone": "Get Outlook for iOS<https://aka.ms/o0ukef>\n",
    "Outlook on a telephone, in Japanese": "iOS 版 Outlook を入手する\n",
    "Windows": "Windows 用のメールから送信\n",
    "a signature and a telephone": f"-----\n{COMPANY}-----\n\niPhoneから送信\n",
    "a ruled signature above the delimiter": f"=====\n{COMPANY}=====\n-- \nExample Inc.\n",
}

LETTERS = {
    "nothing": "",
    "blank lines": "\n\n\n",
    "prose": LETTER,
    "a rule between sections": f"{LETTER}-----\n書類はお返しします。\nURL: https://example.co.jp/\nよろしくお願いします。\n",
    "a boxed section in the middle": f"-----\n職種: 営業\n-----\n{LETTER}",
    "a rule at the end alone": f"{LETTER}-----\n",
    "a short rule": f"{LETTER}---\n{COMPANY}",
    "a part of the letter": f"{LETTER}-----\n" + f"{COMPANY}部署\n" * 6,
    "no address": f"{LETTER}-----\n以上\n",
    "a telephone in mid-letter": f"Sent from my desk to yours\n{LETTER}",
    "a delimiter without space, far up": "--\n" + "人事部\n" * 16,
}


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("letter", [LETTER, f"=====\n選考結果のご連絡\n=====\n{LETTER}", ""])
def test_a_signature_begins_at_its_first_line(name: str, letter: str) -> None:
    lines = (letter + SIGNATURES[name]).splitlines(keepends=True)
    assert "".join(lines[: begin(lines)]) == letter


@pytest.mark.parametrize("name", LETTERS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_letter_without_signature_is_left_whole(name: str, newline: str) -> None:
    lines = LETTERS[name].replace("\n", newline).splitlines(keepends=True)
    assert begin(lines) == len(lines)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("-----", True),
        ("----", False),
        ("- - - - -", True),
        (">>>>>", False),
        ("-----a", False),
        ("", False),
        ("…………", False),
        ("-" * 201, False),
        ("==== x ====", True),
        ("*** x ***", False),
        ("ーーーーー", True),
    ],
)
def test_a_rule_is_drawn_and_not_written(line: str, rule: bool) -> None:  # noqa: FBT001  # a column of the table
    assert is_rule(line) is rule
