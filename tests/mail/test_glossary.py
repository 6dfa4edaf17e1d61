"""The room's first page: what lies in it."""

import re
from pathlib import Path

from gateway import mail


def test_the_first_page_names_each_module_once() -> None:
    named = re.findall(r"^    (\w+) {2,}\S", mail.__doc__ or "", re.MULTILINE)
    there = [file.stem for file in Path(mail.__file__).parent.glob("*.py") if file.stem != "__init__"]
    assert sorted(named) == sorted(there)
