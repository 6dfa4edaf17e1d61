import re
from dataclasses import replace

import pytest

from store import partners
from store.database import Store
from store.errors import PartnerInvalid
from store.records import SlotPolicy
from tests.store.story import LATER, NOW, agency


def test_a_partner_is_listed_as_it_was_added(store: Store) -> None:
    later, earlier = agency("b", expires=LATER), agency("a-1", ratio=3, basis="submitted")
    for partner in (later, earlier):
        store.call(partners.add_partner, partner, now=NOW)

    assert store.call(partners.list_partners) == (earlier, later)


def test_adding_a_partner_again_replaces_it(store: Store) -> None:
    store.call(partners.add_partner, agency(), now=NOW)
    newer = replace(
        agency(ratio=5, basis="submitted", expires=LATER),
        legal_name="新見本株式会社",
        endpoint="http://127.0.0.1:8026/submissions",
        representative="見本 次郎",
    )

    store.call(partners.add_partner, newer, now=LATER)

    assert store.call(partners.list_partners) == (newer,)


WRONG = [
    (replace(agency(), id=""), "id"),
    (replace(agency(), id="Agency"), "id"),
    (replace(agency(), id="a--b"), "id"),
    (replace(agency(), id="a b"), "id"),
    (replace(agency(), id="agency\n"), "id"),
    (replace(agency(), legal_name=" "), "legal_name"),
    (replace(agency(), address=""), "address"),
    (replace(agency(), representative=""), "representative"),
    (replace(agency(), licence_no="  "), "licence_no"),
    (replace(agency(), licence_expires=NOW.replace(tzinfo=None)), "licence_expires"),
    (replace(agency(), country="jp"), "country"),
    (replace(agency(), country="JPN"), "country"),
    (replace(agency(), endpoint="ftp://agency.example.jp/"), "endpoint"),
    (replace(agency(), endpoint="https://"), "endpoint"),
    (replace(agency(), endpoint="https://agency.example.jp:99999/"), "endpoint"),
    (replace(agency(), endpoint="https://[::1/"), "endpoint"),
    (replace(agency(), endpoint="agency.example.jp"), "endpoint"),
    (replace(agency(), secret=""), "secret"),
    (replace(agency(), secret="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), "secret"),
    (replace(agency(), secret="whsec_MDEyMw=="), "secret"),
    (replace(agency(), secret="whsec_not base64 at all, but long enough for it"), "secret"),
    (replace(agency(), secret="whsec_あ"), "secret"),
    (replace(agency(), policy=SlotPolicy(0)), "policy.ratio"),
    (replace(agency(), policy=SlotPolicy(-10)), "policy.ratio"),
    (replace(agency(), policy=SlotPolicy(10, "guessed")), "policy.basis"),
]
"""A partner, and the field that is wrong with it."""


def test_a_partner_with_a_wrong_field_is_refused_by_its_name(store: Store) -> None:
    for partner, field in WRONG:
        with pytest.raises(PartnerInvalid, match=f"^{re.escape(field)} ") as caught:
            store.call(partners.add_partner, partner, now=NOW)

        assert caught.value.field == field
        assert partner.secret == "" or partner.secret not in str(caught.value)
    assert store.call(partners.list_partners) == ()
