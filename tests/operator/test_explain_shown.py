"""How an explanation is shown: to a person, and to a program."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from gateway.mail import parts
from gateway.mail.marker import Marker
from gateway.mail.notice.findings import Conflict, Finding
from gateway.operator.explain.as_data import as_json
from gateway.operator.explain.as_text import as_lines
from gateway.operator.explain.circumstances import Circumstances
from gateway.operator.explain.examination import Case, explain
from gateway.operator.explain.explanation import (
    AlmostSeen,
    CandidateSeen,
    Change,
    CopySeen,
    DiffLine,
    Explanation,
    Hunk,
    MarkerSeen,
    PartSeen,
)
from gateway.operator.explain.harmless import cut, harmless
from gateway.operator.explain.people import assume
from gateway.operator.terminal import Style
from gateway.plain_text import columns

EVIL = (
    b"From: hr@example.com\r\nTo: taro@example.jp, boss@example.com\r\n"
    b'Content-Type: text/html; charset="utf-8"\r\n\r\n<p>'
    + "\x1b[31mred\u202e \x1b]0;title\x07 &#27;[2J ".encode()
    + b'</p><p>[[relay:rejection job="\x1b[1m"]]</p>'
    + "とても長い行".encode() * 300
    + b"\r\n"
)


@pytest.fixture
def evil(samples: Circumstances) -> Explanation:
    envelope = assume(EVIL, parts.scan(EVIL), sender=None, recipients=()).envelope
    notes = ("A note with \x1b[31m in it.",)
    return explain(Case(EVIL, envelope, samples, "Mon, 23 Nov 2026 05:00:00 +0000", notes))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 日本語, é, 👋 and \u3000", "plain, 日本語, é, 👋 and \u3000"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc\u2069\u200f\u061c", "\\u202eabc\\u2069\\u200f\\u061c"),
        ("a\u200bb\u00adc\ufeff", "a\\u200bb\\xadc\\ufeff"),
        ("a\nb\r\u2028\0", "a\\x0ab\\x0d\\u2028\\x00"),
        ("\U000e0041\ud800", "\\U000e0041\\ud800"),
        ("a\tb", "a    b"),
    ],
)
def test_what_steers_a_terminal_or_hides_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize("width", range(1, 12))
def test_a_cut_line_has_the_width_and_says_that_it_was_cut(width: int) -> None:
    line = cut("日本語 and text", width)
    assert columns(line.removesuffix("…")) + 1 <= width
    assert line.endswith("…")
    assert cut("日本語", 6) == "日本語"


def test_a_person_reads_the_verdict_first_and_no_line_steers_the_terminal(evil: Explanation) -> None:
    lines = list(as_lines(evil, width=80))
    assert lines[0].text == evil.verdict
    assert lines[0].style is Style.GOOD
    whole = "".join(line.text for line in lines)
    assert all(sign.isprintable() or sign == "\u3000" for sign in whole)
    assert "\\x1b[31mred\\u202e" in whole


def test_what_to_do_is_made_harmless_too(evil: Explanation) -> None:
    hinted = replace(evil, advice=("It declares \x1b[2J.",))
    assert "It declares \\x1b[2J." in [line.text for line in as_lines(hinted, width=80)]


def test_lines_about_the_mail_are_cut_to_the_width(evil: Explanation) -> None:
    lines = [line.text for line in as_lines(evil, width=80)]
    after = lines.index("Envelope")
    assert max(columns(line.removesuffix("…")) for line in lines[after:]) <= 80
    assert any("とても" in line for line in lines)


def test_a_person_reads_the_sections_in_order(evil: Explanation) -> None:
    headings = [line.text for line in as_lines(evil, width=80) if line.style is Style.HEADING]
    assert headings == [
        *("Notes", "Envelope", f"Parts of the mail ({len(EVIL):,} bytes)", "What it says", "Copies"),
        *("Changes in candidate-1.eml", "Changes in internal.eml"),
    ]


def test_japanese_in_the_invitations_html_is_shown_as_characters(evil: Explanation) -> None:
    lines = [line.text for line in as_lines(evil, width=200)]
    assert any(line.startswith("  + ") and "ご希望の方" in line for line in lines)
    assert not any("&#12" in line for line in lines)


def test_of_very_many_only_the_first_are_shown_to_a_person(evil: Explanation) -> None:
    many = replace(
        evil,
        candidates=evil.candidates * 50,
        parts=evil.parts * 500,
        copies=tuple(replace(copy, changes=None) for copy in evil.copies * 50),
    )
    lines = [line.text for line in as_lines(many, width=80)]
    assert len(lines) < 400
    assert "  and 400 more parts" in lines
    assert "  and 40 more candidates" in lines
    assert "  and 90 more" in lines


def test_a_program_reads_the_same_under_stable_names(evil: Explanation) -> None:
    """The names are documented in docs/explain.md; a new one may come, none may go or change."""
    text = as_json(evil)
    data = json.loads(text)
    assert set(data) == {
        *("outcome", "reason", "verdict", "advice", "defects", "notes", "octets", "sender", "candidates"),
        *("others", "marker", "marked_by_header", "parts", "copies"),
    }
    assert data["outcome"] == "rewritten"
    assert data["copies"][0]["changes"][1]["hunks"][0]["lines"][0]["sign"] == "-"
    assert data["candidates"][0]["language"]["confidence"] in ("high", "medium", "low")
    assert all(sign.isprintable() or sign in "\n\u3000" for sign in text)
    assert "\\u202e" in text
    assert "とても" in text


ROOT = Path(__file__).parent.parent.parent
TEMPLATE = (
    """\
From: Example Corporation <recruit@example.com>
To: =?UTF-8?B?5bGx55SwIOWkqumDjg==?= <taro.yamada@example.jp>
Cc: boss@example.com
Subject: =?UTF-8?B?6YG46ICD57WQ5p6c44Gu44GU6YCj57Wh?=
Date: Mon, 23 Nov 2026 10:00:00 +0900
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit

山田 太郎 様

慎重に検討を重ねました結果、今回はご期待に沿えない結果となりました。

[[relay:rejection job="営業" stage=final]]

末筆ながら、山田様の今後のご活躍を心よりお祈り申し上げます。
"""
).replace("\n", "\r\n")


@pytest.mark.parametrize("document", ["README.md", "README.ja.md"])
def test_the_readme_shows_what_is_really_printed(document: str, samples: Circumstances) -> None:
    printed = set()
    for mail in (TEMPLATE.encode(), TEMPLATE.replace("rejection", "rejction").encode()):
        envelope = assume(mail, parts.scan(mail), sender=None, recipients=()).envelope
        explanation = explain(Case(mail, envelope, samples, "Mon, 23 Nov 2026 05:00:00 +0000"))
        printed |= {line.text for line in as_lines(explanation, width=160)}
    blocks = re.findall(
        r"^```text\n(.*?)^```", (ROOT / document).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    shown = {line for block in blocks for line in block.splitlines()} - {"…"}
    assert len(shown) > 10
    assert shown <= printed


def test_every_name_of_the_json_is_documented() -> None:
    document = (ROOT / "docs" / "explain.md").read_text("utf-8").partition("## JSON")[2]
    kinds = (Explanation, PartSeen, MarkerSeen, AlmostSeen, CandidateSeen, CopySeen, Change, Hunk, DiffLine)
    names = {field.name for kind in (*kinds, Marker, Finding, Conflict) for field in fields(kind)}
    assert {name for name in names if f"`{name}`" not in document} == set()
