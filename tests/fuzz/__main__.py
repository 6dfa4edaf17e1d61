"""The fuzz target: `python -m tests.fuzz [--seconds N] [--findings FOLDER]`.

`tests/fuzz/invariants.py` says what must hold.
With atheris, coverage leads the way; without, mails are made from the corpus at random.
It prints how many mails it examined, and each finding with the shortest mail that shows it.
"""

import argparse
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.findings import Folder
from tests.fuzz.invariants import examine
from tests.fuzz.mutation import MAX_SIZE, WORDS_FILE, mutated, seeds

_STATE = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)")
_MOST_MEMORY_MB = 2048
_LONGEST_SECONDS = 30


def guided(folder: Folder, seconds: int) -> bool:
    """Fuzz with atheris in a process of its own; return whether libFuzzer ended as it should."""
    with tempfile.TemporaryDirectory() as path:
        corpus = Path(path) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds()):
            (corpus / str(number)).write_bytes(seed)
        command = [sys.executable, "-m", "tests.fuzz.guided", str(folder.path), str(corpus)]
        command += [
            f"-max_total_time={seconds}",
            f"-max_len={MAX_SIZE}",
            f"-dict={WORDS_FILE}",
            "-len_control=0",
        ]
        command += [f"-rss_limit_mb={_MOST_MEMORY_MB}", f"-timeout={_LONGEST_SECONDS}"]
        command += [f"-report_slow_units={_LONGEST_SECONDS}"]
        command += [f"-artifact_prefix={folder.path}/libfuzzer-"]
        began = time.monotonic()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as fuzzer:
            last = ("0", "0", "0")
            for line in fuzzer.stderr or ():
                if (state := _STATE.match(line)) is not None:
                    last = (state[1], state[2], state[3])
                elif "ERROR" in line or "Error" in line:
                    print(line, end="")
            status = fuzzer.wait()
        took = time.monotonic() - began
    executions, edges, features = (int(number) for number in last)
    print(f"{executions:,} mails in {took:.0f} s, {executions / took:.0f} each second")
    print(f"{edges:,} edges and {features:,} features reached")
    return status == 0


def unguided(folder: Folder, seconds: float, seed: int) -> None:
    """Fuzz in this process, at random."""
    chance, corpus, number = random.Random(seed), seeds(), 0
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        folder.try_out(mutated(chance.choice(corpus), corpus, chance), examine)
        number += 1
    print(f"{number:,} mails in {seconds:.0f} s, {number / seconds:.0f} each second, from seed {seed}")
    print("without atheris nobody knows what they reached")


def main() -> None:
    """Fuzz, shorten what was found, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=Path("artifacts/fuzz"))
    parser.add_argument("--seed", type=int, default=int(time.time()), help="without atheris")
    options = parser.parse_args()
    folder = Folder(options.findings)
    ended = True
    if importlib.util.find_spec("atheris") is not None:
        ended = guided(folder, options.seconds)
    else:
        unguided(folder, options.seconds, options.seed)
    found = folder.shorten(examine)
    print(*found, sep="\n")
    print(f"{len(found)} findings")
    sys.exit(1 if found or not ended else 0)


if __name__ == "__main__":
    main()
