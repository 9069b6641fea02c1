"""Printed tables are whole, and their own figures agree where they should."""

import pytest

from imgrec import published
from imgrec.published import COUNTS, TABLES


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_a_table_has_a_cell_for_each_column(table: published.PrintedTable) -> None:
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert len(table.measured_as) == len(table.rows)


@pytest.mark.parametrize(("counts", "accuracy"), [(COUNTS[0], 0.9670), (COUNTS[1], 0.9735)], ids=["9", "13"])
def test_counts_add_up(counts: published.PrintedCounts, accuracy: float) -> None:
    assert counts.accuracy == pytest.approx(accuracy)
    assert {sum(row) for row in counts.counts} == {2000}
    assert counts.figures.support.tolist() == [400] * 5


def test_the_training_times_follow_from_the_logs() -> None:
    assert f"{5 * 562 / 3600:.2f} h" in TABLES[1].rows[2][4]
    assert f"{5 * 1851 / 3600:.2f} h" in TABLES[1].rows[3][4]
