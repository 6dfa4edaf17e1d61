"""What a browser's wish means."""

import pytest

from gateway.rendering import LANGUAGES
from gateway.web.languages import preferred


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("", None),
        ("*", None),
        ("fr", None),
        ("ja", "ja"),
        ("JA-jp", "ja"),
        ("en-GB, ja;q=0.8", "en"),
        ("en;q=0.5, ja;q=0.8", "ja"),
        ("en;q=0.8, ja;q=0.8", "en"),
        ("en;q=0, ja;q=0.1", "ja"),
        ("en;q=nan, ja;q=0.1", "ja"),
        ("en;q=2, ja;q=0.1", "ja"),
        ("en;v=1, ja;q=0.1", "ja"),
        (";;q=,,", None),
    ],
)
def test_the_best_liked_language_of_ours_is_taken(wish: str, language: str | None) -> None:
    assert preferred(wish, LANGUAGES) == language
