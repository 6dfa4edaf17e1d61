"""A message that contradicts itself: the operator is told which places do, and nothing that stands there."""

from tests.journey.conftest import OpenGateway

TO = "To: =?utf-8?B?6Yi05pyoIOiKseWtkA==?= <taro@example.jp>\r\n"
"""鈴木 花子, who is not 山田."""
LETTER = (
    f"From: <recruit@example.com>\r\n{TO}"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "山田 太郎 様\r\n\r\n最終面接の結果、今回はご縁がありませんでした。\r\n\r\n"
    "[[relay:rejection stage=screening]]\r\n"
)


async def test_a_contradiction_is_journalled_once_for_each_value_and_without_it(
    open_gateway: OpenGateway,
) -> None:
    gateway = await open_gateway()
    assert (await gateway.send(LETTER.encode(), "taro@example.jp")).startswith(b"250")
    lines = gateway.events("contradiction")
    assert [(line["id"], line["what"], line["sources"]) for line in lines] == [
        ("G-1", "name", "display-name,addressee"),
        ("G-1", "stage", "marker,body"),
    ]
    assert not any(word in gateway.journal.getvalue() for word in ("山田", "鈴木", "example.jp"))


async def test_what_many_candidates_have_in_common_is_journalled_once(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    everyone = [f"c{number}@example.jp" for number in range(5)]
    assert (await gateway.send(LETTER.encode(), *everyone)).startswith(b"250")
    assert [line["what"] for line in gateway.events("contradiction")] == ["stage"]


async def test_a_message_without_contradiction_journals_none(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway()
    agreeing = LETTER.replace(TO, "").replace("stage=screening", "stage=final")
    assert (await gateway.send(agreeing.encode(), "taro@example.jp")).startswith(b"250")
    assert gateway.events("contradiction") == []
    assert len(gateway.events("invited")) == 1
