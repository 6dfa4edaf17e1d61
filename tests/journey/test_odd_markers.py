"""Markers with mistakes in them: the operator is told, and nobody's name goes along."""

from tests.journey.conftest import OpenGateway

HEAD = "From: <recruit@example.com>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"


async def test_a_broken_marker_is_journalled_and_its_mail_passes_as_it_came(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    letter = f"{HEAD}[[relay:rejction name=山田]]\r\n"
    assert (await gateway.send(letter.encode(), "taro@example.jp")).startswith(b"250")
    assert [(line["id"], line["found"]) for line in gateway.events("almost-a-marker")] == [
        ("G-1", "[[relay:rejction")
    ]
    assert [line["reason"] for line in gateway.events("passed")] == ["unmarked"]
    assert "山田" not in gateway.journal.getvalue()


async def test_words_of_a_marker_that_mean_nothing_are_counted_and_not_named(
    open_gateway: OpenGateway,
) -> None:
    """A name with a space and without quotes leaves its second half behind as such a word."""
    gateway = await open_gateway()
    letter = f"{HEAD}[[relay:rejection name=山田 太郎 colour=red stage=final]]\r\n"
    assert (await gateway.send(letter.encode(), "taro@example.jp")).startswith(b"250")
    assert [(line["id"], line["words"]) for line in gateway.events("unknown-words")] == [("G-1", 2)]
    assert len(gateway.events("invited")) == 1
    assert "太郎" not in gateway.journal.getvalue()


async def test_a_marker_without_mistakes_journals_none(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    letter = f"{HEAD}[[relay:rejection name='山田 太郎' stage=final]]\r\n"
    assert (await gateway.send(letter.encode(), "taro@example.jp")).startswith(b"250")
    assert gateway.events("unknown-words") == gateway.events("almost-a-marker") == []
    assert len(gateway.events("invited")) == 1
