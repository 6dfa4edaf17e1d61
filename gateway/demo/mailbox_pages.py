"""The mailbox's pages: what arrived, as its reader sees it, and as source beside the original.

A mail is hostile input: its text is escaped, and its HTML is served under a policy without scripts, forms
and remote content, into a frame with an origin of its own. Its links open in a new window.
No page changes anything.
"""

import re
from collections.abc import Callable
from datetime import UTC
from html import unescape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from gateway.demo.difference import Row, RowKind, compare, visible
from gateway.demo.mailbox import Letter, Mailbox
from gateway.demo.pages import Markup, fill, join, load, page, to_markup
from gateway.demo.reading import LINK, Reading, read

_LISTED_MAX = 200
"""Mails on the list page; each is read from the disk for it."""

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
"""Longer ones are no file's name, and thousands of digits not even a number to Python."""

_HTML_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

_DOCTYPE = re.compile(r"\s*(<!doctype[^>]*>)?", re.IGNORECASE)


def routes(mailbox: Mailbox) -> list[Route]:
    """`/mailbox`, `/mailbox.json`, and for each mail `/mailbox/N` with `/html`, `/source` and `/original`."""

    def of_letter(show: Callable[[Letter], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            number = request.path_params["number"]
            try:
                letter = mailbox.letter(int(number) if _NUMBER.fullmatch(number) else 0)
            except FileNotFoundError:
                return page("No such mail", Markup(load("no_mail.html")), status=404)
            return show(letter)

        return endpoint

    return [
        Route("/mailbox", lambda _: _list_page(_newest(mailbox))),
        Route("/mailbox.json", lambda _: _list_json(_newest(mailbox))),
        Route("/mailbox/{number}", of_letter(lambda mail: _letter_page(mail, mailbox.original_of(mail)))),
        Route("/mailbox/{number}/html", of_letter(_html)),
        Route("/mailbox/{number}/source", of_letter(lambda mail: _source(mail.raw))),
        Route("/mailbox/{number}/original", of_letter(lambda mail: _source(mailbox.original_of(mail)))),
    ]


def _newest(mailbox: Mailbox) -> list[Letter]:
    return [mailbox.letter(number) for number in mailbox.numbers()[: -_LISTED_MAX - 1 : -1]]


def _list_json(letters: list[Letter]) -> Response:
    return JSONResponse([_summary(letter, read(letter.raw)) for letter in letters])


def _summary(letter: Letter, reading: Reading) -> dict[str, object]:
    return {
        "number": letter.number,
        "received_at": letter.received_at.isoformat(),
        "mail_from": _printable(letter.mail_from),
        "rcpt_tos": [_printable(address) for address in letter.rcpt_tos],
        "subject": reading.subject,
        "from": reading.sender,
        "to": reading.addressees,
        "message_id": reading.message_id,
        "links": list(reading.links),
        "page": f"/mailbox/{letter.number}",
    }


_LIST = '<ul class="card letters">$lines</ul>'
_LINE = """\
<li><a href="/mailbox/$number"><span class="who">$to</span><span class="what">$subject</span>
<span class="when">$time</span><span class="from">from $sender</span></a></li>
"""


def _list_page(letters: list[Letter]) -> Response:
    lines = []
    for letter in letters:
        reading = read(letter.raw)
        lines.append(
            fill(
                _LINE,
                number=letter.number,
                to=reading.addressees or _printable(", ".join(letter.rcpt_tos)),
                subject=reading.subject or "(no subject)",
                sender=reading.sender or _printable(letter.mail_from) or "(null sender)",
                time=_time(letter),
            )
        )
    listed = fill(_LIST, lines=join(lines)) if lines else Markup(load("mailbox_empty.html"))
    body = fill(load("mailbox.html"), letters=listed)
    return page("Mailbox", body)


def _letter_page(letter: Letter, original: bytes | None) -> Response:
    reading = read(letter.raw)
    fields = [
        ("From", reading.sender),
        ("To", reading.addressees),
        ("Cc", reading.cc),
        ("Date", reading.date),
        ("Attached", ", ".join(reading.attachments)),
        ("Delivered to", _printable(", ".join(letter.rcpt_tos))),
        ("Envelope from", _printable(letter.mail_from) or "<>"),
        ("Arrived", _time(letter)),
    ]
    rows = [fill("<dt>$name</dt><dd>$text</dd>", name=name, text=text) for name, text in fields if text]
    body = fill(
        load("letter.html"),
        subject=reading.subject or "(no subject)",
        fields=join(rows),
        views=join(_views(letter, reading)),
        links=_links(reading),
        source=_comparison(letter, original),
    )
    return page(reading.subject or "Mail", body)


_TEXT_VIEW = '<section><h2>Text</h2><pre class="card text">$text</pre></section>'
_HTML_VIEW = """\
<section><h2>HTML</h2><iframe src="/mailbox/$number/html" title="The mail's HTML part"
sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer"></iframe></section>
"""
_LINK_TO = '<a href="$link" target="_blank" rel="noopener noreferrer">$link</a>'


def _views(letter: Letter, reading: Reading) -> list[Markup]:
    views = []
    if reading.text is not None:
        views.append(fill(_TEXT_VIEW, text=_with_links(reading.text)))
    if reading.html is not None:
        views.append(fill(_HTML_VIEW, number=letter.number))
    return views or [Markup('<p class="soft">There is no text in this mail.</p>')]


def _with_links(text: str) -> Markup:
    pieces = []
    end = 0
    for found in LINK.finditer(text):
        pieces += [to_markup(text[end : found.start()]), fill(_LINK_TO, link=found[0])]
        end = found.end()
    return join([*pieces, to_markup(text[end:])])


def _links(reading: Reading) -> Markup:
    """List the links of a mail that has only HTML; those of a text are live in the text itself."""
    if reading.text is not None or not reading.links:
        return Markup()
    entries = [fill(f"<li>{_LINK_TO}</li>", link=unescape(link)) for link in reading.links]
    return fill('<h2>Links</h2><ul class="links">$entries</ul>', entries=join(entries))


_TABLE = '<div class="card source"><table>$head$rows</table></div>'
_HEAD = Markup("<tr><th>As it entered the gateway</th><th>As it arrived here</th></tr>")
_SHOWN_ALONE = 400
"""Source lines shown of a mail without a known original."""


def _comparison(letter: Letter, original: bytes | None) -> Markup:
    links = fill('<a href="/mailbox/$number/source">as it arrived</a>', number=letter.number)
    if original is None:
        hint = "The original of this mail is not known; these are its first lines."
        lines = letter.raw.split(b"\r\n")[:_SHOWN_ALONE]
        rows = join(fill("<tr><td>$text</td></tr>", text=visible(line)) for line in lines)
        table = fill(_TABLE, head=Markup(), rows=rows)
    else:
        more = fill(', <a href="/mailbox/$number/original">as it entered</a>', number=letter.number)
        links = join([links, more])
        if original == letter.raw:
            hint = "It arrived as it entered the gateway: identical, byte for byte."
            table = Markup()
        else:
            hint = "The original beside what arrived; lines that differ are coloured, ISO-2022-JP is decoded."
            rows = join(_row(row) for row in compare(original, letter.raw))
            table = fill(_TABLE, head=_HEAD, rows=rows)
    return fill(load("source.html"), hint=hint, links=links, table=table)


def _row(row: Row) -> Markup:
    if row.kind is RowKind.FOLDED:
        return fill('<tr class="same"><td colspan="2">$count equal lines</td></tr>', count=row.left)
    different = row.kind is RowKind.DIFFERENT
    return fill(
        '<tr><td class="$gone">$left</td><td class="$came">$right</td></tr>',
        gone="gone" if different and row.left is not None else "",
        came="came" if different and row.right is not None else "",
        left=row.left or "",
        right=row.right or "",
    )


def _html(letter: Letter) -> Response:
    html = read(letter.raw).html
    if html is None:
        return page("No HTML", Markup(load("no_mail.html")), status=404)
    doctype = _DOCTYPE.match(html)
    at = doctype.end() if doctype else 0
    # A base before all other elements: each link opens a window of its own instead of replacing the frame.
    return HTMLResponse(
        f'{html[:at]}<base target="_blank">{html[at:]}',
        headers=_SAFE | {"Content-Security-Policy": _HTML_POLICY},
    )


def _source(raw: bytes | None) -> Response:
    if raw is None:
        return page("No original", Markup(load("no_mail.html")), status=404)
    # The bytes themselves: the browser must neither guess a type nor a charset beyond ASCII.
    return Response(raw, media_type="text/plain; charset=us-ascii", headers=_SAFE)


_SAFE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _time(letter: Letter) -> str:
    return f"{letter.received_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _printable(address: str) -> str:
    """Show an address whose bytes are not UTF-8 with escapes."""
    return address.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
