"""What leaves for a partner."""

import dataclasses
import json
from datetime import datetime, timedelta, timezone

import pytest

from gateway.partners.payload import Payload, Provider, compose
from store import provisions
from store.records import Partner, Submission


def test_the_payload_is_this_and_nothing_else(submission: Submission, provider: Provider) -> None:
    assert json.loads(compose(submission, provider).to_json()) == {
        "version": "1",
        "submission_key": "sub-0001",
        "provider": {
            "legal_name": "株式会社サンプル商事",
            "address": "東京都千代田区例町1-2-3",
            "privacy_officer": "privacy@example.com",
        },
        "acquisition": (
            "Obtained by the provider from the candidate, who applied to it for a job; "
            "provided with the candidate's consent, given on the provider's page through a personal link."
        ),
        "candidate": {"name": "山田 太郎", "email": "taro.yamada@example.jp"},
        "rejection": {"job": "営業", "stage": "final", "rejected_at": "2026-11-23T01:02:03Z"},
        "consent": {
            "id": "42",
            "purpose": "provision",
            "given_at": "2026-11-23T01:02:03Z",
            "language": "ja",
            "text_edition": "2026-11",
            "text_digest": "sha256:" + "00" * 32,
        },
    }


def test_the_data_items_are_those_of_the_candidate(payload: Payload) -> None:
    assert payload.data_items == (
        "candidate.name",
        "candidate.email",
        "rejection.job",
        "rejection.stage",
        "rejection.rejected_at",
    )


@pytest.mark.parametrize(
    ("missing", "path"), [("name", "candidate.name"), ("job", "rejection.job"), ("stage", "rejection.stage")]
)
def test_what_is_missing_is_neither_sent_nor_recorded_as_sent(
    submission: Submission, provider: Provider, missing: str, path: str
) -> None:
    values: dict[str, str | None] = {
        "name": submission.name,
        "job": submission.job,
        "stage": submission.stage,
        missing: None,
    }
    without = dataclasses.replace(submission, name=values["name"], job=values["job"], stage=values["stage"])
    payload = compose(without, provider)
    assert path not in payload.data_items
    assert path not in dict(payload.values)
    assert b"null" not in payload.to_json()


def test_the_partners_own_secret_and_our_person_id_stay_here(payload: Payload, partner: Partner) -> None:
    sent = payload.to_json().decode()
    assert partner.secret not in sent
    assert "person_id" not in sent


def test_the_json_is_canonical(payload: Payload) -> None:
    sent = payload.to_json()
    again = json.dumps(json.loads(sent), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert sent == again.encode("utf-8")
    assert "山田 太郎".encode() in sent


def test_times_leave_in_utc(submission: Submission, provider: Provider, now: datetime) -> None:
    tokyo = dataclasses.replace(submission, rejected_at=now.astimezone(timezone(timedelta(hours=9))))
    assert compose(tokyo, provider).to_json() == compose(submission, provider).to_json()


def test_no_personal_data_stand_in_the_repr(payload: Payload) -> None:
    assert "taro" not in repr(payload)


def test_the_store_names_the_same_data_items_for_a_submission_that_may_have_left(payload: Payload) -> None:
    assert payload.data_items == tuple(provisions.DATA_ITEMS)
