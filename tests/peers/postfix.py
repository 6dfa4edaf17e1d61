"""A real Postfix in a directory of its own, listening on loopback; several can run side by side."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.peers.ports import free_port

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/log/maillog
maillog_file_prefixes = {root}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {name}.test
mydestination =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtputf8_enable = yes
message_size_limit = 52428800
smtp_dns_support_level = disabled
smtp_host_lookup = native
alias_maps =
alias_database =
biff = no
notify_classes =
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
"""

RELAY = """\
relayhost = [127.0.0.1]:{next_hop}
default_destination_concurrency_limit = 5
smtp_destination_recipient_limit = 50
"""

MAILBOXES = """\
virtual_mailbox_domains = static:all
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_limit = 0
"""

STARTTLS = """\
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

AGED = """\
postconf() {
    command postconf "$@"
    touch -d '10 seconds ago' "$MAIL_CONFIG/main.cf" "$MAIL_CONFIG/master.cf"
}
"""
"""What keeps a script from waiting until Postfix takes its files for finished, as in `configure`."""


@dataclass
class Postfix:
    """One running instance."""

    root: Path
    port: int
    running: bool = True

    @classmethod
    def start(
        cls,
        root: Path,
        name: str,
        *,
        next_hop: int | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> "Postfix":
        """Start an instance that relays everything to `next_hop`, or keeps everything in one Maildir.

        With a certificate and its key it offers STARTTLS.
        """
        instance = cls(root, free_port())
        for folder in ("conf", "queue", "data", "log", "mail/inbox"):
            (root / folder).mkdir(parents=True)
        root.chmod(0o755)
        shutil.chown(root / "data", "postfix")
        shutil.chown(root / "mail", 65534, 65534)
        shutil.chown(root / "mail" / "inbox", 65534, 65534)
        tail = MAILBOXES if next_hop is None else RELAY
        main = (MAIN_CF + tail).format(root=root, name=name, next_hop=next_hop)
        if certificate is not None:
            main += STARTTLS.format(certificate=certificate[0], key=certificate[1])
        instance.configure("main.cf", main)
        instance.configure("master.cf", MASTER_CF.format(port=instance.port))
        instance.command("postfix", "start")
        return instance

    def command(self, program: str, *arguments: str) -> str:
        """Run one of Postfix's commands against this instance; return what it printed."""
        words = [f"/usr/sbin/{program}", "-c", str(self.root / "conf"), *arguments]
        ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        assert ran.returncode == 0, f"{' '.join(words)}: {ran.stdout}{ran.stderr}{self.log()}"
        return ran.stdout

    def configure(self, name: str, text: str) -> None:
        """Write a file of the configuration; it takes effect at the next start or reload."""
        path = self.root / "conf" / name
        path.write_text(text)
        # Postfix's programs sleep until a file is two seconds old: somebody may still be writing it.
        os.utime(path, times=(time.time() - 10,) * 2)

    def shell(self, script: str) -> None:
        """Run lines as an administrator types them; Postfix's commands in them act on this instance."""
        ran = subprocess.run(
            ["/bin/sh", "-e", "-c", AGED + script],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={
                **os.environ,
                "MAIL_CONFIG": str(self.root / "conf"),
                "PATH": f"/usr/sbin:{os.environ['PATH']}",
            },
        )
        assert ran.returncode == 0, f"{script}: {ran.stdout}{ran.stderr}{self.log()}"

    def stop(self) -> None:
        """Stop it at once; stopping it again does nothing."""
        if self.running:
            self.command("postfix", "abort")
            self.running = False

    def restart(self) -> None:
        """Start it again on the same port, with what it has in its queue."""
        self.command("postfix", "start")
        self.running = True

    def log(self) -> str:
        """Return the mail log so far."""
        path = self.root / "log" / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def queue(self) -> str:
        """Return the queue as `postqueue -p` prints it."""
        return self.command("postqueue", "-p")

    def mails(self) -> list[bytes]:
        """Return what lies in the Maildir, oldest first, with LF line ends as Postfix stores them."""
        new = self.root / "mail" / "inbox" / "new"
        files = sorted(new.iterdir(), key=lambda p: p.stat().st_mtime_ns) if new.exists() else []
        return [file.read_bytes() for file in files]

    def mails_to(self, recipient: str) -> list[bytes]:
        """Return those of the mails that were delivered to this envelope recipient."""
        field = b"Delivered-To: " + recipient.encode() + b"\n"
        return [mail for mail in self.mails() if field in mail]

    def wait_for_mail_to(self, recipient: str, *, seconds: float = 30) -> bytes:
        """Wait until a mail to this recipient has arrived; fail with the log when none does."""
        _wait(lambda: bool(self.mails_to(recipient)), seconds, self.log)
        (mail,) = self.mails_to(recipient)
        return mail

    def wait_for_log(self, words: str, *, seconds: float = 30) -> None:
        """Wait until the words stand in the log."""
        _wait(lambda: words in self.log(), seconds, self.log)

    def wait_for_empty_queue(self, *, seconds: float = 30) -> None:
        """Wait until nothing is left to deliver."""
        _wait(lambda: "is empty" in self.queue(), seconds, self.log)


def _wait(until: Callable[[], bool], seconds: float, explain: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, explain()
        time.sleep(0.1)
