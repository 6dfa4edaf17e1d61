import base64

import pytest

from gateway.mail import marker
from gateway.mail.marker import Marker

HEADER = b"From: hr@example.com\r\nContent-Type: text/plain; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[relay:rejection]]", Marker()),
        (
            '[[relay:rejection tpl=ja-standard job="営業" stage=final]]',
            Marker(template="ja-standard", job="営業", stage="final"),
        ),
        ("［［Relay：Rejection　job＝“企画（東京）”］］", Marker(job="企画（東京）")),
        (
            "[[relay:rejection name='山田 太郎' skills=Go,SQL reason=r1]]",
            Marker(name="山田 太郎", skills="Go,SQL", reason="r1"),
        ),
        ('[[relay:rejection\r\n job="a\r\nb"]]', Marker(job="a b")),
        ("[\u200b[re\u200blay:reje\u00adction tpl=x]]", Marker(template="x")),
        ("[[relay:rejection colour=red tpl=x loud]]", Marker(template="x", unknown=("colour", "loud"))),
        ("[[relay:rejection tpl=a tpl=b]]", Marker(template="a", unknown=("tpl",))),
        ('[[relay:rejection job="営業 [A]"]]', Marker(job="営業 [A]")),
        ('[[relay:rejection job=""]]', Marker()),
        ("[[relay:rejection job=「営業 企画」 stage=final]]", Marker(job="営業 企画", stage="final")),
        (
            "[[relay:rejection tpl=a, job=営業、 skills=Go,SQL;]]",
            Marker(template="a", job="営業", skills="Go,SQL"),
        ),
        ('[[relay:rejection job="営業「企画」"]]', Marker(job="営業「企画」")),
        ("[[relay:rejection\tjob='it's']]", Marker(job="it's")),
        ("[[relay:rejection job='a' stage='b']]", Marker(job="a", stage="b")),
    ],
)
def test_attributes_are_read_as_written(text: str, expected: Marker) -> None:
    found = marker.find(f"a\r\n{text}\r\nb", html=False).found
    assert [spot.marker for spot in found] == [expected]
    assert (found[0].start, found[0].end) == (3, 3 + len(text))


@pytest.mark.parametrize(
    "text",
    [
        "relay:rejection",
        "[[relay:rejections]]",
        "[[relay:rejection-x]]",
        "[[delay:rejection a]] [relay]",
        "[[ relay ]]",
        "[[relay:rejection tpl=a\r\n\r\nDear X,\r\n]]",
        "[[relay:rejection\r\n \u3000\r\n]]",
        "[[relay:rejection\r\na\r\nb\r\nc\r\n]]",
        "[[relay:rejection " + "a" * 300 + "]]",
        '[[relay:rejection job="' + "a" * 300 + '"]]',
        '[[relay:rejection job="x]]\r\n\r\nI said "yes ]]',
    ],
)
def test_other_words_are_no_marker(text: str) -> None:
    assert marker.find(text, html=False).found == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[relay:rejction tpl=x]]", "[[relay:rejction"),
        ("[[realy:rejection]]", "[[realy:rejection"),
        ("[relay:rejection]", "[[relay:rejection"),
        ("[[relay:rejection tpl=x]", "[[relay:rejection"),
        ('[[relay:rejection job="x]]', "[[relay:rejection"),
        ("[[relay rejection]]", "[[relay:rejection"),
        ("［［Ｒelay：rejection", "[[Ｒelay:rejection"),
        ("[[relay:rejection", "[[relay:rejection"),
        ("[[relay;rejection]]", "[[relay:rejection"),
        ("[[relay-rejection]]", "[[relay:rejection"),
        ("[[relay/rejection tpl=x]]", "[[relay:rejection"),
        ("［relay：rejection］", "[[relay:rejection"),
        ("[[Relay:Rejektion]]", "[[Relay:Rejektion"),
        ("{{relay:rejection job=x}}", "[[relay:rejection"),
        ("〚relay:rejection〛", "[[relay:rejection"),
        ("((realy:rejection))", "[[realy:rejection"),
        (r"\[\[relay:rejection\]\]", "[[relay:rejection"),
        ("Relay: rejection tpl=x", "[[Relay:rejection"),
        ("a relay, rejection and all", None),
        ("[[relay:rejections]]", "[[relay:rejections"),
        ("[[relation:election]]", None),
        ("[relay station: rejected]", None),
    ],
)
def test_a_broken_marker_is_reported_without_its_values(text: str, words: str | None) -> None:
    findings = marker.find(text, html=False)
    assert findings.found == ()
    assert findings.almost == ((words,) if words else ())
    assert words is None or marker.might_be_marked(HEADER + b"\r\n" + text.encode())


def test_a_marker_in_full_width_letters_is_reported_by_those_who_read_the_mail() -> None:
    """The pre-filter lets it go: to look for it in each charset takes longer than all else it does."""
    findings = marker.find("［［ｒｅｌａｙ：ｒｅｊｅｃｔｉｏｎ　ｊｏｂ＝営業］］", html=False)
    assert (findings.found, findings.almost) == ((), ("[[ｒｅｌａｙ:ｒｅｊｅｃｔｉｏｎ",))


def test_a_marker_without_its_end_does_not_swallow_the_next() -> None:
    text = "[[relay:rejection tpl=a\r\n\r\nSee note [1\r\n[[relay:rejection tpl=b]]"
    findings = marker.find(text, html=False)
    assert [spot.marker for spot in findings.found] == [Marker(template="b")]
    assert findings.almost == ("[[relay:rejection",)


@pytest.mark.parametrize(
    ("page", "whole"),
    [
        ("<p>[[relay:rejection</p><p>Dear X</p><p>]]</p>", False),
        ("<div>[[relay:rejection</div>\r\n<div>tpl=x]]</div>", True),
        ("<p class=MsoNormal>[[relay:rejection<o:p></o:p></p>\r\n<p class=MsoNormal>tpl=x]]</p>", True),
        ("<div>[[relay:rejection<br></div><div>tpl=x]]</div>", True),
        ("<div>[[relay:rejection</div><div><br></div><div>tpl=x]]</div>", False),
        ("<p class=MsoNormal>[[relay:rejection</p><p class=MsoNormal>&nbsp;</p><p>tpl=x]]</p>", False),
        ("[[relay:rejection<br>\r\n<br>tpl=x]]", False),
        ("<p>[[relay:rejection</p><p>tpl=x]]</p>", False),
        ("<pre>[[relay:rejection\r\n\r\ntpl=x]]</pre>", False),
        ("[[relay:rejection\r\n\r\n\r\n\r\ntpl=x]]", True),
        ("[[relay:rejection<br>\r\ntpl=x]]", True),
        ("[[relay:rejection\r\n   tpl=x]]", True),
    ],
)
def test_a_marker_goes_on_in_the_next_line_and_not_in_another_paragraph(page: str, whole: bool) -> None:  # noqa: FBT001  # from a table
    findings = marker.find(page, html=True)
    assert [spot.marker for spot in findings.found] == ([Marker(template="x")] if whole else [])
    assert findings.almost == (() if whole else ("[[relay:rejection",))


def test_only_so_many_markers_are_read() -> None:
    findings = marker.find("[[relay:rejection]]\r\n" * 500 + "[[relay:rejektion]]" * 500, html=False)
    assert len(findings.found) == marker.MAX_MARKERS + 1
    assert len(findings.almost) <= 10


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a\0b\x1b[31mc\x7f\x85", "ab[31mc"),
        ("\u202eorat\u2066\ufeff", "orat"),
        ("a\ud800b", "ab"),
        ("a\r\n\tb", "a b"),
        ("営" * 300, "営" * 200),
    ],
)
def test_values_are_cleaned_once(written: str, kept: str) -> None:
    """A database refuses NUL and surrogates, a terminal obeys escape sequences."""
    assert marker.read_header(f'job="{written}" reason="{written}"') == Marker(job=kept, reason=kept)
    assert marker.read_header(f"a{written[:3]}").unknown[0].isprintable()


def test_a_whole_marker_is_not_also_almost_one() -> None:
    assert marker.find("[[relay:rejection tpl=x]]", html=False).almost == ()


def test_html_gives_the_pieces_between_the_tags() -> None:
    text = "<p>[[<b>relay</b>:rejection&nbsp;job=&quot;A&amp;B&quot;]<i>]</i></p>"
    (spot,) = marker.find(text, html=True).found
    assert spot.marker == Marker(job="A&B")
    assert [text[start:end] for start, end in spot.pieces] == [
        "[[",
        "relay",
        ":rejection&nbsp;job=&quot;A&amp;B&quot;]",
        "]",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<!-- [[relay:rejection]] -->",
        "<style>[[relay:rejection]]</style>",
        '<a title="[[relay:rejection]]">x</a>',
        "<script>'[[relay:rejection]]'</script>",
        "<!-- -- > [[relay:rejection]] -->",
    ],
)
def test_what_nobody_sees_is_no_marker(text: str) -> None:
    assert marker.find(f"<p>{text}</p>", html=True).found == ()


@pytest.mark.parametrize("comment", ["<!-->", "<!--->", "<!-- a --!>", "<!-- a -->", "<!--a--b-->"])
def test_a_comment_ends_where_a_browser_ends_it(comment: str) -> None:
    (spot,) = marker.find(f"{comment}<p>[[relay:rejection]]</p><!-- -->", html=True).found
    assert spot.start == len(comment) + 3


@pytest.mark.parametrize("cut", range(3))
def test_the_pre_filter_reads_base64_in_each_alignment(cut: int) -> None:
    body = base64.encodebytes(b"x" * cut + "様\r\n[[relay:rejection]]".encode()).replace(b"\n", b"\r\n")
    raw = HEADER + b"Content-Transfer-Encoding: BASE64\r\n\r\n" + body
    assert marker.might_be_marked(raw)


def test_the_pre_filter_does_not_decode_what_cannot_be_text() -> None:
    body = base64.encodebytes(b"[[relay:rejection]]").replace(b"\n", b"\r\n")
    raw = b"Content-Type: Image/PNG\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body
    assert not marker.might_be_marked(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\r\nx-relay-Rejection: tpl=a\r\n\r\nhello",
        b"X-Relay-Rejection:\r\n\r\n",
        b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\n=5B=5B=72=65=6C=61=79:reject=\r\nion]]",
        b"\r\n[[re<b>la</b>y:rejec&shy;tion]]",
        b'Subject: in iso-2022-jp\r\n\r\n\x1b$B<R\x1b(B [[rel<wbr>ay:rejection]]<br title=">">',
        b"Subject: in iso-2022-jp\r\n\r\n\x1b$B<R\x1b(B [[re&zwnj;lay:&thinsp;&ensp;rejection]] a > b",
        b"--x\r\n\r\n<!-- open\r\n--x\r\n\r\n[[re<span class=SomethingLong>lay:rejection]]",
        b"\r\n[\0[\0r\0e\0l\0a\0y\0:\0r\0e\0j\0e\0c\0t\0i\0o\0n\0]\0]\0",
    ],
)
def test_the_pre_filter_sees_through_what_composers_do(raw: bytes) -> None:
    assert marker.might_be_marked(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"Subject: [[relay\r\n\r\nno",
        b"\r\nrelay",
        b"\r\nrejection of a relative",
        b"\r\nWe regret.",
    ],
)
def test_the_pre_filter_lets_ordinary_mail_go(raw: bytes) -> None:
    assert not marker.might_be_marked(raw)
