"""A partner, a submission and the time, for tests that need no more than one of each."""

from datetime import UTC, datetime

import pytest

from gateway.partners.payload import Payload, Provider, compose
from gateway.partners.standard_webhooks import encode_secret
from store.records import Partner, Submission

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def provider() -> Provider:
    return Provider("株式会社サンプル商事", "東京都千代田区例町1-2-3", "privacy@example.com")


@pytest.fixture
def partner() -> Partner:
    return Partner(
        id="demo-agency",
        legal_name="株式会社デモエージェント",
        address="東京都港区例町4-5-6",
        representative="代表 例子",
        licence_no="13-ユ-000000",
        licence_expires=None,
        country="JP",
        endpoint="http://127.0.0.1:9/submissions",
        secret=encode_secret(bytes(range(32))),
    )


@pytest.fixture
def submission(partner: Partner) -> Submission:
    return Submission(
        key="sub-0001",
        partner=partner,
        person_id=7,
        name="山田 太郎",
        email="taro.yamada@example.jp",
        job="営業",
        stage="final",
        rejected_at=NOW,
        consent_id=42,
        consented_at=NOW,
        consent_language="ja",
        consent_text_edition="2026-11",
        consent_text_digest=bytes(32),
    )


@pytest.fixture
def payload(submission: Submission, provider: Provider) -> Payload:
    return compose(submission, provider)
