"""Pages on which a marker stands where a reader sees it, and where none does."""

import pytest

from gateway.mail import eligible, footer
from gateway.mail.check import CheckFailed, check
from gateway.mail.eligible import Reason, Target
from gateway.mail.footer import CannotRewrite, Footer
from gateway.mail.unseen import unseen

MARK = "[[relay:rejection]]"
HIDDEN = [
    f"<p>x</p><textarea>{MARK}</textarea>",
    f"<select><option>{MARK}</option></select>",
    f"<template>{MARK}</template>",
    f"<svg><text>{MARK}</text></svg>",
    f"<video>{MARK}</video>",
    f"<dialog>{MARK}</dialog>",
    f"<frameset>{MARK}</frameset>",
    f"<iframe>{MARK}</iframe>",
    f"<noframes>{MARK}</noframes>",
    f"<plaintext>{MARK}",
    f"<xmp>a</b>{MARK}</xmp>",
    f"<STYLE>a</title>{MARK}</style>",
    f'<img alt="a <b> {MARK}">',
    f"<img alt = 'a <b> {MARK}'>",
    f'<a href="x>y <b>z</b> {MARK}</a>',
    f"</ {MARK} >",
    f'<div style="display:none">{MARK}</div>',
    f"<DIV STYLE='color:red; DISPLAY: none !important'>{MARK}</DIV>",
    f"<div style=display:none>{MARK}</div>",
    f'<div style="visibility:hidden"><p>a</p><p>{MARK}</p></div>',
    f'<div style="max-height:0px;overflow:hidden">{MARK}</div>',
    f'<div style="opacity:0">{MARK}</div>',
    f"<table><tr hidden><td>{MARK}</td></tr></table>",
    f'<span class="a preheader">{MARK}</span>',
    f'<div style="display:none">x<div>y</div>{MARK}',
]
SEEN = [
    f"<p>{MARK}</p>",
    f"<p>a < b {MARK} > c</p>",
    f"<3 {MARK} </3>",
    f'<td style="font-size:0px"><div style="font-size:14px">{MARK}</div></td>',
    f'<div style="display:none">x</div>{MARK}',
    f'<table><tr><td><div style="display:none">x</td><td>{MARK}</td></tr></table>',
    f'<p style="display:none">x<p>{MARK}',
    f'<img style="display:none">{MARK}',
    f'<div style="max-height:0.5em;opacity:0.9">{MARK}</div>',
    f'<div style="overflow:hidden" class="hidden-x preheader-row">{MARK}</div>',
    f'<div title="a hidden style=display:none">{MARK}</div>',
    f'<a "b" c=d/e>{MARK}</a>',
    f"<!-- a -- <b> -->{MARK}<!-- b --!>",
    f"<!-->{MARK}<!--->",
    f"<textarea>a</textarea><style>b</style>{MARK}",
    f"<![endif]><o:p></o:p>{MARK}",
    f"</>{MARK}",
    f"<? <b> {MARK} >",
    f"<noscript>{MARK}</noscript>",
]


def read(page: str) -> tuple[bytes, eligible.Reading]:
    raw = f"From: hr@example.com\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{page}\r\n".encode()
    return raw, eligible.read(raw, stamp_key=b"k")


@pytest.mark.parametrize("page", HIDDEN)
def test_what_no_reader_sees_is_told(page: str) -> None:
    assert unseen(page, [page.index(MARK)]) == (True,)


@pytest.mark.parametrize("page", SEEN)
def test_what_a_reader_sees_is_told(page: str) -> None:
    assert unseen(page, [page.index(MARK)]) == (False,)


@pytest.mark.parametrize(
    "page",
    ['<n c=">S', "<n c='>S", "<!-- a >", "<! b", "</ c", "<title>d</t>", "<plaintext>e", "<a f", "<svg><g>h"],
)
def test_below_what_is_open_at_the_end_nobody_sees_anything(page: str) -> None:
    assert unseen(page, [len(page)]) == (True,)


@pytest.mark.parametrize("page", ["<n c='>S'>", "<!-- a -->", "<! b>", "</ c>", "<title>d</title>", "", "e"])
def test_below_what_is_closed_at_the_end_a_reader_sees_on(page: str) -> None:
    assert unseen(page, [len(page)]) == (False,)


def test_several_places_are_told_at_once() -> None:
    page = f'{MARK}<div style="display:none">{MARK}</div>{MARK}<title>{MARK}</title>{MARK}'
    places = [at for at in range(len(page)) if page.startswith(MARK, at)]
    assert unseen(page, places) == (False, True, False, True, False)
    assert unseen(page, []) == ()


@pytest.mark.parametrize("page", HIDDEN)
def test_a_marker_that_nobody_sees_asks_for_nothing(page: str) -> None:
    _, reading = read(page)
    assert reading.targets == ()
    assert reading.unfit is Reason.HIDDEN or reading.almost


def test_a_hidden_marker_above_loses_its_place(invitation: Footer) -> None:
    raw, reading = read(f'<div style="display:none">{MARK} Dear</div><p>a</p><p>{MARK}</p><p>{MARK}</p>')
    copy = footer.rewrite(raw, reading, invitation)
    check(raw, copy, reading, invitation)
    assert copy.decode().partition("\r\n\r\n")[2] == (
        f'<div style="display:none"> Dear</div><p>a</p><p>{invitation.html}</p><p></p>\r\n'
    )


def test_a_marker_in_a_tag_stays_so_that_the_tag_stays_the_same(invitation: Footer) -> None:
    """Without the first one, a comment would begin there and swallow the page."""
    raw, reading = read(f"a<!{MARK}-- <b>b</b>{MARK}")
    copy = footer.rewrite(raw, reading, invitation)
    check(raw, copy, reading, invitation)
    assert copy.endswith(f"\r\n\r\na<!{MARK}-- <b>b</b>{invitation.html}\r\n".encode())


def test_a_link_where_nobody_sees_it_does_not_pass_the_check(invitation: Footer) -> None:
    raw, reading = read(f'<div style="display:none">{MARK}</div><p>{MARK}</p>')
    (target,) = reading.targets
    first = Target(target.leaf, target.found, 0, target.quoted, target.body_end)
    wrong = eligible.Reading(reading.root, reading.marker, (first,), None, ())
    copy = footer.rewrite(raw, wrong, invitation)
    with pytest.raises(CheckFailed, match="no reader sees"):
        check(raw, copy, wrong, invitation)


def test_a_header_marker_asks_for_nothing_in_what_is_hidden(invitation: Footer) -> None:
    raw = b"X-Relay-Rejection:\r\nContent-Type: text/html\r\n\r\n<p>a</p><svg><text>x</text></body>"
    reading = eligible.read(raw, stamp_key=b"k")
    assert reading.targets
    with pytest.raises(CannotRewrite, match="no reader sees"):
        footer.rewrite(raw, reading, invitation)
