"""Images of a month, counted on the disk by any number of processes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec.errors import InputError
from imgrec.remote.monthly_budget import MonthlyBudget, this_month


@pytest.fixture
def budget(tmp_path: Path) -> MonthlyBudget:
    return MonthlyBudget(tmp_path / "services" / "one.json", 100)


def test_images_are_counted_until_none_are_left(budget: MonthlyBudget) -> None:
    assert [budget.take(40) for _ in range(4)] == [40, 40, 20, 0]
    assert budget.left == 0
    budget.give_back(5)
    assert MonthlyBudget(budget.path, 100).left == 5


def test_a_new_month_begins_at_0(budget: MonthlyBudget) -> None:
    replace(budget, month=lambda: "2025-01").take(100)
    assert budget.left == 100
    assert len(this_month()) == 7


def test_several_at_once_never_take_more(budget: MonthlyBudget) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: budget.take(3), range(40)))
    assert sum(taken) == 100


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"month": 5, "images": 1}', '{"month": "2026-11", "images": -1}'])
def test_a_damaged_file_is_no_free_month(budget: MonthlyBudget, text: str) -> None:
    budget.path.parent.mkdir()
    budget.path.write_text(text)
    with pytest.raises(InputError, match="Remove the file"):
        budget.take(1)
