"""What a notice says of its candidate, where it says so, and how sure that is."""

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_an_empty_plain_alternative_leaves_the_word_to_the_html() -> None:
    raw = (
        "From: hr@example.com\r\nTo: t@example.jp\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\n[[relay:rejection]]\r\n"
        "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>山田 様</p>[[relay:rejection]]\r\n--b--\r\n"
    ).encode()
    found = read_letter(raw, eligible.read(raw, stamp_key=b"")).notice(b"t@example.jp", alone=True)
    assert name_of(found) == ("山田", Source.ADDRESSEE)


def named_in(to: bytes, charset: str = "utf-8") -> str | None:
    """Return the name that these To fields give the recipient, in a letter that names nobody."""
    raw = (
        b"From: hr@example.com\r\n" + to + b"\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "本文です。\r\n".encode(charset) + MARKER.encode()
    )
    reading = eligible.read(raw, stamp_key=b"")
    letter = read_letter(raw, reading)
    found = letter.notice(b"t@example.jp", alone=True).name
    assert letter.notice(b"t@example.jp", alone=False).name == found
    return found.value if found is not None else None


def word(octets: bytes, charset: str = "utf-8") -> bytes:
    return b"=?%s?B?%s?=" % (charset.encode(), base64.b64encode(octets))


TARO, TAKAHASHI = "山田 太郎", "髙橋"
JIS, NEC = TARO.encode("iso-2022-jp"), b"\x1b$B|b66\x1b(B"
UTF_8 = "山田太郎".encode()
TO_FIELDS = [
    (f"To: {TARO} <t@example.jp>".encode(), "utf-8", TARO),
    (b"To: " + JIS + b" <t@example.jp>", "iso-2022-jp", TARO),
    (b'To: "' + JIS + b'" <t@example.jp>', "utf-8", TARO),
    (f"To: {TARO} <t@example.jp>".encode("cp932"), "shift_jis", TARO),
    (f"To: {TARO} <t@example.jp>".encode("euc-jp"), "euc-jp", TARO),
    (f"To: {TARO} <t@example.jp>".encode("euc-jp"), "utf-8", None),
    (b"To: " + word(JIS, "ISO-2022-JP") + b" <t@example.jp>", "utf-8", TARO),
    (b"To: " + word(NEC, "ISO-2022-JP") + b" <t@example.jp>", "utf-8", TAKAHASHI),
    (b'To: "' + word(NEC, "ISO-2022-JP") + b'" <t@example.jp>', "utf-8", TAKAHASHI),
    (b"To: " + word(NEC, "ISO-2022-JP") + b"<t@example.jp>", "utf-8", TAKAHASHI),
    (b"To: " + word(TAKAHASHI.encode("cp932"), "shift_jis") + b" <t@example.jp>", "utf-8", TAKAHASHI),
    (b"To: " + word(UTF_8[:4]) + b" " + word(UTF_8[4:]) + b" <t@example.jp>", "utf-8", "山田太郎"),
    (
        b"To: " + word(UTF_8[:3]) + b"\r\n " + word(UTF_8[3:7]) + b" " + word(UTF_8[7:]) + b" <t@example.jp>",
        "utf-8",
        "山田太郎",
    ),
    (b"To: " + word(b"Taro") + b" Yamada <t@example.jp>", "utf-8", "Taro Yamada"),
    (b"To: Taro\r\n Yamada\r\n <t@example.jp>", "utf-8", "Taro Yamada"),
    (b"To : Taro <t@example.jp>", "utf-8", "Taro"),
    (b"TO: Taro <T@EXAMPLE.JP>", "utf-8", "Taro"),
    (b"To: x <x@example.jp>\r\nTo: Taro <t@example.jp>", "utf-8", "Taro"),
    (b'To: "\r\nTo: Taro <t@example.jp>', "utf-8", "Taro"),
    (b"To: x@example.jp\r\n" * 10 + b"To: Taro <t@example.jp>", "utf-8", None),
    ("To: 候補者: 山田 <t@example.jp>, b <b@example.jp>;".encode(), "utf-8", "山田"),
    (b'To: "Example, Inc." <x@example.jp>, "Taro Yamada" <t@example.jp>', "utf-8", "Taro Yamada"),
    (b"To: t@example.jp (Taro Yamada)", "utf-8", "Taro Yamada"),
    (b"To: Taro (HR, (Tokyo)) <t@example.jp>", "utf-8", "Taro"),
    (b"To: Taro <x@example.jp>; Jiro <t@example.jp>", "utf-8", "Jiro"),
    (b"To: Jiro <t@example.jp>; Taro <x@example.jp>", "utf-8", None),
    (b"To: Taro <t@example.jp>, t@example.jp", "utf-8", "Taro"),
    (b"To: Taro <t@example.jp>, Jiro <t@example.jp>", "utf-8", None),
    (b"To: Taro <t@example.jp>, Taro <t@example.jp>", "utf-8", "Taro"),
    (b"To: T <t@example.jp>", "utf-8", None),
    (b"To: " + word(b"T") + b" <t@example.jp>", "utf-8", None),
    (b"To: " + word(b"Yamada, Taro") + b" <t@example.jp>", "utf-8", None),
    (b"To: " + word(b"Taro\r\nBcc: x") + b" <t@example.jp>", "utf-8", None),
    (b"To: =?unicode_escape?q?=5Cud800?= <t@example.jp>", "utf-8", None),
    (b"To: =?utf-8?b?!!!?= <t@example.jp>", "utf-8", None),
    (b"To: \xff<t@example.jp", "utf-8", None),
    (b"To: =?x?q?=", "utf-8", None),
    (b'To: "', "utf-8", None),
    (b"To: a:;,<>", "utf-8", None),
    (b"To: ", "utf-8", None),
    (b"To: undisclosed-recipients:;", "utf-8", None),
    (b"X-To: Taro <t@example.jp>", "utf-8", None),
]


@pytest.mark.parametrize(("to", "charset", "name"), TO_FIELDS)
def test_a_display_name_is_read_as_it_was_meant_or_not_at_all(
    to: bytes, charset: str, name: str | None
) -> None:
    """RFC 5322, RFC 2047 and what mailers make of them."""
    assert named_in(to, charset) == name


@pytest.mark.parametrize("other", [b"Taro Yamada", word(JIS, "ISO-2022-JP"), f'"{TARO}"'.encode()])
def test_a_thousand_recipients_keep_their_names(other: bytes) -> None:
    many = b",\r\n ".join(b"%s <a%d@example.jp>" % (other, number) for number in range(1_000))
    assert named_in(b"To: " + many + b", Jiro <t@example.jp>") == "Jiro"


@pytest.mark.parametrize("unit", [b",", b";", b"a,", b"\xff,", b"Taro <t@example.jp>,"])
def test_more_recipients_than_anybody_has_are_not_read(unit: bytes) -> None:
    assert named_in(b"To: " + unit * (200_000 // len(unit)) + b"Taro <t@example.jp>") is None


BROKEN = st.lists(
    st.sampled_from(
        [
            *(
                b"Taro",
                b" ",
                b"\t",
                b"\r\n ",
                b"<",
                b">",
                b"t@example.jp",
                b"@",
                b",",
                b";",
                b":",
                b'"',
                b"\\",
            ),
            *(b"(", b")", b"[", b"]", b"=?utf-8?q?a?=", b"=?utf-7?q?+2AA-?=", b"=?", b"?=", b"\x1b$B", JIS),
            *(b"\r\nTo: ", b"\r\nTo : x <t@example.jp>"),
        ]
    )
    | st.binary(max_size=6),
    max_size=40,
).map(b"".join)


@given(BROKEN)
@settings(max_examples=200, deadline=None)
def test_any_octets_as_to_give_a_name_or_none(value: bytes) -> None:
    """No To field raises, none gives a control, a surrogate or an address for a name."""
    name = named_in(b"To: " + value.replace(b"\r\n\r\n", b"").replace(b"\n\n", b""))
    assert name is None or not re.search(r"[\x00-\x1f\x7f@<>\ud800-\udfff]", name)


def test_the_library_that_reads_to_fields_says_nothing_of_them_in_a_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO"):
        for to, charset, _ in TO_FIELDS:
            named_in(to, charset)
    assert caplog.records == []
