"""The fuzz target itself: a short run finds nothing, and what there is to be found it finds."""

import random
from pathlib import Path

import pytest

from tests.fuzz.findings import Folder
from tests.fuzz.invariants import Finding, examine
from tests.fuzz.mutation import MAX_SIZE, mutated, seeds, words

TIMES = 3
"""For each mail of the corpus; `make fuzz` does the rest."""


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    """What is made of a mail depends on that mail alone, so a new one in the corpus changes no other."""
    folder = Folder(tmp_path)
    for mail in seeds():
        chance = random.Random(mail)
        for _ in range(TIMES):
            folder.try_out(mutated(mail, [mail], chance)[:4096], examine)
    assert [file.read_text("utf-8") for file in sorted(tmp_path.glob("*.txt"))] == []


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type:;charset=\n\n[[relay:rejection]]",
        b"a:\nContent-Transfer-Encoding:quoted-printable\n\n=[[relay:rejection]]",
        b"a:\nContent-Transfer-Encoding:quoted-printable\n\n= \t[[relay:rejection]]",
        b"a:\nContent-Transfer-Encoding:quoted-printable\n\n=E6=A7=82[[relay:rejection]]=B1",
        b"\n[[relay:rejection]]\x1b$",
        b"\n[[relay:rejectio[[relay:rejection]]n]]",
        b"\n[[rel[[relay:rejection]]ay:rejection]]",
        b"\n[[[[relay:rejection]]relay:rejection]]",
        b'Content-Type:text/plain; a="b\n\n[[relay:rejection]]',
        b"Content-Type:multipart/a;boundary=a\n\n--a\nContent-Type:multipart/b;boundary=b\n--b\ne:\n--a",
        b"Content-Type:multipart/a;boundary=a\n\n--a\n\n[[relay:rejection]]--a",
        b"Content-Type:multipart/alternative;boundary=a\n\n--a\n\n[[relay:rejection]]\n--a\no",
        b"Content-Type:multipart/alternative;boundary=a\n\n--a\nt\na:; \n--a\n\n\xe5[[relay:rejection]]",
        b"Content-Type:;charset*\n\n[[relay:rejection\xff]]",
        b"\n[[relay:rejection\x1b$B\x1b(B]]\xfc",
        b"Content-Type:text/plain; format=flowed\n\n[[relay:rejection \n\n]]",
        b"Content-Type:text/plain; format=flowed; delsp=yes\n\n[[relay:rejection \n\t\nstage=final]]",
        b"Content-Type:multipart/a;boundary=a\n\n--a\nContent-Type:text/plain;charset=utf-8\n"
        b"Content-\x80:\n" + b"a" * 999 + b"\n[[relay:rejection]]\n\n--a--",
        b'X-Relay-Rejection:\nContent-Type:text/html\n\n<n c=">S',
        b"m:\nContent-Type:multipart/e;boundary==_b\n\n--=_b\no\xef\xbc\xbb\xef\xbc\xbbrelay:rejection]]:",
    ],
)
def test_what_was_found_once_holds(mail: bytes) -> None:
    examine(mail)


def test_each_mail_of_the_corpus_holds() -> None:
    for mail in seeds():
        examine(mail)


def test_a_finding_is_kept_with_its_shortest_mail(tmp_path: Path) -> None:
    def no_marker(raw: bytes) -> None:
        if b"[[" in raw and b"]]" in raw:
            raise Finding("there is a marker")

    folder = Folder(tmp_path / "found")
    assert folder.try_out(b"nothing", no_marker) is None
    kind = folder.try_out(b"From: hr@example.com\r\n\r\n[[relay:rejection]]\r\n", no_marker)
    (line,) = folder.shorten(no_marker)
    assert line.endswith("Finding: there is a marker")
    assert (tmp_path / "found" / f"{kind}.eml").read_bytes() == b"[[]]"


def test_findings_of_different_kinds_are_kept_apart(tmp_path: Path) -> None:
    def fails(raw: bytes) -> None:
        if len(raw) % 2:
            raise Finding("odd")
        if raw:
            raise ValueError(raw)

    folder = Folder(tmp_path)
    kinds = {folder.try_out(raw, fails) for raw in (b"a", b"ab", b"abc", b"abcd", b"")}
    assert len(kinds) == 3
    assert len(folder.shorten(fails)) == 2


@pytest.mark.parametrize("word", [b"[[relay:rejection]]", b"\x1b$B", b'"', b"\\"])
def test_words_are_read_as_the_dictionary_has_them(word: bytes) -> None:
    found = words()
    assert any(word in other for other in found)
    assert all(found)


def test_what_is_made_up_differs_and_stays_small() -> None:
    chance, corpus = random.Random(1), seeds()
    made = {mutated(chance.choice(corpus), corpus, chance) for _ in range(200)}
    assert len(made) > 190
    assert all(len(mail) <= MAX_SIZE for mail in made)
    assert mutated(b"", [], random.Random(2)) is not None
