"""The fuzz target under atheris, which keeps the mails that reach new code.

`python -m tests.fuzz.guided FOLDER …`: findings go to the folder, what follows it to libFuzzer as it stands.
"""

import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway.mail"]):
    from tests.fuzz.findings import Folder
    from tests.fuzz.invariants import examine

from tests.fuzz.mutation import mutated, seeds

_SEEDS = seeds()


def _mutate(raw: bytes, longest: int, seed: int) -> bytes:
    chance = random.Random(seed)
    if chance.random() < 0.3:
        return bytes(atheris.Mutate(raw, longest))
    return mutated(raw, _SEEDS, chance)[:longest]


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    folder = Folder(Path(sys.argv[1]))

    def one(raw: bytes) -> None:
        folder.try_out(raw, examine)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one, custom_mutator=_mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
