"""Quotes in any text and any page: whole ranges in order, and never a mistake about where they stand."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import markup, quotes

LINES = [
    *(
        "> a",
        "a",
        "",
        " ",
        "From: x",
        "Sent: 10:00",
        "差出人: x",
        "日時: 10:00",
        "x wrote:",
        "On 1, x wrote:",
    ),
    *(
        "1 <a@example.com>:",
        "-----Original Message-----",
        "_____",
        "| a",
        "山田さんは書きました",
        "転送されたメッセージ:",
    ),
]
TAGS = [
    *(
        "<div>",
        "</div>",
        "<blockquote>",
        "</blockquote>",
        '<div class="gmail_quote">',
        '<hr id="stopSpelling">',
    ),
    *(
        "<br>",
        "<p>",
        "</p>",
        "<b>",
        "&gt; ",
        "&nbsp;",
        "\u200b",
        "\r\n",
        "<!-- ",
        "-->",
        "<blockquote class=gmail_quote>",
    ),
]
TEXTS = st.lists(st.sampled_from(LINES) | st.text(max_size=3), max_size=12).map("\n".join)
PAGES = st.lists(st.sampled_from([*TAGS, *LINES]) | st.text(max_size=3), max_size=30).map("".join)


def apart(spans: list[tuple[int, int]] | tuple[tuple[int, int], ...], end: int) -> bool:
    edges = [index for span in spans for index in span]
    return edges == sorted(edges) and all(start < stop for start, stop in spans) and max([0, *edges]) <= end


@given(TEXTS)
def test_quotes_of_a_text_are_whole_lines_in_order(text: str) -> None:
    """Invariant: ranges ascend, do not overlap, begin at a line's start and hold each line with a mark."""
    spans = quotes.quoted_ranges(text)
    assert apart(spans, len(text))
    assert all(start == 0 or text[start - 1] == "\n" for start, _ in spans)
    at = 0
    for line in text.split("\n"):
        assert not line.startswith(">") or quotes.inside(spans, at)
        at += len(line) + 1


@given(PAGES)
def test_quotes_of_a_page_are_in_order_and_hold_what_the_tags_say(page: str) -> None:
    """Invariant: ranges of the source ascend, do not overlap, and hold each range that tags show."""
    plain = markup.read_html(page)
    spans = quotes.quoted_in_html(plain)
    assert apart(spans, len(page))
    for start, end in plain.quotes_in_source:
        assert any(first <= start and end <= last for first, last in spans)


@given(PAGES, st.data())
def test_a_piece_of_the_reading_has_its_place_in_the_source(page: str, data: st.DataObject) -> None:
    """Invariant: pieces ascend, hold the place of each of their characters, and read as these."""
    plain = markup.read_html(page)
    start = data.draw(st.integers(0, len(plain.text)))
    end = data.draw(st.integers(start, len(plain.text)))
    pieces = plain.pieces(start, end)
    assert apart(pieces, len(page))
    for at in range(start, end):
        for first, last in plain.pieces(at, at + 1):
            assert any(begin <= first and last <= stop for begin, stop in pieces)
            seen = markup.read_html(page[first:last]).text
            assert plain.text[at] in seen or seen in page[first:last]
    places = plain.places([start, end])
    assert places == sorted(places)
    assert max(places) <= len(page)
