"""How mailers write: the pages and texts they make of an author's lines, with their heads and their habits.

Each was written after the mailer's own output, with nothing of anybody's mail in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

JAPANESE = ("iso-2022-jp", "utf-8", "shift_jis", "euc-jp")
LATIN = ("us-ascii", "iso-8859-1", "windows-1252")
OTHERS = ("gb18030", "gb2312", "big5", "euc-kr", "koi8-r")

PLAIN, HTML = ("plain",), ("html",)
BOTH = ("alternative", "alternative in mixed", "alternative with picture", "mixed with related")
APPLE = ("alternative", "mixed inside of alternative", "text around a picture", "pages around a picture")


@dataclass(frozen=True, slots=True)
class Style:
    """A mailer."""

    name: str
    charsets: tuple[str, ...]
    encodings: tuple[str, ...]
    structures: tuple[str, ...]
    page: "Page | None" = None
    text: Callable[[Sequence[str]], str] = "\n".join
    """Make a text of lines."""
    width: int = 76
    """Octets of an encoded line."""
    parameters: str = ""
    """Of the plain text's Content-Type."""
    inner: str = ""
    """The line end inside of base64; the mail's own when empty."""
    quote: tuple[str, str] = ("", "")
    """What stands in a page before and after the mail that is answered."""
    text_quote: Callable[[str], str] = str
    """Make an answer's end of the text that is answered."""
    forward: str = "---------- Forwarded message ---------"
    """The line above a mail that is forwarded."""


@dataclass(frozen=True, slots=True)
class Page:
    """How a mailer makes a page."""

    frame: str
    """The page, with `{rows}` in it."""
    row: str
    """What a line becomes, which stands there as `{line}`."""
    empty: str = "<br>"
    """What an empty line holds."""
    width: int = 0
    """Characters of a source line; 0 where they are left as they are."""
    entities: bool = False
    """Whether all that is not ASCII is written as entities."""

    def rows(self, lines: Sequence[str]) -> str:
        """Return the rows of lines of HTML."""
        rows = "".join(self.row.replace("{line}", line or self.empty) for line in lines)
        return wrapped(rows, self.width) if self.width else rows

    def made(self, rows: str) -> str:
        """Return the page around rows."""
        return self.frame.replace("{rows}", rows)


def wrapped(text: str, width: int, end: str = "\n") -> str:
    """Break lines at spaces so that none is longer, as composers do that know no other way."""
    found: list[str] = []
    for line in text.split("\n"):
        row = ""
        for word in line.split(" "):
            if row and len(row) + 1 + len(word) > width:
                found.append(row + end)
                row = word
            else:
                row = f"{row} {word}" if row else word
        found.append(row + "\n")
    return "".join(found)


_WORD = Page(
    '<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:w="urn:schemas-microsoft-com:office:word" xmlns="http://www.w3.org/TR/REC-html40">\n<head>\n'
    '<meta name=Generator content="Microsoft Word 15 (filtered medium)">\n<style><!--\n/* Style */\n'
    "p.MsoNormal, li.MsoNormal, div.MsoNormal\n\t{margin:0mm;}\n--></style>"
    '<!--[if gte mso 9]><xml>\n<o:shapedefaults v:ext="edit" spidmax="1026" />\n</xml><![endif]-->\n'
    "</head>\n<body lang=JA link=\"#0563C1\" vlink=purple style='word-wrap:break-word'>\n"
    "<div class=WordSection1>\n{rows}</div>\n</body>\n</html>\n",
    "<p class=MsoNormal><span lang=EN-US style='font-size:10.5pt'>{line}<o:p></o:p></span></p>\n",
    empty="<o:p>&nbsp;</o:p>",
    width=76,
)
_WEB = Page(
    '<html>\n<head>\n<style type="text/css" style="display:none;"> P {margin-top:0;margin-bottom:0;} '
    '</style>\n</head>\n<body dir="ltr">\n{rows}</body>\n</html>\n',
    '<div class="elementToProof" style="font-family: Aptos, Calibri, sans-serif; font-size: 12pt; '
    'color: rgb(0, 0, 0);">\n{line}</div>\n',
)
_GMAIL = Page(
    '<div dir="ltr">{rows}<div><br clear="all"></div><div><br></div><span class="gmail_signature_prefix">'
    '-- </span><br><div dir="ltr" class="gmail_signature"><div dir="ltr">HR</div></div></div>\n',
    "<div>{line}</div>",
)
_APPLE = Page(
    '<html><head><meta http-equiv="Content-Type" content="text/html"></head><body style="word-wrap: '
    'break-word; -webkit-nbsp-mode: space; line-break: after-white-space;" class="">{rows}'
    '<div><a href="x-apple-data-detectors://0" dir="ltr">10:00</a></div></body></html>',
    '<div class="">{line}</div>',
    empty='<br class="">',
)
_THUNDERBIRD = Page(
    '<!DOCTYPE html>\n<html>\n  <head>\n\n    <meta http-equiv="content-type" content="text/html">\n  </head>'
    '\n  <body>\n{rows}    <pre class="moz-signature" cols="72">-- \nHR</pre>\n  </body>\n</html>\n',
    "    <p>{line}\n    </p>\n",
)
_MINIFIED = Page(
    '<!doctype html><html lang="ja"><head><title>x</title><style>'
    + ".a{color:#333;padding:0}" * 50
    + '</style></head><body style="margin:0"><div style="display:none;max-height:0">.</div>'
    '<table role="presentation" width="100%"><tbody>{rows}</tbody></table>'
    '<a href="https://click.example.com/ls/click?upn=u001.x&amp;y=3D">x</a>'
    '<img src="https://click.example.com/wf/open?upn=1" width="1" height="1"></body></html>',
    '<tr><td style="padding:0 24px;font-size:14px">{line}</td></tr>',
    empty="&nbsp;",
)
"""One line of more than 998 characters, with a preheader, as templating engines make."""
_CAREFUL = Page(
    "<html><body>{rows}</body></html>", "<p style='margin:0'>{line}</p>\n", empty="&nbsp;", entities=True
)
_INDENTED = Page("{rows}", "<p>\n\t\t{line}\n\t</p>\n\t", empty="&nbsp;")


def _gmail_text(lines: Sequence[str]) -> str:
    return wrapped("\n".join(lines), 76) + "\n-- \nHR\n"


def _flowed(lines: Sequence[str]) -> str:
    return wrapped("\n".join(lines), 72, " \n") + "\n-- \nHR\n"


def _marks(text: str) -> str:
    return "".join(f"> {line}\n" for line in text.split("\n"))


def _below(words: str) -> Callable[[str], str]:
    return lambda text: f"\n\n{words}\n\n{text}\n"


def _marked_below(words: str) -> Callable[[str], str]:
    return lambda text: f"\n\n{words}\n\n{_marks(text)}"


_RULE = "_" * 32
_WROTE = "On Mon, Nov 23, 2026 at 10:00 AM HR <hr@example.com> wrote:"
_GMAIL_QUOTE = (
    '<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">On Mon, Nov 23, '
    '2026 at 10:00 AM HR &lt;<a href="mailto:hr@example.com">hr@example.com</a>&gt; wrote:<br></div>'
    '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid #ccc">'
)
_WORD_QUOTE = (
    "<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0mm 0mm 0mm'>"
    "<p class=MsoNormal><b>From:</b> HR &lt;hr@example.com&gt;<br>\n<b>Sent:</b> Monday</p></div></div>"
)
_WEB_QUOTE = (
    '<div id="appendonsend"></div>\n<hr style="display:inline-block;width:98%" tabindex="-1">\n'
    '<div id="divRplyFwdMsg" dir="ltr"><b>From:</b> HR<br>\n<div>&nbsp;</div>\n</div>\n<div>'
)
_CITE = ('<br><blockquote type="cite" class="">', "</blockquote>")
_FIELDS = "From: HR <hr@example.com>\nSent: Monday, November 23, 2026 10:00 AM\nTo: T\nSubject: x"
_ORIGINAL = f"-----Original Message-----\n{_FIELDS}"

STYLES = (
    Style(
        *("Outlook", ("iso-2022-jp", "utf-8", "us-ascii", "gb2312", "koi8-r")),
        *(("quoted-printable", "base64"), ("html", *BOTH)),
        page=_WORD,
        quote=(_WORD_QUOTE, ""),
        text_quote=_below(_ORIGINAL),
    ),
    Style(
        *(
            "Outlook, plain",
            ("iso-2022-jp", "us-ascii", "euc-kr"),
            ("7bit", "8bit", "quoted-printable"),
            PLAIN,
        ),
        text_quote=_below(_ORIGINAL),
    ),
    Style(
        *("Outlook on the web", ("utf-8", "iso-2022-jp", "iso-8859-1", "big5")),
        *(("base64", "quoted-printable"), ("alternative", "alternative with picture")),
        page=_WEB,
        quote=(_WEB_QUOTE, "</div>"),
        text_quote=_below(f"{_RULE}\n{_FIELDS}"),
    ),
    Style(
        *("Gmail", ("utf-8",), ("quoted-printable", "base64"), ("alternative", "mixed with related")),
        page=_GMAIL,
        text=_gmail_text,
        quote=(_GMAIL_QUOTE, "</blockquote></div>"),
        text_quote=_marked_below(_WROTE),
    ),
    Style(
        *("Apple Mail", ("utf-8", "iso-2022-jp", "us-ascii"), ("quoted-printable", "7bit"), APPLE),
        page=_APPLE,
        forward="Begin forwarded message:",
        quote=_CITE,
        text_quote=_marked_below("On Nov 23, 2026, at 10:00, HR <hr@example.com> wrote:"),
    ),
    Style(
        *("Thunderbird", ("utf-8", "iso-2022-jp", "windows-1252"), ("8bit", "7bit", "base64")),
        ("plain", "alternative", "alternative with picture"),
        page=_THUNDERBIRD,
        forward="-------- Forwarded Message --------",
        text=_flowed,
        parameters="; format=flowed",
        quote=(
            '<div class="moz-cite-prefix">On 2026/11/23 10:00, HR wrote:<br></div><blockquote type="cite">',
            "</blockquote>",
        ),
        text_quote=_marked_below("On 2026/11/23 10:00, HR wrote:"),
    ),
    Style(
        *("flowed with DelSp", ("utf-8", "us-ascii"), ("8bit", "quoted-printable", "7bit"), PLAIN),
        parameters="; format=flowed; delsp=yes",
        text_quote=_marked_below(_WROTE),
    ),
    Style(
        *("Becky!", ("iso-2022-jp", "us-ascii"), ("7bit",), ("plain", "text around a picture")),
        text_quote=_marked_below("On Mon, 23 Nov 2026 10:00:00 +0900\nHR <hr@example.com> wrote:"),
    ),
    Style(
        *("Shuriken", ("iso-2022-jp", "shift_jis", "undeclared"), ("7bit", "8bit"), PLAIN),
        text_quote=_marked_below("HRさんは書きました:"),
    ),
    Style(
        *("Sylpheed", JAPANESE, ("7bit", "8bit", "base64"), PLAIN),
        text=lambda lines: wrapped("\n".join(lines), 72),
        text_quote=_marked_below("On Mon, 23 Nov 2026 10:00:00 +0900\nHR <hr@example.com> wrote:"),
    ),
    Style(
        *("applicant system", ("utf-8", "us-ascii"), ("base64", "quoted-printable"), ("html", "alternative")),
        page=_MINIFIED,
        width=64,
        inner="\n",
        quote=_CITE,
        text_quote=_marked_below(_WROTE),
    ),
    Style(
        *("careful template", ("us-ascii", "utf-8", "iso-8859-1"), ("7bit", "quoted-printable"), HTML),
        page=_CAREFUL,
        width=20,
        quote=_CITE,
    ),
    Style(
        *("PHP", ("iso-2022-jp", "utf-8", "undeclared"), ("7bit", "base64", "8bit"), PLAIN),
        inner="\n",
        text_quote=_below("-----元のメッセージ-----"),
    ),
    Style(
        *("Java", ("utf-8", "iso-2022-jp", "euc-jp", "shift_jis")),
        *(("base64", "quoted-printable", "7bit"), ("alternative", "alternative in mixed", "many levels")),
        page=_INDENTED,
        quote=_CITE,
        text_quote=_below("--- original message ---"),
    ),
    Style(
        *("a mailer elsewhere", (*OTHERS, *LATIN), ("8bit", "quoted-printable", "base64", "7bit")),
        ("plain", "alternative"),
        page=_INDENTED,
        quote=('<div class="yahoo_quoted">', "</div>"),
        text_quote=_below("-----Original-Nachricht-----"),
    ),
)
