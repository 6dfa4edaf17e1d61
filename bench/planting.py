"""Markers planted in real mails, and the judge of what became of them; the engine's own code is not used.

The leaves are found with the standard library's `email`, and changed by bytes where they stand.
"""

import base64
import binascii
import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any, Protocol, TypeAlias

from gateway.mail.footer import Footer

_MARKER = b"[[relay:rejection tpl=ja-standard stage=final]]"
_IN_HTML = (
    (b"<p>%s</p>", _MARKER),
    (b'<div dir="ltr">%s<br></div>\r\n', _MARKER.replace(b" stage", b"&nbsp;stage")),
    (
        b"<p class=3DMsoNormal><span lang=3DEN-US>%s<o:p></o:p></span></p>\r\n".replace(b"=3D", b"="),
        b"[[<span class=SpellE>relay</span>:rejection]]",
    ),
)
_ASCII_STATE = (b"\x1b(B", b"\x1b(J")
_ESCAPE = re.compile(rb"\x1b(?:\([A-Z]|\$[@AB]|\$\([A-Z])")
_BODY_TAG = re.compile(rb"<body\b[^>]*>|</head\s*>", re.IGNORECASE)
_END_TAG = re.compile(rb"</body\s*>", re.IGNORECASE)
_ANSWER = re.compile(rb">|(?i:from:|begin forwarded)|.*(?:----|____|wrote|writes)|.*\x1b")
_PACKED = re.compile(rb"[A-Za-z0-9+/=\s]*")
_OUTER = b"--=_sweep"
_WRAPPED = (
    b"From: HR <hr@example.com>\r\nTo: someone@example.jp\r\nSubject: see below\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0900\r\nMessage-ID: <sweep@example.com>\r\nMIME-Version: 1.0\r\n"
)
_MIXED = b'Content-Type: multipart/mixed; boundary="=_sweep"\r\n\r\n' + _OUTER + b"\r\n"
_HELD = re.compile(rb"(?:content-[^:]*|mime-version)[ \t]*:", re.IGNORECASE)
_FIELD_NAME = re.compile(rb"[!-9;-~]+:")
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")

_Mail: TypeAlias = "Message[Any, Any]"


class _Change(Protocol):
    def __call__(self, data: bytes, *, html: bool, quoted_printable: bool, seed: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class PlantedLeaf:
    """A leaf that asks for the invitation."""

    number: int
    """Its place among the parts, as the standard library walks them."""
    head: bytes
    """What stands before the marker, decoded from its transfer encoding."""
    tail: bytes
    html: bool


@dataclass(frozen=True, slots=True)
class Planted:
    """A mail with a marker."""

    where: str
    raw: bytes
    leaves: tuple[PlantedLeaf, ...]
    """Empty where the marker asks for nothing."""


def in_the_body(raw: bytes) -> Planted | None:
    """Plant a marker in each alternative of a mail's own text; None without such a text."""
    planted = _with_leaves(raw, _plant)
    if planted is None:
        return None
    leaves = []
    for number, part in _own(planted):
        found = _IN_HTML[len(raw) % len(_IN_HTML)] if _is_html(part) else (b"%s", _MARKER)
        head, line, tail = _decoded(part).partition(found[0] % found[1])
        if not line:
            return None
        leaves.append(PlantedLeaf(number, head, tail, _is_html(part)))
    return Planted("the body", planted, tuple(leaves))


def where_it_asks_for_nothing(raw: bytes) -> Iterator[Planted]:
    """Plant a marker in the Subject, in quotes, in an attached message, in an attached text."""
    subject = re.sub(rb"(?im)\Asubject:|(?<=\n)subject:", b"X-Subject:", raw, count=1)
    yield Planted("the subject", b"Subject: Re: " + _MARKER + b"\r\n" + subject, ())
    if (quoting := _with_leaves(raw, _quote)) is not None:
        yield Planted("a quote", quoting, ())
    if (own := in_the_body(raw)) is not None:
        attached = _WRAPPED + _MIXED + b"\r\nPlease see the mail below.\r\n" + _OUTER
        attached += b"\r\nContent-Type: message/rfc822\r\n\r\n" + own.raw + b"\r\n" + _OUTER + b"--\r\n"
        yield Planted("an attached message", attached, ())
    header, blank, body = raw.partition(b"\r\n\r\n")
    if blank and _FIELD_NAME.match(header) is not None:
        fields = [match[0] for match in _FIELD.finditer(header + b"\r\n")]
        inner = b"".join(found for found in fields if found.lower().startswith(b"content-"))
        outer = b"".join(found for found in fields if _HELD.match(found) is None)
        attached = outer + b"MIME-Version: 1.0\r\n" + _MIXED + inner + b"\r\n" + body + b"\r\n" + _OUTER
        attached += b'\r\nContent-Type: text/plain; name="a.txt"\r\nContent-Disposition: attachment\r\n\r\n'
        yield Planted("an attached text", attached + _MARKER + b"\r\n" + _OUTER + b"--\r\n", ())


def fault(planted: Planted, copy: bytes, footer: Footer, link: str) -> str:
    """Say in which way a copy is not what it must be; empty when it is."""
    before, after = list(_walk(_read(planted.raw))), list(_walk(_read(copy)))
    if [part.get_content_type() for part in before] != [part.get_content_type() for part in after]:
        return "another tree"
    wanted = {leaf.number: leaf for leaf in planted.leaves}
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        leaf = wanted.get(number)
        if _fields(old, free=leaf is not None) != _fields(new, free=leaf is not None):
            return "another header field"
        if (old.preamble, old.epilogue) != (new.preamble, new.epilogue):
            return "other text between the parts"
        if leaf is None:
            if not old.is_multipart() and old.get_payload() != new.get_payload():
                return "another part was changed"
        elif found := _leaf_fault(leaf, old, new, footer, link.encode("ascii")):
            return found
    return _outside_fault(planted, copy, before, after)


def _read(raw: bytes) -> _Mail:
    return email.message_from_bytes(raw)


def _walk(part: _Mail) -> Iterator[_Mail]:
    """Yield a part and those below it, but nothing of an attached message."""
    yield part
    for child in _children(part):
        yield from _walk(child)


def _children(part: _Mail) -> list[_Mail]:
    found = part.get_payload() if part.get_content_maintype() == "multipart" else ()
    return [child for child in found if isinstance(child, Message)]


def _is_html(part: _Mail) -> bool:
    return part.get_content_type() == "text/html"


def _bodies(part: _Mail) -> list[_Mail]:
    """Return the leaves of the first text that a mail shows of itself."""
    kind = part.get_content_type()
    if not part.is_multipart():
        own = kind in ("text/plain", "text/html") and part.get_content_disposition() != "attachment"
        return [part] if own and part.get_filename() is None else []
    children = _children(part)
    if kind == "multipart/alternative":
        return [leaf for child in children for leaf in _bodies(child)]
    if kind == "multipart/related":
        start = part.get_param("start")
        root = next((child for child in children if start and child["content-id"] == start), children[0])
        return _bodies(root)
    return next((found for child in children if (found := _bodies(child))), [])


def _own(raw: bytes) -> list[tuple[int, _Mail]]:
    root = _read(raw)
    own = {id(part) for part in _bodies(root)}
    return [(number, part) for number, part in enumerate(_walk(root)) if id(part) in own]


def _payload(part: _Mail) -> bytes:
    """Return a body as it stands; the library gives raw octets only of what it has nothing to decode in."""
    if _encoding(part) not in ("quoted-printable", "base64", "x-uuencode", "uuencode", "x-uue", "uue"):
        return _decoded(part)
    return str(part.get_payload()).encode("utf-8", "surrogateescape")


def _encoding(part: _Mail) -> str:
    return str(part.get("content-transfer-encoding", "")).lower().strip()


def _decoded(part: _Mail) -> bytes:
    return bytes(part.get_payload(decode=True))


def _with_leaves(raw: bytes, change: _Change) -> bytes | None:
    """Return the mail with each of its own leaves changed; None when one cannot be found by its bytes."""
    own = _own(raw)
    found: list[tuple[int, int, bytes]] = []
    for _, part in own:
        body = _payload(part)
        if not body.strip() or raw.count(body) != 1 or b"\0" in body:
            return None
        new = _recoded(part, body, change, len(raw))
        if new is None:
            return None
        found.append((raw.index(body), raw.index(body) + len(body), new))
    for start, end, new in sorted(found, reverse=True):
        raw = raw[:start] + new + raw[end:]
    return raw if own else None


def _recoded(part: _Mail, body: bytes, change: _Change, seed: int) -> bytes | None:
    """Change a body inside of its transfer encoding; what follows base64 stays behind it."""
    encoding = _encoding(part)
    if encoding != "base64":
        quoted = encoding == "quoted-printable"
        return change(body, html=_is_html(part), quoted_printable=quoted, seed=seed)
    packed = _PACKED.match(body)
    rest = body[packed.end() if packed else 0 :]
    try:
        data = base64.b64decode(body[: len(body) - len(rest)])
    except binascii.Error:
        return None
    new = change(data, html=_is_html(part), quoted_printable=False, seed=seed)
    return base64.encodebytes(new).replace(b"\n", b"\r\n") + rest


def _plant(data: bytes, *, html: bool, quoted_printable: bool, seed: int) -> bytes:
    if html:
        tags = list(_BODY_TAG.finditer(data))
        at = tags[-1].end() if tags else 0
        wrapping, words = _IN_HTML[seed % len(_IN_HTML)]
        line = wrapping % words
    else:
        at, line = _behind_the_first_line(data, quoted_printable=quoted_printable), _MARKER + b"\r\n"
    if quoted_printable:
        line = line.replace(b"=", b"=3D")
    return data[:at] + line + data[at:]


def _behind_the_first_line(data: bytes, *, quoted_printable: bool) -> int:
    """Return the start of a line before all quotes, where every charset is in ASCII."""
    first = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\n", first) + 1
    while quoted_printable and end and data[:end].rstrip().endswith(b"="):
        end = data.find(b"\n", end) + 1
    line = data[first:end]
    return 0 if not end or _ANSWER.match(line) is not None else end


def _quote(data: bytes, *, html: bool, quoted_printable: bool, seed: int) -> bytes:
    escapes = _ESCAPE.findall(data)
    shift = b"" if not escapes or escapes[-1] in _ASCII_STATE else b"\x1b(B"
    if html:
        ends = list(_END_TAG.finditer(data))
        at = ends[-1].start() if ends else len(data)
        wrapping, words = _IN_HTML[seed % len(_IN_HTML)]
        line = b'\r\n<blockquote type="cite">' + wrapping % words + b"</blockquote>\r\n"
    else:
        at = len(data)
        line = shift + b"\r\n\r\nOn Mon, 23 Nov 2026, HR wrote:\r\n> Hello\r\n> " + _MARKER + b"\r\n"
    if quoted_printable:
        line = line.replace(b"=", b"=3D")
    return data[:at] + line + data[at:]


def _fields(part: _Mail, *, free: bool) -> list[tuple[str, str]]:
    may_change = ("content-type", "content-transfer-encoding", "mime-version") if free else ()
    return [(name, str(value)) for name, value in part.raw_items() if name.lower() not in may_change]


def _leaf_fault(leaf: PlantedLeaf, old: _Mail, new: _Mail, footer: Footer, link: bytes) -> str:
    """Compare a leaf by bytes where its charset stayed, and as text where it was moved to UTF-8."""
    data = _decoded(new)
    head, tail = leaf.head, leaf.tail
    if new.get_param("charset") != old.get_param("charset"):
        data, head, tail = (_letters(part, text) for part, text in ((new, data), (old, head), (old, tail)))
    head = re.sub(rb"(?:\s|\x1b\([BJ]|\x1b\$[@B])*\Z", b"", head)
    tail = re.sub(rb"\A(?:\s|\x1b\([BJ]|\x1b\$[@B])*", b"", tail)
    if not (data.startswith(head) and data.endswith(tail) and len(data) >= len(head) + len(tail)):
        return "the author's text was changed"
    middle = data[len(head) : len(data) - len(tail)]
    if middle.count(b'href="' + link if leaf.html else link) != 1:
        return "not exactly one link"
    if leaf.html and footer.html.encode("ascii") not in middle.replace(b"\r\n", b"\n"):
        return "another invitation"
    return "a marker was left" if b"relay:" in middle or b"rejection" in middle else ""


def _letters(part: _Mail, data: bytes) -> bytes:
    charset = re.split(r"[\s;(]", str(part.get_param("charset") or "us-ascii").strip("'\" ").lower())[0]
    charset = {"iso-8859-1": "cp1252", "gb2312": "gb18030", "us-ascii": "utf-8"}.get(charset, charset)
    try:
        return data.decode(charset).encode("utf-8")
    except (LookupError, UnicodeDecodeError):
        return bytes(code for code in data if code < 0x80)  # noqa: PLR2004  # ASCII


def _outside_fault(planted: Planted, copy: bytes, before: list[_Mail], after: list[_Mail]) -> str:
    """Compare byte by byte what stands outside the leaves, unless one was declared anew."""
    numbers = [leaf.number for leaf in planted.leaves]
    if any(_fields(before[n], free=False) != _fields(after[n], free=False) for n in numbers):
        return ""
    at = 0
    rest = planted.raw
    for number in numbers:
        between, found, rest = rest.partition(_payload(before[number]))
        if not found or not copy.startswith(between, at):
            return "bytes outside the leaves were changed"
        at += len(between) + len(_payload(after[number]))
    return "" if copy[at:] == rest else "bytes behind the leaves were changed"
