"""SECURITY.md: its numbers are the code's, its files are there, and each exception of the linter has a reason."""

import importlib
import re
from pathlib import Path

import pytest

from imgrec.settings import MIB, ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
LIMITS = re.findall(r"^\| (.+?) \| ([\d,]+) ?(MiB|s|times)? \| `([\w.]+)\.(\w+)` \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("what", "number", "unit", "module", "name"), LIMITS, ids=[limit[0] for limit in LIMITS])
def test_a_limit_is_the_one_of_the_code(what: str, number: str, unit: str, module: str, name: str) -> None:
    value = getattr(importlib.import_module(module), name)
    in_bytes = unit == "MiB" and not name.endswith("MIB")
    assert int(number.replace(",", "")) * (MIB if in_bytes else 1) == value


def test_every_row_of_the_table_is_checked() -> None:
    rows = TEXT.split("## Limits in numbers")[1].split("##")[0].strip().splitlines()[2:]
    assert len(rows) == len(LIMITS) > 10


def test_files_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:imgrec|tests|\.github|requirements)[\w./-]*)`", TEXT)
    files = [name for name in named if "/" in name or name.startswith("requirements")]
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_each_exception_of_the_security_rules_has_its_reason_in_place() -> None:
    without = []
    for path in [*(ROOT / "imgrec").rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(r"# noqa: (?:\w+, )*S\d{3}", line) and not re.search(r"# noqa: [\w, ]+ \(.{6,}\)", line):
                without.append(f"{path.relative_to(ROOT)}:{number}")
    assert not without
