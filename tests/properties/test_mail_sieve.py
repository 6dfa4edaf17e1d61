"""The pre-filter against the finder: whatever a composer put between the letters, and however it is cut."""

import binascii
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import marker, parts, sieve
from gateway.mail.text import Text, read_leaf

CODECS = {"utf-8": "utf-8", "shift_jis": "cp932", "euc-jp": "euc_jp", "gbk": "gb18030", "big5": "cp950"}
CODECS |= {"iso-2022-jp": "iso2022_jp", "windows-1252": "cp1252", "": "ascii"}
FORMS = [
    "[[relay:rejection]]",
    "［［Relay：Rejection　tpl=x］］",
    "【【relay ﹕ RejecTıon】】",
    "[ [RELAY\r\n:\u3000rejection job=営業]]",
]
INVISIBLE = ["\u200b", "\u00ad", "\ufeff", "\u2060", "\u2068", "\ufe0f"]
ESCAPES = [b"\x1b(B", b"\x1b(J", b"\x1b$B\x1b(B", b"\x1b$@\x1b(J\x1b(H"]
SOFT = [" \r\n"]
TEARS = [
    "<b>",
    "</span>\r\n<span lang=EN-US>",
    '<b title="y>l">',
    "<i class='>a'>",
    "<b x==72==>",
    '<img alt="' + "long=\r\n" * 20 + '">',
    "<!-- > -->",
    "<!-- <b>relay -->",
    "<!--\r\n--b or <i> so -->",
    "<style>b { x: '<' }</style>",
    "<SCRIPT>1 < 2; rej</script >",
    "<title>e</title>",
    "&shy;",
    "&shy",
    "&#8203;",
    "&#8203",
    "&#x200B;",
    "&#x00200b",
    "&#xAD",
    "&ZeroWidthSpace;",
]
GAPS = ["&nbsp;", "&nbsp", "&#32", "&Tab;", "<p>", "&colon;", "&#58", " "]
BEFORE = [
    b"",
    b"--b\r\nContent-Type: text/html\r\n\r\n<!-- left open <b title='\r\n",
    b"--b\r\n\r\nThe first \x1b$B of it\r\n-- \r\nWe use base64\r\n\r\nhere\r\n",
    b"Some parts are in base64.\r\n",
    b"Some parts are in base64.\r\n\r\nOthers are not\r\n",
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: base64\r\n\r\nyes\r\n\r\n",
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
]


def fits(charset: str, text: str | bytes) -> bool:
    return isinstance(text, bytes) or "?" not in text.encode(CODECS[charset], "replace").decode("latin-1")


@st.composite
def torn(draw: st.DrawFn, *, html: bool, charset: str) -> list[str | bytes]:
    """Return a marker in pieces: with something between its letters that nobody sees."""
    form = draw(st.sampled_from(FORMS).filter(partial(fits, charset)))
    seen: list[str | bytes] = [*INVISIBLE, *(TEARS if html else SOFT)]
    seen += ESCAPES if charset == "iso-2022-jp" else []
    invisible = [between for between in seen if fits(charset, between)]
    gaps = sorted(draw(st.lists(st.integers(1, len(form)), max_size=5)))
    pieces: list[str | bytes] = []
    at = 0
    for gap in gaps:
        between = invisible + (GAPS if html and not form[max(gap - 2, 0) : gap].isalpha() else [])
        pieces += [form[at:gap], draw(st.sampled_from(between))]
        at = gap
    return [*pieces, form[at:]]


@st.composite
def quoted(draw: st.DrawFn, body: bytes) -> bytes:
    """Encode as quoted-printable, as far as it must be and at other places as well."""
    lines = []
    for line in body.split(b"\r\n"):
        every = draw(st.integers(1, 9))
        tokens = [
            b"=%02X" % code
            if code == ord("=") or code > 126 or code < 32 or at % every == 0
            else b"%c" % code
            for at, code in enumerate(line)
        ]
        width = draw(st.integers(1, 20))
        lines.append(
            draw(st.sampled_from([b"=\r\n", b"= \t\r\n"])).join(
                b"".join(tokens[at : at + width]) for at in range(0, len(tokens), width)
            )
        )
    return b"\r\n".join(lines)


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    """Return a mail with a marker that most readers, but not all, would find."""
    html, charset = draw(st.booleans()), draw(st.sampled_from(sorted(CODECS)))
    encode = partial(str.encode, encoding=CODECS[charset], errors="replace")
    pieces = draw(torn(html=html, charset=charset))
    body = b"".join(piece if isinstance(piece, bytes) else encode(piece) for piece in pieces)
    body = encode(draw(st.sampled_from(["", "様\r\n", "r&", "a > b "]))) + body + encode(" 様\r\n")
    encoding = draw(st.sampled_from(["8bit", "quoted-printable", "base64"]))
    if encoding == "quoted-printable":
        body = draw(quoted(body))
    elif encoding == "base64":
        width = draw(st.integers(1, 99))
        packed = binascii.b2a_base64(body, newline=False)
        body = b"\r\n".join(packed[at : at + width] for at in range(0, len(packed), width)) + b"\r\n"
    kind = b"html; format=fixed" if html else b"plain; format=flowed; delsp=yes"
    label = b"; charset=" + charset.encode() if charset else b""
    leaf = b"Content-Type: text/" + kind + label + b"\r\nContent-Transfer-Encoding: " + encoding.encode()
    leaf += b"\r\n\r\n" + body
    before = draw(st.sampled_from(BEFORE))
    if not before:
        return b"Subject: x\r\n" + leaf
    header = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    return header + before + b"\r\n--b\r\n" + leaf + b"\r\n--b--\r\n"


def finds(raw: bytes) -> bool:
    """Whether the finder itself finds a whole marker in some leaf."""
    leaves = [read_leaf(raw, part) for part in parts.scan(raw).walk() if not part.children]
    return any(
        marker.find(leaf.text, html=leaf.html, flowed=leaf.flowed, delsp=leaf.delsp).found
        for leaf in leaves
        if isinstance(leaf, Text)
    )


@given(mails(), st.integers(1, 80) | st.just(sieve.STRETCH))
def test_what_the_finder_finds_the_sieve_lets_through(raw: bytes, stretch: int) -> None:
    """Invariant: a marker that can be found is never sieved out, wherever one stretch ends."""
    if finds(raw):
        assert sieve.may_be_marked(raw, stretch=stretch)
