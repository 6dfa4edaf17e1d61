"""Whole mails with a marker, as composers leave it: found, replaced, and nothing else changed."""

import email
import html
import quopri
import re
from base64 import encodebytes
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import check, eligible, footer, marker, trace
from gateway.mail.footer import Footer

LINK = "https://relay.example.jp/c/4f7q"
JAPANESE = Footer(f"このたびのご縁とは別に、ご紹介のご案内があります。\n{LINK}\n > 任意です。\n", "")
ENGLISH = Footer(f"There is another door, if you like.\n{LINK}\n", "")
HTML = f'<p>&#12372;&#32257; <a href="{LINK}">{LINK}</a></p>'
STAMP_KEY = b"a key of the test"

CODECS = {
    "utf-8": "utf-8",
    "iso-2022-jp": "iso2022_jp",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "windows-1252": "cp1252",
    "us-ascii": "ascii",
    "": "ascii",
}
OPEN = ["[[", "[ [", "［［", "［[", "【【"]
CLOSE = ["]]", "] ]", "］］", "】】"]
COLON = [":", " : ", "：", ": "]
SPACE = [" ", "  ", "\u3000", "\r\n"]
QUOTES = [('"', '"'), ("“", "”"), ("＂", "＂"), ("”", "”")]
HTML_NOISE = [
    "",
    "",
    "<wbr>",
    "&#8203;",
    "\u200b",
    "</span><span lang=EN-US>",
    "<!-- > -->",
    "&shy;",
    '<b title=">">',
]


@dataclass(frozen=True)
class Wish:
    """A mail to be built."""

    charset: str
    encoding: str
    form: str
    before: str
    after: str
    alone: bool


@st.composite
def marker_forms(draw: st.DrawFn) -> str:
    relay = draw(st.sampled_from(["relay", "Relay", "RELAY"]))
    rejection = draw(st.sampled_from(["rejection", "Rejection", "REJECTION"]))
    quote = draw(st.sampled_from(QUOTES))
    space = draw(st.sampled_from(SPACE))
    job = draw(st.sampled_from(["営業", "Sales [Tokyo]", "企画 開発"]))
    return (
        draw(st.sampled_from(OPEN))
        + relay
        + draw(st.sampled_from(COLON))
        + rejection
        + draw(st.sampled_from(["", f"{space}tpl=ja-standard"]))
        + draw(st.sampled_from(["", f"{space}job={quote[0]}{job}{quote[1]}"]))
        + draw(st.sampled_from(["", f"{space}stage=final", f"{space}Stage＝final "]))
        + draw(st.sampled_from(CLOSE))
    )


WISHES = st.builds(
    Wish,
    charset=st.sampled_from(sorted(CODECS)),
    encoding=st.sampled_from(["7bit", "8bit", "quoted-printable", "base64"]),
    form=marker_forms(),
    before=st.sampled_from(
        ["", "佐々木様\r\n\r\n", "Dear Jane,\r\n", "a = b  \r\n.\r\n", "会社\r\n> quoted\r\n"]
    ),
    after=st.sampled_from(
        ["", "\r\n", "\r\n\r\nお祈り申し上げます。\r\n-- \r\n人事", "\r\nRegards\r\n> x\r\n"]
    ),
    alone=st.booleans(),
)


def encoded(content: str, charset: str, encoding: str) -> bytes | None:
    try:
        body = content.encode(CODECS[charset])
    except UnicodeEncodeError:
        return None
    if encoding == "base64":
        return encodebytes(body).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return body


def leaf(content: str, kind: str, charset: str, encoding: str) -> bytes | None:
    body = encoded(content, charset, encoding)
    if body is None:
        return None
    label = f"; charset={charset}" if charset else ""
    return (
        f"Content-Type: text/{kind}{label}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body
    )


HEADER = (
    b"From: HR <hr@example.com>\r\nTo: t@example.jp\r\nSubject:no space\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0900\r\n"
    b"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)


def text_of(raw: bytes, kind: str) -> str:
    """Decode the first leaf of a kind with the standard library, charset errors replaced."""
    message = email.message_from_bytes(raw, policy=policy.default)
    for part in message.walk():
        assert isinstance(part, EmailMessage)
        if part.get_content_type() == kind:
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload.decode(CODECS[part.get_content_charset("")])
    raise AssertionError(kind)


def rewritten(raw: bytes, invitation: Footer | None) -> bytes:
    assert marker.might_be_marked(raw), "the pre-filter missed a marker"
    reading = eligible.read(raw, stamp_key=STAMP_KEY)
    assert reading.unfit is None
    assert reading.marker is not None
    copy = footer.rewrite(raw, reading, invitation)
    check.check(raw, copy, reading, invitation)
    return copy


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@given(WISHES)
def test_plain_text_decodes_to_the_intended_text(wish: Wish) -> None:
    """Invariant: to the standard library, a copy is the author's text with the invitation in place."""
    glue = "" if wish.alone else "see "
    raw = leaf(wish.before + glue + wish.form + wish.after, "plain", wish.charset, wish.encoding)
    if raw is None:
        return
    raw = HEADER + raw
    copy = rewritten(raw, JAPANESE)
    assert squeezed(text_of(copy, "text/plain")) == squeezed(wish.before + glue + JAPANESE.text + wish.after)
    assert text_of(copy, "text/plain").count(LINK) == 1
    without = rewritten(raw, None)
    assert squeezed(text_of(without, "text/plain")) == squeezed(wish.before + glue + wish.after)
    assert "relay:" not in text_of(without, "text/plain").lower()


@given(WISHES, st.sampled_from(["ja", "en"]))
def test_a_rewrite_of_a_rewrite_changes_nothing(wish: Wish, language: str) -> None:
    """Invariant: a stamped copy is never rewritten again, whatever its text asks for."""
    raw = leaf(wish.before + wish.form + wish.after, "plain", wish.charset, wish.encoding)
    if raw is None:
        return
    invitation = {"ja": JAPANESE, "en": ENGLISH}[language]
    copy = rewritten(HEADER + raw, invitation)
    stamped = trace.stamp_field(STAMP_KEY, "G-ABC", copy) + HEADER + raw
    assert eligible.read(stamped, stamp_key=STAMP_KEY).unfit is eligible.Reason.STAMPED
    assert eligible.read(stamped, stamp_key=b"another key").unfit is None
    reading = eligible.read(copy, stamp_key=STAMP_KEY)
    assert reading.marker is None
    assert footer.rewrite(copy, reading, invitation) == copy


@st.composite
def html_forms(draw: st.DrawFn) -> str:
    form = draw(marker_forms()).replace('"', draw(st.sampled_from(['"', "&quot;"])))
    at = sorted(draw(st.lists(st.integers(0, len(form)), max_size=4)))
    pieces, last = [], 0
    for index in at:
        # An entity is one character to a composer, and so is a line end; it never puts anything inside.
        in_entity = "&" in form[max(index - 6, 0) : index] and ";" in form[index : index + 6]
        if in_entity or form[index - 1 : index + 1] == "\r\n":
            continue
        pieces += [form[last:index], draw(st.sampled_from(HTML_NOISE))]
        last = index
    return "".join([*pieces, form[last:]])


@given(html_forms(), st.sampled_from(sorted(CODECS)), st.sampled_from(["8bit", "quoted-printable", "base64"]))
def test_html_keeps_its_tags_and_the_plain_alternative_goes_along(
    form: str, charset: str, encoding: str
) -> None:
    """Invariant: taking the invitation out of a copy leaves the author's tags, all of them, in order."""
    page = f'<html><body class="a">佐々木様<p>{form}</p><style>b {{ }}</style>薬 &lt; x</body></html>\r\n'
    rich = leaf(page, "html", charset, encoding)
    plain = leaf("Dear Jane,\r\n[[relay:rejection]]\r\n", "plain", "us-ascii", "7bit")
    if rich is None or plain is None:
        return
    boundary = b"\r\n--b\r\n"
    raw = (
        HEADER + b"Content-Type: multipart/alternative; boundary=b\r\n" + boundary + plain + boundary + rich
    ) + b"\r\n--b--\r\n"
    copy = rewritten(raw, Footer(JAPANESE.text, HTML))
    seen = text_of(copy, "text/html")
    assert seen.count(HTML) == 1
    tags = re.compile(r"""<!--.*?-->|<(?:[^>"]|"[^"]*")*>""")
    assert tags.findall(seen.replace(HTML, "")) == tags.findall(page)
    shown = html.unescape(tags.sub("", seen.replace(HTML, "|"))).replace("\u200b", "").replace("\u00ad", "")
    assert squeezed(shown) == "佐々木様|b{}薬<x"
    assert text_of(copy, "text/plain").count(LINK) == 1
