"""How sure a value is, and what becomes of values that contradict each other."""

import pytest

from gateway.mail.notice.findings import Claim, Confidence, Finding, Source, weigh

HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW


def agree(one: str, other: str) -> bool | None:
    """Compare values; a question mark could be anything."""
    return None if "?" in (one, other) else one == other


def claims(**said: str) -> list[Claim]:
    return [Claim(value, Source[source.upper()]) for source, value in said.items()]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (claims(), None),
        (claims(marker="a"), Finding("a", Source.MARKER, HIGH)),
        (claims(marker="a", body="b"), Finding("a", Source.MARKER, LOW)),
        (claims(marker="a", body="?"), Finding("a", Source.MARKER, HIGH)),
        (claims(display_name="a"), Finding("a", Source.DISPLAY_NAME, MEDIUM)),
        (claims(display_name="a", addressee="a"), Finding("a", Source.DISPLAY_NAME, HIGH)),
        (claims(display_name="a", closing="a"), Finding("a", Source.DISPLAY_NAME, HIGH)),
        (claims(display_name="a", addressee="?"), Finding("a", Source.DISPLAY_NAME, MEDIUM)),
        (claims(display_name="a", addressee="b"), None),
        (claims(display_name="a", addressee="a", closing="b"), None),
        (claims(display_name="?", addressee="a", closing="b"), Finding("?", Source.DISPLAY_NAME, MEDIUM)),
        (claims(addressee="a"), Finding("a", Source.ADDRESSEE, MEDIUM)),
        (claims(addressee="a", closing="a"), Finding("a", Source.ADDRESSEE, HIGH)),
        (claims(body="a"), Finding("a", Source.BODY, MEDIUM)),
        (claims(closing="a"), Finding("a", Source.CLOSING, LOW)),
        (claims(default="a"), Finding("a", Source.DEFAULT, LOW)),
    ],
)
def test_the_likeliest_value_is_taken_unless_another_place_denies_it(
    said: list[Claim], found: Finding | None
) -> None:
    assert weigh("name", said, agree)[0] == found


def test_a_contradiction_shows_all_that_was_found() -> None:
    _, conflicts = weigh("name", claims(marker="a", display_name="a", closing="b"), agree)
    (conflict,) = conflicts
    assert conflict.what == "name"
    assert [(one.value, one.source, one.confidence) for one in conflict.findings] == [
        ("a", Source.MARKER, LOW),
        ("a", Source.DISPLAY_NAME, LOW),
        ("b", Source.CLOSING, LOW),
    ]


@pytest.mark.parametrize("said", [claims(), claims(marker="a"), claims(marker="a", body="?", closing="a")])
def test_what_agrees_or_cannot_be_compared_is_no_contradiction(said: list[Claim]) -> None:
    assert weigh("name", said, agree)[1] == ()
