"""What a template of the invitation must be before any candidate gets it.

- The link stands in it once: in text alone on its line, in HTML as a target; there is no other web address.
- Text can be written in every charset of Japanese mail, HTML is shown by every mail reader.
- It does not hold the marker, or the check of each copy would find one left.

Faults are looked for in the template as it is written, so that each has a line and a character.
"""

import re
from typing import Final

from gateway import mail_html
from gateway.mail import marker
from gateway.plain_text import line_fault, url_fault
from gateway.template_source import TemplateInvalid, TemplateSource

_LINK: Final = re.compile(r"\{[{%][^{}]*?\b(link)\b[^{}]*[%}]\}")
_COMMENT: Final = re.compile(r"\{#.*?#\}", re.DOTALL)
_MAX_LINE: Final = 998
"""Octets of a line without its end (RFC 5322, section 2.1.1)."""


def inspect(source: TemplateSource, filled: str, *, ascii_only: bool = False) -> None:
    """Raise `TemplateInvalid` for the first fault; `filled` is the template with examples for its values."""
    html = source.file.endswith(".html")
    shown = TemplateSource(source.file, _COMMENT.sub(_blanked, source.text))
    links = list(_LINK.finditer(shown.text))
    if not links:
        hint = (
            'add <a href="{{ link }}">…</a>' if html else "add a line “{{ link }}”, with nothing else on it"
        )
        raise source.fault(len(source.text.rstrip()), f"the link is missing: {hint}")
    if len(links) > 1:
        raise source.fault(links[1].start(1), f"“link” stands {len(links)} times, it must stand once")
    if (address := url_fault(shown.text)) is not None:
        raise source.fault(address[0] - 1, address[1])
    findings = marker.find(filled, html=html)
    if findings.found or findings.almost:
        raise source.fault(max(shown.text.find("["), 0), "the invitation must not hold the marker itself")
    if html:
        _inspect_html(source)
    else:
        _inspect_lines(shown, ascii_only=ascii_only)


def _blanked(comment: re.Match[str]) -> str:
    """Keep every other sign in its place."""
    return "".join(sign if sign in "\r\n" else "x" for sign in comment[0])


def _inspect_html(source: TemplateSource) -> None:
    try:
        mail_html.inspect(source.text)
    except mail_html.HtmlFault as fault:
        raise TemplateInvalid(source.file, fault.line, fault.reason, fault.character) from None
    for number, line in enumerate(source.lines(), start=1):
        if len(line.encode("ascii", "xmlcharrefreplace")) > _MAX_LINE:
            reason = f"the line has over {_MAX_LINE} octets as it is mailed; break it in two"
            raise TemplateInvalid(source.file, number, reason, 1)


def _inspect_lines(source: TemplateSource, *, ascii_only: bool) -> None:
    for number, line in enumerate(source.lines(), start=1):
        fault = line_fault(line, ascii_only=ascii_only)
        if (link := _LINK.search(line)) is not None and line != "{{ link }}":
            fault = link.start() + 1, "the link must stand alone on its line, as “{{ link }}”"
        if fault is not None:
            raise TemplateInvalid(source.file, number, fault[1], fault[0])
