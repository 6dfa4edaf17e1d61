"""The mail as a file holds it, made into what the wire would carry; each change is told.

Mail programs save line feeds alone, mailboxes put a line in front, editors a byte order mark.
A bare CR and a NUL stay where they are: the gateway refuses them, and that is what has to be told.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gateway.regular_file import read_regular

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
"""How a compound file begins, and with it Outlook's own .msg (MS-CFB, section 2.2)."""
_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MBOX_LINE = re.compile(rb"From [^\r\n]*\r?\n")
"""RFC 4155; a field is never called so, because its name would hold a space."""
_NEXT_IN_MBOX = re.compile(rb"\n\r?\nFrom [^\r\n]*[0-9]{4}[^\r\n]*\r?\n(?=[!-9;-~]+:)")
_EMLX_LINE = re.compile(rb"([0-9]{1,10})[ \t]*\n")
"""Apple Mail writes the mail's size in front of it, and a property list behind it."""
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")

_OLE_WORDS = (
    "it is a message in Outlook's own format (.msg), which is not what travels. "
    "In Outlook for Windows, drag the mail onto a new mail of Thunderbird, or send it as an attachment to a "
    "mailbox that lets you download it as .eml; Outlook on the web has Save as under the three dots"
)


class MailUnusable(Exception):
    """What was given is no mail that could be explained; the message says why and what to give instead."""


@dataclass(frozen=True, slots=True)
class Given:
    """A mail, ready to be looked at."""

    content: bytes = field(repr=False)
    """As the wire would carry it: CRLF line ends, not dot-stuffed."""
    notes: tuple[str, ...]
    """What was done to the file's bytes to get there, one sentence each."""


def read_mail(path: Path, stdin: BinaryIO | None, *, limit: int) -> Given:
    """Read a mail from a file, or from standard input for `-`; `limit` is in octets of the wire.

    Raises `MailUnusable`.
    """
    if str(path) == "-":
        return understand(stdin.read(limit + 1) if stdin else b"", "standard input", limit=limit)
    try:
        raw = read_regular(path, limit=limit + 1).content
    except IsADirectoryError:
        raise MailUnusable(f"{path} cannot be read: it is a directory; name one mail in it.") from None
    except OSError as error:
        raise MailUnusable(f"{path} cannot be read: {error.strerror or 'no such file'}.") from None
    except ValueError:
        raise MailUnusable("A path holds no NUL.") from None
    return understand(raw, str(path), limit=limit)


def understand(raw: bytes, name: str, *, limit: int) -> Given:
    """Make the bytes of a file called `name` into those of the wire; raises `MailUnusable`."""
    if not raw.strip():
        raise MailUnusable(f"{name} is empty.")
    if raw.startswith(_OLE):
        raise MailUnusable(f"{name} cannot be read: {_OLE_WORDS}.")
    if raw.startswith(_UTF_16_MARKS):
        raise MailUnusable(
            f"{name} cannot be read: some program has saved it in UTF-16; save the mail's source unchanged."
        )
    content, notes = _unwrapped(raw)
    bare = len(_BARE_LINE_FEED.findall(content))
    if bare:
        content = _BARE_LINE_FEED.sub(b"\r\n", content)
        notes.append(f"{bare} line ends were LF; they are CRLF here, as on the wire.")
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
        notes.append("The last line had no end; it has one here, as on the wire.")
    if len(content) > limit:
        raise MailUnusable(f"{name} is larger than the {limit:,} bytes that the gateway takes.")
    return Given(content, tuple(notes))


def _unwrapped(raw: bytes) -> tuple[bytes, list[str]]:
    """Take away what a file has and the wire has not."""
    notes: list[str] = []
    if raw.startswith(_UTF_8_MARK):
        raw = raw.removeprefix(_UTF_8_MARK)
        notes.append("A byte order mark stood in front; it is left out.")
    if (emlx := _EMLX_LINE.match(raw)) is not None:
        raw = raw[emlx.end() : emlx.end() + int(emlx[1])]
        notes.append("The file is Apple Mail's own (.emlx); only the mail in it is explained.")
    if (first := _MBOX_LINE.match(raw)) is not None:
        raw = raw[first.end() :]
        notes.append("The first line was a mailbox's “From ” line; it is left out.")
        if (following := _NEXT_IN_MBOX.search(raw)) is not None:
            raw = raw[: following.start() + 1]
            notes.append("The file holds several mails; only the first is explained.")
    return raw, notes
