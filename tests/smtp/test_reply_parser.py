import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.replies import Reply
from gateway.smtp.reply_parser import MAX_LINES, ReplyParser

texts = st.binary(max_size=20).filter(lambda text: not set(text) & set(b"\r\n\x00"))
replies = st.builds(
    Reply,
    st.integers(min_value=2, max_value=5).flatmap(lambda kind: st.integers(kind * 100, kind * 100 + 99)),
    st.lists(texts, min_size=1, max_size=5).map(tuple),
)


@given(st.lists(replies), st.integers(min_value=1, max_value=30))
def test_replies_come_out_as_they_went_in(sent: list[Reply], step: int) -> None:
    """Invariant: however the bytes are cut, the replies are those that were sent, and nothing is left."""
    wire = b"".join(reply.to_wire() for reply in sent)
    parser = ReplyParser()
    heard = [reply for at in range(0, len(wire), step) for reply in parser.feed(wire[at : at + step])]
    assert heard == sent
    assert not parser.midway
    assert not parser.nonsense


@given(st.binary())
def test_no_bytes_do_worse_than_nonsense(data: bytes) -> None:
    """Invariant: any bytes are replies, wait for more, or are nonsense; no reply carries a line end."""
    heard = ReplyParser().feed(data)
    assert all(b"\n" not in line and b"\r" not in line for reply in heard for line in reply.lines)


def test_a_code_may_stand_alone() -> None:
    assert ReplyParser().feed(b"250\r\n") == [Reply(250, (b"",))]


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"hello\r\n",
        b"25 ok\r\n",
        b"2500 ok\r\n",
        b"199 ok\r\n",
        b"600 ok\r\n",
        b"250_ok\r\n",
        b"250 ok\n",
        b"250 o\rk\r\n",
        b"250 o\x00k\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-a\r\n" * (MAX_LINES + 1),
        b"2" * 9000,
        b"250 " + b"x" * 9000 + b"\r\n",
    ],
)
def test_what_is_no_reply_is_nonsense(data: bytes) -> None:
    parser = ReplyParser()
    assert parser.feed(data) == []
    assert parser.nonsense


@given(st.lists(replies), st.lists(replies), st.integers(min_value=1, max_value=30))
def test_nonsense_takes_nothing_from_the_replies_before_it(
    sent: list[Reply], later: list[Reply], step: int
) -> None:
    """Invariant: replies before the nonsense come out, whatever the cut, and none from behind it."""
    wire = b"".join([*(r.to_wire() for r in sent), b"\r\n", *(r.to_wire() for r in later)])
    parser = ReplyParser()
    heard = [reply for at in range(0, len(wire), step) for reply in parser.feed(wire[at : at + step])]
    assert heard == sent
    assert parser.nonsense


@pytest.mark.parametrize("code", [260, 571, 299, 599])
def test_any_second_digit_is_a_reply(code: int) -> None:
    """Exchange says 571; read as nonsense it would be tried again for days."""
    assert ReplyParser().feed(b"%d 5.7.1 no\r\n" % code) == [Reply(code, (b"5.7.1 no",))]
