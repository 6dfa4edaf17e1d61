"""The forms in which a marker leaves a composer: what the author typed, and what became of it.

`{job}` is a word in the mail's own script; START and END show where the marker begins and ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

START, END = "\ue000", "\ue001"
"""Private characters around a marker while a mail is made; no mail has them."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a marker."""

    source: str
    """With what belongs to its line; line ends are LF."""
    attributes: Mapping[str, str]
    kind: str = ""
    """`plain` or `html` for a form that only one of them has; both have the others."""
    alone: bool = True
    """Whether nothing but white space stands on its line."""


def _marked(before: str, marker: str, after: str = "") -> str:
    return f"{before}{START}{marker}{END}{after}"


_KEYS = {"template": "tpl"}
_JOB = {"job": "{job}"}
_ALL = {"template": "ja-standard", "job": "{job}", "stage": "final"}
_IN_BOTH = {
    "bare": ("[[relay:rejection]]", {}),
    "attributes": ("[[relay:rejection tpl=ja-standard job={job} stage=final]]", _ALL),
    "single quotes": ("[[relay:rejection job='{job}' stage='final']]", {"job": "{job}", "stage": "final"}),
    "typographic quotes": ("[[relay:rejection job=“{job}”]]", _JOB),
    "typographic single quotes": ("[[relay:rejection job=‘{job}’]]", _JOB),
    "low quotes": ("[[relay:rejection job=„{job}“]]", _JOB),
    "corner brackets": ("[[relay:rejection job=「{job}」 stage=final]]", {"job": "{job}", "stage": "final"}),
    "commas": ("[[relay:rejection job={job}, stage=final]]", {"job": "{job}", "stage": "final"}),
    "guillemets": ("[[relay:rejection job=«{job}»]]", _JOB),
    "full-width quotes": ("[[relay:rejection job=＂{job}＂]]", _JOB),
    "full-width brackets": ("［［relay：rejection　job＝“{job}”］］", _JOB),
    "lenticular brackets": ("【【relay：rejection】】", {}),
    "unlike brackets": ("【［relay: rejection］】", {}),
    "one kind inside of the other": ("［[relay:rejection stage=final]］", {"stage": "final"}),
    "a capital by itself": ("[[Relay:rejection stage=final]]", {"stage": "final"}),
    "capitals": ("[[RELAY:REJECTION TPL=ja-standard]]", {"template": "ja-standard"}),
    "spaces": ("[ [ relay : rejection  stage = final ] ]", {"stage": "final"}),
    "no-break spaces": ("[[relay:\u00a0rejection\u00a0stage=final]]", {"stage": "final"}),
    "zero-width spaces": ("[[re\u200blay:rejec\u200btion\u200b]]", {}),
    "byte order marks": ("[\ufeff[relay:rejection stage=\ufefffinal]]", {"stage": "final"}),
    "isolated words": ("[[\u2068relay:rejection\u2069 stage=\u2066final\u2069]]", {"stage": "final"}),
    "soft hyphens": ("[[re\u00adlay:rejec\u00adtion]]", {}),
    "a value with spaces and brackets": ("[[relay:rejection job=“{job} [A]”]]", {"job": "{job} [A]"}),
}
_AROUND = {
    "a space behind": ("", " "),
    "a full stop": ("", "."),
    "a bullet": ("- ", ""),
    "words on both sides": ("(1) ", " / 2"),
    "spaces before": ("   ", ""),
}
_WRAPPED = {
    "over two lines": ("[[relay:rejection tpl=ja-standard\njob={job} stage=final]]", _ALL),
    "over three lines": ("[[relay:rejection\ntpl=ja-standard\njob={job} stage=final]]", _ALL),
    "inside of a value": ("[[relay:rejection job=“{job}\n{job}”]]", {"job": "{job} {job}"}),
    "before the brackets": ("[[relay:rejection stage=final\n]]", {"stage": "final"}),
}
_TAGS = {
    "quotes as entities": ("[[relay:rejection job=&quot;{job}&quot;]]", _JOB),
    "numeric entities": ("&#91;&#91;relay&#58;rejection job=&#8220;{job}&#8221;&#93;&#93;", _JOB),
    "hexadecimal entities": ("&#x5B;&#x5b;relay&#x3a;rejection&#x5D;&#x5d;", {}),
    "named entities": ("&lbrack;&lsqb;relay&colon;rejection&rsqb;&rbrack;", {}),
    "no-break entities": ("[[relay:rejection&nbsp;stage=final&nbsp;]]", {"stage": "final"}),
    "invisible entities": ("[[re&#8203;lay:re&shy;jection&ZeroWidthSpace;]]", {}),
    "places to break": ("[[relay:<wbr>rejection tpl=<wbr>ja-standard]]", {"template": "ja-standard"}),
    "spelling spans": (
        "[[<span class=SpellE>relay<span class=GramE>:rejection</span></span> stage=final]]",
        {"stage": "final"},
    ),
    "language spans": ("<span lang=EN-US>[[rel</span><span\nlang=JA>ay:rejection]]</span>", {}),
    "a value in another font": (
        "[[relay:rejection job=&quot;</span><span style='font:\"Meiryo\"'>{job}</span>&quot; stage=final]]",
        {"job": "{job}", "stage": "final"},
    ),
    "anchors of Word": ('[[<a name="_Hlk1"></a><a name="_MailEndCompose">relay:rejection</a>]]', {}),
    "marks of a checker": ('[[<g class="gr_ gr_12" id="12">relay</g>:<gwmw>rejection</gwmw>]]', {}),
    "fonts inside of words": ('[[re<font color="red">lay</font>:rejec<font size=2>tion</font>]]', {}),
    "bold and italic": ("<b>[[relay:</b><i>rejection</i> <u>stage</u>=final]]", {"stage": "final"}),
    "styled brackets": ("<strong>[</strong>[relay:rejection]<em style='x'>]</em>", {}),
    "comments between": ("[[relay<!-- x -->:<![if !supportLists]><![endif]>rejection]]", {}),
    "conditional comment between": ("[[relay:<!--[if mso]> <b> <![endif]-->rejection]]", {}),
    "source lines": ("[[relay:rejection\n   tpl=ja-standard\n\n\n   job={job}\nstage=final]]", _ALL),
    "breaks": ("[[relay:rejection tpl=ja-standard<br>\njob={job}<br />stage=final]]", _ALL),
    "divs": ("[[relay:rejection tpl=ja-standard</div>\n<div>job={job} stage=final]]", _ALL),
    "Word paragraphs": (
        "[[relay:rejection tpl=ja-standard<o:p></o:p></p>\n<p class=MsoNormal>job={job} stage=final]]",
        _ALL,
    ),
    "unclosed font": ("[[relay:rejection<font>]]", {}),
    "a linked word": ('[[<a href="http://relay.example.jp/">relay</a>:rejection]]', {}),
}
_ELEMENTS = {
    "a paragraph": ("<p>", "</p>"),
    "preformatted": ("<pre wrap=''>", "</pre>"),
    "a list item": ("<ul><li>", "</li></ul>"),
    "a Word list item": ("<![if !supportLists]><span>1.&nbsp;</span><![endif]>", ""),
    "a table cell": ("<table border=0><tr><td>", "</td></tr></table>"),
    "a link": ('<a href="https://www.example.jp/?a=1&amp;b=2">', "</a>"),
    "an indented paragraph": (
        '<blockquote style="margin:0 0 0 40px;border:none;padding:0px">',
        "</blockquote>",
    ),
    "a custom element": ("<x-body data-a='1'>", "</x-body>"),
}
_BARE = "[[relay:rejection]]"
FORMS = {
    **{name: Form(_marked("", source), values) for name, (source, values) in _IN_BOTH.items()},
    **{
        name: Form(_marked(before, _BARE, after), {}, alone=not (before + after).strip())
        for name, (before, after) in _AROUND.items()
    },
    **{
        f"text {name}": Form(_marked("", source), values, "plain")
        for name, (source, values) in _WRAPPED.items()
    },
    **{
        f"tags: {name}": Form(_marked("", source), values, "html") for name, (source, values) in _TAGS.items()
    },
    **{
        f"in {name}": Form(_marked(before, _BARE, after), {}, "html")
        for name, (before, after) in _ELEMENTS.items()
    },
}
"""By name; each has START and END around the marker itself."""


def written(form: Form, job: str, *, is_html: bool) -> str:
    """Return the source of a form; for one of the other kind alone, a plain marker that asks the same."""
    if form.kind and (form.kind == "html") != is_html:
        words = "".join(f" {_KEYS.get(key, key)}='{value}'" for key, value in form.attributes.items())
        return _marked("", f"[[relay:rejection{words}]]").replace("{job}", job)
    return form.source.replace("{job}", job)


def asked(form: Form, job: str) -> dict[str, str]:
    """Return the attributes that a form asks for."""
    return {key: value.replace("{job}", job) for key, value in form.attributes.items()}
