"""Who is one person and who are two, and what is kept of a mail's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import consent, pool
from store.database import Store
from store.records import CopyKind, PlannedCopy, RejectionDetails
from tests.store.story import LATER, Story, count_people, link


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("taro@example.jp", "TARO@EXAMPLE.JP"),
        ("taro@example.jp", "taro@example.jp."),
        ("taro@bücher.example", "taro@xn--bcher-kva.example"),
        ("taro@BÜCHER.example", "taro@XN--BCHER-KVA.example"),
        ("taro@例え.example.jp", "taro@xn--r8jz45g.example.jp"),
        (
            "\u212aen@example.jp",
            "ken@example.jp",
        ),  # Unicode's Kelvin sign is the letter, in each normal form.
        ("josé@example.jp", "jose\u0301@example.jp"),
        ("taro@bu\u0308cher.example", "taro@bücher.example"),
    ],
)
def test_spellings_of_one_address_are_one_person(store: Store, one: str, other: str) -> None:
    story = Story(store)
    for address in (one, other):
        story.invite(address)
    assert store.call(count_people) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("groß@example.jp", "gross@example.jp"),
        ("ſato@example.jp", "sato@example.jp"),
        ("ﬁn@example.jp", "fin@example.jp"),
        ("É@example.jp", "é@example.jp"),
        ("taro@faß.example", "taro@fass.example"),
        ("taro@a.example", "taro@b.example"),
        ("taro", "taro@example.jp"),
    ],
)
def test_what_may_be_two_mailboxes_is_two_people(store: Store, one: str, other: str) -> None:
    """Whoever reads one mailbox must not find the other's decisions behind their own link."""
    story = Story(store)
    for address in (one, other):
        story.invite(address)
    assert store.call(count_people) == 2


@given(st.binary(max_size=60))
def test_every_envelope_address_has_a_form_that_is_its_own_form(octets: bytes) -> None:
    """For all octets: the form of an address is found, and the form of the form is the form."""
    form = pool.look_up_form(pool.address_text(octets))
    assert pool.look_up_form(form) == form


HUGE = "営" * 5000
UNSTORABLE = "a\0b\ud800c"


@pytest.mark.parametrize(("given_text", "kept"), [(HUGE, "営" * 200), (UNSTORABLE, "a\ufffdb?c")])
def test_words_of_a_mail_are_cut_to_what_both_databases_take(
    store: Store, given_text: str, kept: str
) -> None:
    details = RejectionDetails(given_text, "marker", given_text, given_text, "ja", given_text, given_text)
    copy = PlannedCopy(CopyKind.CANDIDATE, (b"taro@example.jp",), link(), details)
    story = Story(store)
    first, again = story.capture(copy), story.capture(copy)

    assert first.deliveries == again.deliveries, "the first try renders what a retry renders"
    assert first.deliveries[0].details == RejectionDetails(kept, "marker", kept, kept, "ja", kept, kept)
    story.partner()
    story.say(copy.link_id)
    found = store.call(consent.find_invitation, copy.link_id)
    (claim,) = story.claim(at=LATER)
    assert found is not None
    assert (claim.submission.name, claim.submission.job, claim.submission.stage) == (kept, kept, kept)
    assert (found.name, found.job, found.stage) == (kept, kept, kept)
