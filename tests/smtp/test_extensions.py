import pytest

from gateway.smtp.extensions import mirror


@pytest.mark.parametrize(
    ("theirs", "promised"),
    [
        (b"20000000", 20_000_000 - 64 * 1024),
        (b"%d" % (50_000_000 + 64 * 1024), 50_000_000),
        (b"60000000", 50_000_000),
        (b"0", 50_000_000),
        (b"", 50_000_000),
        (b"unlimited", 50_000_000),
        (b"131072", 65536),
        (b"100000", 50_000),
        (b"1", 1),
    ],
)
def test_the_size_promised_leaves_room_for_the_invitation(theirs: bytes, promised: int) -> None:
    """A mail of just the next hop's size would be refused once it is rewritten, and bounce."""
    extensions = mirror({b"SIZE": theirs}, 50_000_000)
    assert extensions.max_octets == promised
    assert extensions.ehlo_lines() == (b"PIPELINING", b"SIZE %d" % promised)


def test_without_size_our_own_limit_holds_and_is_not_promised() -> None:
    extensions = mirror({}, 50_000_000)
    assert extensions.max_octets == 50_000_000
    assert extensions.ehlo_lines() == (b"PIPELINING",)
