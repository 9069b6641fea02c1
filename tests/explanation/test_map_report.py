"""Maps in numbers: figures, rows, CSV, JSON."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet

from imgrec.explanation import map_report, target
from imgrec.explanation.attribution import Attribution
from imgrec.explanation.faithfulness import STEPS, Faithfulness
from imgrec.explanation.map_figures import measure_map
from imgrec.explanation.map_report import MeasuredMap
from imgrec.predictions.labels import get_label_space

TENCH = target.of_class(get_label_space("imagenet_1k"), 0)

# The model was given the right half of an image of 200 × 100 px.
MAP = Attribution(
    model="light",
    title="LIGHT",
    target=TENCH,
    method="cam",
    values=np.array([[1.0, 0.0], [-2.0, 3.0]], np.float32),
    box=(100.0, 0.0, 200.0, 100.0),
    size_px=(100, 200),
    probability=0.25,
    milliseconds=2.0,
)
HALVES = Faithfulness(np.linspace(0, 1, STEPS + 1, dtype=np.float32), np.zeros(STEPS + 1, np.float32))


def test_figures_are_places_on_the_image_and_shares_of_what_speaks_for_the_target() -> None:
    found = measure_map(MAP)
    assert (found.least, found.most) == (-2.0, 3.0)
    x, y = found.peak
    assert x > 0.87
    assert y > 0.74
    left = found.quarters[0] + found.quarters[2]
    assert left == 0
    assert sum(found.quarters) == pytest.approx(1)
    assert found.quarters[3] > found.quarters[1] > 0
    assert "upper left 0 %" in found.sentence


def test_a_map_with_nothing_for_the_target_has_no_shares() -> None:
    assert measure_map(replace(MAP, values=-np.ones((2, 2), np.float32))).quarters == (0, 0, 0, 0)


def test_rows_have_the_same_columns_whatever_was_measured() -> None:
    rows = map_report.to_rows([MeasuredMap(MAP), MeasuredMap(MAP, {"black": HALVES})])
    assert list(rows[0]) == list(rows[1])
    assert rows[1]["Insertion (black)"] == "0.500"
    assert rows[0]["Insertion (black)"] == ""
    assert rows[0]["Class"] == "tench"


def test_csv_has_each_value_with_its_place_on_the_image() -> None:
    rows = list(csv.DictReader(io.StringIO(map_report.to_csv("=cmd.jpg", [MeasuredMap(MAP)]))))
    assert [(row["x_px"], row["y_px"], float(row["value"])) for row in rows] == [
        ("125.0", "25.0", 1),
        ("175.0", "25.0", 0),
        ("125.0", "75.0", -2),
        ("175.0", "75.0", 3),
    ]
    # A spreadsheet must not take the name of a file for a formula.
    assert rows[0]["image"] == "'=cmd.jpg"
    table = parquet.read_table(io.BytesIO(map_report.to_parquet("=cmd.jpg", [MeasuredMap(MAP)])))
    assert table.column_names == list(map_report.CSV_COLUMNS)
    assert table["value"].to_pylist() == [1, 0, -2, 3]
    assert table["image"].to_pylist()[0] == "=cmd.jpg"


def test_json_is_valid_with_empty_places_and_scores() -> None:
    fused = replace(MAP, values=np.array([[np.nan, 1.0]], np.float32))
    text = map_report.to_json("cat.jpg", "ab12", [MeasuredMap(fused, {"black": HALVES})])
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["maps"][0]["values"] == [[None, 1.0]]
    assert found["maps"][0]["scores"]["black"]["insertion_area"] == pytest.approx(0.5)
    assert found["maps"][0]["unit"] == "logits"


def test_the_fine_map_of_an_ensemble_is_written_with_fewer_values() -> None:
    columns = np.tile(np.arange(256, dtype=np.float32), (128, 1))
    fine = replace(MAP, values=columns, box=(0.0, 0.0, 200.0, 100.0))
    found = map_report.compacted(fine)
    assert found.values.shape == (28, 56)
    assert np.allclose(np.diff(found.values[0])[1:-1], 256 / 56, atol=1e-3)
    assert map_report.compacted(MAP) is MAP
