"""Quoted mail as mailers write it, each with a marker in it or beside it."""

from pathlib import Path

import pytest

from gateway.mail import inline, marker, parts

MARK = "[[relay:rejection]]"
SECTIONS = (Path(__file__).parent / "quotes.txt").read_text(encoding="utf-8").split("@@ ")[1:]
CASES: dict[str, str] = {section.partition("\n")[0]: section.partition("\n")[2] for section in SECTIONS}
"""What stands in quotes.txt: below each `@@ quoted: NAME` or `@@ own: NAME` is a text."""
QUOTED = sorted(name for name in CASES if name.startswith("quoted: "))
OWN = sorted(name for name in CASES if name.startswith("own: "))


def counts(kind: str, text: str) -> tuple[int, int]:
    """Return how many markers count and how many are quoted."""
    raw = f"Content-Type: text/{kind}; charset=utf-8\r\n\r\n{text}".encode()
    (body,) = inline.bodies(raw, parts.scan(raw))
    return len(body[0].found), body[0].in_quotes


def page(text: str, tag: str) -> str:
    """Return the HTML that a mailer without tags for quotes makes of a text."""
    lines = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").splitlines()
    if tag == "br":
        return "<br>\r\n".join(lines)
    return "\r\n".join(f"<{tag}>{line or '<br>'}</{tag.split(maxsplit=1)[0]}>" for line in lines)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", QUOTED)
def test_a_quoted_marker_does_not_count(name: str, end: str) -> None:
    assert counts("plain", CASES[name].replace("\n", end)) == (0, 1)


@pytest.mark.parametrize("tag", ["br", "div", "p class=MsoNormal"])
@pytest.mark.parametrize("name", QUOTED)
def test_a_marker_quoted_by_words_in_html_does_not_count(name: str, tag: str) -> None:
    assert counts("html", page(CASES[name], tag)) == (0, 1)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", OWN)
def test_the_author_s_marker_counts(name: str, end: str) -> None:
    assert counts("plain", CASES[name].replace("\n", end)) == (1, 0)


@pytest.mark.parametrize("tag", ["br", "div", "p class=MsoNormal"])
@pytest.mark.parametrize("name", OWN)
def test_the_author_s_marker_counts_in_html(name: str, tag: str) -> None:
    assert counts("html", page(CASES[name], tag)) == (1, 0)


@pytest.mark.parametrize(
    "html",
    [
        f'<div class="gmail_quote"><div class="gmail_attr">x:</div><blockquote>{MARK}</blockquote></div>',
        f'<div class="gmail_quote gmail_quote_container">{MARK}</div>',
        f'<div class="gmail_quote">fwd<div><blockquote>x</blockquote></div><div>{MARK}</div></div>',
        f"<div class=gmail_quote>fwd<div><blockquote class=gmail_quote>x</blockquote></div>{MARK}</div>",
        f"<div class=gmail_quote>fwd<blockquote>x</blockquote>{MARK}</div>",
        f"<blockquote>{MARK}</blockquote>",
        f'<blockquote type="cite" style="margin:0 0 0 40px;border:none;padding:0px">{MARK}</blockquote>',
        f'<blockquote style="margin:0 0 0 .8ex;border-left:1px #ccc solid">{MARK}</blockquote>',
        f'<blockquote style="PADDING-LEFT: 5px; BORDER-LEFT: #000000 2px solid">{MARK}</blockquote>',
        f'<div class="moz-cite-prefix">x:</div><blockquote type="cite" cite="mid:1">{MARK}</blockquote>',
        f'<div id="appendonsend"></div><hr tabindex="-1"><div id="divRplyFwdMsg">x</div><div>{MARK}</div>',
        f'<div id="x_divRplyFwdMsg">x</div><div>{MARK}</div>',
        f'<hr id="stopSpelling">x<br>{MARK}',
        f'<div style="white-space: pre-wrap;">ok\n&gt; x\n&gt; {MARK}\n</div>',
        f"<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0mm 0mm 0mm'>x</div><p>{MARK}",
        f"<div style='border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm'>x</div><p>{MARK}",
        f'<div style="padding:3pt 0in 0in;border-top:1pt solid rgb(225, 225, 225)">x</div><p>{MARK}',
        f'<span id="OLK_SRC_BODY_SECTION"><div>{MARK}</div></span>',
        f'<div class="OutlookMessageHeader"><hr>x</div><div>{MARK}</div>',
        f'<div id="mail-editor-reference-message-container" class="x">{MARK}</div>',
        f'<div id="yahoo_quoted_123" class="yahoo_quoted">{MARK}</div>',
        f'<div class="protonmail_quote">x<blockquote class="protonmail_quote">{MARK}</blockquote></div>',
        f'<div class="zmail_extra" data-zbluepencil-ignore="true">{MARK}</div>',
        f'<div class="moz-forward-container"><br>{MARK}</div>',
        f'<div name="messageReplySection">x<blockquote type="cite">{MARK}</blockquote></div>',
        f'<p id="reply-intro">x:</p><blockquote type="cite">{MARK}</blockquote>',
        f'<div class="quote">{MARK}</div>',
        f'<div class="a quoted-text b">{MARK}</div>',
        f'<div class="zd_quote">{MARK}</div>',
        f'<div class="mail-quote-collapse">{MARK}</div>',
        f'<div class="ox-quote">{MARK}</div>',
        f'<div class="replyquote">{MARK}</div>',
        f'<div class="email_quote">{MARK}</div>',
        f'<div class="x_email_quote">{MARK}</div>',
        f'<div id="quotedContent">{MARK}</div>',
        f'<div id="originalMessage">{MARK}</div>',
        f'<div id="quoted_header"><b>From:</b> HR<br><b>Sent:</b> 23 Nov 2026 10:00</div><br>{MARK}',
        f'<div class="forwarded-message">{MARK}</div>',
        f"<q>{MARK}</q>",
        f"<div style='border:none;border-left:solid blue 1.5pt;padding:0in 0in 0in 4.0pt'>{MARK}</div>",
        f"<hr><p><b>From:</b> HR<br><b>Sent:</b> 23 November 2026 10:00</p><p>{MARK}</p>",
        f"<div><b>差出人:</b>&nbsp;人事</div><div>送信日時:&nbsp;2026/11/23 10:00</div><div>{MARK}</div>",
    ],
)
def test_a_marker_quoted_by_tags_does_not_count(html: str) -> None:
    assert counts("html", f"<html><body><div>ok</div>{html}</body></html>") == (0, 1)


@pytest.mark.parametrize(
    "html",
    [
        f'<blockquote style="margin:0 0 0 40px;border:none;padding:0px"><div>{MARK}</div></blockquote>',
        f'<blockquote style="margin: 0px 0px 0px 40px; border: none; padding: 0px;">{MARK}</blockquote>',
        f"<div class=gmail_quote>x:<blockquote class=gmail_quote>y</blockquote><div>{MARK}</div></div>",
        f'<p id="reply-intro">HR 23.11.2026 wrote:</p><blockquote type="cite">x</blockquote><p>{MARK}</p>',
        f'<div>On 2026-11-23 HR wrote:</div><blockquote type="cite">x</blockquote><p>{MARK}</p>',
        f'<div style="border-top:1px solid #e1e1e1">{MARK}</div>',
        f'<br class="gmail_quote"><div>{MARK}</div>',
        f'<span class="gmail_quote">x:</span><div>{MARK}</div>',
        f'<font class="gmail_quote">x<font>y</font>:</font>{MARK}',
        f'<b class="gmail_quote">x:</b><div>{MARK}</div>',
        f'<div class="quote-request">{MARK}</div>',
        f'<div class="quote">x</div><div>{MARK}</div>',
        f'<div class="get-a-quote-button">{MARK}</div>',
        f'<div class="quotes-of-the-day">{MARK}</div>',
        f'<div class="message">{MARK}</div>',
        f"<div style='border:none;border-left:solid blue 1.5pt'>x</div><div>{MARK}</div>",
        f"<div style='border-left:solid red 1.5pt'>{MARK}</div>",
        f'<div class="no_gmail_quote_here">{MARK}</div>',
        f'<div title="gmail_quote">{MARK}</div>',
        f"<blockquote>x</blockquote><div>{MARK}</div>",
        f"<blockquote>-----Original Message-----<br>x</blockquote><div>{MARK}</div>",
        f"<blockquote>On 1.1.2026 HR wrote:<br>x</blockquote><div>{MARK}</div>",
    ],
)
def test_a_marker_beside_quotes_counts(html: str) -> None:
    assert counts("html", f"<html><body><div>ok</div>{html}</body></html>") == (1, 0)


def test_quotes_of_html_begin_before_the_tags_of_their_first_line() -> None:
    html = (
        "<div>ok</div>\r\n<hr><div><b>From:</b> HR</div><div>Sent: 23 November 2026 10:00</div><div>x</div>"
    )
    assert marker.find(html, html=True).quotes == ((html.index("<hr>"), len(html)),)


@pytest.mark.parametrize("before", ["", "İ", "ΑΣ", "ß" * 5_000, "İ" * 5_000])
def test_capitals_do_not_hide_a_tag_whatever_stands_before_it(before: str) -> None:
    assert counts("html", f"<p>{before}</p><DIV CLASS=Gmail_Quote>{MARK}</DIV>") == (0, 1)


def test_quotes_by_tags_and_by_words_are_one() -> None:
    html = "<p>ok<p>&gt; a<br>&gt; b<br>c<blockquote>d</blockquote>-----Original Message-----<br>e"
    spans = marker.find(html, html=True).quotes
    assert [html[start:end] for start, end in spans] == [
        "<p>&gt; a<br>&gt; b",
        "<blockquote>d</blockquote>-----Original Message-----<br>e",
    ]


def test_below_very_many_lines_that_may_begin_a_quote_nothing_counts() -> None:
    assert counts("plain", "x:\n" * 1_000 + MARK) == (1, 0)
    assert counts("plain", "x:\n" * 1_001 + MARK) == (0, 1)
