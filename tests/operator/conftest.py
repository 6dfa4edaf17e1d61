"""What the tests of `goen explain` share: the circumstances of a checkout without settings."""

from pathlib import Path

import pytest

from gateway.operator.explain.circumstances import Circumstances, circumstances


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Circumstances:
    """The samples that stand in where no settings are found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("nowhere"))
        return circumstances(None, {})


@pytest.fixture(scope="session")
def corpus() -> dict[str, bytes]:
    """Every mail of the corpus by its name."""
    root = Path(__file__).parent.parent / "corpus"
    return {path.parent.name: path.read_bytes() for path in sorted(root.glob("*/in.eml"))}
