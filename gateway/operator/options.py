"""The kinds of values that the command line takes; what is none of them is wrong usage, with a sentence."""

import io
from datetime import date, datetime
from typing import IO, Any

import click

COUNT = click.IntRange(1, 2**31 - 1)
"""What PostgreSQL's `integer` holds."""
PORT = click.IntRange(0, 65535)
"""0: any free one."""
_LONGEST_SECRET = 4096
"""Standard Webhooks recommends 24 to 64 octets; a file with more is another file."""


def not_utf8(arguments: list[str]) -> int | None:
    """Return the number of the first argument that is no UTF-8, counted from 1, or None."""
    for number, argument in enumerate(arguments, 1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            return number
    return None


class _Domain(click.ParamType[str]):
    """A mail domain."""

    name = "domain"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it in lower case."""
        from gateway.settings.values import read_domain

        try:
            return read_domain(value)
        except ValueError as error:
            self.fail(f"{value} {error}.", param, ctx)


DOMAIN = _Domain()


class Day(click.DateTime):
    """A day such as 2030-03-31 that has a next one."""

    def __init__(self) -> None:
        """Take the form of ISO 8601 only."""
        super().__init__(["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the day's beginning, without a zone."""
        day: datetime = super().convert(value, param, ctx)
        if day.date() == date.max:
            self.fail(f"{value} is too far away.", param, ctx)
        return day


class SecretFile(click.File):
    """A file with a secret, or `-` for standard input; read at once, and a text by then."""

    def __init__(self) -> None:
        """Read octets, so that decoding is ours."""
        super().__init__("rb")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[Any]:
        """Return the text, ready to be read; no message repeats any of it."""
        with super().convert(value, param, ctx) as file:
            content: bytes = file.read(_LONGEST_SECRET + 1)
        if len(content) > _LONGEST_SECRET:
            self.fail(f"{value!r} is too large for a secret.", param, ctx)
        try:
            return io.StringIO(content.decode("ascii"))
        except UnicodeDecodeError:
            self.fail(f"{value!r} holds no secret: it must be text in ASCII.", param, ctx)
