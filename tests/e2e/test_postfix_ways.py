"""Each way through the gateway that docs/deploy-postfix.md offers, with the page's own lines."""

import re
import shutil
import smtplib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.e2e import postfix_ways as page
from tests.e2e.mails import LINK, marked, text_of
from tests.e2e.postfix_ways import Company, Settings, Way
from tests.peers.gateway import Gateway
from tests.peers.ports import free_port
from tests.peers.postfix import Postfix

pytestmark = pytest.mark.peers("postfix")

ACCEPTED = 250
MARKER = '[[relay:rejection tpl=ja-standard job="営業" stage=final]]\n'
ORDINARY = (
    "From: <{sender}>\r\nTo: all@example.jp\r\nX-Odd:no space\r\n\tand folded \r\n"
    "Date: Mon, 23 Nov 2026 10:00:00 +0900\r\nMessage-ID: <{name}@example.com>\r\n{extra}"
    "Subject: ordinary\r\n\r\n..dots\r\n.\r\nFrom here,  \r\n山\r\n\r\n"
)
REFUSAL = "smtpd_end_of_data_restrictions = check_recipient_access regexp:{ {/^refused/ 550 5.7.1 Not here} }"
"""The servers that take the copies refuse these recipients after the content, when it is theirs alone."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company whose mail goes to a smarthost, and two gateways that nothing leads to yet."""
    with ExitStack() as closing:

        def start_postfix(name: str, next_hop: int | None = None) -> Postfix:
            root = Path(tempfile.mkdtemp(prefix="goen-postfix-"))
            closing.callback(shutil.rmtree, root)
            postfix = Postfix.start(root, name, next_hop=next_hop)
            closing.callback(postfix.stop)
            return postfix

        def start_gateway(port: int, relay: Settings, table: str = "") -> Gateway:
            gateway = Gateway.found(tmp_path_factory.mktemp("ways") / "gateway", next_hop=port)
            gateway.set("relay", **{**relay, "next_hop": f"127.0.0.1:{port}"})
            gateway.append(table)
            gateway.start()
            closing.callback(gateway.stop)
            return gateway

        sink = start_postfix("sink")
        sink.shell(f"postconf -e '{REFUSAL}'; postfix reload")
        back_port, lmtp_port = free_port(), free_port()
        door = page.blocks(page.OVER_LMTP.name, "toml")[0].replace("2424", str(lmtp_port))
        smarthost = start_gateway(sink.port, page.settings(page.PREPARATION), door)
        deadline = page.settings(page.BEFORE_QUEUE.name)
        back = start_gateway(back_port, {**page.settings(page.PREPARATION, 1), **deadline})
        postfix = start_postfix("company", sink.port)
        yield Company(postfix, smarthost, back, back_port, sink, lmtp_port)


@pytest.fixture
def office(company: Company) -> Iterator[Company]:
    """The company, and afterwards its Postfix as it was."""
    yield company
    company.forget()


def send(postfix: Postfix, mail: bytes, *recipients: str, sender: str = "recruit@example.com") -> str:
    """Send a mail as a mail program does; return the answer to its final dot, or the first refusal."""
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        client.ehlo("client.example.com")
        answers = [client.mail(sender, ["BODY=8BITMIME"]), *map(client.rcpt, recipients)]
        refused = [answer for answer in answers if answer[0] != ACCEPTED]
        code, text = refused[0] if refused else client.data(mail)
    return f"{code} {text.decode()}"


def ordinary(name: str, sender: str, extra: bytes = b"") -> bytes:
    return ORDINARY.format(name=name, sender=sender, extra=extra.decode()).encode()


def chosen(way: Way, name: str) -> bytes:
    """Return a mail that asks for an invitation, in its text or in its header."""
    if not way.chosen:
        return marked(name)
    line = MARKER.replace("\n", "\r\n").encode("iso-2022-jp")
    return way.chosen + marked(name).replace(line, b"")


def eventually(holds: Callable[[], bool], explain: Callable[[], str]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, explain()
        time.sleep(0.05)


def handled(gateway: Gateway) -> list[str]:
    """Return the events of the mails that the gateway has carried."""
    return [line["event"] for line in gateway.journal() if line["event"] in ("passed", "invited")]


def added_fields(delivered: bytes, mail: bytes) -> list[bytes]:
    """Return the names of the fields above the mail, whose bytes must be as they were sent."""
    expected = mail.replace(b"\r\n", b"\n")
    assert delivered.endswith(expected)
    above = delivered[: -len(expected)].split(b"\n")
    return [line.partition(b":")[0] for line in above if line[:1].strip()]


@pytest.mark.parametrize("way", page.WAYS, ids=str)
def test_mail_goes_the_way_of_the_page_and_out_again(office: Company, way: Way) -> None:
    """Ordinary mail keeps its bytes, marked mail becomes the right copies, each once; out is out."""
    name = f"way-{page.WAYS.index(way)}"
    gateway, sink = office.gateway(way), office.sink
    before, asked = handled(gateway), office.asks()
    office.choose(way)

    mail = ordinary(name, way.sender, way.chosen and way.chosen + b"Auto-Submitted: auto-generated\r\n")
    send(office.postfix, mail, f"{name}-o@example.jp", sender=way.sender)
    fields = added_fields(office.arrived(f"{name}-o@example.jp"), mail)
    hops = [b"Received"] * (2 if way.smarthost else 3)
    assert fields == [b"Return-Path", b"X-Original-To", b"Delivered-To", *hops]

    candidates = [f"{name}-1@example.jp", f"{name}-2@example.jp"]
    boss = f"{name}@example.com"
    send(office.postfix, chosen(way, name), *candidates, boss, sender=way.sender)
    copies = [text_of(office.arrived(address)) for address in (*candidates, boss)]
    links = [LINK.findall(copy) for copy in copies]
    assert [len(found) for found in links] == [1, 1, 0]
    assert links[0] != links[1]
    assert not any("[[relay" in copy for copy in copies)
    assert b"X-Relay-Rejection" not in b"".join(sink.mails_to(boss))
    eventually(lambda: handled(gateway) == [*before, "passed", "invited"], gateway.journal_text)

    if way.past or way.chosen:
        past = ordinary(f"{name}-p", "sales@example.com")
        send(office.postfix, past, f"{name}-p@example.jp", sender=way.past or way.sender)
        office.arrived(f"{name}-p@example.jp")

    office.leave(way)
    assert office.asks() == asked
    send(office.postfix, chosen(way, f"{name}-x"), f"{name}-x@example.jp", sender=way.sender)
    outside = office.arrived(f"{name}-x@example.jp")
    assert b"[[relay" in outside or b"X-Relay-Rejection" in outside
    office.postfix.wait_for_empty_queue()
    assert handled(gateway) == [*before, "passed", "invited"]
    for address in (*candidates, boss, f"{name}-o@example.jp"):
        assert len(sink.mails_to(address)) == 1


def returned(office: Company, sender: str) -> tuple[list[str], bytes]:
    """Return the recipients that the one report to this sender names, and who wrote it."""
    report = message_from_bytes(office.arrived(sender), policy=policy.default)
    named = re.findall(r"^Final-Recipient: rfc822; ?(\S+)$", report.as_string(), re.MULTILINE)
    return named, str(report["From"]).encode()


def test_over_lmtp_postfix_bounces_only_the_recipient_that_was_refused(office: Company) -> None:
    office.choose(page.OVER_LMTP)
    recipients = ("lmtp-1@example.jp", "refused-lmtp@example.jp", "lmtp@example.com")
    send(office.postfix, marked("lmtp"), *recipients, sender="hr-lmtp@example.com")
    named, author = returned(office, "hr-lmtp@example.com")
    assert named == ["refused-lmtp@example.jp"]
    assert b"MAILER-DAEMON" in author
    statuses = re.findall(r"postfix/lmtp\[.*to=<(\S+-?lmtp\S*|lmtp\S*)>.*status=(\w+)", office.postfix.log())
    assert set(statuses) >= {(recipients[0], "sent"), (recipients[1], "bounced"), (recipients[2], "sent")}
    for address in (recipients[0], recipients[2]):
        office.arrived(address)


def test_over_smtp_the_gateway_reports_the_recipient_that_was_refused(office: Company) -> None:
    """Only that one, each time: Postfix leaves its transaction open on the connection where it refused."""
    office.choose(page.OVER_SMTP)
    for round_ in ("a", "b"):
        sender = f"hr-smtp-{round_}@example.com"
        taken = (f"smtp-{round_}@example.jp", f"smtp-{round_}@example.com")
        refused = f"refused-smtp-{round_}@example.jp"
        send(office.postfix, marked(f"smtp-{round_}"), taken[0], refused, taken[1], sender=sender)
        named, _ = returned(office, sender)
        assert named == [refused]
        for address in taken:
            office.arrived(address)
        office.postfix.wait_for_empty_queue()
        about_it = [line for line in office.postfix.log().splitlines() if refused in line]
        assert not any("status=bounced" in line for line in about_it)


def deferred(postfix: Postfix, recipient: str) -> None:
    pattern = re.compile(rf"to=<{re.escape(recipient)}>.*status=deferred")
    eventually(lambda: pattern.search(postfix.log()) is not None, postfix.log)


def test_while_the_gateway_is_down_mail_waits_and_arrives_after_its_start(office: Company) -> None:
    """Mail that waits goes through the gateway later, or leaves as it was written once you are out."""
    with gateways_down(office):
        waiting = wait_for_the_gateway(office)
    office.postfix.command("postqueue", "-f")
    for address in waiting:
        assert len(LINK.findall(text_of(office.arrived(address)))) == 1
    office.postfix.wait_for_empty_queue()
    assert not office.sink.mails_to("down-b@example.jp")


@contextmanager
def gateways_down(office: Company) -> Iterator[None]:
    gateways = (office.back, office.to_smarthost)
    for gateway in gateways:
        gateway.stop()
    try:
        yield
    finally:
        for gateway in gateways:
            gateway.start()


def wait_for_the_gateway(office: Company) -> list[str]:
    """Send mail by each way; return the recipients whose mail still waits for the gateway."""
    waiting = []
    for way in (page.ALL_BACK, page.SENDER_BACK, page.HEADER_BACK):
        address = f"down-{page.WAYS.index(way)}@example.jp"
        office.choose(way)
        send(office.postfix, chosen(way, address.partition("@")[0]), address, sender=way.sender)
        deferred(office.postfix, address)
        waiting.append(address)
        if way is page.ALL_BACK:
            office.leave(way)
            assert "[[relay" in text_of(office.arrived(waiting.pop()))
        office.undo()  # What waits keeps its filter.

    office.choose(page.BEFORE_QUEUE)
    assert send(office.postfix, marked("refused"), "down-b@example.jp").startswith("451 4.3.0 ")
    office.undo()

    for way in (page.OVER_SMTP, page.OVER_LMTP):
        address = f"down-{page.WAYS.index(way)}@example.jp"
        office.choose(way)
        send(office.postfix, marked(address.partition("@")[0]), address)
        deferred(office.postfix, address)
        waiting.append(address)
        if way is page.OVER_SMTP:
            office.leave(way)
            assert "[[relay" in text_of(office.arrived(waiting.pop()))

    return waiting


def test_a_port_back_that_filters_again_ends_in_a_bounce_and_one_invitation(office: Company) -> None:
    """Postfix counts the rounds, and a stamped copy is not rewritten again."""
    office.choose(page.ALL_BACK)
    before = handled(office.back)
    filters = "-o content_filter=to-goen:[127.0.0.1]:2525"
    master = (office.postfix.root / "conf" / "master.cf").read_text()
    again = master.replace("-o content_filter=", office.placed(filters, page.ALL_BACK))
    started_anew(office.postfix, again)
    send(office.postfix, marked("loop"), "loop@example.jp", sender="hr-loop@example.com")
    named, _ = returned(office, "hr-loop@example.com")
    assert named == ["loop@example.jp"]
    assert "too many hops" in office.postfix.log()
    started_anew(office.postfix, master)
    rounds = handled(office.back)[len(before) :]
    assert (rounds[0], set(rounds[1:])) == ("invited", {"passed"})
    assert not office.sink.mails_to("loop@example.jp")


def started_anew(postfix: Postfix, master: str) -> None:
    """Give it another master.cf; a reload would leave the gateway the process behind its connection."""
    postfix.configure("master.cf", master)
    postfix.stop()
    postfix.restart()


def test_an_archive_that_gets_all_mail_gets_one_copy_without_link(office: Company) -> None:
    office.choose(page.ALL_BACK)
    office.run("postconf -e 'always_bcc = archive@example.com'\npostfix reload", page.ALL_BACK)
    send(office.postfix, marked("bcc"), "bcc-1@example.jp", "bcc-2@example.jp")
    for address in ("bcc-1@example.jp", "bcc-2@example.jp"):
        assert LINK.search(text_of(office.arrived(address)))
    office.postfix.wait_for_empty_queue()
    archived = office.arrived("archive@example.com")
    assert LINK.search(text_of(archived)) is None


def test_what_main_cf_asks_of_the_smarthost_is_not_asked_of_the_gateway(office: Company) -> None:
    """TLS and a login for the smarthost do not keep mail from the gateway beside it."""
    office.choose(page.OVER_SMTP)
    demands = [
        "smtp_tls_security_level = encrypt",
        "smtp_sasl_auth_enable = yes",
        "smtp_sasl_password_maps = static:user:password",
    ]
    strict = "".join(f"postconf -e '{demand}'\n" for demand in demands)
    office.run(f"{strict}postfix reload", page.OVER_SMTP)
    send(office.postfix, marked("strict"), "strict@example.jp")
    assert LINK.search(text_of(office.arrived("strict@example.jp")))


def test_mail_with_a_foreign_sender_passes_the_gateway(office: Company) -> None:
    """What comes from outside, or is forwarded, must not bounce."""
    office.choose(page.ALL_BACK)
    before = handled(office.back)
    mail = ordinary("foreign", "somebody@example.net")
    send(office.postfix, mail, "inbox@example.com", sender="somebody@example.net")
    office.arrived("inbox@example.com")
    assert handled(office.back) == [*before, "passed"]


def test_before_the_queue_the_mail_program_hears_the_gateways_own_answer(office: Company) -> None:
    office.choose(page.BEFORE_QUEUE)
    answer = send(office.postfix, marked("heard"), "heard@example.jp")
    said = re.match(r"250 2\.0\.0 Ok (G-[A-Z2-7]{16}) ", answer)
    assert said is not None, answer
    assert said[1] in {line["id"] for line in office.back.journal() if line["event"] == "invited"}


def test_before_the_queue_the_gateway_answers_before_postfix_gives_up(office: Company) -> None:
    patience = office.postfix.command("postconf", "-h", "smtpd_proxy_timeout")
    deadline = page.settings(page.BEFORE_QUEUE.name)["deadline_seconds"]
    assert isinstance(deadline, int)
    assert deadline < int(patience.strip().removesuffix("s"))
