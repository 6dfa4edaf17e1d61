import pytest

from gateway.mail import eligible
from gateway.mail.notice import Notice, Source, read_letter

MARKER = "[[relay:rejection]]"


def notice(body: str, *, to: str = "t@example.jp", marker: str = MARKER, html: bool = False) -> Notice:
    kind = "html" if html else "plain"
    raw = (
        f"From: hr@example.com\r\nTo: {to}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"{body}\r\n{marker}\r\n"
    ).encode()
    reading = eligible.read(raw, stamp_key=b"")
    assert reading.targets
    return read_letter(raw, reading).notice(b"T@example.jp", alone=True)


def conflicts_of(found: Notice) -> tuple[str, ...]:
    return tuple(conflict.what for conflict in found.conflicts)


def name_of(found: Notice) -> tuple[str, Source] | None:
    return (found.name.value, found.name.source) if found.name is not None else None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("佐々木様", "佐々木"),
        ("佐々木 太郎 様", "佐々木 太郎"),
        ("佐々木\u3000太郎\u3000様", "佐々木 太郎"),
        ("佐々木太郎様", "佐々木太郎"),
        ("○○大学 ○○学部\r\n山田 太郎 様", "山田 太郎"),
        ("東都大学 文学部 山田 太郎 様", "山田 太郎"),
        ("山田さん", "山田"),
        ("山田 太郎 殿", "山田 太郎"),
        ("山田 太郎（ヤマダ タロウ）様", "山田 太郎"),
        ("Taro Yamada 様", "Taro Yamada"),
        ("ジョン・スミス様", "ジョン・スミス"),
        ("Hi Jane,", "Jane"),
        ("Dear Ms. Smith,", "Smith"),
        ("Dear Anne-Marie O'Neil,", "Anne-Marie O'Neil"),
        ("応募者様", None),
        ("応募者各位", None),
        ("候補者様", None),
        ("Dear Candidate,", None),
        ("Dear Hiring Team,", None),
        ("皆様", None),
        ("\r\n".join(f"行{n}" for n in range(8)) + "\r\n佐々木様", None),
        ("先日は弊社までお越しいただき、誠にありがとうございました。山田様", None),
    ],
)
def test_the_addressee_line_gives_the_name(line: str, name: str | None) -> None:
    found = notice(f"{line}\r\n\r\n選考の結果をお知らせします。")
    assert name_of(found) == ((name, Source.ADDRESSEE) if name else None)
    assert found.conflicts == ()


def test_sources_rank_marker_display_name_addressee_closing() -> None:
    body = "佐々木様\r\n本文です。\r\n佐々木様の今後のご活躍をお祈り申し上げます。"
    to = '"佐々木 太郎 様" <t@example.jp>'
    assert name_of(notice(body, to=to, marker="[[relay:rejection name=佐々木太郎]]")) == (
        "佐々木太郎",
        Source.MARKER,
    )
    assert name_of(notice(body, to=to)) == ("佐々木 太郎", Source.DISPLAY_NAME)
    assert name_of(notice(body)) == ("佐々木", Source.ADDRESSEE)
    assert name_of(notice(body.replace("佐々木様\r\n", "", 1))) == ("佐々木", Source.CLOSING)
    assert name_of(notice("本文です。")) is None


def test_with_many_candidates_only_the_display_name_counts() -> None:
    """The name in the text is at most one's; captured for all, it would show it to the others."""
    raw = (
        "From: hr@example.com\r\nTo: a@example.jp, =?utf-8?B?6Yi05pyoIOiKseWtkA==?= <b@example.jp>\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
        "山田 太郎 様\r\n「営業」にご応募\r\n最終面接の結果\r\n山田様の今後のご活躍を\r\n"
        "[[relay:rejection name=山田]]\r\n"
    ).encode()
    letter = read_letter(raw, eligible.read(raw, stamp_key=b""))
    first, second = (letter.notice(address, alone=False) for address in (b"a@example.jp", b"B@example.jp"))
    assert name_of(first) is None
    assert name_of(second) == ("鈴木 花子", Source.DISPLAY_NAME)
    assert (first.conflicts, second.conflicts) == ((), ())
    assert first.job == second.job == letter.notice(b"a@example.jp", alone=True).job is not None
    assert first.stage == second.stage is not None
    assert name_of(letter.notice(b"a@example.jp", alone=True)) == ("山田", Source.MARKER)
    reading = eligible.read(raw, stamp_key=b"")
    assert read_letter(raw, reading).notice(b"b@example.jp", alone=False) == second
    assert read_letter(raw, reading).notice(b"b@example.jp", alone=True).conflicts[0].what == "name"


def test_the_marker_s_name_is_kept_without_honorific() -> None:
    assert name_of(notice("本文", marker='[[relay:rejection name="山田様"]]')) == ("山田", Source.MARKER)
    assert name_of(notice("本文", marker="[[relay:rejection name={{name}}]]")) is None


@pytest.mark.parametrize(
    "to",
    ["t <t@example.jp>", "=?unicode_escape?q?=5Cud800?= <t@example.jp>", "=?utf-7?q?+2AA-?= <t@example.jp>"],
)
def test_an_address_s_local_part_or_an_odd_charset_is_no_name(to: str) -> None:
    assert notice("本文", to=to).name is None


def test_the_display_name_is_that_of_the_envelope_recipient() -> None:
    to = "鈴木 花子 <other@example.jp>, 山田 太郎 <t@example.jp>"
    assert name_of(notice("本文です。", to=to)) == ("山田 太郎", Source.DISPLAY_NAME)
    assert name_of(notice("本文です。", to="鈴木 花子 <other@example.jp>")) is None
    assert name_of(notice("本文です。", to="t@example.jp <t@example.jp>")) is None


@pytest.mark.parametrize(
    ("to", "body", "conflicts"),
    [
        ("鈴木 花子 <t@example.jp>", "佐々木様\r\n", ("name",)),
        ("佐々木 太郎 <t@example.jp>", "佐々木様\r\n", ()),
        ("髙橋 太郎 <t@example.jp>", "高橋様\r\n", ()),
        ("Taro Yamada <t@example.jp>", "山田太郎様\r\n", ()),
        ("t@example.jp", "佐々木様\r\n本文\r\n鈴木様の今後のご活躍をお祈り申し上げます。", ("name",)),
        ("田中 次郎 <t@example.jp>", "田中様\r\nご推薦いただきました山田太郎様の選考の件です。", ("name",)),
    ],
)
def test_names_that_contradict_each_other_are_reported(
    to: str, body: str, conflicts: tuple[str, ...]
) -> None:
    assert conflicts_of(notice(body, to=to)) == conflicts


@pytest.mark.parametrize(
    ("body", "stage", "source"),
    [
        ("書類選考の結果、", "screening", Source.BODY),
        ("最終面接の結果、", "final", Source.BODY),
        ("先日の１次面接の結果につきまして", "interview_1", Source.BODY),
        ("第二次選考の選考結果", "interview_2", Source.BODY),
        ("適性検査の結果", "test", Source.BODY),
        ("最終面接にお越しいただき", None, None),
        ("一次面接の結果と最終面接の結果", None, None),
    ],
)
def test_the_stage_is_the_one_whose_result_is_announced(
    body: str, stage: str | None, source: Source | None
) -> None:
    found = notice(body).stage
    assert (found.value if found else None, found.source if found else None) == (stage, source)


@pytest.mark.parametrize(
    ("written", "stage"),
    [
        ("final", "final"),
        ("Interview-1", "interview_1"),
        ("最終面接", "final"),
        ("“書類選考”", "screening"),
        ("懇親会", "懇親会"),
    ],
)
def test_the_marker_s_stage_is_put_into_our_words(written: str, stage: str) -> None:
    found = notice("本文", marker=f"[[relay:rejection stage={written}]]").stage
    assert found is not None
    assert (found.value, found.source) == (stage, Source.MARKER)


def test_the_job_is_the_marker_s_or_the_one_applied_for() -> None:
    body = "この度は「法人営業職」にご応募いただき"
    found = notice(body).job
    assert found is not None
    assert (found.value, found.source) == ("法人営業職", Source.BODY)
    assert notice(body, marker='[[relay:rejection job="営業"]]').conflicts == ()
    assert conflicts_of(notice(body, marker='[[relay:rejection job="経理"]]')) == ("job",)
    english = notice("thank you for applying for the Senior Engineer position at Example").job
    assert english is not None
    assert english.value == "Senior Engineer"


@pytest.mark.parametrize(
    ("body", "marker", "language"),
    [
        ("お祈り申し上げます。", MARKER, "ja"),
        ("We will move forward with other candidates.", MARKER, "en"),
        ("We will move forward.", "[[relay:rejection tpl=ja-short]]", "ja"),
        ("お祈り申し上げます。", "[[relay:rejection tpl=en]]", "en"),
        ("Dear 山田, we will move forward.", MARKER, "en"),
    ],
)
def test_the_language_is_the_template_s_or_the_text_s(body: str, marker: str, language: str) -> None:
    assert notice(body, marker=marker).language.value == language


def test_html_is_read_as_a_person_sees_it() -> None:
    found = notice("<style>a様</style><p>山田&nbsp;<b>太郎</b> 様</p><p>本文です。</p>", html=True)
    assert name_of(found) == ("山田 太郎", Source.ADDRESSEE)


@pytest.mark.parametrize(
    "to", ["\xff<t@example.jp", "=?x?q?=", '"', "a:;,<>", "=?utf-8?b?!!!?= <t@example.jp>"]
)
def test_a_broken_to_field_gives_no_name_and_no_error(to: str) -> None:
    assert notice("本文", to=to).name is None
