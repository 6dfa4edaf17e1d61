"""The gateway as an operator runs it: a process of its own, settings in a file, commands on the terminal."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.ports import free_port

GOEN = Path(sys.executable).parent / "goen"

TEST_EVENTS = ("test-started", "test-killed")
"""Our own lines in the journal: where that of the next process begins."""

ORGANISATION = {
    "legal_name": "株式会社サンプル商事",
    "address": "東京都千代田区サンプル町1-2-3",
    "privacy_officer": "個人情報保護管理者",
    "purpose_notice_url": "https://www.example.com/privacy",
}


@dataclass
class Gateway:
    """One installation, started at most once at a time."""

    folder: Path
    smtp_port: int
    web_port: int
    dns: dict[str, str]
    """The DKIM records that `goen init` printed: name without the last dot, and value."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @classmethod
    def found(cls, folder: Path, *, next_hop: int, store_url: str | None = None) -> "Gateway":
        """Do what the README tells an operator to do, for the domain example.com."""
        web_port = free_port()
        printed = goen(
            "init",
            str(folder),
            *("--next-hop", f"127.0.0.1:{next_hop}"),
            *("--public-url", f"http://127.0.0.1:{web_port}"),
            *("--domain", "example.com"),
        )
        dns = {}
        for line in printed.splitlines():
            name, found, value = line.strip().partition(". IN TXT ")
            if found:
                dns[name] = "".join(value.split('"')[1::2])
        gateway = cls(folder, free_port(), web_port, dns)
        gateway.set("organisation", **ORGANISATION)
        gateway.set("relay", listen=f"127.0.0.1:{gateway.smtp_port}", workers=1)
        gateway.set("web", listen=f"127.0.0.1:{web_port}")
        if store_url:
            gateway.set("store", url=store_url)
        gateway.goen(
            *("partner", "add", "demo-agency", "--name", "サンプル人材紹介株式会社"),
            *("--address", "東京都渋谷区サンプル坂4-5-6", "--representative", "見本 花子"),
            *("--licence", "13-ユ-000000", "--endpoint", "http://127.0.0.1:9/submissions"),
        )
        return gateway

    def set(self, section: str, **values: str | int | list[str]) -> None:
        """Put settings into their section of the file; what stands there already is replaced."""
        path = self.folder / "goen.toml"
        lines = path.read_text().split("\n")
        at = lines.index(f"[{section}]") + 1
        end = next((n for n in range(at, len(lines)) if lines[n].startswith("[")), len(lines))
        kept = [line for line in lines[at:end] if line.partition(" = ")[0] not in values]
        given = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
        path.write_text("\n".join([*lines[:at], *given, *kept, *lines[end:]]))

    def append(self, text: str) -> None:
        """Put a table of its own at the end of the file."""
        with (self.folder / "goen.toml").open("a") as settings:
            settings.write("\n" + text)

    def goen(self, *arguments: str) -> str:
        """Run a command against this installation; return what it printed."""
        return goen("--settings", str(self.folder / "goen.toml"), *arguments)

    def listing(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with --json."""
        rows: list[dict[str, Any]] = json.loads(self.goen(*arguments, "--json"))
        return rows

    def start(self, *arguments: str) -> None:
        """Start it, all or as the arguments of `goen serve` say, and wait until it takes mail."""
        with (self.folder / "journal").open("ab") as journal:
            journal.write(b'{"event": "test-started"}\n')
            journal.flush()
            self.process = subprocess.Popen(
                [GOEN, "--settings", str(self.folder / "goen.toml"), "serve", *arguments],
                stdout=subprocess.DEVNULL,
                stderr=journal,
            )
        end = time.monotonic() + 20
        while not any(line["event"] == "started" and line["what"] == "smtp" for line in self.new_journal()):
            assert self.process.poll() is None, self.journal_text()
            assert time.monotonic() < end, self.journal_text()
            time.sleep(0.05)

    def new_journal(self) -> list[dict[str, Any]]:
        """Return the journal of the process that runs now."""
        lines = self.journal()
        ends = [at for at, line in enumerate(lines) if line["event"] in TEST_EVENTS]
        return lines[ends[-1] + 1 :] if ends else lines

    def kill(self) -> None:
        """Kill all its processes without warning."""
        assert self.process is not None
        children = self.children()
        self.process.send_signal(signal.SIGKILL)
        for child in children:
            child.kill()
        self.process.wait(10)
        for child in children:
            child.wait_until_gone()
        with (self.folder / "journal").open("ab") as journal:
            journal.write(b'{"event": "test-killed"}\n')
        self.process = None

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(20) == 0, self.journal_text()
            self.process = None

    def children(self, name: str = "") -> list["Child"]:
        """Return the processes that the supervisor keeps: `mail`, `pages`, or all."""
        assert self.process is not None
        return [child for child in children_of(self.process.pid) if name in ("", child.name)]

    def journal_text(self) -> str:
        """Return all that it wrote to standard error."""
        return (self.folder / "journal").read_text()

    def journal(self) -> list[dict[str, Any]]:
        """Return its journal."""
        lines = self.journal_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]


@dataclass(frozen=True)
class Child:
    """A process of somebody else's."""

    pid: int

    @property
    def alive(self) -> bool:
        """Whether it runs, and is no zombie."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    @property
    def name(self) -> str:
        """Return what it does."""
        command = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        return "mail" if b"--smtp-fd" in command else "pages"

    def kill(self) -> None:
        """Kill it without warning."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait_until_gone(self) -> None:
        """Wait for its end."""
        end = time.monotonic() + 10
        while self.alive:
            assert time.monotonic() < end, f"{self.pid} lives on"
            time.sleep(0.02)


def children_of(pid: int) -> list[Child]:
    """Return the processes that live and were started by this one."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [child for child in map(Child, map(int, listed.split())) if child.alive]


def goen(*arguments: str) -> str:
    """Run the program; return what it printed."""
    ran = subprocess.run(
        [GOEN, *arguments], capture_output=True, text=True, check=False, timeout=30, env=_environment()
    )
    assert ran.returncode == 0, f"goen {' '.join(arguments)}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GOEN_")}
