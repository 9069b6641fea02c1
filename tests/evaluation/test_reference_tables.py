"""Printed tables are whole, and their own figures agree where they should."""

import json
import re
from pathlib import Path

import pytest

from imgrec.evaluation import reference_tables
from imgrec.evaluation.reference_tables import read_published, read_repeated
from imgrec.metrics.confusion import average
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ASSETS
from imgrec.training.recipes import RECIPES

TABLES, COUNTS = read_published()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_a_table_has_a_cell_for_each_column(table: reference_tables.PublishedTable) -> None:
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert len(table.measured_as) == len(table.rows)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_what_a_row_is_measured_as_is_a_network_or_a_recipe(table: reference_tables.PublishedTable) -> None:
    assert {name for name in table.measured_as if name is not None} <= {*BUILT_IN, *RECIPES}


@pytest.mark.parametrize(("counts", "accuracy"), [(COUNTS[0], 0.9670), (COUNTS[1], 0.9735)], ids=["9", "13"])
def test_counts_add_up(counts: reference_tables.PublishedCounts, accuracy: float) -> None:
    assert average(counts.figures, "micro").recall == pytest.approx(accuracy)
    assert {sum(row) for row in counts.counts} == {2000}
    assert counts.figures.support.tolist() == [400] * 5
    assert "above .99" in counts.remark


def test_specificities_that_table_10_cuts_off() -> None:
    found = COUNTS[0].figures.specificity
    assert [f"{found[i]:.4f}" for i in (0, 1, 2)] == ["0.9856", "0.9975", "0.9975"]
    assert ".9856 as .98, .9975 as .99" in COUNTS[0].remark


def test_one_cheeseburger_is_quoted_as_printed_and_ours_stand_in_a_table_of_their_own() -> None:
    (quoted,) = [table for table in TABLES if table.title == "One cheeseburger, two networks"]
    assert quoted.rows == [["ResNet50", "0.982960"], ["VGG19", "0.944221"]]
    assert quoted.measured_on is None
    repeated, problems = read_repeated(ASSETS / "protocols")
    assert not problems
    (ours,) = [table for table in repeated if table.beside == quoted.title]
    titles = {spec.title for spec in BUILT_IN.values()}
    for row in ours.rows:
        assert row[0] in titles - {"ResNet50", "VGG19"}
        assert all(0 <= float(probability) <= 1 for probability in row[1:3])
    assert ours.provenance["command"] == "python -m bench.cheeseburger IMAGE"


LESSON = {
    "title": "Five folds",
    "provenance": {"data": "flowers", "seconds": 12.5, "versions": {"keras": "3"}},
    "columns": ["fold", "accuracy"],
    "rows": [[1, 0.5], [2, None]],
    "note": "Not its data.",
}


def test_a_measured_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text(json.dumps(LESSON | {"beside": "Table 14"}))
    (table,), problems = read_repeated(tmp_path)
    assert problems == []
    assert table.rows == [["1", "0.5"], ["2", "–"]]
    assert table.provenance["versions"] == "keras 3"
    assert (table.title, table.note, table.beside) == ("Five folds", "Not its data.", "Table 14")


def test_a_report_is_read_as_its_tables(tmp_path: Path) -> None:
    shared = {name: LESSON[name] for name in ("title", "provenance")} | {"beside": "Table 14"}
    parts = [{name: LESSON[name] for name in ("columns", "rows", "note")} | {"title": f"Table {i}"} for i in (7, 8)]
    (tmp_path / "report.json").write_text(json.dumps(shared | {"tables": parts}))
    tables, problems = read_repeated(tmp_path)
    assert problems == []
    assert [(table.title, table.report, table.beside) for table in tables] == [
        ("Table 7", "Five folds", "Table 14"),
        ("Table 8", "Five folds", "Table 14"),
    ]
    assert tables[0].provenance["versions"] == "keras 3"


@pytest.mark.parametrize(
    ("content", "received"),
    [
        pytest.param('{"title": "x', "to be JSON", id="half written"),
        pytest.param("[]", "TypeError", id="a list"),
        pytest.param(json.dumps({"title": "x", "columns": []}), "KeyError", id="no rows"),
        pytest.param(json.dumps(LESSON | {"rows": [[1]]}), r"rows of \[1\] cells", id="too few cells"),
        pytest.param(json.dumps(LESSON | {"provenance": {}}), "0 facts", id="no provenance"),
        pytest.param(json.dumps({"title": "x", "tables": [{}]}), "KeyError", id="a report without tables"),
        pytest.param(json.dumps({"title": "x", "tables": 1}), "TypeError", id="a number of tables"),
    ],
)
def test_a_file_that_is_no_table_is_named_and_the_rest_is_read(tmp_path: Path, content: str, received: str) -> None:
    (tmp_path / "a.json").write_text(content)
    (tmp_path / "b.json").write_text(json.dumps(LESSON))
    tables, (problem,) = read_repeated(tmp_path)
    assert [table.title for table in tables] == ["Five folds"]
    assert re.search(f"Expected a.json to .*Received: .*{received}", problem)


def test_nothing_was_repeated_yet(tmp_path: Path) -> None:
    assert read_repeated(tmp_path / "none") == ([], [])
    (tmp_path / "curves.json").write_text('{"what": "another kind of file"}')
    assert read_repeated(tmp_path) == ([], [])


def test_committed_protocols_are_whole() -> None:
    _, problems = read_repeated(ASSETS / "protocols")
    assert problems == []


def test_a_repetition_stands_beside_a_table_that_there_is() -> None:
    titles = {table.title for table in TABLES} | {counts.title for counts in COUNTS}
    tables, _ = read_repeated(ASSETS / "protocols")
    assert {table.beside for table in tables} - {None} <= titles


def test_printed_parameters_are_those_of_the_catalog() -> None:
    (table,) = [table for table in TABLES if table.source == "keras.io/api/applications"]
    for row, model in zip(table.rows, table.measured_as, strict=True):
        spec = BUILT_IN.get_spec(str(model))
        assert row[3] == f"{spec.parameters:,}"
        assert spec.published is not None
        assert row[1] == f"{spec.published.top1 * 100:.1f} %"
