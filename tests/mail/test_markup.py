"""Pages and texts as one string, and the way back; the standard library's parser is the second reader."""

import re
from html.parser import HTMLParser

import pytest

from gateway.mail import marker, markup
from tests.mail.composing.forms import END, FORMS, START, written
from tests.mail.composing.styles import STYLES, Style

UNSEEN = re.compile(rf"[\s{markup.ZERO_WIDTH}]+")
NOISE = "<b>x</b>&nbsp;\u200b<p>a</p>\r\n<!-- c -->&amp;<br>"


class Reader(HTMLParser):
    """Collects what a page shows."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.hidden = tag if tag in ("style", "script", "title") else self.hidden

    def handle_endtag(self, tag: str) -> None:
        self.hidden = "" if tag == self.hidden else self.hidden

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.shown.append(data)


@pytest.mark.parametrize("style", [style for style in STYLES if style.page], ids=lambda style: style.name)
def test_a_page_reads_as_the_standard_library_reads_it(style: Style) -> None:
    assert style.page is not None
    for form in FORMS.values():
        mark = written(form, "営業", is_html=True).replace(START, "").replace(END, "")
        page = style.page.made(
            style.page.rows(["鈴木様 &lt;3", "", mark, "<a href='?a=1&amp;b>2'>x</a> & y"])
        )
        reader = Reader()
        reader.feed(page)
        reader.close()
        seen = UNSEEN.sub("", "".join(reader.shown))
        assert UNSEEN.sub("", markup.read_html(page).text) == seen, form


@pytest.mark.parametrize("number", [*range(0, 40, 3), 1_000])
def test_a_marker_far_down_a_page_is_found_where_it_stands(number: int) -> None:
    page = NOISE * number + "[[re<i>lay</i>:reje&shy;ction]]" + NOISE * 9
    (spot,) = marker.find(page, html=True).found
    assert spot.start == len(NOISE) * number
    assert [page[slice(*piece)] for piece in spot.pieces] == ["[[re", "lay", ":reje&shy;ction]]"]


@pytest.mark.parametrize("number", [*range(0, 200, 17), 1_000])
def test_a_marker_far_down_a_text_is_found_where_it_stands(number: int) -> None:
    before = "a\u200bb \r\nc\u00ad\r\n" * number
    (spot,) = marker.find(before + "[[re\u200blay: \r\nrejection]]", html=False, flowed=True).found
    assert spot.pieces == ((len(before), len(before) + len("[[re\u200blay: \r\nrejection]]")),)


def test_the_end_of_a_long_marker_is_found_behind_many_tags() -> None:
    page = "[[re" + "<b>&shy;<i title='>'>" * 500 + "lay:rejection]]x"
    (spot,) = marker.find(page, html=True).found
    assert page[spot.end :] == "x"
    assert "".join(page[slice(*piece)] for piece in spot.pieces) == "[[re" + "&shy;" * 500 + "lay:rejection]]"


def test_line_ends_of_the_source_are_spaces_but_not_in_preformatted_text() -> None:
    page = "a\r\nb<pre>c\r\nd<pre>e\nf</pre>g\nh</pre>i\nj</pre>k\nl"
    assert UNSEEN.sub("_", markup.read_html("<p>x</p>").text) == "_x_"
    lines = markup.read_html(page).text.replace(markup.BREAK, "|").replace("\n\n", "^")
    assert lines == "a  b^c\r\nd^e\nf|g\nh|i j|k l"


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<div style='white-space: pre-wrap'>a\n<div>b\n</div>c\n</div>d\ne", "|a\n|b\n|c\n|d e"),
        ("<span style=white-space:pre>a\nb</span>c\nd", "a\nbc d"),
        ("a<br style='white-space:pre'>b\nc", "a\nb c"),
        ("<p style='white-space:nowrap'>a\nb", "^a b"),
        ("<div class=white-space>a\nb", "|a b"),
    ],
)
def test_a_style_keeps_the_lines_of_the_source(page: str, shown: str) -> None:
    assert markup.read_html(page).text.replace(markup.BREAK, "|").replace("\n\n", "^") == shown


@pytest.mark.parametrize("noise", ["", "x" * 50, "&nbsp;" * 70, "<b>y</b>" * 70])
def test_the_pieces_of_several_ranges_are_those_of_each(noise: str) -> None:
    plain = markup.read_html(f"ab\u200bc<i>d</i>{noise}ef<p>g</p>&amp;{noise}h<!-- i -->{noise}jk")
    ends = range(len(plain.folded) + 1)
    for step in (1, 2, 3, 7, 64):
        for gap in (0, 1, 5):
            spans = [(at, at + step) for at in ends[: -step or None : step + gap]]
            assert list(plain.all_pieces(spans)) == [plain.pieces(*span) for span in spans]


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("a<br>b", "a\nb"),
        ("<div>a</div><div>b</div>", "|a||b|"),
        ("<p>a</p><p>b</p>", "^a|^b|"),
        ("<p class=MsoNormal>a</p><P STYLE='margin:0'>b</P>", "|a||b|"),
        ("<h1>a</h1><ul><li>b</ul><hr>", "^a|^|b|^"),
        ("a<x-p>b</x-p><p-x>c<span>d<o:p></o:p>", "abcd"),
    ],
)
def test_blocks_leave_lines_as_browsers_do(page: str, shown: str) -> None:
    assert markup.read_html(page).text.replace(markup.BREAK, "|").replace("\n\n", "^") == shown
