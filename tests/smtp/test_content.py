import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp import content
from gateway.smtp.content import ContentReader, stuffed_slices

# Few letters, so that line ends and dots meet often.
contents = st.lists(
    st.sampled_from([b"\r\n", b".", b"..", b"a", b"\r\n.", b"\r\n\r\n", b"\xe3\x81\x82"])
).map(lambda pieces: b"".join(pieces) + b"\r\n" if pieces else b"")
wild = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n"])).map(b"".join)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def read(pieces: list[bytes], max_octets: int = 1 << 20) -> tuple[ContentReader, bytes | None]:
    reader = ContentReader(max_octets)
    rest: bytes | None = None
    for piece in pieces:
        if rest is None:
            rest = reader.feed(piece)
        else:
            rest += piece
    return reader, rest


@given(contents, st.lists(st.integers(min_value=0)), st.integers(min_value=3, max_value=40))
def test_content_survives_stuffing_and_any_cut(message: bytes, cuts: list[int], slice_octets: int) -> None:
    """Invariant: what is stuffed, cut anywhere and read again is the same, and what follows is left over."""
    usual, content.SLICE_OCTETS = content.SLICE_OCTETS, slice_octets
    try:
        wire = b"".join(stuffed_slices(message, with_final_dot=True))
    finally:
        content.SLICE_OCTETS = usual
    assert wire.find(b"\r\n.\r\n") in {-1, len(wire) - 5}
    reader, rest = read(chunks(wire + b"NOOP\r\n", cuts))
    assert reader.content() == message
    assert b"".join(stuffed_slices(reader.content(), with_final_dot=True)) == wire
    assert rest == b"NOOP\r\n"


def read_by_lines(wire: bytes) -> tuple[bytes, bytes | None]:
    """Return content and rest as RFC 5321, section 4.5.2 says it, line by line."""
    taken = b""
    while (end := wire.find(b"\r\n")) >= 0:
        line, wire = wire[: end + 2], wire[end + 2 :]
        if line == b".\r\n":
            return taken, wire
        taken += line[1:] if line.startswith(b".") else line
    return taken, None


@given(wild, st.lists(st.integers(min_value=0)))
def test_only_the_strict_end_ends(wire: bytes, cuts: list[int]) -> None:
    """Invariant: whatever is sent and however it is cut, the end is where a reader of CRLF lines sees it."""
    reader, rest = read(chunks(wire, cuts))
    expected, left = read_by_lines(wire)
    assert rest == left
    if left is not None:
        assert reader.content() == expected


@given(contents, st.integers(min_value=0, max_value=30), st.lists(st.integers(min_value=0)))
def test_the_size_is_that_of_the_message(message: bytes, limit: int, cuts: list[int]) -> None:
    """Invariant: too big means longer than the limit without added dots, and then nothing is kept."""
    wire = b"".join(stuffed_slices(message, with_final_dot=True))
    reader, rest = read(chunks(wire, cuts), limit)
    assert rest == b""
    assert reader.too_big is (len(message) > limit)
    assert reader.content() == (b"" if reader.too_big else message)


def test_beyond_the_size_nothing_is_kept_while_reading() -> None:
    reader = ContentReader(10)
    for _ in range(100):
        assert reader.feed(b"x" * 1000) is None
    assert sum(map(len, reader._pieces)) == 0
    assert len(reader._undecided) < 5


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"", b".\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n", b"a\r\n..\r\n.\r\n"),
        (b"no line end", b"no line end\r\n.\r\n"),
        (b"ends in CR\r", b"ends in CR\r\r\n.\r\n"),
    ],
)
def test_stuffing(message: bytes, wire: bytes) -> None:
    assert b"".join(stuffed_slices(message, with_final_dot=True)) == wire
    assert b"".join(stuffed_slices(message, with_final_dot=False)) + b".\r\n" == wire
