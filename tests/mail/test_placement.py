"""Where an invitation goes when only a header field asks for it; `¶` marks the place."""

import pytest

from gateway.mail import eligible, placement
from gateway.mail.eligible import Target

OUTLOOK = (
    '<hr style="display:inline-block" tabindex="-1"><div id="divRplyFwdMsg"><b>From:</b> a</div><div>q</div>'
)
GMAIL = '<div class="gmail_quote"><div class="gmail_attr">On Monday, A wrote:<br></div>q</div>'
SIGNED = "<div>━━━━━━━</div><div>株式会社サンプル商事</div><div>━━━━━━━</div>"

TEXTS = {
    "all of it": "é\r\nb\r\n¶",
    "no line end at the end": "é¶",
    "a signature": "é\r\n\r\n¶-- \r\nHR\r\n",
    "a ruled signature": "é\r\n\r\n¶━━━━━\r\n株式会社サンプル商事\r\n━━━━━\r\n",
    "a quote below": "é\r\n\r\n¶> q\r\n> r\r\n",
    "a quote below its attribution": "é\r\n\r\n¶On Mon, 1 Jun, A B\r\n<a@example.com> wrote:\r\n> q\r\n",
    "a quote below, in Japanese": "é\r\n\r\n¶2026年6月1日(月) 10:00 例子 <a@example.jp>:\r\n\r\n> q\r\n",
    "a quote below, in French": "é\r\n\r\n"
    "¶Le lun. 1 juin 2026 à 10:00, A B <a@example.com> a écrit\u00a0:\r\n> q\r\n",
    "a quote below, in German": "é\r\n\r\n¶Am 01.06.26 um 10:00 schrieb A B:\r\n\r\n> q\r\n",
    "a quote below, wrapped in Spanish": "é\r\n\r\n"
    "¶El lun, 1 jun 2026 a las 10:00, A B\r\n(<a@example.com>)\r\n"
    "escribió:\r\n> q\r\n",
    "a sentence above a quote": "é\r\n\r\nô:\r\n¶> q\r\n",
    "a signature and a quote": "é\r\n¶-- \r\nHR\r\n\r\nOn Monday, A wrote:\r\n> q\r\n",
    "a quote above": "> q\r\né\r\n¶",
    "a quote above and a signature": "On Monday, A wrote:\r\n> q\r\né\r\n¶--\r\nHR\r\n",
    "a quoted signature": "> -- \r\n> A\r\né\r\n¶",
    "quotes between": "> q\r\né\r\n> r\r\nô\r\n¶",
    "only a quote": "¶> q\r\n> r\r\n",
    "only an original message": "¶-----Original Message-----\r\nFrom: a\r\nq\r\n",
    "nothing": "¶",
    "blank lines": "\r\n\r\n¶",
}

PAGES = {
    "a whole page": "<html><head><title>t</title></head><body><p>é</p>¶</body></html>\r\n",
    "no body": "<p>é</p>¶",
    "no end tag of the body": "<html><body><p>é</p>¶</html>",
    "an end tag of the body in a comment": "<body><p>é</p><!-- </body> --><p>ô</p>¶</body>",
    "an end tag of the body in a comment alone": "<body><p>é</p><!-- </body> -->¶",
    "a comment without end": "<p>é</p>¶<!-- </body></html>",
    "a style without end": "<p>é</p>¶<style> p { color: red }</body>",
    "a tag without end": '<p>é</p>¶<p class="x</body></html>',
    "a disclaimer below the body": "<html><body>é¶</body></html><p>Checked.</p>",
    "an empty body": "<html><body>¶</body></html>",
    "nothing": "¶",
    "bare text": "é<br>ô¶",
    "Gmail's quote": f"<div>é</div><br>¶{GMAIL}",
    "Gmail's signature": '<div dir="ltr">é<div><br></div>¶<span class="gmail_signature_prefix">-- </span><br>'
    '<div dir="ltr" class="gmail_signature">HR</div></div>',
    "Gmail's signature and quote": f'<div>é</div>¶<div class="gmail_signature">HR</div><br>{GMAIL}',
    "Outlook's quote": f"<div>é</div>¶{OUTLOOK}",
    "Outlook's quote in a wrapper": "<div class=WordSection1><p>é</p>¶<div><div style='border:none;"
    "border-top:solid #E1E1E1 1.0pt'><p><b>From:</b> a</p></div></div><p>q</p></div>",
    "Outlook on the web": f'<div>é</div>¶<div id="Signature"><p>HR</p></div>{OUTLOOK}',
    "Outlook on a telephone": '<div>é</div>¶<div id="ms-outlook-mobile-signature">Outlook</div>',
    "Outlook's own signature": '<p>é</p>¶<p class=MsoNormal><a name="_MailAutoSig"><span>HR</span></a></p>',
    "Apple's signature": '<div>é</div>¶<div id="AppleMailSignature">HR</div>',
    "an iPhone": '<div>é</div>¶<div dir="ltr">iPhoneから送信</div>',
    "Thunderbird's signature": '<p>é</p>¶<div class="moz-signature">-- <br>HR</div>',
    "Thunderbird's citation": '<p>é</p>¶<div class="moz-cite-prefix">On Monday, A wrote:<br></div>'
    '<blockquote type="cite">q</blockquote>',
    "Thunderbird's citation, answered below": '<div class="moz-cite-prefix">A wrote:</div>'
    "<blockquote>q</blockquote><p>é</p>¶",
    "a ruled signature": f"<div>é</div>¶{SIGNED}",
    "a ruled signature between line breaks": "<div>é<br><br>¶━━━━━<br>株式会社サンプル<br>━━━━━</div>",
    "a signature below a ruler": "<p>é</p>¶<hr><p>Example Inc.</p>",
    "a ruler in mid-letter": "<p>é</p><hr><p>ô</p>¶",
    "a signature in a table of its own": f"<p>é</p>¶<table><tr><td>{SIGNED}</td></tr></table>",
    "a signature in a table with the letter": f"<table><tr><td>é{SIGNED}</td></tr></table>¶",
    "a signature in a row of the letter's table": "<table><tr><td>é</td></tr><tr><td>-- <br>HR"
    "</td></tr></table>¶",
    "a signature in a paragraph with the letter": "<p>é<br>-- <br>HR</p>¶",
    "a signature in preformatted text": "<pre>é\r\n-- \r\nHR</pre>¶",
    "a signature in a list": "<ul><li>é<li><div class=gmail_signature>HR</div></ul>¶",
    "a signature in a link": '<div>é</div>¶<a href="/"><div class=gmail_signature>HR</div></a>',
    "a quote in a cell with the letter": f"<table><tr><td>é{GMAIL}</td></tr></table>¶",
    "a stray end tag in a cell": f"<div><table><tr><td>é</div>{SIGNED}</td></tr></table></div>¶",
    "paragraphs without end": "<body><p>é<p>ô¶</body>",
    "a signature after paragraphs without end": "<div><p>é<p>ô¶<div class=gmail_signature>HR</div></div>",
    "only a quote": f"<body>¶{GMAIL}</body>",
    "only a blockquote": "<body>¶<blockquote>q</blockquote></body>",
    "a quoted signature": "<blockquote>q<div class=gmail_signature>A</div></blockquote><p>é</p>¶",
    "a word that looks like a class": '<p class="no-gmail_signature-here">é</p><p title="Signature">ô</p>¶',
}


def target(text: str, kind: str) -> Target:
    """Read a mail of one part that only a header field marks."""
    mail = f"X-Relay-Rejection:\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{text}"
    (found,) = eligible.read(mail.encode(), stamp_key=b"").targets
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_in_text_it_stands_between_the_author_s_lines_and_the_rest(name: str) -> None:
    text = TEXTS[name].replace("¶", "")
    found = target(text, "plain")
    at = placement.in_text(text, found.quoted)
    assert f"{text[:at]}¶{text[at:]}" == TEXTS[name]


@pytest.mark.parametrize("name", PAGES)
def test_in_html_it_stands_between_whole_elements(name: str) -> None:
    source = PAGES[name].replace("¶", "")
    found = target(source, "html")
    at = placement.in_html(source, found.quoted, found.body_end)
    assert f"{source[:at]}¶{source[at:]}" == PAGES[name]
