import base64
import os

import pytest

from gateway.mail import eligible, sieve

HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
JAPANESE = b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
BASE64 = b"Content-Transfer-Encoding: base64\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HTML + b"[[re&shylay:reje&#8203ction]]",
        HTML + b"[[re&#x200Blay:rejection]]",
        HTML + b"[[rel<!--\r\n-- <b>ay -->ay:rejection]]",
        HTML + b"[[r<style>x</style>elay:rejection]]",
        HTML + b"[[relay" + b"<b title='" + b"long" * 100 + b"'>:</b>rejection]]",
        HTML + b"[[r<i>e<i>l<i>a<i>y<i>:r<i>e<i>j<i>ection]]",
        HTML + b"[[relay:&nbsprej<b>ection]]",
        HTML.replace(b"utf-8", b"big5") + b"[[re<b>lay\xa1G</b>rej<i>ection]]",
        HTML.replace(b"utf-8", b"big5") + b"[[re<b>lay\xa1Grejection]]",
        HTML + b"[[relay:r<i>ejection]]",
        JAPANESE + b"[[re\x1b(Jlay\x1b$B!'\x1b(Breje\x1b(Bction]]",
        JAPANESE + b"[[\x1b$B" + b"!!" * 99 + b"\x1b(Brelay:" + b"\x1b$B!!\x1b(B" * 99 + b"rejection]]",
        b"\r\n-- \r\nOn base64\r\n\r\n[[relay:rejection]]",
        (
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"-- \r\nOn base64\r\n\r\n=5B=5Brelay=3Arejection=5D=5D"
        ),
        b"X: " + b"x" * 70_000 + b"\r\n" + BASE64 + b"\r\n" + base64.b64encode(b"[[relay:rejection]]"),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        + BASE64
        + b"\r\nW1tyZWxheTpyZWplY3Rpb25dXQ==\r\n--b\r\n\r\n[x]\r\n--b--",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\nSome parts are BASE64 encoded.\r\n\r\n--b\r\n"
        + BASE64
        + b"\r\nW1tyZWxheTpyZWplY3Rpb25dXQ==\r\n--b--",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\nIn base64\r\n\r\nand not\r\n--b\r\nX: base64\r\n"
        + BASE64
        + b"\r\nW1tyZWxheTpyZWplY3Rpb25dXQ==\r\n--b--",
        BASE64 + b"--no delimiter\r\n\r\n" + base64.b64encode(b"[[relay:rejection]]"),
        BASE64
        + b"Content-Type: text/plain\r\n--no delimiter\r\nContent-Type: image/png\r\n\r\n"
        + base64.b64encode(b"[[relay:rejection]]"),
        BASE64 + b"\r\n" + base64.b64encode(b"[[relay:rejection]]..") + b" " * 40,
    ],
)
@pytest.mark.parametrize("stretch", [*range(1, 20), sieve.STRETCH])
def test_a_marker_is_let_through_whatever_tears_it(raw: bytes, stretch: int) -> None:
    assert eligible.read(raw, stamp_key=b"key").marker is not None
    assert sieve.may_be_marked(raw, stretch=stretch)


@pytest.mark.parametrize(
    "raw",
    [
        HTML + b"<p>Join <b>your</b> relay<br>object<i>e</i>d</p>",
        HTML + b"<p>They rejected it</p><p>You</p>",
        HTML + b"<style>a{color:#fff}</style>Read<!-- <b>y</b> -->ejected",
        HTML + b'<a href="?a=1&y=2&e=3">relax</a> rej<i>oin',
        JAPANESE + b"\x1b$B;3ED\x1b(B rejoins",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=72=65lax=\r\n or re=\r\njected",
    ],
)
@pytest.mark.parametrize("stretch", [*range(1, 20), sieve.STRETCH])
def test_pieces_of_other_words_are_sieved_out(raw: bytes, stretch: int) -> None:
    assert not sieve.may_be_marked(raw, stretch=stretch)


@pytest.mark.parametrize("word", [b"elay:rejection", b"realy</i>:rejection", b"relay:rejctoin relay:reject"])
def test_a_misspelt_marker_is_let_through(word: bytes) -> None:
    assert sieve.may_be_marked(b"\r\n[[" + word + b"]]")


def test_pictures_inside_of_html_are_sieved_out() -> None:
    """Two millions of random letters hold each short piece of the words, but with nothing that tears."""
    picture = base64.b64encode(os.urandom(1_500_000))
    assert not sieve.may_be_marked(HTML + b'Our<img src="data:image/png;base64,' + picture + b'">\r\n\r\nYou')


def test_a_mail_of_too_many_parts_is_let_through() -> None:
    part = b"\r\n--b\r\n" + BASE64 + b"\r\nAAAA"
    assert not sieve.may_be_marked(part * 9_999)
    assert sieve.may_be_marked(part * 10_000)
