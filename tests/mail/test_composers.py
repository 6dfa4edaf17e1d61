"""Markers as mailers send them: thousands of combinations, each read by the standard library as a stranger.

No reading of ours says what is right here; the mails were made from their parts.
"""

import email
import re
from collections.abc import Iterator
from email.message import Message

import pytest

from gateway.mail import check, eligible, footer, marker
from gateway.mail.eligible import Reason
from gateway.mail.footer import Footer
from tests.mail.composing.forms import FORMS, Form, asked
from tests.mail.composing.letters import (
    SEVEN_BIT,
    STRUCTURES,
    Leaf,
    Letter,
    Wish,
    compose,
    decode,
    job,
)
from tests.mail.composing.styles import STYLES, Style

LINK = "https://relay.example.jp/c/4f7q"
JAPANESE = Footer(f"ご希望の方へのご案内\n{LINK}\n", f'<p>&#12372; <a href="{LINK}">x</a></p>')
ENGLISH = Footer(f"Another door, if you like.\n{LINK}\n", f'<p>Another <a href="{LINK}">door</a></p>')
ENOUGH = 3_000
"""Combinations at the least."""
ALL_FORMS = tuple(FORMS.values())
FORMS_EACH = 9
"""Forms that are tried in each combination of the rest; the next one goes on where this one stopped."""
TAG = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)
PLAIN = Form("\ue000[[relay:rejection]]\ue001", {})


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def settings(style: Style) -> Iterator[tuple[str, str, str, str]]:
    """Yield charset, encoding, structure and line end, as far as they go together."""
    for charset in style.charsets:
        for encoding in style.encodings:
            if encoding == "7bit" and charset not in SEVEN_BIT:
                continue
            for structure in style.structures:
                yield charset, encoding, structure, "\r\n"
                yield charset, encoding, structure, "\n"


def letters(style: Style) -> Iterator[tuple[Wish, Letter]]:
    """Yield each combination whose characters its charset has."""
    turn = 0
    for charset, encoding, structure, end in settings(style):
        leaves = str(STRUCTURES[structure])
        kinds = ("", *(["html"] if "H" in leaves else []), *(["plain"] if "T" in leaves else []))
        made = 0
        for form in (*ALL_FORMS[turn:], *ALL_FORMS[:turn]):
            turn = (turn + 1) % len(ALL_FORMS)
            if form.kind not in kinds:
                continue
            wish = Wish(style, charset, encoding, structure, end, form)
            try:
                yield wish, compose(wish)
            except UnicodeEncodeError:
                continue
            made += 1
            if made == FORMS_EACH:
                break


def tree(message: Message) -> list[tuple[str, int, str | None]]:
    return [
        (part.get_content_type(), len(part.get_payload()) if part.is_multipart() else 0, part.get_filename())
        for part in message.walk()
    ]


def fields(part: Message) -> list[tuple[str, str]]:
    return [
        (name, str(value))
        for name, value in part.items()
        if name.lower() not in ("content-type", "content-transfer-encoding")
    ]


def is_target(part: Message, leaf: Leaf) -> bool:
    return part.get_content_type() == ("text/html" if leaf.is_html else "text/plain")


def check_leaf(part: Message, leaf: Leaf, wish: Wish, invitation: Footer | None) -> None:
    """Read a rewritten leaf with the standard library: the author's text with the invitation in place."""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    label = part.get_content_charset() or "undeclared"
    assert label in (wish.charset, "utf-8"), label
    text = decode(data, label).replace("\r\n", "\n")
    before = leaf.before[: leaf.before.rfind("\n") + 1]
    behind = leaf.after[leaf.after.find("\n") :] if "\n" in leaf.after else leaf.after
    assert text.startswith(before), "the text before the marker"
    assert text.endswith(behind.removeprefix("\n")), "the text behind the marker"
    new = "" if invitation is None else invitation.html if leaf.is_html else invitation.text
    tags = "".join(TAG.findall(leaf.marker)) if leaf.is_html else ""
    seen = squeezed(text)
    if leaf.is_html and new:
        assert text.count(new) == 1, "the invitation"
        seen = squeezed(text.replace(new, ""))
        assert text.index(new) >= len(before)
    wanted = leaf.before + tags + leaf.after if leaf.is_html else leaf.before + new + leaf.after
    assert seen == squeezed(wanted), "the rest of the text"
    link = f'href="{LINK}"' if leaf.is_html else LINK
    assert text.count(link) == (0 if invitation is None else 1), "one link"


def check_copy(wish: Wish, letter: Letter, copy: bytes, invitation: Footer | None) -> None:
    first, *between, last = letter.kept
    assert copy.startswith(first), "what must stay"
    at = len(first)
    for kept in between:
        at = copy.find(kept, at)
        assert at >= 0, "what must stay"
        at += len(kept)
    assert at <= len(copy) - len(last), "what must stay"
    assert copy.endswith(last), "what must stay"
    before, after = email.message_from_bytes(letter.raw()), email.message_from_bytes(copy)
    assert tree(before) == tree(after), "the tree"
    leaves = iter(letter.leaves)
    leaf = next(leaves)
    for old, new in zip(before.walk(), after.walk(), strict=True):
        assert fields(old) == fields(new), "fields"
        if old.is_multipart():
            assert (old.preamble, old.epilogue) == (new.preamble, new.epilogue)
        elif old.get_payload() == new.get_payload():
            continue
        else:
            check_leaf(new, leaf, wish, invitation)
            leaf = next(leaves, leaf)
    assert next(leaves, None) is None, "each leaf was changed"


def check_letter(wish: Wish, letter: Letter, invitation: Footer | None) -> None:
    raw = letter.raw()
    assert marker.might_be_marked(raw), "the pre-filter"
    reading = eligible.read(raw, stamp_key=b"composers")
    assert reading.unfit is None, reading.unfit
    assert len(reading.targets) == len(letter.leaves), "targets"
    for target in reading.targets:
        assert len(target.found) == 1, "one marker"
        seen = {name: getattr(target.found[0].marker, name) for name in ("template", "job", "stage")}
        assert {name: value for name, value in seen.items() if value} == asked(wish.form, job(wish.charset))
    assert reading.almost == (), "almost"
    copy = footer.rewrite(raw, reading, invitation)
    check.check(raw, copy, reading, invitation)
    check_copy(wish, letter, copy, invitation)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_a_composer_s_marker_becomes_the_invitation_and_nothing_else_changes(style: Style) -> None:
    """Each combination that fails is named."""
    failed: list[str] = []
    for number, (wish, letter) in enumerate(letters(style)):
        try:
            check_letter(wish, letter, (JAPANESE, ENGLISH, JAPANESE, None)[number % 4])
        except (AssertionError, footer.CannotRewrite) as error:
            failed.append(f"{wish}: {str(error).partition(chr(10))[0]}")
    assert failed[:20] == [], f"{len(failed)} combinations"


def test_there_are_enough_combinations_and_each_form_is_among_them() -> None:
    wishes = [wish for style in STYLES for wish, _ in letters(style)]
    assert len({str(wish) for wish in wishes}) == len(wishes) > ENOUGH
    assert {wish.form.source for wish in wishes} == {form.source for form in ALL_FORMS}


def refused(letter: Letter) -> eligible.Reading:
    reading = eligible.read(letter.raw(), stamp_key=b"composers")
    assert reading.targets == ()
    return reading


@pytest.mark.parametrize("answer", ["quoted", "forwarded"])
@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_a_marker_that_stands_only_in_what_is_answered_asks_for_nothing(style: Style, answer: str) -> None:
    for charset, encoding, structure, end in settings(style):
        for form in (PLAIN, FORMS["attributes"]):
            wish = Wish(style, charset, encoding, structure, end, form)
            letter = compose(wish, answer=answer)
            assert refused(letter).unfit is Reason.QUOTED, str(wish)


@pytest.mark.parametrize("structure", ["attached message", "attached text"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_marker_that_stands_only_in_what_is_attached_asks_for_nothing(structure: str, end: str) -> None:
    wish = Wish(STYLES[0], "us-ascii", "7bit", structure, end, PLAIN)
    assert refused(compose(wish)).unfit is Reason.ATTACHED


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_marker_that_stands_only_in_the_subject_asks_for_nothing(end: str) -> None:
    wish = Wish(STYLES[0], "us-ascii", "7bit", "no marker", end, PLAIN)
    reading = refused(compose(wish, subject="[[relay:rejection]]"))
    assert (reading.unfit, reading.almost) == (None, ("[[relay:rejection",))
