"""Whole mails as a mailer sends them: leaves in a charset and a transfer encoding, put into a structure."""

import binascii
import html
import quopri
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.mail.composing.forms import END, START, Form, written
from tests.mail.composing.styles import JAPANESE, Page, Style

CODECS = {
    "iso-2022-jp": "iso2022_jp_2004",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "windows-1252": "cp1252",
    "iso-8859-1": "latin-1",
    "us-ascii": "ascii",
    "big5": "cp950",
    "euc-kr": "cp949",
    "undeclared": "utf-8",
}
_NEC = {ord("①"): "", ord("㈱"): ""}
"""They stand where JIS X 0213 has them, too; of all others that only it has, mailers know nothing."""
SEVEN_BIT = ("us-ascii", "iso-2022-jp")
_JAPANESE = (
    "鈴木様",
    "",
    "選考の結果、ご期待に添えない結果となりました。＝以上です。",
    "{mark}",
    "",
    "人事部",
)
LINES = {
    **dict.fromkeys((*JAPANESE, "undeclared"), _JAPANESE),
    # The numbers and the company sign that NEC added, as Outlook writes them under this label.
    "iso-2022-jp": ("鈴木様", "", "①選考の結果、㈱例では見送りとなりました。", "{mark}", "", "人事部　㈱例"),
    "us-ascii": ("Dear Jane,", "", "we went for others = sorry.", "{mark}", "", ".", "Kind regards"),
    "iso-8859-1": ("Chère Anaïs,", "", "après réflexion, nous ne pouvons pas.", "{mark}", "", "Zoë"),
    "windows-1252": ("Dear Zoë,", "", "we’re sorry – really…", "{mark}", "", "Kind regards"),
    "gb18030": ("张三：", "", "很遗憾，您未能通过。", "{mark}", "", "人事部"),
    "gb2312": ("张三：", "", "很遗憾，您未能通过。", "{mark}", "", "人事部"),
    "big5": ("張三：", "", "很遺憾，您未能通過。功許蓋", "{mark}", "", "人事部"),
    "euc-kr": ("홍길동 님,", "", "아쉽게도 이번에는 모시지 못합니다.", "{mark}", "", "인사팀"),
    "koi8-r": ("Иван,", "", "к сожалению, мы выбрали других.", "{mark}", "", "Отдел кадров"),
}
"""A letter in a charset's own script."""
JOBS = {**dict.fromkeys((*JAPANESE, "undeclared", "gb18030"), "営業"), "euc-kr": "영업", "koi8-r": "продажи"}

PNG = b"Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\nContent-ID: <a@example.com>\n"
PNG += b"Content-Disposition: inline; filename=a.png\n\niVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAA\n"
PDF = b"Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n"
PDF += b"Content-Disposition: attachment; filename=a.pdf\n\nJVBERi0xLjQKJVtbcmVsYXk6cmVqZWN0aW9uXV0K\n"
_ALTERNATIVE = ("alternative", "T", "H")
STRUCTURES = {
    "plain": "T",
    "html": "H",
    "alternative": _ALTERNATIVE,
    "alternative in mixed": ("mixed", _ALTERNATIVE, "F"),
    "alternative with picture": ("alternative", "T", ("related", "H", "P")),
    "mixed with related": ("mixed", ("related", _ALTERNATIVE, "P"), "F"),
    "mixed inside of alternative": ("alternative", "T", ("mixed", "H", "F", "h")),
    "text around a picture": ("mixed", "t", "P", "T"),
    "pages around a picture": ("alternative", "T", ("mixed", "h", "P", "H")),
    "many levels": ("mixed", ("mixed", ("related", ("alternative", "T", ("related", "H", "P")), "P")), "F"),
    "no marker": ("mixed", "t", "h"),
    "attached message": ("mixed", "t", "M"),
    "attached text": ("mixed", "t", "A"),
}
"""T and H are the leaves with the marker, t and h such without, P, F, M and A what is attached."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf in the author's characters, with LF."""

    before: str
    marker: str
    after: str
    is_html: bool


@dataclass(slots=True)
class Letter:
    """A mail in pieces: what must stay, and between two of them a leaf that may change."""

    kept: list[bytes] = field(default_factory=lambda: [b""])
    leaves: list[Leaf] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def add(self, data: bytes) -> None:
        """Add octets that no rewrite may touch."""
        self.kept[-1] += data

    def raw(self) -> bytes:
        """Return the whole mail."""
        return b"".join(part for pair in zip(self.kept, [*self.bodies, b""], strict=True) for part in pair)


@dataclass(frozen=True, slots=True)
class Wish:
    """A combination."""

    style: Style
    charset: str
    encoding: str
    structure: str
    end: str
    form: Form

    def __str__(self) -> str:
        line_end = "LF" if self.end == "\n" else "CRLF"
        return " | ".join(
            (self.style.name, self.charset, self.encoding, self.structure, line_end, repr(self.form.source))
        )


def encode(text: str, charset: str) -> bytes:
    """Encode as mailers do, NEC's characters included; raises UnicodeEncodeError."""
    if charset == "iso-2022-jp":
        text.translate(_NEC).encode("iso2022_jp")
    return text.encode(CODECS.get(charset, charset)).replace(b"\x1b$(Q", b"\x1b$B")


def decode(data: bytes, charset: str) -> str:
    """Decode with the standard library alone; raises UnicodeDecodeError."""
    return data.replace(b"\x1b$B", b"\x1b$(Q").decode(CODECS.get(charset, charset))


def job(charset: str) -> str:
    """Return a word for a job in the charset's script."""
    return JOBS.get(charset, "Sales")


def leaf(wish: Wish, *, is_html: bool, answer: str = "") -> Leaf:
    """Return the text or the page of a wish; the `answer` is "quoted" or "forwarded" around it."""
    mark = written(wish.form, job(wish.charset), is_html=is_html)
    page = wish.style.page
    lines = [_typed(line, page if is_html else None) for line in LINES[wish.charset]]
    first = lines[0]
    lines[lines.index("{mark}")] = mark
    if not is_html or page is None:
        text = wish.style.text(lines)
        if answer:
            text = first + (
                wish.style.text_quote(text) if answer == "quoted" else _forwarded(wish.style, text)
            )
    else:
        rows = page.rows(lines)
        if answer:
            before, after = wish.style.quote if answer == "quoted" else (page.rows([wish.style.forward]), "")
            rows = page.rows([first, ""]) + before + rows + after
        text = page.made(rows)
    before, _, rest = text.partition(START)
    marker, _, after = rest.partition(END)
    return Leaf(before, marker, after, is_html)


def _forwarded(style: Style, text: str) -> str:
    return f"\n\n{style.forward}\nFrom: HR <hr@example.com>\nSubject: x\n\n{text}"


def _typed(line: str, page: Page | None) -> str:
    if page is None:
        return line
    escaped = html.escape(line, quote=False)
    return escaped.encode("ascii", "xmlcharrefreplace").decode("ascii") if page.entities else escaped


def compose(wish: Wish, *, answer: str = "", subject: str = "x") -> Letter:
    """Return the mail of a wish; raises UnicodeEncodeError where its charset has not all of it."""
    letter = Letter()
    end = wish.end.encode()
    fields = (
        b"Received: from a.example.com by b.example.com; Mon, 23 Nov 2026 10:00:00 +0900\n"
        b"From: HR <hr@example.com>\nTo: t@example.jp\nSubject: " + subject.encode() + b"\n"
        b"Date: Mon, 23 Nov 2026 10:00:00 +0900\nMessage-ID: <1@example.com>\nX-Mailer: "
        + wish.style.name.encode()
        + b"\nMIME-Version: 1.0\n"
    )
    letter.add(fields.replace(b"\n", end))
    _add(letter, wish, STRUCTURES[wish.structure], answer=answer, level=0)
    return letter


def _add(letter: Letter, wish: Wish, node: object, *, answer: str, level: int) -> None:
    end = wish.end.encode()
    if isinstance(node, tuple):
        boundary = b"--=_Part_%d.%d=_" % (level, len(letter.kept[-1]))
        letter.add(
            b'Content-Type: multipart/%s;\n\tboundary="%s"\n\nThis is MIME.\n' % (node[0].encode(), boundary)
        )
        letter.kept[-1] = letter.kept[-1].replace(b"\r\n", b"\n").replace(b"\n", end)
        for child in node[1:]:
            letter.add(end + b"--" + boundary + end)
            _add(letter, wish, child, answer=answer, level=level + 1)
        letter.add(end + b"--" + boundary + b"--" + end)
    elif node in ("T", "H"):
        found = leaf(wish, is_html=node == "H", answer=answer)
        letter.leaves.append(found)
        letter.bodies.append(_body(wish, found))
        letter.kept.append(b"")
    elif node in ("t", "h"):
        kind = b"plain" if node == "t" else b"html"
        letter.add(b"Content-Type: text/" + kind + b"; charset=us-ascii" + end * 2 + b"Hello" + end)
    else:
        letter.add(_ATTACHED[str(node)].replace(b"\n", end))


_MARK = b"[[relay:rejection]]\n"
_ATTACHED = {
    "P": PNG,
    "F": PDF,
    "M": b"Content-Type: message/rfc822\n\nFrom: a@example.com\nSubject: old\n\n" + _MARK,
    "A": b"Content-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\n" + _MARK,
}


def _body(wish: Wish, found: Leaf) -> bytes:
    """Return the leaf's own header fields and its body."""
    end = wish.end.encode()
    label = "" if wish.charset == "undeclared" else f'; charset="{wish.charset}"'
    kind = "html" if found.is_html else "plain"
    parameters = "" if found.is_html else wish.style.parameters
    head = f"Content-Type: text/{kind}{label}{parameters}\nContent-Transfer-Encoding: {wish.encoding}\n\n"
    text = found.before + found.marker + found.after
    inner = wish.style.inner or wish.end if wish.encoding == "base64" else wish.end
    data = encode(text.replace("\n", inner), wish.charset)
    return head.encode().replace(b"\n", end) + encoded(data, wish.encoding, wish.style.width, end)


def encoded(data: bytes, encoding: str, width: int, end: bytes) -> bytes:
    """Encode a body in lines of a mailer's width."""
    if encoding == "base64":
        packed = binascii.b2a_base64(data, newline=False)
        return b"".join(row + end for row in _rows([bytes([code]) for code in packed], width))
    if encoding == "quoted-printable":
        lines = data.split(end)
        return end.join((b"=" + end).join(_rows(_tokens(line), width - 1)) for line in lines)
    return data


def _tokens(line: bytes) -> list[bytes]:
    quoted = quopri.encodestring(line, quotetabs=False).replace(b"=\n", b"")
    found: list[bytes] = []
    at = 0
    while at < len(quoted):
        length = 3 if quoted[at : at + 1] == b"=" else 1
        found.append(quoted[at : at + length])
        at += length
    return found


def _rows(tokens: Sequence[bytes], width: int) -> Iterator[bytes]:
    row = b""
    for token in tokens:
        if len(row) + len(token) > width:
            yield row
            row = b""
        row += token
    yield row
