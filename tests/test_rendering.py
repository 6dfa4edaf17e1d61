"""The templates: complete in each language, checked at load, published texts unchanged."""

import re
import shutil
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

import templates
from gateway.plain_text import CHARSETS, columns
from gateway.rendering import LANGUAGES, Organisation, Rendering, TemplateInvalid, mailable_name
from store.records import Partner

SHIPPED = Path(templates.__file__).parent
LINK = "https://goen.example.com/c/abcdefghijklmnopqrstuvwxyz234567abcdefgh"

COMPANY = Organisation(
    legal_name="株式会社サンプル商事",
    address="東京都千代田区例町1-2-3",
    privacy_officer="個人情報係",
    purpose_notice_url="https://example.com/privacy",
)
AGENCY = Partner(
    id="aozora",
    legal_name="株式会社あおぞら人材",
    address="東京都港区例町4-5-6",
    representative="代表 例子",
    licence_no="13-ユ-000000",
    licence_expires=None,
    country="JP",
    endpoint="https://agency.example.com/",
    secret="",
)

PUBLISHED = {
    "2026-11/en.html": "84404d51b4fddba3ee50742a75b26cec327c83fd77c4c3516ee3a395809aa496",
    "2026-11/ja.html": "2a4b145a6ef8018551e696510719bc1da7e47b61cbb854d08bad5d7421a9bba1",
}
"""SHA-256 of each published file. A line here never changes; a new wording is a new folder with new lines."""

SHOWN = {
    ("2026-11", "en"): "1ced15ace55686d421bf7e46eeac55a21a4e00d9cd317522932daa655ad37150",
    ("2026-11", "ja"): "83ee9fb40854c45ac9ca4c0b9c6e125bf750a0343f7be62b8926b6bfcfb3352e",
}
"""The digest of each text for COMPANY and AGENCY: the same for as long as consents rest on it."""


@pytest.fixture(scope="module")
def rendering() -> Rendering:
    return Rendering()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the templates to break."""
    copy = tmp_path / "templates"
    shutil.copytree(SHIPPED, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_published_consent_texts_are_as_they_were_published() -> None:
    found = {
        str(path.relative_to(SHIPPED / "consent")): sha256(path.read_bytes()).hexdigest()
        for path in (SHIPPED / "consent").rglob("*")
        if path.is_file()
    }
    assert found == PUBLISHED


@pytest.mark.parametrize(("edition", "language"), SHOWN)
def test_a_published_text_keeps_its_digest(rendering: Rendering, edition: str, language: str) -> None:
    text = rendering.consent_text(language, edition, organisation=COMPANY, partner=AGENCY)
    assert text.digest.hex() == SHOWN[edition, language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_consent_text_names_all_that_the_law_wants_named(rendering: Rendering, language: str) -> None:
    text = rendering.consent_text(language, "2026-11", organisation=COMPANY, partner=AGENCY)
    for needed in (
        COMPANY.legal_name,
        COMPANY.address,
        COMPANY.privacy_officer,
        COMPANY.purpose_notice_url,
        AGENCY.legal_name,
        AGENCY.address,
        AGENCY.representative,
        AGENCY.licence_no,
    ):
        assert needed in text.html
    assert COMPANY.legal_name in text.statement
    assert AGENCY.legal_name in text.statement


@pytest.mark.parametrize(
    ("language", "with_one", "without"),
    [
        ("ja", "提供先と締結しています（2026年4月1日締結）。", "提供先と締結していません。"),
        ("en", "We have one with the agency, dated 2026-04-01.", "We have none with the agency."),
    ],
)
def test_the_consent_text_says_whether_there_is_a_contract_and_since_when(
    rendering: Rendering, language: str, with_one: str, without: str
) -> None:
    bound = replace(AGENCY, contract_date=date(2026, 4, 1))
    texts = {
        agency: rendering.consent_text(language, "2026-11", organisation=COMPANY, partner=agency)
        for agency in (AGENCY, bound)
    }
    assert with_one in texts[bound].html
    assert without in texts[AGENCY].html
    assert texts[bound].digest != texts[AGENCY].digest


def test_a_slip_in_what_is_said_of_a_contract_is_found_at_the_start(folder: Path) -> None:
    """The sentence stands only in the texts of some partners, and must not fail before a candidate."""
    file = folder / "consent/2026-11/ja.html"
    file.write_text(file.read_text("utf-8").replace("contract_date.year", "contract_date.yaer"), "utf-8")
    with pytest.raises(TemplateInvalid, match=r"consent/2026-11/ja\.html, line 14: .*yaer"):
        Rendering(folder)


def test_values_are_escaped(rendering: Rendering) -> None:
    agency = replace(AGENCY, legal_name="<b>&")
    text = rendering.consent_text("ja", "2026-11", organisation=COMPANY, partner=agency)
    assert "<b>" not in text.html + text.statement
    assert "&lt;b&gt;&amp;" in text.html
    footer = rendering.footer("ja", link=LINK, company="<b>&", partners=["<i>"])
    assert "&lt;b&gt;&amp;" in footer.html
    assert "<b>&" in footer.text


def test_a_partner_abroad_has_no_text(rendering: Rendering) -> None:
    with pytest.raises(ValueError, match="US"):
        rendering.consent_text("ja", "2026-11", organisation=COMPANY, partner=replace(AGENCY, country="US"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_footer_has_the_link_once_alone_on_its_line_and_once_as_a_target(
    rendering: Rendering, language: str
) -> None:
    footer = rendering.footer(language, link=LINK, company="株式会社サンプル商事", partners=["A", "B"])
    assert footer.text.split("\n").count(LINK) == footer.text.count(LINK) == 1
    assert footer.html.count(LINK) == footer.html.count(f'href="{LINK}"') == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_footer_can_be_mailed_in_every_charset(rendering: Rendering, language: str) -> None:
    partners = ["㈱髙島サンプル・エージェント", "長い名前の人材紹介会社" * 8]
    footer = rendering.footer(language, link=LINK, company="Café 株式会社", partners=partners)
    for charset in CHARSETS:
        assert footer.text.encode(charset).decode(charset) == footer.text
    lines = footer.text.split("\n")
    assert lines[0]
    assert lines[-1]
    for line in lines:
        assert columns(line) <= 76 or line == LINK
        assert line == line.rstrip()
        assert not line.startswith((" ", ">", "From "))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_html_footer_is_ascii_without_foreign_assets_and_fits_mail_lines(
    rendering: Rendering, language: str
) -> None:
    footer = rendering.footer(language, link=LINK, company="株式会社髙島" * 10, partners=["㈱" * 60])
    assert footer.html.isascii()
    assert max(map(len, footer.html.splitlines())) <= 998
    assert re.findall(r"https?://[^\"<]*", footer.html) == [LINK]
    assert "<script" not in footer.html
    assert f"&#{ord('髙')};" in footer.html


def test_a_link_longer_than_a_line_is_not_broken(rendering: Rendering) -> None:
    link = "https://goen.example.com/" + "a" * 100
    footer = rendering.footer("en", link=link, company="Example", partners=["Example Agency"])
    assert link in footer.text.split("\n")


def test_a_name_that_cannot_be_mailed_is_said_beforehand() -> None:
    assert mailable_name("㈱サンプル") == "(株)サンプル"
    with pytest.raises(TemplateInvalid, match=r"株式会社😀.*U\+1F600"):
        mailable_name("株式会社😀")


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "swap", "line", "reason"),
    [
        ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内①"), 2, "U+2460"),
        ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内～"), 2, "U+FF5E"),
        ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内 "), 2, "end in a space"),
        ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内" * 20), 2, "columns wide"),
        ("footer/ja.txt", ("{{ company }}", "{{ firm }}"), 3, "“firm”"),
        ("footer/ja.txt", ("{{ company }}", "{{ company"), 5, "expected token"),
        ("footer/ja.txt", ("{{ company }}", "{{ company.legal }}"), 3, "legal"),
        ("footer/en.txt", ("{{ link }}", "Here: {{ link }}"), 14, "alone"),
        ("footer/en.txt", ("{{ link }}", ""), None, "0 times"),
        ("footer/en.html", ("{{ company }}", "{{ link }}"), None, "2 times"),
        ("consent/2026-11/ja.html", ("partner.licence_no", "partner.licence"), 6, "licence"),
        ("consent/2026-11/en.html", ("{% set statement %}", "{% set sentence %}"), None, "beside the box"),
        ("pages/layout.html", ("{{ title }}", "{{ headline }}"), 8, "“headline”"),
        ("pages/words/en.html", ("{% set skip =", "{% set skipp ="), None, "“skip” is missing"),
        ("pages/error.html", ("{% endblock %}", ""), 4, "endblock"),
    ],
)
def test_a_broken_template_is_refused_at_load_with_file_and_line(
    folder: Path, file: str, swap: tuple[str, str], line: int | None, reason: str
) -> None:
    _replace(folder / file, *swap)
    with pytest.raises(TemplateInvalid) as raised:
        Rendering(folder)
    assert (raised.value.file, raised.value.line) == (file, line)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "file",
    [
        str(path.relative_to(SHIPPED))
        for path in sorted(SHIPPED.rglob("*"))
        if path.suffix in {".txt", ".html", ".css"}
    ],
)
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(TemplateInvalid) as raised:
        Rendering(folder)
    assert raised.value.file == file
    assert "missing" in raised.value.reason


def test_a_file_that_is_not_utf8_is_named(folder: Path) -> None:
    (folder / "footer/ja.txt").write_bytes("ご案内".encode("cp932"))
    with pytest.raises(TemplateInvalid, match=r"footer/ja\.txt.*not UTF-8"):
        Rendering(folder)


def test_templates_without_any_consent_text_are_refused(folder: Path) -> None:
    shutil.rmtree(folder / "consent")
    with pytest.raises(TemplateInvalid, match="no edition"):
        Rendering(folder)


def test_templates_cannot_reach_into_the_program(folder: Path) -> None:
    """Operators edit templates, so a template gets what it is given and nothing behind it."""
    _replace(folder / "footer/ja.txt", "{{ company }}", "{{ company.__class__ }}")
    with pytest.raises(TemplateInvalid):
        Rendering(folder)


def test_the_words_of_the_pages_are_the_same_in_each_language(rendering: Rendering) -> None:
    shapes = []
    for language in LANGUAGES:
        source = (SHIPPED / "pages" / "words" / f"{language}.html").read_text()
        names = re.findall(r"{% (?:set|macro) (\w+)", source)
        keys = re.findall(r'^    "(\w+)": ', source, re.MULTILINE)
        shapes.append((names, keys))
    assert shapes[0] == shapes[1]
    assert rendering.editions == tuple(sorted(rendering.editions))
