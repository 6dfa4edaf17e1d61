"""The part scanner on any bytes, and on bytes that look like MIME."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import eligible, marker, parts, sieve, trace

LINES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b'Content-Type: multipart/alternative; boundary="b c"\r\n',
        b"Content-Type: multipart/mixed;\r\n\tboundary=a\r\n",
        b"Content-Type: text/html; charset*=utf-8''utf-8\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Disposition: attachment; filename=x\r\n",
        b"X-Relay-Rejection: tpl=x\r\n",
        b"DKIM-Signature: v=1; d=example.com;\r\n b=x\r\n",
        b"Received: from a\r\n",
        b"no field\r\n",
        b"\r\n",
        b"\n",
        b"--a\r\n",
        b"--a--\r\n",
        b"--b c\r\n",
        b"--b c--\n",
        b"--a--</BODY>\r\n",
        b" folded\r\n",
        b"[[relay:rejection job=x]]\r\n",
        b"W1tyZWxheTpyZWplY3Rpb25dXQ==\r\n",
        b"=5B[relay:rejec=\r\ntion]]=\r\n",
        b"<p>[[relay:<b>rejection]]</p>",
        b"> [[relay:rejection]]\r\n",
        b"\x1b$B;3ED\x1b(B\r\n",
        b"\x00",
        b"\xff\r",
    ]
)
SOUP = st.lists(LINES | st.binary(max_size=8), max_size=40).map(b"".join)


@given(st.binary(max_size=300) | SOUP)
def test_joining_the_ranges_gives_the_input_back(raw: bytes) -> None:
    """Invariant: join(ranges(scan(x))) == x for any bytes."""
    assert parts.join(raw, parts.ranges(parts.scan(raw))) == raw


@given(SOUP)
def test_children_lie_in_their_parent_in_order(raw: bytes) -> None:
    """Invariant: ranges ascend and nest; fields fill the header block."""
    for part in parts.scan(raw).walk():
        assert part.start <= part.body_start <= part.end
        at = part.body_start
        for child in part.children:
            assert at <= child.start <= child.end <= part.end
            at = child.end
        ends = [part.start, *(field.end for field in part.fields)]
        assert [field.start for field in part.fields] == ends[:-1]
        assert ends[-1] <= part.body_start


@given(st.binary(max_size=300) | SOUP, st.booleans(), st.integers(1, 40))
def test_any_bytes_can_be_read(raw: bytes, null_sender: bool, stretch: int) -> None:  # noqa: FBT001  # hypothesis gives it
    """Invariant: reading never raises, and a marker that is found was announced by the pre-filter."""
    reading = eligible.read(raw, stamp_key=b"key", null_sender=null_sender)
    if reading.marker is not None:
        assert marker.might_be_marked(raw)
        assert sieve.may_be_marked(raw, stretch=stretch)
    if reading.unfit is not None or reading.marker is None:
        assert reading.targets == ()


@given(st.binary(max_size=300) | SOUP)
def test_any_bytes_can_be_traced(raw: bytes) -> None:
    """Invariant: no function of the trace raises; taking signatures out twice is taking them out once."""
    trace.hops(raw)
    trace.fault(raw)
    trace.message_id(raw)
    trace.from_domain(raw)
    assert len(trace.fingerprint(b"a@example.com", raw)) == 32
    once = trace.without_own_signatures(raw, b"example.com")
    assert trace.without_own_signatures(once, b"example.com") == once


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a"]), max_size=12).map(b"".join), st.integers(1, 5))
def test_a_fault_is_the_same_wherever_a_stretch_ends(raw: bytes, stretch: int) -> None:
    """Invariant: what is no whole line end is found in stretches of any length, and nothing else is."""
    rest = raw.replace(b"\r\n", b"")
    bare = trace.Fault.BARE_CR if b"\r" in rest else trace.Fault.BARE_LF if b"\n" in rest else None
    assert trace.fault(raw, stretch=stretch) is bare
    assert trace.fault(raw + b"\0", stretch=stretch) is trace.Fault.NUL
