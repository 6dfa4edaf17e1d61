"""The first page of each room of the mail engine: what lies in it."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from gateway import mail
from gateway.mail import notice


@pytest.mark.parametrize("room", [mail, notice])
def test_the_first_page_names_each_module_once(room: ModuleType) -> None:
    named = re.findall(r"^    (\w+) {2,}\S", room.__doc__ or "", re.MULTILINE)
    here = Path(room.__file__ or "").parent
    there = [file.stem for file in here.glob("*.py") if file.stem != "__init__"]
    there += [file.parent.name for file in here.glob("*/__init__.py")]
    assert sorted(named) == sorted(there)
