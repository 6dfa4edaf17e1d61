"""A real HAProxy in front of a door, which announces its clients with the PROXY protocol, version 2."""

import shutil
import subprocess
import time
from pathlib import Path

from tests.peers.ports import free_port

CONFIGURATION = """\
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend clients
    bind 127.0.0.1:{port}
    default_backend doors
backend doors
    server door 127.0.0.1:{door} send-proxy-v2 check inter 500ms check-send-proxy
"""


class HAProxy:
    """One running instance."""

    def __init__(self, folder: Path, door: int) -> None:
        """Start it in front of the door at this port."""
        self.port = free_port()
        folder.mkdir()
        (folder / "haproxy.cfg").write_text(CONFIGURATION.format(port=self.port, door=door))
        program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert program is not None
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [program, "-db", "-f", str(folder / "haproxy.cfg")], stdout=self._log, stderr=self._log
        )
        end = time.monotonic() + 10
        while self._process.poll() is None and not _listens(self.port):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert self._process.poll() is None, (folder / "log").read_text()

    def stop(self) -> None:
        """Stop it at once."""
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


def _listens(port: int) -> bool:
    needle = f":{port:04X} "
    return any(needle in line and " 0A " in line for line in Path("/proc/net/tcp").read_text().splitlines())
