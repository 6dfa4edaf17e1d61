"""Replies: what the next hop's words tell, and what they may not."""

import pytest

from gateway.replies import Reply


@pytest.mark.parametrize(
    ("text", "queue_id"),
    [
        (b"2.0.0 Ok: queued as 4XyZ12345", "4XyZ12345"),
        (b"OK id=1sXyZ-0000AB-CD", "1sXyZ-0000AB-CD"),
        (b"2.6.0 <1@example.com> [InternalId=123456, Hostname=x.example.com] Queued", "123456"),
        (b"2.0.0 Ok: kept as 0001", "0001"),
        (b"2.0.0 OK  1732330000 af79cd - gsmtp", None),
        (b"2.0.0 Ok: queued as taro@example.jp", None),
        (b"2.1.5 Ok, id=taro+1@example.jp", None),
        (b"Ok: queued as " + b"A" * 60, None),
        (b"2.0.0 Ok", None),
    ],
)
def test_the_queue_id_is_read_where_there_is_one_and_an_address_never_is(
    text: bytes, queue_id: str | None
) -> None:
    assert Reply(250, (text,)).queue_id == queue_id


def test_a_refusal_has_no_queue_id() -> None:
    assert Reply(550, (b"5.1.1 queued as 123",)).queue_id is None
