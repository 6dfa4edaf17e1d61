"""The places that a supervisor keeps filled: each holds a process, and after its death the next one."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from gateway.journal import Journal

T = TypeVar("T")

SILENCE = timedelta(seconds=30)
"""How long a process may give no sign of life; a garbage collection or a slow disk takes a second."""

START = timedelta(seconds=90)
"""How long a process may take to start; it waits up to 60 seconds for a database that is being migrated."""

LONGEST_PAUSE = timedelta(seconds=30)
"""Between two starts of a process that dies again and again."""

SETTLED = timedelta(seconds=60)
"""How long a process must have lived for its next start to come without a pause."""

FAREWELL = timedelta(seconds=30)
"""How long a process may take to close everything when its mails are done."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What one process does."""

    name: str
    """For the journal: `mail-1`, `pages`."""
    arguments: tuple[str, ...]
    """Of `goen`, all but the one for the pipe."""
    descriptors: tuple[int, ...]
    """The sockets it inherits."""


class Post:
    """One place."""

    def __init__(self, duty: Duty, journal: Journal, *, silence: timedelta, start: timedelta) -> None:
        self.duty = duty
        self.failed: int | None = None
        """The exit status of a first process that never took work."""
        self._journal = journal
        self._silence = silence.total_seconds()
        self._start = start.total_seconds()
        self._process: asyncio.subprocess.Process | None = None
        self._word: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._retired = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep())

    async def first_word(self) -> None:
        """Wait until the first process has taken up work, or failed to."""
        await asyncio.wait({self._word, self._keeping}, return_when=asyncio.FIRST_COMPLETED)

    async def retire(self, seconds: float) -> None:
        """Let the process finish, up to `seconds`, and put no other in its place."""
        self._retired.set()
        process = self._process
        if process is None:
            self._keeping.cancel()  # it waits before the next start
        else:
            with suppress(ProcessLookupError):
                process.terminate()
        done, _ = await asyncio.wait({self._keeping}, timeout=seconds)
        if not done and process is not None:
            self._journal.process_ended(self.duty.name, "killed: its mails took too long")
            with suppress(ProcessLookupError):
                process.kill()
        with suppress(asyncio.CancelledError):
            await self._keeping

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = 0.0
        while not self._retired.is_set():
            began = clock()
            status, silent = await self._live()
            if self._retired.is_set():
                return
            self._journal.process_ended(self.duty.name, _in_words(status, silent=silent))
            if not self._word.done():
                self.failed = status
                return
            lived = clock() - began
            pause = 0.0 if lived >= SETTLED.total_seconds() else min(max(1.0, pause * 2), _LONGEST)
            await asyncio.sleep(pause)

    async def _live(self) -> tuple[int, bool]:
        """Run one process to its end; return its exit status, and whether it had fallen silent."""
        reading, writing = os.pipe()
        try:
            # -P: a cli.py in the working directory is not ours.
            command = (sys.executable, "-P", "-m", "cli", *self.duty.arguments, "--alive-fd", str(writing))
            process = self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(*self.duty.descriptors, writing),
                start_new_session=True,  # Ctrl-C is for the supervisor, who asks the others
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        if self._retired.is_set():  # while it was being started
            with suppress(ProcessLookupError):
                process.terminate()
        silent = await self._listen(reading, process)
        status = await process.wait()
        self._process = None
        return status, silent

    async def _listen(self, reading: int, process: asyncio.subprocess.Process) -> bool:
        """Read the signs of life until they end; return whether it fell silent, and was killed for it."""
        stream = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
        )
        patience = self._start
        try:
            while True:
                async with asyncio.timeout(patience):
                    if not await stream.read(64):
                        return False
                patience = self._silence
                resolve(self._word, None)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            return True
        finally:
            pipe.close()


_LONGEST = LONGEST_PAUSE.total_seconds()


def resolve(future: asyncio.Future[T], value: T) -> None:
    """Give a future its result unless it has one."""
    if not future.done():
        future.set_result(value)


def _in_words(status: int, *, silent: bool) -> str:
    if silent:
        return "killed: it gave no sign of life"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
