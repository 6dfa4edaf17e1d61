"""Each folder of tests/corpus is one mail, what must become of it, and why.

`in.eml` goes in, `out.eml` must come out byte for byte.
The first line of `why.txt` is `rewritten` or the reason code with which the mail passes as it came.
"""

import email
from email import policy
from pathlib import Path

import pytest

from gateway.mail import check, eligible, footer, marker
from gateway.mail.footer import Footer

CORPUS = Path(__file__).parent.parent / "corpus"
CASES = sorted(folder.name for folder in CORPUS.iterdir() if folder.is_dir())
LINK = b"https://relay.example.jp/c/4f7q"


@pytest.mark.parametrize("name", CASES)
def test_each_mail_becomes_what_it_must(name: str, invitation: Footer) -> None:
    folder = CORPUS / name
    raw = (folder / "in.eml").read_bytes()
    expected = (folder / "out.eml").read_bytes()
    verdict = (folder / "why.txt").read_text(encoding="utf-8").splitlines()[0]
    reading = eligible.read(raw, stamp_key=b"corpus")
    if verdict != "rewritten":
        assert reading.unfit == verdict
        assert expected == raw
        assert reading.targets == ()
        return
    assert marker.might_be_marked(raw)
    assert reading.unfit is None
    assert reading.marker is not None
    copy = footer.rewrite(raw, reading, invitation)
    assert copy == expected
    check.check(raw, copy, reading, invitation)
    without = footer.rewrite(raw, reading, None)
    check.check(raw, without, reading, None)
    assert LINK not in without


@pytest.mark.parametrize("name", CASES)
def test_each_rewritten_mail_is_read_by_the_standard_library(name: str) -> None:
    """In what goes out, a second reader sees the link in each own text and nowhere a marker that counts."""
    folder = CORPUS / name
    if not (folder / "why.txt").read_text(encoding="utf-8").startswith("rewritten"):
        return
    message = email.message_from_bytes((folder / "out.eml").read_bytes(), policy=policy.default)
    body = message.get_body(("related", "html", "plain"))
    assert body is not None
    alternatives = (part for part in message.walk() if part.get_content_type() == "multipart/alternative")
    alternative = next(alternatives, None)
    for branch in alternative.iter_parts() if alternative is not None else [body]:
        texts = [
            part.get_payload(decode=True) for part in branch.walk() if part.get_content_maintype() == "text"
        ]
        seen = b"".join(text for text in texts if isinstance(text, bytes))
        assert seen.count(LINK) == 1
        assert b"[[relay" not in seen.split(b">> quoted")[0]


def test_the_corpus_has_no_bare_line_ends() -> None:
    """Git must not translate these files: .gitattributes says so."""
    for name in CASES:
        for file in ("in.eml", "out.eml"):
            raw = (CORPUS / name / file).read_bytes()
            assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
