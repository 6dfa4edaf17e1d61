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
    with pytest.raises(TemplateInvalid, match=r"consent/2026-11/ja\.html, line 14, character 72: .*yaer"):
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
def test_the_footer_has_a_form_for_text_that_holds_only_ascii(rendering: Rendering, language: str) -> None:
    footer = rendering.footer(language, link=LINK, company="株式会社サンプル商事", partners=["A"])
    assert footer.ascii.isascii()
    assert footer.ascii.split("\n").count(LINK) == footer.ascii.count("http") == 1
    assert all(len(line) <= 70 or line == LINK for line in footer.ascii.split("\n"))


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


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "style",
    ["white-space:normal", "font-weight:normal", "font-style:normal", "text-align:left", "color:#222222"],
)
def test_what_stands_around_the_html_footer_does_not_change_it(
    rendering: Rendering, language: str, style: str
) -> None:
    """In `<pre>` its lines ran out of the window, in a heading all was bold, on black its link unseen."""
    footer = rendering.footer(language, link=LINK, company="Example", partners=["A"])
    assert style in re.sub(r"\s", "", footer.html)
    assert 'style="color:#0b57d0' in footer.html
    assert 'bgcolor="#ffffff"' in footer.html


def test_a_link_longer_than_a_line_is_not_broken(rendering: Rendering) -> None:
    link = "https://goen.example.com/" + "a" * 100
    footer = rendering.footer("en", link=link, company="Example", partners=["Example Agency"])
    assert link in footer.text.split("\n")


def test_a_name_that_cannot_be_mailed_is_said_beforehand() -> None:
    assert mailable_name("㈱サンプル") == "(株)サンプル"
    with pytest.raises(TemplateInvalid, match=r"株式会社😀.*U\+1F600"):
        mailable_name("株式会社😀")
    with pytest.raises(TemplateInvalid, match="second link"):
        mailable_name("Example https://example.com/")


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


TD = "<strong>An introduction, only if you would like one</strong>"
BROKEN: list[tuple[str, tuple[str, str], int | None, int | None, str]] = [
    ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内①"), 2, 4, "“①” (U+2460) is not in JIS X 0208"),
    ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内～"), 2, 4, "U+FF5E"),
    ("footer/ja.txt", ("ご希望の方へのご案内", "㈱のご案内"), 2, 1, "write “(株)”"),
    ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内\xa0です"), 2, 4, "write an ordinary space"),
    ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内 "), 2, 4, "end in a space"),
    ("footer/ja.txt", ("ご希望の方へのご案内", "ご案内" * 20), 2, 39, "columns wide"),
    (
        "footer/ja.txt",
        ("{{ company }}", "{{ firm }}"),
        3,
        4,
        "“firm” is not a value this template gets; it gets",
    ),
    ("footer/ja.txt", ("{{ company }}", "{{ company"), 5, 1, "expected token"),
    ("footer/ja.txt", ("{{ company }}", "{{ company.legal }}"), 3, 12, "legal"),
    ("footer/ja.txt", ("{{ company }}", "{{ company }}\nhttps://example.com/"), 4, 1, "second link"),
    ("footer/ja.txt", ("{{ company }}", "[[relay:rejection]]"), 3, 1, "must not hold the marker"),
    ("footer/ja.txt", ("{{ company }}", "[[relay:rejction]]"), 3, 1, "must not hold the marker"),
    ("footer/en.txt", ("{{ link }}", "Here: {{ link }}"), 14, 7, "alone"),
    ("footer/en.txt", ("{{ link }}", "{{link}}"), 14, 1, "as “{{ link }}”"),
    ("footer/en.txt", ("{{ link }}", ""), 19, 71, "the link is missing: add a line “{{ link }}”"),
    ("footer/en.txt", ("{{ link }}", "{# {{ link }} #}"), 19, 71, "the link is missing"),
    ("footer/en.txt", ("{{ link }}", "{{ link }}\n{{ link }}"), 15, 4, "2 times"),
    (
        "footer/en.txt",
        ("{{ link }}", "{% for partner in partners %}\n{{ link }}\n{% endfor %}"),
        15,
        4,
        "outside of any",
    ),
    (
        "footer/en.html",
        ("{{ link }}", "{{ link if company else '' }}"),
        18,
        13,
        "outside of any",
    ),
    ("footer/en.txt", ("{{ link }}", "> quoted\n{{ link }}"), 14, 1, "begin with"),
    ("footer/ascii.txt", ("{{ link }}", ""), 13, 60, "the link is missing"),
    ("footer/ascii.txt", ("Nothing goes", "Nothing—nothing—goes"), 10, 8, "not ASCII; write “-”"),
    ("footer/ascii.txt", ("{{ link }}", "{{ link }}\n{{ company }}"), 9, 4, "“company”"),
    ("footer/en.html", ("{{ company }}", "{{ link }}"), 18, 13, "2 times"),
    (
        "footer/en.html",
        ('href="{{ link }}"', "title"),
        25,
        9,
        'the link is missing: add <a href="{{ link }}">',
    ),
    ("footer/en.html", ("{{ link }}", "{{ link }}?a=b"), 18, 1, "the one link"),
    (
        "footer/en.html",
        ('href="{{ link }}" style', 'title="{{ link }}" style'),
        18,
        1,
        "belongs into href=",
    ),
    ("footer/en.html", ('<a href="{{ link }}"', "{{ link }}<a"), 18, 1, "belongs into href="),
    ("footer/en.html", ("{{ company }}", '<a href="mailto:a@example.com">a</a>'), 9, 1, "the one link"),
    ("footer/en.html", ("{{ company }}", "https://example.com/"), 9, 1, "second link"),
    ("footer/en.html", ("{{ company }}", "<script>x</script>"), 9, 1, "<script>"),
    ("footer/en.html", ("{{ company }}", '<img src="x.png">'), 9, 1, "<img>"),
    ("footer/en.html", ("{{ company }}", '<b onclick="x">a</b>'), 9, 1, "onclick="),
    ("footer/en.html", ("{{ company }}", '<b class="x">a</b>'), 9, 1, "write style= instead"),
    ("footer/en.html", ("{{ company }}", '<b style="background:url(x)">a</b>'), 9, 1, "fetch"),
    ("footer/en.html", ("{{ company }}", '<b style="background:u\\72l(x)">a</b>'), 9, 1, "fetch"),
    (
        "footer/en.html",
        ("{{ company }}", "<table><tr><td>a</td></tr></table>"),
        9,
        1,
        'lacks role="presentation"',
    ),
    (
        "footer/en.html",
        ("{{ company }}", "<b>{{ company }}"),
        23,
        1,
        "</td> closes nothing here, <b> is open",
    ),
    ("footer/en.html", ("{{ company }}", "{{ company }}</b>"), 9, 14, "</b> closes nothing here"),
    ("footer/en.html", ("{{ company }}", "<b/>"), 9, 1, "write <b></b>"),
    ("footer/en.html", ("{{ company }}", "<!-- a -->"), 9, 1, "a comment is sent"),
    ("footer/en.html", ("{{ company }}", "<![if mso]>"), 9, 1, "middle of a page"),
    ("footer/en.html", ("{{ company }}", "<!doctype html>"), 9, 1, "middle of a page"),
    ("footer/en.html", ("{{ company }}", "<?xml?>"), 9, 1, "middle of a page"),
    ("footer/en.html", ("{{ company }}", "あ" * 200), 9, 1, "over 998 octets"),
    ("footer/en.html", ("</table>", ""), 2, 1, "<table> is not closed; add </table>"),
    ("footer/en.html", ("</table>", "</table>\nBye"), 26, 1, "outside of"),
    ("footer/en.html", ("</table>", "</table>\n<p>Bye</p>"), 26, 1, "outside of"),
    ("footer/en.html", ("</table>", "</table"), 2, 1, "<table> is not closed"),
    ("consent/2026-11/ja.html", ("partner.licence_no", "partner.licence"), 6, None, "licence"),
    ("consent/2026-11/en.html", ("{% set statement %}", "{% set sentence %}"), None, None, "beside the box"),
    ("pages/layout.html", ("{{ title }}", "{{ headline }}"), 8, 17, "“headline”"),
    ("pages/words/en.html", ("{% set skip =", "{% set skipp ="), None, None, "“skip” is missing"),
    ("pages/error.html", ("{% endblock %}", ""), 4, 1, "endblock"),
]


@pytest.mark.parametrize(
    ("file", "swap", "place", "reason"), [(f, s, (line, at), r) for f, s, line, at, r in BROKEN]
)
def test_a_broken_template_is_refused_at_load_with_file_line_and_character(
    folder: Path, file: str, swap: tuple[str, str], place: tuple[int | None, int | None], reason: str
) -> None:
    _replace(folder / file, *swap)
    with pytest.raises(TemplateInvalid) as raised:
        Rendering(folder)
    line, character = place
    assert reason in str(raised.value)
    assert (raised.value.file, raised.value.line) == (file, line)
    assert character in (None, raised.value.character)
    if line and character:
        assert str(raised.value).startswith(f"{file}, line {line}, character {character}: ")


def test_what_a_template_may_hold_is_not_refused(folder: Path) -> None:
    """Comments of the operator are not sent; Windows' line ends and nested tables are common."""
    _replace(
        folder / "footer/ja.txt", "ご希望の方へのご案内", "{# ①㈱ https://example.com/ {{ link }} #}ご案内"
    )
    html = folder / "footer/en.html"
    _replace(
        html,
        "{{ company }}",
        '{# <script> #}<TABLE ROLE="presentation"><tr><td>{{ company }}</td></tr></TABLE>',
    )
    html.write_bytes(html.read_bytes().replace(b"\n", b"\r\n"))
    footer = Rendering(folder).footer("ja", link=LINK, company="Example", partners=["A"])
    assert footer.text.split("\n")[1] == "ご案内"


@pytest.mark.parametrize(
    ("content", "line", "character", "reason"),
    [
        ("ご案内".encode("cp932"), 1, 1, "0x82 is not UTF-8"),
        ("あ\r\nいcaf".encode() + b"\xe9", 2, 5, "0xE9 is not UTF-8"),
        ("ご案内".encode("utf-16"), 1, 1, "UTF-16; save it as UTF-8"),
        ("ご案内".encode("utf-32"), 1, 1, "UTF-32"),
        ("ご案内".encode("utf-8-sig"), 1, 1, "byte order mark"),
        ("a\nb".encode("utf-16-le"), 1, 2, "NUL octet"),
        (b"", 1, 1, "the link is missing"),
    ],
)
def test_a_file_that_is_no_utf8_text_is_named(
    folder: Path, content: bytes, line: int, character: int, reason: str
) -> None:
    (folder / "footer/ja.txt").write_bytes(content)
    with pytest.raises(TemplateInvalid) as raised:
        Rendering(folder)
    assert reason in str(raised.value)
    assert (raised.value.file, raised.value.line, raised.value.character) == (
        "footer/ja.txt",
        line,
        character,
    )


def test_a_folder_in_a_file_s_place_is_named(folder: Path) -> None:
    (folder / "footer/ascii.txt").unlink()
    (folder / "footer/ascii.txt").mkdir()
    with pytest.raises(TemplateInvalid, match=r"footer/ascii\.txt: it cannot be read"):
        Rendering(folder)


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
