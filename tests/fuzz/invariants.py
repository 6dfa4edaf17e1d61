"""What must hold for every mail, whatever its bytes; the fuzz target asks it of each mail that it makes up.

- The ranges of a scan, joined, are the mail.
- Nothing raises but what is named: CannotRewrite, CannotSign.
- CheckFailed is a finding: a rewrite never makes what its own check refuses.
- Where a marker is found, the pre-filter has said that there may be one.
- The standard library, where it sees the same tree, reads the link once in each invited text, and every other
  text as it was.
- A rewritten mail asks for nothing more, and with our stamp it is known as rewritten.
- A signature is accepted by dkimpy, where dkimpy can read the mail.
- The time is bounded for each octet; what takes longer is measured again before it counts.
"""

import base64
import email
import time
from email.message import Message

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway.mail import check, eligible, footer, marker, parts, trace
from gateway.mail.dkim_sign import CannotSign, SigningKey, sign
from gateway.mail.eligible import Reading, Reason
from gateway.mail.footer import Footer
from gateway.mail.notice import read_letter

LINK = "https://relay.example.jp/c/fuzz"
"""In no mail that is made up: the check counts links, and nobody but us can know one beforehand."""
INVITATION = Footer(
    text=f"ご希望の方へのご案内\n{LINK}\nご不要の場合、お手続きは必要ありません。\n",
    html=f'<p>&#12372;&#26696;&#20869; <a href="{LINK}">&#12371;&#12385;&#12425;</a></p>',
    ascii=f"For those who wish\n{LINK}\n",
)
STAMP_KEY = b"a key of the fuzz target"
_PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = SigningKey(b"example.com", b"s", "ed25519-sha256", base64.b64encode(_PRIVATE.private_bytes_raw()))
_RECORD = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(_PRIVATE.public_key().public_bytes_raw())

SECONDS = 0.5
"""For any mail, however small; some hundred times what one takes, because others use the machine, too."""
SECONDS_FOR_EACH_KB = 0.02
"""A thousand octets take some tenths of a millisecond, and ten times that while coverage is measured."""
_TRIES = 3


class Finding(AssertionError):
    """An invariant does not hold; the message says which, without any octet of the mail."""


def examine(raw: bytes) -> None:
    """Ask everything of one mail; raises Finding, or whatever the engine raises that it must not."""
    began = time.process_time()
    _examine(raw)
    bound = SECONDS + SECONDS_FOR_EACH_KB * len(raw) / 1000
    if time.process_time() - began > bound and all(_seconds(raw) > bound for _ in range(_TRIES)):
        raise Finding("it takes too long for its size")


def _seconds(raw: bytes) -> float:
    began = time.process_time()
    _examine(raw)
    return time.process_time() - began


def _examine(raw: bytes) -> None:
    _hold(parts.join(raw, parts.ranges(parts.scan(raw))) == raw, "the ranges of a scan are not the mail")
    _trace(raw)
    # What leaves has only these line ends, and one at its end; the door refuses all others.
    raw = (raw.replace(b"\r", b"").replace(b"\0", b"").rstrip(b"\n") + b"\n").replace(b"\n", b"\r\n")
    _hold(trace.fault(raw) is None, "a fault is seen that is none")
    reading = eligible.read(raw, stamp_key=STAMP_KEY)
    _hold(reading.marker is None or marker.might_be_marked(raw), "the pre-filter misses a marker")
    _sign(raw)
    if not reading.targets or any(LINK in target.leaf.text for target in reading.targets):
        return  # The second: nobody can write a link before it is made.
    letter = read_letter(raw, reading)
    letter.notice(b"t@example.jp", alone=True)
    letter.notice(b"t@example.jp", alone=False)
    for invitation in (INVITATION, None):
        copy = _rewritten(raw, reading, invitation)
        if copy is None:
            continue
        if invitation is not None:
            _rewritten_once(copy)
            _read_by_others(raw, copy, reading)


def _trace(raw: bytes) -> None:
    trace.hops(raw)
    trace.fault(raw)
    trace.message_id(raw)
    trace.from_domain(raw)
    _hold(len(trace.fingerprint(b"hr@example.com", raw)) == len(bytes(32)), "a fingerprint has no 32 octets")
    once = trace.without_own_signatures(raw, b"example.com")
    _hold(trace.without_own_signatures(once, b"example.com") == once, "an own signature was left")


def _sign(raw: bytes) -> None:
    try:
        signature = sign(raw, KEY)
    except CannotSign:
        return
    try:
        accepted = dkim.verify(signature + raw, dnsfunc=_record)
    except dkim.DKIMException:
        # A space before a colon, or somebody else's signature that is none.
        return
    _hold(accepted, "a signature is not accepted")


def _record(name: bytes, timeout: int = 5) -> bytes:
    del name, timeout
    return _RECORD


def _rewritten(raw: bytes, reading: Reading, invitation: Footer | None) -> bytes | None:
    try:
        copy = footer.rewrite(raw, reading, invitation)
    except footer.CannotRewrite:
        return None
    try:
        check.check(raw, copy, reading, invitation)
    except check.CheckFailed as failed:
        raise Finding(f"the check refuses a rewrite: {failed}") from failed
    _hold(trace.fault(copy) is None, "a rewrite has a bare line end or a NUL")
    return copy


def _rewritten_once(copy: bytes) -> None:
    _hold(eligible.read(copy, stamp_key=STAMP_KEY).marker is None, "a rewritten mail asks again")
    stamped = trace.stamp_field(STAMP_KEY, "G-FUZZ", copy) + copy
    _hold(trace.stamped(STAMP_KEY, stamped), "our own stamp is not known")
    again = eligible.read(stamped, stamp_key=STAMP_KEY)
    _hold(again.unfit is Reason.STAMPED and not again.targets, "a stamped mail is rewritten again")
    _hold(not trace.stamped(b"another key", stamped), "a forged stamp counts")


def _read_by_others(raw: bytes, copy: bytes, reading: Reading) -> None:
    """Compare what the standard library reads before and after, if it reads the mail as we do at all."""
    ours = [part.content_type for part in reading.root.walk()]
    leaves = [part for part in reading.root.walk() if not part.children]
    before, after = (_texts(mail) for mail in (raw, copy))
    if [kind for kind, _ in before] != ours or any(part.depth > 0 and not part.fields for part in leaves):
        return
    _hold([kind for kind, _ in after] == ours, "the standard library sees another tree")
    targets = {id(target.leaf.part): target for target in reading.targets}
    for part, (_, old), (_, new) in zip(reading.root.walk(), before, after, strict=True):
        target = targets.get(id(part))
        if target is None:
            _hold(old == new, "the standard library reads another text in a part that is no target")
        elif target.invited and old is not None and new is not None:
            more = new.count(LINK.encode()) - old.count(LINK.encode())
            _hold(more == 1, "the standard library does not read the link once more")


def _texts(raw: bytes) -> list[tuple[str, bytes | None]]:
    """Return type and decoded body of each part; None for a body that has parts, or that it cannot decode."""
    found: list[tuple[str, bytes | None]] = []
    _gather(email.message_from_bytes(raw), found)
    return found


def _gather(message: "Message[str, str]", found: list[tuple[str, bytes | None]]) -> None:
    kind = message.get_content_type()
    if kind.startswith("message/"):
        found.append((kind, None))
        return
    if message.is_multipart():
        found.append((kind, None))
        for part in message.get_payload():
            if isinstance(part, Message):
                _gather(part, found)
        return
    try:
        data = message.get_payload(decode=True)
    except (ValueError, LookupError, TypeError):
        # The standard library does not read any bytes at all.
        data = None
    found.append((kind, data if isinstance(data, bytes) else None))


def _hold(condition: object, otherwise: str) -> None:
    if not condition:
        raise Finding(otherwise)
