"""HTML that every mail reader shows, Outlook's Word included: what a template for it may hold.

- Tables with `role="presentation"`, inline styles, and nothing that is fetched or run.
- Each element is closed where it stands, because it is put into the middle of somebody's page.
- The link is a target of `<a>` and nothing else; that it stands once is counted elsewhere.

It is read as a template, so that a fault has its place in the file; what is filled in counts as text.
"""

import re
from html.parser import HTMLParser
from typing import Final

LINK: Final = "\ue000"
"""What stands for the link while a template is read."""
_VALUE: Final = "\ue001"
_TEMPLATE_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_NAMES_LINK: Final = re.compile(r"\blink\b")

_ELEMENTS: Final = frozenset(
    [
        *(
            "table",
            "tbody",
            "thead",
            "tfoot",
            "tr",
            "td",
            "th",
            "div",
            "p",
            "span",
            "font",
            "center",
            "br",
            "hr",
        ),
        *("a", "b", "strong", "i", "em", "u", "small", "big", "sub", "sup", "ul", "ol", "li"),
        *("h1", "h2", "h3", "h4", "h5", "h6"),
    ]
)
"""Elements that all mail readers show; no picture, because many fetch none before they are told to."""
_VOID: Final = frozenset(["br", "hr"])
_ATTRIBUTES: Final = frozenset(
    [
        *("style", "role", "lang", "dir", "width", "height", "align", "valign", "bgcolor", "border", "color"),
        *(
            "cellpadding",
            "cellspacing",
            "colspan",
            "rowspan",
            "face",
            "size",
            "href",
            "target",
            "rel",
            "title",
        ),
    ]
)
_FETCHED: Final = re.compile(r"(?i)url\s*\(|@import|expression\s*\(|\\")


class HtmlFault(Exception):
    """A template's HTML is not what mail readers show alike."""

    def __init__(self, line: int, character: int, reason: str) -> None:
        """Line and character count from 1."""
        super().__init__(reason)
        self.line = line
        self.character = character
        self.reason = reason


def inspect(template: str) -> None:
    """Read a template of HTML; raises `HtmlFault` for the first thing that it may not hold."""
    reader = _Reader()
    try:
        reader.feed(_TEMPLATE_TAG.sub(_masked, template))
        reader.close()
    except AssertionError as error:
        # The standard library's way to say that it cannot read a declaration.
        raise reader.fault(str(error)) from None
    reader.finish()


def _masked(tag: re.Match[str]) -> str:
    """Put as many signs for a template's tag, so that all others keep their place."""
    if not tag[0].startswith("{{"):
        return "".join(sign if sign == "\n" else " " for sign in tag[0])
    filler = LINK if _NAMES_LINK.search(tag[0]) else _VALUE
    return filler + "".join("\n" if sign == "\n" else _VALUE for sign in tag[0][1:])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._open: list[tuple[str, HtmlFault]] = []
        self._linked = False

    def fault(self, reason: str) -> HtmlFault:
        line, offset = self.getpos()
        return HtmlFault(line, offset + 1, reason)

    def finish(self) -> None:
        for _, unclosed in self._open[-1:]:
            raise unclosed
        if not self._linked:
            raise self.fault('the link is missing: add <a href="{{ link }}">…</a>')

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _ELEMENTS:
            raise self.fault(f"<{tag}> is not shown by every mail reader, or not safe in mail; leave it out")
        if not self._open and tag != "table":
            raise self.fault(f'<{tag}> stands outside of <table role="presentation">')
        for name, value in attrs:
            self._attribute(tag, name, value or "")
        if tag == "table" and ("role", "presentation") not in attrs:
            raise self.fault('the table lacks role="presentation", and would be read out as a table of data')
        if tag not in _VOID:
            self._open.append((tag, self.fault(f"<{tag}> is not closed; add </{tag}>")))

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name not in _ATTRIBUTES:
            hint = "; write style= instead" if name in ("class", "id") else "; leave it out"
            raise self.fault(f"{name}= is not kept by every mail reader, or not safe in mail{hint}")
        if name == "href":
            if tag != "a" or not value.startswith(LINK) or value.strip(LINK + _VALUE):
                raise self.fault('the one link of the invitation is <a href="{{ link }}">')
            self._linked = True
        elif LINK in value:
            raise self.fault("the link belongs into href= alone")
        elif _FETCHED.search(value) is not None:
            raise self.fault(f"{name}= must not fetch anything from elsewhere")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID and tag in _ELEMENTS:
            raise self.fault(f"<{tag} /> does not close an element in HTML; write <{tag}></{tag}>")
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            inner = f", <{self._open[-1][0]}> is open" if self._open else ", nothing is open"
            raise self.fault(f"</{tag}> closes nothing here{inner}")
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if LINK in data:
            raise self._fault_in(data, data.index(LINK), "the link belongs into href= alone, once")
        if data.strip() and not self._open:
            first = len(data) - len(data.lstrip())
            raise self._fault_in(data, first, 'text stands outside of <table role="presentation">')

    def _fault_in(self, data: str, at: int, reason: str) -> HtmlFault:
        """Return the fault at an index of the text that was read last."""
        here, before = self.fault(reason), data[:at]
        lines, column = before.count("\n"), len(before) - before.rfind("\n")
        return HtmlFault(here.line + lines, column if lines else here.character + at, reason)

    def handle_comment(self, data: str) -> None:
        del data
        raise self.fault("a comment is sent to every candidate; write {# … #} instead")

    def handle_decl(self, decl: str) -> None:
        raise self.fault(f"<!{decl}> does not belong into the middle of a page")

    def unknown_decl(self, data: str) -> None:
        raise self.fault(f"<![{data}]> does not belong into the middle of a page")

    def handle_pi(self, data: str) -> None:
        raise self.fault(f"<?{data}> does not belong into the middle of a page")
