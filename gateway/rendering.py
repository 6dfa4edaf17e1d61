"""Everything a person reads, rendered: the invitation in the mail, the consent texts, the pages.

The only importer of jinja2.
Every template is loaded and checked when `Rendering` is built; a fault is a `TemplateInvalid` that names
file, line and character, so that a broken template never meets a candidate.
Templates run in a sandbox, because operators edit them; HTML is autoescaped, undefined names are errors.

A published consent text (`templates/consent/<edition>/`) never changes: a new wording is a new folder.
It holds no personal data, so its digest can be computed again after the person is erased.
"""

import contextlib
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway import invitation_template
from gateway.mail.footer import Footer
from gateway.plain_text import ForeignSign, folded, plain_name, url_fault
from gateway.template_source import TemplateInvalid, TemplateSource
from store.records import HOME_COUNTRY, Partner

__all__ = [
    "LANGUAGES",
    "ConsentText",
    "Organisation",
    "Rendering",
    "TemplateInvalid",
    "mailable_name",
]

LANGUAGES: Final[Mapping[str, str]] = {"ja": "日本語", "en": "English"}
"""Each language by its code and its own name, in the order of the switch on the pages."""

_EVERY_PAGE: Final = frozenset({"language", "languages", "words", "organisation", "base"})
_PERSONAL: Final = _EVERY_PAGE | {"name", "facts", "offers", "problem", "nonce", "waiting_hours"}
_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "pages/layout.html": _EVERY_PAGE | {"title"},
    "pages/form.html": frozenset(),
    "pages/invitation.html": _PERSONAL,
    "pages/decision.html": _PERSONAL | {"standings"},
    "pages/closed.html": _EVERY_PAGE,
    "pages/not_found.html": _EVERY_PAGE,
    "pages/error.html": _EVERY_PAGE | {"status"},
}
"""The values that each page template may name."""

_ASCII: Final = "footer/ascii.txt"
"""The invitation for text that can hold nothing else, in English."""
_LAST_QUOTED: Final = re.compile(r"'(\w+)'[^']*\Z")
_FOOTER_VALUES: Final = frozenset({"link", "company", "partners"})
_CONSENT_VALUES: Final = frozenset({"organisation", "partner"})


@dataclass(frozen=True, slots=True)
class Organisation:
    """The company that provides the data, as the law wants it named (APPI, articles 21 and 27)."""

    legal_name: str
    address: str
    privacy_officer: str
    """The privacy officer's name or office, as candidates should address it."""
    purpose_notice_url: str
    """Where the company's purpose-of-use notice can be read."""


@dataclass(frozen=True, slots=True)
class ConsentText:
    """A consent text as it is shown for one company and one partner."""

    edition: str
    language: str
    html: str
    """The text above the box: escaped, safe to show."""
    statement: str
    """The sentence beside the box: escaped, safe to show."""

    @property
    def digest(self) -> bytes:
        """SHA-256 over text, line feed and statement in UTF-8."""
        return sha256(f"{self.html}\n{self.statement}".encode()).digest()


class Rendering:
    """All templates, checked, and the verbs that fill them."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load `folder`, by default the templates that come with the program; raises `TemplateInvalid`."""
        self._folder = folder if folder is not None else Path(str(resources.files("templates")))
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._folder),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.editions = tuple(
            sorted(entry.name for entry in self._folder.glob("consent/*") if entry.is_dir())
        )
        """The published consent texts, oldest first; the last is the one for new answers."""
        self._trees: dict[str, nodes.Template] = {}
        self._check()
        self._trees.clear()

    def footer(self, language: str, *, link: str, company: str, partners: Sequence[str]) -> Footer:
        """Render the invitation that takes the marker's place; `link` stands once in each form.

        Lines end in LF, the last one without. The text holds only what every charset of Japanese mail holds,
        names are spelt with stand-ins where they need it; the HTML is ASCII with character references.
        Raises `TemplateInvalid` for a name that has no such spelling.
        """
        plain = [mailable_name(partner) for partner in partners]
        text = self._render(
            f"footer/{language}.txt", link=link, company=mailable_name(company), partners=plain
        )
        html = self._render(f"footer/{language}.html", link=link, company=company, partners=list(partners))
        lines = text.strip("\n").split("\n")
        return Footer(
            text="\n".join(piece for line in lines for piece in ([line] if line == link else folded(line))),
            html=_ascii(html.strip("\n")),
            ascii=self._render(_ASCII, link=link).strip("\n"),
        )

    def consent_text(
        self, language: str, edition: str, *, organisation: Organisation, partner: Partner
    ) -> ConsentText:
        """Render a published text; raises `ValueError` for a partner outside `HOME_COUNTRY`."""
        if partner.country != HOME_COUNTRY:
            raise ValueError(f"edition {edition} does not cover partners in {partner.country}")
        template = self._environment.get_template(f"consent/{edition}/{language}.html")
        module = template.make_module({"organisation": organisation, "partner": partner})
        statement = str(getattr(module, "statement", "")).strip()
        return ConsentText(edition, language, html=str(module).strip(), statement=statement)

    def page(self, name: str, language: str, /, **values: object) -> str:
        """Render a page; each needs `organisation` and `base`, the path before ours; see `_VALUES`."""
        words = self._environment.get_template(f"pages/words/{language}.html").module
        return self._render(
            f"pages/{name}.html",
            **values,
            language=language,
            languages=tuple(LANGUAGES.items()),
            words=words,
        )

    def stylesheet(self) -> str:
        """Return the one stylesheet of all pages."""
        return (self._folder / "pages" / "style.css").read_text(encoding="utf-8")

    def _render(self, file: str, **values: object) -> str:
        return self._environment.get_template(file).render(values)

    def _check(self) -> None:
        if not (self._folder / "pages" / "style.css").is_file():
            raise TemplateInvalid("pages/style.css", None, "the file is missing")
        if not self.editions:
            raise TemplateInvalid("consent", None, "there is no edition of the consent text")
        self._check_footer(_ASCII, frozenset({"link"}))
        for file in (f"footer/{language}.{form}" for language in LANGUAGES for form in ("txt", "html")):
            self._check_footer(file, _FOOTER_VALUES)
        for file, values in _VALUES.items():
            self._check_values(file, values)
        for language in LANGUAGES:
            self._check_words(f"pages/words/{language}.html")
            for edition in self.editions:
                self._check_consent(edition, language)

    def _source(self, file: str) -> TemplateSource:
        return TemplateSource.read(self._folder, file)

    def _tree(self, file: str) -> nodes.Template:
        if file in self._trees:
            return self._trees[file]
        source = self._source(file)
        try:
            tree = self._trees[file] = self._environment.parse(source.text, filename=file)
            self._environment.get_template(file)
        except TemplateSyntaxError as error:
            raise source.fault_at_word("", error.lineno, error.message or "syntax error") from None
        return tree

    def _check_values(self, file: str, allowed: frozenset[str]) -> None:
        """Every name that the template uses is given to it or set at its own top level."""
        tree = self._tree(file)
        own = {node.name for part in tree.body for node in part.find_all(nodes.Name) if node.ctx == "store"}
        own |= {part.target for part in tree.body if isinstance(part, nodes.Import)}
        unknown = meta.find_undeclared_variables(tree) - allowed - own
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                reason = f"“{node.name}” is not a value this template gets; it gets {_listed(allowed)}"
                raise self._source(file).fault_at_word(node.name, node.lineno, reason)

    def _check_words(self, file: str) -> None:
        """Every word that a page asks for is there."""
        self._check_values(file, frozenset())
        spoken = vars(self._environment.get_template(file).module)
        for page in _VALUES:
            for node in self._tree(page).find_all(nodes.Getattr):
                if (
                    isinstance(node.node, nodes.Name)
                    and node.node.name == "words"
                    and node.attr not in spoken
                ):
                    raise TemplateInvalid(
                        file, None, f"“{node.attr}” is missing, and {page}, line {node.lineno} needs it"
                    )

    def _check_consent(self, edition: str, language: str) -> None:
        file = f"consent/{edition}/{language}.html"
        self._check_values(file, _CONSENT_VALUES)
        for agency in (_AN_AGENCY, replace(_AN_AGENCY, contract_date=date.min)):
            with self._located(file):
                self._render(file, organisation=_A_COMPANY, partner=agency)
        text = self.consent_text(language, edition, organisation=_A_COMPANY, partner=_AN_AGENCY)
        if not text.statement:
            raise TemplateInvalid(file, None, "the sentence beside the box is empty")

    def _check_footer(self, file: str, allowed: frozenset[str]) -> None:
        self._check_values(file, allowed)
        source = self._source(file)
        with self._located(file):
            filled = self._render(file, link="https://goen.example.com/", company="x", partners=["y"])
        invitation_template.inspect(source, filled, ascii_only=file == _ASCII)
        self._check_link(file)

    def _check_link(self, file: str) -> None:
        """Every invitation gets the link once: it is written as it is, outside of each condition and loop."""
        tree = self._tree(file)
        written = [word for part in tree.body if isinstance(part, nodes.Output) for word in part.nodes]
        for node in tree.find_all(nodes.Name):
            if node.name == "link" and not any(word is node for word in written):
                reason = "each invitation needs the link: write {{ link }} outside of any {% … %}"
                raise self._source(file).fault_at_word("link", node.lineno, reason)

    @contextlib.contextmanager
    def _located(self, file: str) -> Iterator[None]:
        """Turn what a template raises while it is filled into `TemplateInvalid` with its place."""
        try:
            yield
        except TemplateError as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(file)]
            reason = error.message or type(error).__name__
            word = _LAST_QUOTED.search(reason)
            line = frames[-1].lineno if frames else None
            raise self._source(file).fault_at_word(word[1] if word else "", line, reason) from None


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"“{name}”" for name in sorted(names)) or "none"


def _ascii(markup: str) -> str:
    """Write HTML in ASCII, with character references."""
    return markup.encode("ascii", "xmlcharrefreplace").decode("ascii")


def mailable_name(name: str) -> str:
    """Spell a company's name as the text footer writes it; raises `TemplateInvalid` that names the sign."""
    try:
        plain = plain_name(name)
    except ForeignSign as error:
        raise TemplateInvalid(f"the name “{name}”", None, str(error)) from None
    if fault := url_fault(plain):
        raise TemplateInvalid(f"the name “{name}”", None, fault[1])
    return plain


_A_COMPANY = Organisation("Example Inc.", "Tokyo", "Privacy Office", "https://example.com/privacy")
_AN_AGENCY = Partner(
    id="example",
    legal_name="Example Agency Inc.",
    address="Tokyo",
    representative="A Representative",
    licence_no="13-ユ-000000",
    licence_expires=None,
    country=HOME_COUNTRY,
    endpoint="https://agency.example.com/",
    secret="",
)
