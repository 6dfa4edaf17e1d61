"""What would become of a mail, where its markers stand, and what can be done about it."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import message_journey
from gateway.copies import PassReason
from gateway.keyring import new_ed25519_key
from gateway.mail import parts, trace
from gateway.mail.dkim_sign import SigningKey
from gateway.mail.eligible import Reason
from gateway.mail.footer import Footer
from gateway.mail.notice.findings import Confidence, Source
from gateway.operator.explain import examination
from gateway.operator.explain.advice import HINTS, PREFILTER_DEFECT
from gateway.operator.explain.as_data import as_json
from gateway.operator.explain.as_text import as_lines
from gateway.operator.explain.circumstances import Circumstances
from gateway.operator.explain.examination import Case, explain, files
from gateway.operator.explain.explanation import Explanation, MarkerSeen, Outcome, Role
from gateway.operator.explain.people import TRACE_ID, assume
from store.records import CopyKind

HEAD = b"From: HR <hr@example.com>\r\nTo: =?utf-8?b?5bGx55SwIOWkqumDjg==?= <taro@example.jp>\r\n"
DATE = "Mon, 23 Nov 2026 05:00:00 +0000"
UTF_8 = b"Content-Type: text/plain; charset=utf-8\r\n"
UUENCODED = UTF_8 + b"Content-Transfer-Encoding: x-uuencode\r\n"
SHIFT_JIS = b"Content-Type: text/plain; charset=shift_jis\r\n"
ISO_2022_JP = b"Content-Type: text/plain; charset=iso-2022-jp\r\n"


class Linkless:
    """Footers without a link."""

    def footer(self, language: str, *, link: str, company: str, partners: Sequence[str]) -> Footer:
        return Footer(text=f"{language} {company} {len(partners)} {len(link)}", html="<p>x</p>")


def case(raw: bytes, around: Circumstances, to: Sequence[str] = (), sender: str | None = None) -> Case:
    envelope = assume(raw, parts.scan(raw), sender=sender, recipients=to).envelope
    return Case(raw, envelope, around, DATE)


def text(words: str, head: bytes = UTF_8) -> bytes:
    return HEAD + head + b"\r\n" + words.replace("\n", "\r\n").encode() + b"\r\n"


MARKED = text("山田 太郎 様\n\n最終面接の結果\n\n[[relay:rejection stage=final]]\n\n以上")


# The verdict


def test_the_verdict_says_how_many_get_what(samples: Circumstances) -> None:
    people = ("a@example.jp", "b@example.jp", "boss@example.com")
    found = explain(case(MARKED, samples, people))
    assert found.outcome is Outcome.REWRITTEN
    assert found.verdict == (
        "This mail would be rewritten: 2 candidates get an invitation, "
        "1 other recipient gets a copy without the marker."
    )
    assert [copy.file for copy in found.copies] == ["candidate-1.eml", "candidate-2.eml", "internal.eml"]
    assert [copy.recipients for copy in found.copies] == [(person,) for person in people]
    assert found.others == ("boss@example.com",)


def test_a_mail_to_colleagues_alone_is_told_how_to_show_the_invitation(samples: Circumstances) -> None:
    found = explain(case(MARKED, samples, ("boss@example.com", "chief@example.com")))
    assert found.verdict == (
        "This mail would be rewritten: nobody gets an invitation, "
        "2 other recipients get a copy without the marker."
    )
    assert "--to ADDRESS" in found.advice[0]
    assert [copy.kind for copy in found.copies] == [CopyKind.INTERNAL]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (MARKED + b"bare\rreturn\r\n", "550 5.5.2"),
        (MARKED + b"nul \0\r\n", "550 5.6.0"),
        (b"Received: x\r\n" * 101 + MARKED, "554 5.4.6"),
        (b"Received: x\r\n" * 100 + MARKED, None),
    ],
)
def test_what_the_gateway_refuses_is_said_with_its_reply(
    raw: bytes, reason: str | None, samples: Circumstances
) -> None:
    found = explain(case(raw, samples))
    if reason is None:
        assert found.outcome is Outcome.REWRITTEN
    else:
        assert found.outcome is Outcome.REFUSED
        assert found.reason is not None
        assert found.reason.startswith(reason)
        assert found.copies == ()


def test_the_limit_of_hops_is_the_journeys() -> None:
    assert examination.MAX_HOPS == message_journey.MAX_HOPS


def test_each_reason_has_a_hint() -> None:
    assert set(HINTS) == set(Reason) | set(PassReason)


@pytest.mark.parametrize(
    ("raw", "reason", "hint"),
    [
        (text("nothing"), "unmarked", "To invite, write [[relay:rejection]]"),
        (
            text("x\n\n [[relay:rejction]]"),
            "unmarked",
            "Line 3 of part 1 (text/plain) has “[[relay:rejction”",
        ),
        (text("x\n[[relay:rejection job=x\n\ny"), "unmarked", "close it with ]]"),
        (text("x", b"Subject: [[relay:rejection]]\r\n" + UTF_8), "unmarked", "stands only in the Subject"),
        (text("a\n> b\n> [[relay:rejection]]"), "marker-quoted", "Line 3 of part 1"),
        (text("a\n> b\n> [[relay:rejection]]"), "marker-quoted", "begins at line 2"),
        (
            text("[[relay:rejection job=a]]\n[[relay:rejection job=b]]"),
            "contradicting-markers",
            "“a” and “b”",
        ),
        (text("[[relay:rejection]]", UUENCODED), "undecodable", "Part 1 (text/plain) declares utf-8"),
        (MARKED.replace(b"From: HR <hr@example.com>\r\n", b""), "no-author", "From field"),
        (b"Auto-Submitted: auto-generated\r\n" + MARKED, "automatic", "Auto-Submitted"),
    ],
)
def test_what_passes_says_why_and_what_to_do(
    raw: bytes, reason: str, hint: str, samples: Circumstances
) -> None:
    found = explain(case(raw, samples))
    assert (found.outcome, found.reason) == (Outcome.PASSES, reason)
    assert found.verdict.endswith(f"({reason})")
    assert hint in " ".join(found.advice)
    assert found.copies == ()
    assert {part.role for part in found.parts} <= {Role.TEXT, Role.CONTAINER, Role.ATTACHED}


def test_a_broken_marker_in_html_is_found_through_its_tags(samples: Circumstances) -> None:
    html = HEAD + b"Content-Type: text/html\r\n\r\n<p>x</p>\r\n<p>[[<b>relay</b>:<i>rejction</i>]]</p>\r\n"
    (almost,) = explain(case(html, samples)).parts[0].almost
    assert (almost.words, almost.line, almost.column) == ("[[relay:rejction", 2, 4)


def test_a_marker_in_quoted_html_is_not_taken_for_a_hidden_one(samples: Circumstances) -> None:
    html = text("<p>x</p><blockquote>[[relay:rejection]]</blockquote>", b"Content-Type: text/html\r\n")
    found = explain(case(html, samples))
    assert found.reason == "marker-quoted"
    assert "Subject" not in " ".join(found.advice)


def test_unmarked_mail_that_could_not_be_rewritten_either_says_so(samples: Circumstances) -> None:
    found = explain(case(b"List-Id: x\r\n" + text("nothing"), samples))
    assert "With a marker it would pass as well" in found.advice[-1]
    assert "(list)" in found.advice[-1]


def test_words_that_are_no_attribute_are_named(samples: Circumstances) -> None:
    found = explain(case(text("[[relay:rejection foo=1 job=x]]"), samples))
    assert "foo" in found.advice[0]


def test_a_marker_that_the_quick_search_misses_is_a_defect(samples: Circumstances) -> None:
    """No mail is known for which it happens; so a blind search takes its place."""
    found = explain(case(MARKED, samples), quick_search=lambda _raw: False)
    assert found.reason == "unmarked"
    assert found.defects == (PREFILTER_DEFECT,)


def test_a_failed_check_is_a_defect_and_nobody_is_told_to_mend_the_mail(samples: Circumstances) -> None:
    """A link that stands nowhere in the invitation, as no template of ours has it, fails the check."""
    around = replace(samples, scribe=replace(samples.scribe, footers=Linkless()))
    found = explain(case(MARKED, around))
    assert (found.reason, found.advice) == ("check-failed", ())
    assert "report" in found.defects[0]


# Where markers stand


def only_marker(found: Explanation) -> MarkerSeen:
    (marker,) = [marker for part in found.parts for marker in part.markers]
    return marker


LINES = '山田 太郎 様\n\n前文[[relay:rejection job="営業"]] 後文\n'


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (text(LINES), b'[[relay:rejection job="'),
        (HEAD + SHIFT_JIS + b"\r\n" + LINES.encode("cp932"), b"[[relay"),
        (HEAD + ISO_2022_JP + b"\r\n" + LINES.encode("iso2022_jp"), b"[[relay"),
        (
            HEAD + UTF_8 + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"=E5=B1=B1=\r\n\r\n\r\n=E5=89=8D=E6=96=87=\r\n[[relay:reje=\r\nction]]\r\n",
            b"[[relay:reje=\r\nction",
        ),
    ],
)  # fmt: skip
def test_a_marker_has_a_line_a_column_and_the_octet_where_it_begins(
    raw: bytes, at: bytes, samples: Circumstances
) -> None:
    raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    marker = only_marker(explain(case(raw, samples)))
    assert (marker.line, marker.column, marker.quoted) == (3, 3, False)
    assert raw[marker.octet :].startswith(at)
    assert marker.source_line == raw[: marker.octet].count(b"\n") + 1


@pytest.mark.parametrize("before", range(0, 130, 7))
@pytest.mark.parametrize("width", [4, 76])
def test_in_base64_it_is_the_group_that_holds_its_beginning(
    before: int, width: int, samples: Circumstances
) -> None:
    words = b"x" * before + b"\r\n\r\n[[relay:rejection]]\r\n"
    packed = base64.b64encode(words)
    body = b"\r\n".join(packed[at : at + width] for at in range(0, len(packed), width))
    raw = HEAD + UTF_8 + b"Content-Transfer-Encoding: base64\r\n\r\n" + body + b"\r\n"
    marker = only_marker(explain(case(raw, samples)))
    decoded = base64.b64decode(raw[marker.octet :])
    assert decoded.startswith(words[(before + 4) // 3 * 3 :])
    assert decoded[(before + 4) % 3 :].startswith(b"[[relay")


def test_quoted_mail_is_shown_with_its_lines_and_the_markers_in_it(samples: Circumstances) -> None:
    words = "答え\n[[relay:rejection]]\n> 一\n> [[relay:rejection]]\nまた\n> 三\n"
    (part,) = explain(case(text(words), samples)).parts
    assert part.quoted_lines == ((3, 4), (6, 6))
    assert [(marker.line, marker.quoted) for marker in part.markers] == [(2, False), (4, True)]


def test_quoted_stretches_that_touch_are_one(samples: Circumstances) -> None:
    lines = "<p>x</p>\n<blockquote>a</blockquote>\n<blockquote>b</blockquote>\n<p>[[relay:rejection]]</p>"
    (part,) = explain(case(text(lines, b"Content-Type: text/html\r\n"), samples)).parts
    assert part.quoted_lines == ((2, 3),)


def test_parts_are_numbered_and_their_roles_told(corpus: dict[str, bytes], samples: Circumstances) -> None:
    found = explain(case(corpus["body-and-attachment"], samples))
    assert [part.number for part in found.parts][:2] == ["0", "1"]
    roles = [part.role for part in found.parts]
    assert roles[0] is Role.CONTAINER
    assert Role.INVITED in roles
    assert Role.ATTACHED in roles


# What the mail says, and the copies


def test_what_the_mail_says_comes_with_source_and_confidence(samples: Circumstances) -> None:
    (candidate,) = explain(case(MARKED, samples)).candidates
    assert candidate.name is not None
    assert (candidate.name.value, candidate.name.source) == ("山田 太郎", Source.DISPLAY_NAME)
    assert candidate.name.confidence is Confidence.HIGH
    assert candidate.stage is not None
    assert candidate.stage.source is Source.MARKER


def test_with_two_candidates_the_name_in_the_text_is_nobodys(samples: Circumstances) -> None:
    taro, other = explain(case(MARKED, samples, ("taro@example.jp", "other@example.jp"))).candidates
    assert taro.name is not None
    assert other.name is None


def test_the_first_copy_of_each_kind_shows_what_is_other_in_it(samples: Circumstances) -> None:
    found = explain(case(MARKED, samples, ("a@example.jp", "b@example.jp", "boss@example.com")))
    first, second, internal = found.copies
    assert second.changes is None
    assert first.changes is not None
    assert internal.changes is not None
    header, words = first.changes
    signs = {line.text.partition(":")[0]: line.sign for hunk in header.hunks for line in hunk.lines}
    assert signs["Received"] == signs["X-Goen-Processed"] == "+"
    lines = [f"{line.sign}{line.text}" for hunk in words.hunks for line in hunk.lines]
    assert "-[[relay:rejection stage=final]]" in lines
    assert any(line.startswith("+https://goen.example.com/c/samplelink") for line in lines)
    assert not any("https:" in line.text for c in internal.changes for h in c.hunks for line in h.lines)


def test_files_are_the_copies_with_their_sizes_and_each_candidate_has_another_link(
    samples: Circumstances,
) -> None:
    this = case(MARKED, samples, ("a@example.jp", "b@example.jp", "boss@example.com"))
    found = explain(this)
    written = dict(files(this, found))
    assert {name: len(content) for name, content in written.items()} == {
        copy.file: copy.octets for copy in found.copies
    }
    assert all(trace.fault(content) is None for content in written.values())
    assert written["candidate-1.eml"] != written["candidate-2.eml"]
    assert [copy.growth for copy in found.copies] == [copy.octets - len(MARKED) for copy in found.copies]


def test_a_mail_that_passes_has_no_files(samples: Circumstances) -> None:
    this = case(text("nothing"), samples)
    assert list(files(this, explain(this))) == []


def test_without_keys_the_copies_are_unsigned_and_keep_the_signatures_of_others(
    samples: Circumstances,
) -> None:
    foreign = b"DKIM-Signature: v=1; d=mailer.example.org; s=x; b=abc\r\n"
    own = b"DKIM-Signature: v=1; d=example.com; s=x; b=abc\r\n"
    this = case(foreign + own + MARKED, samples)
    (content,) = dict(files(this, explain(this))).values()
    assert foreign in content
    assert content.count(b"DKIM-Signature") == 1
    assert explain(this).copies[0].signed_by == ()


def test_with_keys_the_copies_name_who_signs(samples: Circumstances) -> None:
    key = SigningKey(b"example.com", b"s1", "ed25519-sha256", new_ed25519_key()[0])
    around = replace(
        samples, scribe=replace(samples.scribe, signing_keys={b"example.com": (key,)}), stand_in_key=None
    )
    assert explain(case(MARKED, around)).copies[0].signed_by == (
        "s1._domainkey.example.com (ed25519-sha256)",
    )
    other = explain(case(MARKED.replace(b"hr@example.com", b"hr@example.org"), around))
    assert other.reason == "no-signing-key"


def test_while_settings_are_missing_it_passes_and_the_rest_is_shown_with_samples(
    samples: Circumstances,
) -> None:
    found = explain(case(MARKED, replace(samples, missing=("organisation.address",))))
    assert (found.outcome, found.reason) == (Outcome.PASSES, "unprepared")
    assert "organisation.address" in found.advice[0]
    assert "1 candidate gets an invitation" in found.advice[0]
    assert len(found.copies) == 1


def test_a_mail_that_bears_our_stamp_passes(samples: Circumstances) -> None:
    stamp = trace.stamp_field(samples.scribe.stamp_key, TRACE_ID, MARKED)
    assert explain(case(stamp + MARKED, samples)).reason == "stamped"


def test_the_null_sender_makes_it_pass(samples: Circumstances) -> None:
    found = explain(case(MARKED, samples, sender="<>"))
    assert (found.reason, found.sender) == ("null-sender", "")


# Any bytes

CORPUS = Path(__file__).parent.parent / "corpus"
MAILS = sorted(path.read_bytes() for path in CORPUS.glob("*/in.eml"))
PIECES = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"[[relay:rejection]]",
    b"\x1b$B",
    b"\xff",
    b"=",
    b"--b",
    b'"',
    b"<",
    b"\xe2\x80\xae",
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a mail of the corpus with pieces put in, cut out and turned round."""
    raw = draw(st.sampled_from(MAILS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(start + draw(st.sampled_from((0, 0, 1, 2, 40))), len(raw))
        raw = raw[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=3)) + raw[end:]
    return raw


@settings(max_examples=150)
@given(raw=mutated() | st.binary(max_size=200))
def test_any_bytes_are_explained_and_nothing_of_them_steers_a_terminal(
    raw: bytes, samples: Circumstances
) -> None:
    """Whatever the mail, an explanation comes, and what is printed holds nothing that steers a terminal."""
    found = explain(case(raw, samples))
    assert (found.outcome is Outcome.REWRITTEN) == (found.reason is None)
    assert bool(found.copies) == (found.outcome is Outcome.REWRITTEN)
    printed = [line.text for line in as_lines(found, width=80)]
    printed += as_json(found).split("\n")
    assert not any(
        sign < " " or "\x7f" <= sign <= "\x9f" or sign in "\u202e\u2066\u2028"
        for line in printed
        for sign in line
    )
