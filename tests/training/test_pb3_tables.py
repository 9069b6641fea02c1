"""The tables of PB3: what is printed is quoted, what is ours comes from the cards."""

import numpy as np
import pytest

from imgrec.evaluation.reference_tables import read_published
from imgrec.reports.table_report import Table
from imgrec.training import pb3_tables
from imgrec.training.pb3 import Protocol
from tests.training.test_pb3 import all_done

PROTOCOL = Protocol()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """The tables of a protocol of cards, by what comes before the colon."""
    done = all_done(PROTOCOL, tmp_path_factory.mktemp("cards"), {"mobilenet_1em03": 0.95, "resnet50_wide": 0.9})
    found = pb3_tables.all_tables(PROTOCOL, done, {"pb3_mobilenet_1em03": [0.75, 0.25]}, {"pb3_mobilenet_1em03": 10.0})
    return {table.title.split(":")[0]: table for table in found}


def test_printed_folds_average_to_the_printed_means() -> None:
    quoted = pb3_tables.printed()["folds"]
    for name in ("train_accuracy", "validation_accuracy"):
        assert np.mean([float(value) for value in quoted[name]]) == pytest.approx(
            float(quoted["means"][name]), abs=6e-5
        )


def test_the_best_printed_rate_is_that_of_the_printed_counts() -> None:
    best = max(pb3_tables.printed()["learning_rates"], key=lambda row: float(row["accuracy"]))
    (counts,) = [one for one in read_published()[1] if one.title == pb3_tables.printed()["counts"][0]]
    assert float(best["accuracy"]) == sum(row[0] for row in counts.counts) / 2000
    assert best["learning_rate"] == pb3_tables.printed()["folds"]["learning_rate"]


def test_every_table_of_the_report_has_a_cell_for_each_column(tables: dict[str, Table]) -> None:
    numbers = ("Table 7", "Table 8", "Table 9", "Table 10", "Table 11", "Table 13", "Tables 12 and 15", "Table 14")
    assert [*tables][: len(numbers)] == [*numbers]
    for table in tables.values():
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.title


def test_table_7_is_of_the_printed_rate_and_quotes_beside(tables: dict[str, Table]) -> None:
    table = tables["Table 7"]
    assert table.title.endswith("0.0001")
    assert [row[7] for row in table.rows] == [".9617", ".9617", ".9675", ".9633", ".9633", ".9635"]
    assert table.rows[-1][3] == "0.5000 ± 0.0100"


def test_table_8_names_the_rate_that_is_best_in_validation(tables: dict[str, Table]) -> None:
    table = tables["Table 8"]
    assert [row[-2] for row in table.rows] == [".9465", ".9562", ".9670", ".9602", ".9545"]
    assert table.rows[1][1] == "0.9500 ± 0.0100"
    assert "Best in validation: 0.001." in table.note


def test_counts_and_figures_of_each_class(tables: dict[str, Table]) -> None:
    assert tables["Table 9"].rows[:2] == [["here", "rain", "9", "8", "2", "1"], ["here", "sun", "8", "9", "1", "2"]]
    assert tables["Table 9"].rows[2] == ["printed", "berry", "383", "1577", "23", "17"]
    assert tables["Table 13"].rows[2] == ["printed", "berry", "390", "1582", "18", "10"]
    rain = tables["Table 10"].rows[0]
    assert rain == ["here", "rain", "0.8182", "0.9000", "0.8000", "0.8500", "0.8571", "0.7500"]
    assert tables["Tables 12 and 15"].rows[0][-1] == "–", "no area was measured"
    berry = tables["Table 10"].rows[2]
    assert (berry[3], berry[4]) == ("0.9575", "0.9856")


def test_table_14_has_parameters_steps_and_depth(tables: dict[str, Table]) -> None:
    table = tables["Table 14"]
    first, second, *quoted = table.rows
    assert [row[0] for row in quoted] == ["printed", "printed"]
    # 32 images of 10 ms, and a step of the head: 8 s in 2 epochs of 2 steps.
    assert first[4] == "2,320 ms"
    # The last epoch, of 6 s, was the fine-tuning.
    assert second[4] == "3,000 ms"
    assert first[5:7] == ["2,050", "3,228,864"]
    assert first[7] == "28"


def test_confusion_matrices_of_both_networks_and_both_parts(tables: dict[str, Table]) -> None:
    found = [table for title, table in tables.items() if title.startswith("Confusion")]
    assert len(found) == 4
    assert found[0].rows == [["rain", "9", "1"], ["sun", "2", "8"]]
