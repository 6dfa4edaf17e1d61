"""A real Exim in a directory of its own, with STARTTLS, TLS from the first byte, and a login.

Debian lets only one mail server be installed: `.ci/run` unpacks Exim beside Postfix, under /opt/exim4, and
nss_wrapper with it, which shows it the user that its package would have made.
"""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.peers.ports import free_port

UNPACKED = Path("/opt/exim4")
USER = "relay@example.com"
SECRET = "correct horse battery staple"
_UID = 65534

CONFIGURATION = """\
primary_hostname = exim.test
exim_path = {unpacked}/usr/sbin/exim4
keep_environment = ^LD_ : ^NSS_
deliver_drop_privilege = true
spool_directory = {root}/spool
log_file_path = {root}/log/%slog
pid_file_path = {root}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port} : {tls_port}
tls_on_connect_ports = {tls_port}
tls_advertise_hosts = *
tls_certificate = {root}/certificate.pem
tls_privatekey = {root}/key.pem
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
message_size_limit = 20M
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
never_users =
host_lookup =
rfc1413_query_timeout = 0s

begin acl
rcpt:
  deny message = no such user
    local_parts = nobody
  {rule}

begin routers
everybody:
  driver = accept
  transport = folder

begin transports
folder:
  driver = appendfile
  directory = {root}/mail
  maildir_format
  message_prefix =
  message_suffix =
  user = Debian-exim

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_condition = ${{if and {{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{secret}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_condition = ${{if and {{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{secret}}}}}}}}}
  server_set_id = $auth1
"""


@dataclass
class Exim:
    """One running instance, which keeps everything in one Maildir."""

    root: Path
    port: int
    tls_port: int
    process: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls, root: Path, *, certificate: Path, key: Path, login_needed: bool = False) -> "Exim":
        """Start an instance with this certificate; `login_needed`: nobody else may send."""
        port, tls_port = free_port(), free_port()
        for folder in ("spool", "log", "mail"):
            (root / folder).mkdir()
            shutil.chown(root / folder, _UID, _UID)
        for file, name in ((certificate, "certificate.pem"), (key, "key.pem")):
            shutil.copyfile(file, root / name)
            shutil.chown(root / name, _UID, _UID)
        root.chmod(0o755)
        configuration = CONFIGURATION.format(
            root=root,
            unpacked=UNPACKED,
            port=port,
            tls_port=tls_port,
            user=USER,
            secret=SECRET,
            rule="require authenticated = *\n  accept" if login_needed else "accept",
        )
        (root / "exim.conf").write_text(configuration)
        (root / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nDebian-exim:x:{_UID}:{_UID}::/:/bin/sh\n")
        (root / "group").write_text(f"root:x:0:\nDebian-exim:x:{_UID}:\n")
        libraries = next(UNPACKED.glob("usr/lib/*-linux-gnu"))
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(libraries),
            "LD_PRELOAD": str(libraries / "libnss_wrapper.so"),
            "NSS_WRAPPER_PASSWD": str(root / "passwd"),
            "NSS_WRAPPER_GROUP": str(root / "group"),
        }
        words = [str(UNPACKED / "usr/sbin/exim4"), "-C", str(root / "exim.conf"), "-bdf", "-odi"]
        process = subprocess.Popen(words, env=environment)
        instance = cls(root, port, tls_port, process)
        instance._wait_until_it_listens()
        return instance

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(10)

    def log(self) -> str:
        """Return its main log so far."""
        path = self.root / "log" / "mainlog"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for_mails(self, count: int, *, seconds: float = 30) -> list[bytes]:
        """Wait until so many mails lie in the Maildir; return them, oldest first, with LF line ends."""
        end = time.monotonic() + seconds
        while len(files := list((self.root / "mail").glob("new/*"))) < count:
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
        return [file.read_bytes() for file in sorted(files, key=lambda path: path.stat().st_mtime_ns)]

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + 20
        while True:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            try:
                for port in (self.port, self.tls_port):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
