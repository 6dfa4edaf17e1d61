"""Mails made from mails: cut, doubled, joined and sprinkled with what the engine looks for."""

import ast
import random
from collections.abc import Sequence
from pathlib import Path

CORPUS = Path(__file__).parent.parent / "corpus"
MAX_SIZE = 1 << 16
"""Octets of a mail that is made up; what is quadratic takes seconds over so many."""

WORDS_FILE = Path(__file__).with_name("words.dict")


def words() -> list[bytes]:
    """Return what the engine looks for; the file is in the form of libFuzzer's dictionaries."""
    lines = WORDS_FILE.read_text("ascii").splitlines()
    return [ast.literal_eval(f"b{line}") for line in lines if line.startswith('"')]


_WORDS = words()


def seeds() -> list[bytes]:
    """Return the mails of the corpus, before and after."""
    return [file.read_bytes() for file in sorted(CORPUS.glob("*/*.eml"))]


def mutated(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return another mail, made from this one and perhaps a second one in a few steps."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        raw = chance.choice(_STEPS)(raw, others, chance)[:MAX_SIZE]
    return raw


def _span(raw: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(raw) + 1)
    longest = chance.choice((1, 4, 30, 300, MAX_SIZE))
    return start, min(len(raw), start + chance.randrange(longest + 1))


def _put_word(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    start, end = _span(raw, chance)
    end = start if chance.random() < 0.6 else end
    return raw[:start] + chance.choice(_WORDS) + raw[end:]


def _change_octet(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]


def _cut(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    start, end = _span(raw, chance)
    return raw[:start] + raw[end:]


def _double(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    start, end = _span(raw, chance)
    at = chance.choice((start, end, chance.randrange(len(raw) + 1)))
    return raw[:at] + raw[start:end] * chance.choice((1, 1, 1, 2, 2, 3, 50)) + raw[at:]


def _repeat_word(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    at = chance.randrange(len(raw) + 1)
    word = chance.choice(_WORDS) + (chance.choice(_WORDS) if chance.random() < 0.5 else b"")
    return raw[:at] + word * chance.choice((2, 2, 3, 3, 5, 10, 10, 20, 100, 2000)) + raw[at:]


def _join(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others) if others else raw
    start, end = _span(other, chance)
    first, last = _span(raw, chance)
    return raw[:first] + other[start:end] + raw[last:]


def _double_line(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    lines = raw.splitlines(keepends=True) or [b""]
    line = chance.choice(lines)
    lines.insert(chance.randrange(len(lines) + 1), line)
    return b"".join(lines)


def _drop_line(raw: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    lines = raw.splitlines(keepends=True) or [b""]
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


_STEPS = (
    *(_put_word, _put_word, _put_word, _change_octet, _cut, _double),
    *(_repeat_word, _join, _double_line, _drop_line),
)
