"""The PROXY header alone: every way to say who the client is, and every way to say it wrong."""

import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.proxy_header import UNKNOWN, ProxyHeaderInvalid, Source, read_source

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(family: int, body: bytes, command: int = 0x21, octets: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if octets is None else octets) + body


IPV4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 40_000, 25)
IPV6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 40_000, 25)
)
TLVS = b"\x04\x00\x05hello" + b"\x20\x00\xff" + b"x" * 10

GOOD: list[tuple[bytes, Source | None]] = [
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 25\r\n", ("192.0.2.7", 40_000)),
    (b"PROXY TCP6 2001:db8::7 ::1 40000 25\r\n", ("2001:db8::7", 40_000)),
    (b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", None),
    (b"PROXY UNKNOWN\r\n", UNKNOWN),
    (b"PROXY UNKNOWN whatever stands here\r\n", UNKNOWN),
    (v2(0x11, IPV4), ("192.0.2.7", 40_000)),
    (v2(0x11, IPV4 + TLVS), ("192.0.2.7", 40_000)),
    (v2(0x21, IPV6), ("2001:db8::7", 40_000)),
    (v2(0x21, IPV6 + b"\x00" * 4000), ("2001:db8::7", 40_000)),
    (v2(0x00, b"", command=0x20), None),
    (v2(0x11, IPV4, command=0x20), None),
    (v2(0x00, b""), UNKNOWN),
    (v2(0x12, IPV4), UNKNOWN),
    (v2(0x31, b"\0" * 216), UNKNOWN),
]

BAD = [
    b"",
    b"PROXY",
    b"PROXY TCP4 192.0.2.7",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 25\n" + b"x" * 200,
    b"PROXY TCP4  192.0.2.7 10.0.0.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 40000\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 25 more\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 25\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 +25\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 25\r\n",
    b"PROXY TCP4 192.0.2.300 10.0.0.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2 10.0.0.1 40000 25\r\n",
    b"PROXY TCP4 2001:db8::7 10.0.0.1 40000 25\r\n",
    b"PROXY TCP6 2001:db8::7%eth0 ::1 40000 25\r\n",
    b"PROXY TCP6 192.0.2.7 ::1 40000 25\r\n",
    b"PROXY UDP4 192.0.2.7 10.0.0.1 40000 25\r\n",
    b"PROXY TCP4 \xd9\xa1.0.2.7 10.0.0.1 40000 25\r\n",
    b"PROXY TCP4 a\rb 10.0.0.1 40000 25\r\n",
    b"PROXY UNKNOWN" + b" x" * 60 + b"\r\n",
    b"proxy tcp4 192.0.2.7 10.0.0.1 40000 25\r\n",
    b"EHLO client.example.com\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100,
    v2(0x11, IPV4)[:-1],
    v2(0x11, IPV4[:-1]),
    v2(0x21, IPV4),
    v2(0x11, IPV4, command=0x22),
    v2(0x11, IPV4, command=0x11),
    v2(0x11, IPV4 + b"x" * 5000),
    v2(0x11, IPV4, octets=65535),
    SIGNATURE[:-1] + b"X" + v2(0x11, IPV4)[12:],
]


def giving(data: bytes, step: int) -> tuple[Callable[[int], Awaitable[bytes]], bytearray]:
    """Return what takes up to `step` octets at a time from `data`, and what is left of it."""
    left = bytearray(data)

    async def take(octets: int) -> bytes:
        taken = bytes(left[: min(octets, step)])
        del left[: len(taken)]
        return taken

    return take, left


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("behind", [b"", b"EHLO a\r\n", b"\x16\x03\x01"])
@pytest.mark.parametrize(("header", "source"), GOOD)
async def test_a_header_names_the_client_and_what_stands_behind_it_stays(
    header: bytes, source: Source | None, behind: bytes, step: int
) -> None:
    take, left = giving(header + behind, step)
    if b"ffff:ffff" in header:
        assert len(header) <= 107
        source = (":".join(["ffff"] * 8), 65535)
    assert await read_source(take) == source
    assert bytes(left) == behind


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize("header", BAD)
async def test_what_is_no_header_is_refused(header: bytes, step: int) -> None:
    take, _ = giving(header, step)
    with pytest.raises(ProxyHeaderInvalid):
        await read_source(take)


pieces = st.lists(
    st.binary(max_size=20)
    | st.sampled_from(
        [b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"192.0.2.7 ", b"::1 ", b"25", b" ", b"\r\n"]
    )
    | st.sampled_from([SIGNATURE, b"\x21\x11\x00\x0c", b"\x20\x00\x00\x00", b"\x21\x21\xff\xff", IPV4, IPV6])
).map(b"".join)


@given(pieces)
async def test_no_octets_break_the_reader(data: bytes) -> None:
    """Invariant: whatever comes is a source, nobody, or invalid; and 4,200 octets at most are taken."""
    take, left = giving(data + b"\0" * 70_000, 10_000)
    try:
        source = await read_source(take)
    except ProxyHeaderInvalid:
        source = None
    if source is not None and source != UNKNOWN:
        assert 0 <= source[1] <= 65535
        socket.getaddrinfo(*source, flags=socket.AI_NUMERICHOST)
    assert len(data) + 70_000 - len(left) <= 4200
