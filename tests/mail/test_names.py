"""What is a name and what is not, and which two names may be one person's."""

import pytest

from gateway.mail.notice import names


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("山田 太郎", "山田 太郎"),
        ("山田 太郎 様", "山田 太郎"),
        ("Taro Yamada (via Example ATS)", "Taro Yamada"),
        ("阿部", "阿部"),
        ("Line Andersen", "Line Andersen"),
        ("Undisclosed", None),
        ("undisclosed recipients", None),
        ("info", None),
        ("noreply", None),
        ("no-reply", None),
        ("LINE", None),
        ("Recruit", None),
        ("採用担当", None),
        ("Mail Delivery", None),
        ("a", None),
        ("A. B.", None),
        ("t@example.jp", None),
        ("Yamada, Taro", None),
        ("\u202eorat", None),
        ("山田" * 40, None),
        ("（" * 100_000, None),
        ("", None),
        (None, None),
    ],
)
def test_a_display_name_is_a_person_s_or_none(written: str | None, name: str | None) -> None:
    assert names.person(written) == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("山田様", "山田"),
        ("山田 太郎 殿", "山田 太郎"),
        ("Mr. John Smith", "John Smith"),
        ("María del Carmen García López Ruiz", "María del Carmen García López Ruiz"),
        ("X Æ A-12", "X Æ A-12"),
        ("{{name}}", None),
        ("$name", None),
        ("候補者様", None),
        ("null", None),
        ("様", None),
    ],
)
def test_a_marker_s_name_loses_its_honorific_only(written: str, name: str | None) -> None:
    assert names.explicit(written) == name


AGREEMENTS = [
    ("J S", "John Smith", False),
    ("J Smith", "Smith John Paul", True),
    ("山田", "山田 太郎", True),
    ("太郎", "山田 太郎", True),
    ("山田太郎", "山田 太郎", True),
    ("山田", "山田太郎", True),
    ("太郎", "山田太郎", True),
    ("林", "小林 太郎", False),
    ("林", "小林", False),
    ("林", "林太郎", True),
    ("髙橋", "高橋 花子", True),
    ("山田 太郎", "山田 花子", False),
    ("山田", "Yamada", None),
    ("Taro Yamada", "Yamada Taro", True),
    ("Yamada", "TARO YAMADA", True),
    ("John A. Smith", "John Smith", True),
    ("J. Smith", "John Smith", True),
    ("Jon Smith", "John Smith", False),
    ("Jo", "John Smith", False),
    ("Alex", "Alexander Smith", None),
    ("Mike", "Michael Brown", False),
    ("José", "Jose Garcia", True),
    ("O'Neill", "Jane O’Neill", True),
    ("ジョン・スミス", "ジョン スミス", True),
    ("スミス", "ジョン・スミス", True),
    ("ジョン", "ジョーンズ", False),
    ("やまだ", "やまだたろう", True),
    ("・", "山田", None),
    ("", "山田", None),
    ("Ａlex", "Alex", True),
]


@pytest.mark.parametrize(("one", "other", "same"), AGREEMENTS)
def test_two_names_are_one_person_s_or_not_or_nobody_can_tell(
    one: str,
    other: str,
    same: bool | None,  # noqa: FBT001  # from a table
) -> None:
    assert names.agree(one, other) is same
    assert names.agree(other, one) is same


@pytest.mark.parametrize(
    "written",
    ["{{name}}", "○○", "〇〇様", "XXX", "[Name]", "%NAME%", "$name", "<name>", "null", "N/A", "__name__"],
)
def test_a_field_that_was_left_unfilled_is_seen(written: str) -> None:
    assert names.is_placeholder(written)


@pytest.mark.parametrize("written", ["山田○", "Senior Engineer [Tokyo]", "【東京】営業", "Nan Xu", "大平〇"])
def test_what_only_looks_like_an_unfilled_field_is_none(written: str) -> None:
    assert not names.is_placeholder(written)
