"""The PROXY protocol of HAProxy, versions 1 and 2: who the client is, as a load balancer in front says it.

https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt

aiosmtpd's parser reads from a stream, which by then has swallowed the beginning of a TLS handshake behind the
header; this one takes exactly the octets of the header.
"""

import socket
import struct
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

Source = tuple[str, int]
"""The client's address and port; no address where the balancer does not know it."""

UNKNOWN: Source = ("", 0)

Take = Callable[[int], Awaitable[bytes]]
"""Returns between one and so many octets, as a socket's recv; none at the end."""

_V1_OCTETS = 107
"""The longest line of version 1, with its line end."""
_V1_SHORTEST = len(b"PROXY UNKNOWN\r\n")
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD_OCTETS = 16
_V2_OCTETS = 4096
"""More addresses and extensions than any balancer sends; 536 octets are what the protocol promises to fit."""
_LOCAL, _PROXY = 0x20, 0x21
"""Version 2 in the high half of the octet, the command in the low one."""
_ADDRESSES = {0x11: ("!4s4sHH", IPv4Address), 0x21: ("!16s16sHH", IPv6Address)}
"""TCP over IPv4 and IPv6: what stands behind the head."""


class ProxyHeaderInvalid(Exception):
    """What came is no PROXY header."""


async def read_source(take: Take) -> Source | None:
    """Take one header and nothing behind it; return the client, or None when the balancer speaks for itself.

    A client that the balancer does not know is nobody: it must not pass for the balancer.

    Raises `ProxyHeaderInvalid`, also when the connection ends within the header, and OSError.
    """
    # Both versions are longer than what version 1 has at least.
    head = await _take_exactly(take, _V1_SHORTEST)
    if head.startswith(b"PROXY "):
        while not head.endswith(b"\r\n"):
            if len(head) >= _V1_OCTETS:
                raise ProxyHeaderInvalid
            head += await _take_exactly(take, 1)
        return parse_v1(head)
    head += await _take_exactly(take, _V2_HEAD_OCTETS - len(head))
    octets = struct.unpack_from("!H", head, 14)[0]
    if not head.startswith(_V2_SIGNATURE) or octets > _V2_OCTETS:
        raise ProxyHeaderInvalid
    return parse_v2(head, await _take_exactly(take, octets))


def parse_v1(line: bytes) -> Source:
    """Return the source in a line such as `PROXY TCP4 192.0.2.1 192.0.2.2 56324 25` with its line end.

    Raises `ProxyHeaderInvalid`. What stands behind the word UNKNOWN does not matter.
    """
    words = line[:-2].split(b" ")
    if words[:2] == [b"PROXY", b"UNKNOWN"]:
        return UNKNOWN
    version = {b"TCP4": 4, b"TCP6": 6}.get(words[1])  # "PROXY " stands before it
    if len(words) != 6 or words[0] != b"PROXY" or b"\r" in line[:-2]:  # noqa: PLR2004  # as in the example
        raise ProxyHeaderInvalid
    try:
        source, target = (ip_address(word.decode("ascii")) for word in words[2:4])
    except ValueError:
        raise ProxyHeaderInvalid from None
    if not source.version == target.version == version or "%" in str(source):
        raise ProxyHeaderInvalid
    port, _ = (_port(word) for word in words[4:])
    return str(source), port


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65535:  # noqa: PLR2004  # 16 bits
        raise ProxyHeaderInvalid
    return int(word)


def parse_v2(head: bytes, body: bytes) -> Source | None:
    """Return the source in a header of version 2, `body` being what its length announced.

    Raises `ProxyHeaderInvalid`. None for LOCAL, a balancer's own checks; nobody for other protocols than TCP.
    What stands behind the addresses (TLVs) is not looked at.
    """
    if head[12] == _LOCAL:
        return None
    if head[12] != _PROXY:
        raise ProxyHeaderInvalid
    if head[13] not in _ADDRESSES:
        return UNKNOWN
    form, address = _ADDRESSES[head[13]]
    if len(body) < struct.calcsize(form):
        raise ProxyHeaderInvalid
    source, _, port, _ = struct.unpack_from(form, body)
    return str(address(source)), port


async def _take_exactly(take: Take, octets: int) -> bytes:
    taken = b""
    while len(taken) < octets:
        more = await take(octets - len(taken))
        if not more:
            raise ProxyHeaderInvalid
        taken += more
    return taken


def address_of(connected: socket.socket) -> Source:
    """Return the other end of a socket; no address for one that has gone, or is no TCP."""
    try:
        name = connected.getpeername()
    except OSError:
        return "", 0
    return (name[0], name[1]) if isinstance(name, tuple) else ("", 0)
