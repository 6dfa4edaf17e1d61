"""Whom a letter names: the tables say which words are names and which only look like some."""

import pytest

from gateway.mail import greetings

GENUINE = [
    ("佐々木様", "佐々木"),
    ("佐々木 太郎 様", "佐々木 太郎"),
    ("佐々木\u3000太郎\u3000様", "佐々木 太郎"),
    ("佐々木太郎様", "佐々木太郎"),
    ("山田様", "山田"),
    ("山田様、", "山田"),
    ("髙橋様", "髙橋"),
    ("阿部 太郎 様", "阿部 太郎"),
    ("服部様", "服部"),
    ("長谷部 誠 様", "長谷部 誠"),
    ("小室 花子 様", "小室 花子"),
    ("皆川 太郎 様", "皆川 太郎"),
    ("山本人志様", "山本人志"),
    ("鈴木 みなみ 様", "鈴木 みなみ"),
    ("本多 有 様", "本多 有"),
    ("喜多様", "喜多"),
    ("山田太一様", "山田太一"),
    ("山田 博文 様", "山田 博文"),
    ("山田 大貴 殿", "山田 大貴"),
    ("奥 太郎 様", "奥 太郎"),
    ("山田 貴 様", "山田 貴"),
    ("木村 たく さん", "木村 たく"),
    ("御手洗 花子 様", "御手洗 花子"),
    ("一ノ瀬様", "一ノ瀬"),
    ("木の下 茂 様", "木の下 茂"),
    ("佐藤みち子様", "佐藤みち子"),
    ("佐藤ともみ様", "佐藤ともみ"),
    ("やました ひろし 様", "やました ひろし"),
    ("ないとう様", "ないとう"),
    ("おおの さとみ 様", "おおの さとみ"),
    ("ごとう様", "ごとう"),
    ("氏家 殿村 様", "氏家 殿村"),
    ("勅使河原 一郎 様", "勅使河原 一郎"),
    ("五十嵐様", "五十嵐"),
    ("林 様", "林"),
    ("王様", "王"),
    ("金 秀賢 様", "金 秀賢"),
    ("李 明 様", "李 明"),
    ("ジョン・スミス様", "ジョン・スミス"),
    ("グエン・ティ・ホア様", "グエン・ティ・ホア"),
    ("ナカムラ タロウ さん", "ナカムラ タロウ"),
    ("Taro Yamada 様", "Taro Yamada"),
    ("山田 太郎（ヤマダ タロウ）様", "山田 太郎"),
    ("東都大学 文学部 山田 太郎 様", "山田 太郎"),
    ("株式会社例 営業部 阿部 太郎 様", "阿部 太郎"),
    ("Dear Ms. Jane O'Neill,", "Jane O'Neill"),
    ("Dear Jean-Luc Picard,", "Jean-Luc Picard"),
    ("Dear Jean‐Luc Picard,", "Jean‐Luc Picard"),
    ("Dear Dr. Grace Hopper:", "Grace Hopper"),
    ("Dear Nguyễn Thị Hoa,", "Nguyễn Thị Hoa"),
    ("Dear Nguyen The Anh,", "Nguyen The Anh"),
    ("Hello Søren Ødegård,", "Søren Ødegård"),
    ("Dear María José Núñez,", "María José Núñez"),
    ("Dear Jan van der Berg,", "Jan van der Berg"),
    ("Hi Will,", "Will"),
    ("Hi Guy,", "Guy"),
    ("Hi Mark", "Mark"),
    ("Dear Job Cohen,", "Job Cohen"),
    ("Dear Christopher Guest,", "Christopher Guest"),
    ("Dear Yamada-san,", "Yamada"),
    ("Hi J. R. Hartley,", "J. R. Hartley"),
    ("Dear 山田,", "山田"),
]
NOBODY = [
    *(
        "貴殿",
        "貴方様",
        "貴女様",
        "あなた様",
        "皆様",
        "皆さん",
        "みなさま",
        "各位様",
        "応募者各位",
        "先生様",
        "奥様",
    ),
    *("末筆ながら貴殿", "今後とも皆様", "学生の皆様", "ご応募者様", "候補者様", "採用チームの佐藤さん"),
    *(
        "選考結果は前回と同様",
        "弊社の求める人材の多様",
        "働き方が多様",
        "この仕様",
        "雨模様",
        "異様",
        "多様",
        "同様",
    ),
    *(
        "お疲れ様",
        "お疲れさま、",
        "ご苦労様",
        "お世話様",
        "お互い様",
        "おかげさま",
        "お客様",
        "お取引先様",
        "有様",
    ),
    *(
        "お名前様",
        "氏名 様",
        "名前 様",
        "ご担当者様",
        "採用ご担当者 様",
        "人事部長様",
        "鈴木部長様",
        "山本教授 殿",
    ),
    *("ご家族様", "お母様", "お子さん", "王子様のような同様", "ご意見をたくさん", "山田様の件で佐藤様"),
    *(
        "テスト様",
        "テスト 太郎 様",
        "ゲスト様",
        "会員様",
        "ユーザー様",
        "ユーザ 様",
        "サンプル様",
        "匿名様",
        "不明様",
    ),
    *(
        "名無し様",
        "null様",
        "null 様",
        "undefined 様",
        "None様",
        "nan 様",
        "ＮＵＬＬ様",
        "○○様",
        "〇〇 様",
        "{{name}} 様",
    ),
    *("$name 様", "%NAME% 様", "___ 様", "先日は弊社までお越しいただき、誠にありがとうございました。山田様"),
    *("就職課様", "サンプル大学 就職課様", "営業部 様", "情報システム部様", "株式会社例 御中"),
    *("Dear Candidate,", "Dear Candidates,", "Dear Applicant,", "Dear Applicants,", "Dear Job Applicant,"),
    *("Dear Sirs,", "Dear Sir or Madam,", "Dear Ladies and Gentlemen,", "Dear Job Seeker,", "Dear Student,"),
    *(
        "Dear Friend,",
        "Hi folks,",
        "Hi Guys,",
        "Hi all,",
        "Hi there,",
        "Hi again,",
        "Hi everybody,",
        "Dear Everyone,",
    ),
    *("Dear Customer,", "Dear Valued Customer,", "Hello from Example", "Hello World", "Dear Hiring Team,"),
    *(
        "Dear Hiring Manager,",
        "Dear Interested Party,",
        "Dear Participants,",
        "Dear Recruiter,",
        "Dear Professor,",
    ),
    *("Dear Ms. ,", "Dear null,", "Dear None,", "Dear undefined,", "Dear NaN,", "Dear Taro undefined,"),
    *(
        "Dear FIRSTNAME,",
        "Dear name,",
        "Dear First Name,",
        "Dear {{first_name}},",
        "Dear [Name],",
        "Dear Future Colleague",
    ),
    *("To Whom It May Concern", "Dear Example Team,", "Dear Software Engineer and Friends,"),
]
LINES = [
    ("佐々木さま", "佐々木"),
    ("佐々木\u3000太郎\u3000さま", "佐々木 太郎"),
    ("東都大学\u3000文学部\n山田\u3000太郎\u3000様", "山田 太郎"),
    ("東都大学大学院 理工学研究科\n佐々木 花子 様", "佐々木 花子"),
    ("山田 太郎(やまだ たろう) 様", "山田 太郎"),
    ("山田 太郎 様（応募番号：12345）", "山田 太郎"),
    ("山田 太郎 様 (ID: 8841)", "山田 太郎"),
    ("山田様、お世話になっております。サンプル商事の鈴木です。", "山田"),
    ("山田様\u3000いつもお世話になっております。", "山田"),
    ("*山田 太郎 様*", "山田 太郎"),
    ("\u200b山田 太郎 様", "山田 太郎"),
    ("Dear 山田様,", "山田"),
    ("To 山田様", "山田"),
    ("マリア・ガルシア様", "マリア・ガルシア"),
    ("John Smith様", "John Smith"),
    ("スミス ジョン様", "スミス ジョン"),
    ("株式会社サンプル 選考結果のお知らせ\n\n山田 太郎 様", "山田 太郎"),
    ("山田 太郎 様\nDear Mr. Yamada,", "山田 太郎"),
    ("Dear Jane, thank you for your interest in Example.", "Jane"),
    ("Hi Jane! Thanks for applying.", "Jane"),
    ("Good morning Jane,", "Jane"),
    ("Good afternoon, Ms. Smith,", "Smith"),
    ("Hello, Jane", "Jane"),
    ("Dear Taro-san,", "Taro"),
    ("Dear Mr. YAMADA Taro,", "YAMADA Taro"),
    ("Dear Ludwig van Beethoven,", "Ludwig van Beethoven"),
    ("山田太郎殿", "山田太郎"),
    ("山田氏", "山田"),
    ("鈴木さん、先日はありがとうございました。", "鈴木"),
]
NOBODY_IN = [
    "ｼﾞｮﾝ･ｽﾐｽ様",
    "姓 名 様",
    "姓名様",
    "お客様各位",
    "選考参加者様",
    "応募者の皆様",
    "応募者の皆さまへ",
    "【応募者様】",
    "求職者様",
    "採用候補者様",
    "新卒応募者様",
    "応募者さま",
    "株式会社サンプルエージェント\n田中様",
    "㈱サンプル人材\n営業部 田中様",
    "サンプル人材紹介株式会社\n田中 次郎 様\n",
    "田中様\n鈴木様",
    "Dear all of you,",
    "Dear fellow engineers,",
    "Dear taro,",
    "Dear Hiring Agency,",
    "Dear Example Group,",
    "Dear Mr. and Mrs. Smith,",
    "Dear Sir/Madam,",
    "Hi Thank you for applying,",
    "Hi, thank you for applying",
    "Dear Thank You,",
    "Hello and welcome,",
    "Dear Job Applicant, thank you",
    "様",
    "さん",
    "\u3000様",
    " 殿",
    "山田太郎様へ",
    "サンプル商事様",
    "サンプル銀行 様",
    "ご担当 田中様",
    "キャリアアドバイザー 田中様",
]
CLOSINGS = [
    ("佐々木様のこれからのご活躍をお祈り申し上げます。", "佐々木"),
    ("末筆ではございますが、佐々木 太郎様の今後益々のご活躍をお祈り申し上げます。", "佐々木 太郎"),
    ("なお、これからも佐々木様のご活躍を祈っております。", "佐々木"),
    ("社員一同、佐々木様の今後のご活躍を心よりお祈り申し上げます。", "佐々木"),
    ("社員一同佐々木様の今後のご活躍を", "佐々木"),
    ("末筆ながら、佐々木さんのさらなるご活躍をお祈りしております。", "佐々木"),
    ("佐々木殿の今後のご健勝をお祈りします", "佐々木"),
    ("採用には至りませんでしたが佐々木様の今後のご活躍を", None),
    ("またの機会がございましたら佐々木様のご応募をお待ちします", None),
    ("応募者様の今後のご活躍をお祈り", None),
    ("皆様方の今後のご活躍を", None),
    ("貴殿の", None),
    ("佐々木様の就職活動のご成功をお祈り", "佐々木"),
    ("ジョン・スミス様の今後のご活躍を", "ジョン・スミス"),
    ("John Smith様の今後のご活躍を", "John Smith"),
    ("佐々木様の今後のご活躍を\n鈴木様の今後のご活躍を", None),
    ("あなたの今後のご活躍をお祈り", None),
    ("ご家族様のご健勝を", None),
    ("心から佐々木様の今後のご活躍を", None),
]
RECOMMENDATIONS = [
    ("ご推薦いただきました山田太郎様の選考の件です。", "山田太郎"),
    ("ご推薦いただきました候補者の山田太郎様につきまして", "山田太郎"),
    ("この度は山田太郎様をご推薦いただきありがとうございます。", "山田太郎"),
    ("この度は山田 太郎様をご紹介いただき", "山田 太郎"),
    ("ご推薦の山田太郎様の", "山田太郎"),
    ("ご紹介いただいた 山田 太郎 様", "山田 太郎"),
    ("候補者：山田 太郎 様", "山田 太郎"),
    ("■候補者名：山田 太郎", "山田 太郎"),
    ("【候補者】：山田太郎様（30歳）", "山田太郎"),
    ("応募者氏名：山田太郎", "山田太郎"),
    ("応募者：12名", None),
    ("候補者：未定", None),
    ("ご推薦いただきました候補者様の", None),
    ("貴社よりご推薦いただいた件", None),
    ("ご紹介くださった山田様", "山田"),
]


@pytest.mark.parametrize(("line", "name"), GENUINE)
def test_an_addressee_is_named_as_written(line: str, name: str) -> None:
    assert greetings.addressee(f"{line}\r\n\r\n選考の結果をお知らせします。") == name


@pytest.mark.parametrize("line", NOBODY)
def test_words_of_address_are_nobody_s_name(line: str) -> None:
    assert greetings.addressee(f"{line}\r\n\r\n選考の結果をお知らせします。") is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("佐々木様の今後のご活躍をお祈り申し上げます。", "佐々木"),
        ("末筆ながら、山田 太郎様の今後のご活躍を心よりお祈り申し上げます。", "山田 太郎"),
        ("末筆ながら山田様の益々のご活躍をお祈り申し上げます。", "山田"),
        ("最後になりましたが、髙橋さんのご健勝をお祈りいたします。", "髙橋"),
        ("末筆ながら、貴殿の今後のご活躍を心よりお祈り申し上げます。", None),
        ("末筆ながら貴殿の益々のご活躍をお祈り申し上げます。", None),
        ("貴殿のご活躍をお祈りします。", None),
        ("貴方様のご健勝とご活躍をお祈りいたします。", None),
        ("あなた様の今後のご活躍をお祈り申し上げます。", None),
        ("今後とも皆様のご活躍をお祈り申し上げます。", None),
        ("先生様のご活躍をお祈りします。", None),
        ("ご応募いただいた皆様のご多幸をお祈りします。", None),
    ],
)
def test_a_closing_line_names_the_candidate_or_nobody(line: str, name: str | None) -> None:
    assert greetings.closing(f"本文です。\r\n\r\n{line}\r\n") == name


@pytest.mark.parametrize(("text", "name"), LINES)
def test_the_addressee_stands_in_one_of_many_forms(text: str, name: str) -> None:
    assert greetings.addressee(text) == name


@pytest.mark.parametrize("text", NOBODY_IN)
def test_who_is_no_candidate_is_not_taken_for_one(text: str) -> None:
    assert greetings.addressee(text) is None


def test_who_stands_directly_below_a_company_is_an_agency_s_consultant() -> None:
    assert greetings.addressees("株式会社サンプルエージェント\n田中様") == greetings.Addressees(None, "田中")
    assert greetings.addressees("株式会社サンプル\n\n田中様") == greetings.Addressees("田中", None)


@pytest.mark.parametrize(("line", "name"), CLOSINGS)
def test_a_closing_line_has_a_name_only_at_its_own_place(line: str, name: str | None) -> None:
    assert greetings.closing(line) == name


@pytest.mark.parametrize(("text", "name"), RECOMMENDATIONS)
def test_a_letter_to_an_agency_names_the_candidate_in_its_body(text: str, name: str | None) -> None:
    assert greetings.recommended(text) == name
