"""Two and more doors of one gateway, and real peers at them: swaks with TLS and logins, HAProxy in front."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.peers.gateway import Gateway
from tests.peers.haproxy import HAProxy
from tests.peers.ports import free_port
from tests.smtp.certificates import Authority
from tests.smtp.recording import RecordingNextHop

pytestmark = pytest.mark.peers("swaks")


def add_door(gateway: Gateway, name: str, **values: str | list[str]) -> int:
    """Write another door into the settings; return its port."""
    port = free_port()
    lines = ["", "[[relay.listeners]]", f'name = "{name}"', f'listen = "127.0.0.1:{port}"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    path = gateway.folder / "goen.toml"
    text = path.read_text()
    at = text.index("# How the gateway talks to the servers")
    path.write_text(text[:at] + "\n".join(lines) + "\n\n" + text[at:])
    return port


def with_certificate(gateway: Gateway) -> dict[str, str]:
    authority = Authority(gateway.folder)
    own = authority.certificate("gw.test", ("gw.test",))
    return {"certificate_file": own.certificate.name, "private_key_file": own.key.name}


def swaks(port: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Send a mail; the exit code is 0 when it was taken."""
    return subprocess.run(
        [
            *("swaks", "--server", "127.0.0.1", "--port", str(port), "--timeout", "20"),
            *("--ehlo", "client.test", "--from", "hr@example.com", "--to", "a@example.jp", *arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_each_door_has_its_own_rules_and_is_named_when_it_opens(
    gateway: Gateway, hop: RecordingNextHop
) -> None:
    branch = add_door(gateway, "branch", sender_domains=["example.jp"])
    await asyncio.to_thread(gateway.start)
    for port, sender, taken in (
        (gateway.smtp_port, "hr@example.com", True),
        (gateway.smtp_port, "hr@example.jp", False),
        (branch, "hr@example.jp", True),
        (branch, "hr@example.com", False),
    ):
        ran = await asyncio.to_thread(swaks, port, "--from", sender)
        assert (ran.returncode == 0) is taken, ran.stdout
    assert len(hop.messages) == 2
    opened = [line["where"] for line in gateway.journal() if line.get("what") == "smtp"]
    assert opened == [f"127.0.0.1:{gateway.smtp_port} (relay)", f"127.0.0.1:{branch} (branch)"]
    assert await asyncio.to_thread(gateway.goen, "health") == ""


@pytest.mark.peers("libnet-ssleay-perl")
async def test_swaks_logs_in_under_starttls_and_implicit_tls(gateway: Gateway, hop: RecordingNextHop) -> None:
    files = with_certificate(gateway)
    submission = add_door(gateway, "submission", tls="required", auth="required", **files)
    smtps = add_door(gateway, "smtps", tls="implicit", auth="optional", **files)
    printed = await asyncio.to_thread(gateway.goen, "user", "add", "ats", "--generate")
    password = printed.split()[-1]
    await asyncio.to_thread(gateway.start)
    for port, tls in ((submission, "-tls"), (smtps, "-tlsc")):
        for mechanism in ("PLAIN", "LOGIN"):
            ran = await asyncio.to_thread(swaks, port, tls, "-a", mechanism, "-au", "ats", "-ap", password)
            assert ran.returncode == 0, ran.stdout
    for refused in ("", "-tls", "-tls -a PLAIN -au ats -ap wrong", f"-a PLAIN -au ats -ap {password}"):
        ran = await asyncio.to_thread(swaks, submission, *refused.split())
        assert ran.returncode != 0, ran.stdout
    assert (await asyncio.to_thread(swaks, smtps, "-tlsc")).returncode == 0
    assert len(hop.messages) == 5
    assert password not in gateway.journal_text()
    assert await asyncio.to_thread(gateway.goen, "health") == ""


@pytest.mark.peers("haproxy")
async def test_behind_haproxy_the_clients_own_address_decides(
    gateway: Gateway, hop: RecordingNextHop, tmp_path: Path
) -> None:
    door = add_door(gateway, "balanced", allowed_networks=["127.0.0.2"], proxy_protocol_from=["127.0.0.1"])
    await asyncio.to_thread(gateway.start)
    haproxy = await asyncio.to_thread(HAProxy, tmp_path / "haproxy", door)
    try:
        sent = await asyncio.to_thread(swaks, haproxy.port, "--local-interface", "127.0.0.2")
        assert sent.returncode == 0, sent.stdout
        refused = await asyncio.to_thread(swaks, haproxy.port, "--local-interface", "127.0.0.3")
        assert refused.returncode != 0
        assert "550 5.7.1" in refused.stdout
    finally:
        await asyncio.to_thread(haproxy.stop)
    assert len(hop.messages) == 1
    assert not [line for line in gateway.journal() if line["event"] == "turned-away"]
    assert await asyncio.to_thread(gateway.goen, "health") == ""
