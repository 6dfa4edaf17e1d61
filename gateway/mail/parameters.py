"""Structured field values: a first word and its parameters (RFC 2045, RFC 2231), as mailers write them."""

import re

MAX_VALUE = 8 * 1024
"""Octets of a structured field value that are read; no mailer needs more than some hundred."""

_QUOTED = rb'"(?:[^"\\]++|\\.)*+'
# Possessive, so that no octet is looked at twice: backtracking over `;;;` or `\"\"\"` takes quadratic time.
_BETWEEN_SEMICOLONS = re.compile(rb"(?:[^;\"]++|" + _QUOTED + rb"\"?)++", re.DOTALL)
_PARAMETER = re.compile(
    rb"""\s*+(?P<name>[^\s=;"]++)\s*+=\s*+(?:(?P<quoted>""" + _QUOTED + rb""")|(?P<plain>[^;"]*+))""",
    re.DOTALL,
)
_SECTION = re.compile(r"(.+?)\*(?:\d+(\*?))?$")
_LANGUAGE = re.compile(r"[^'\s]*'[^'\s]*'")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")


def media_type(value: bytes) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Split a header value into its lower-case first word and its parameters (RFC 2045, RFC 2231).

    Beyond MAX_VALUE nothing is read.
    """
    first, semicolon, rest = value[:MAX_VALUE].partition(b";")
    main = b" ".join(first.partition(b"(")[0].split()).lower().decode("latin-1")
    found: list[tuple[str, str]] = []
    for stretch in _BETWEEN_SEMICOLONS.finditer(rest) if semicolon else ():
        match = _PARAMETER.match(stretch[0])
        if match is None:
            continue
        name = match["name"].lower().decode("latin-1")
        section = _SECTION.match(name)
        name = section[1] if section is not None else name
        if match["quoted"] is not None:
            text = re.sub(rb"\\(.)", rb"\1", match["quoted"][1:], flags=re.DOTALL).decode("latin-1")
        else:
            text = match["plain"].strip().decode("latin-1")
        if section is not None and section[2] != "":
            text = _PERCENT.sub(lambda code: chr(int(code[1], 16)), _LANGUAGE.sub("", text, count=1))
        if section is not None and found and found[-1][0] == name:
            found[-1] = (name, found[-1][1] + text)
        else:
            found.append((name, text))
    return main, tuple(found)
