"""The files of a contact sheet: the same figures in all three, and nothing that a spreadsheet would run."""

import csv
import io
import json

import pyarrow.parquet as parquet
import pytest

from imgrec.evaluation.contact_sheet import Row
from imgrec.evaluation.sheet_files import COLUMNS, FORMATS, flat, to_csv, to_json, to_parquet
from imgrec.predictions.prediction import Classification

TABBY = Classification("tabby", "n02123045", 281, 0.8412345678)
LYNX = Classification("lynx", "n02127052", 287, 0.5)
MODELS = ("mobilenet", "vgg16")
ROWS = [
    Row(
        0,
        "cats/a.jpg",
        "ab12",
        b"jpeg",
        {"mobilenet": TABBY, "vgg16": LYNX},
        {},
        TABBY,
        MODELS,
        1,
        1.0,
        0.25,
        2.5,
        True,
        "lynx",
        287,
    ),
    Row(1, "=cmd|' /C calc'!A0", error="This is a text file."),
    Row(2, "b.jpg", "cd34", b"", {"mobilenet": TABBY}, {"vgg16": "out of memory"}, TABBY, ("mobilenet",), 1),
]


def test_all_formats_have_the_same_figures() -> None:
    read = list(csv.DictReader(io.StringIO(to_csv(ROWS, MODELS).decode())))
    table = parquet.read_table(io.BytesIO(to_parquet(ROWS, MODELS))).to_pylist()
    assert table == [flat(row, MODELS) for row in ROWS]
    assert (
        [*table[0]]
        == [*read[0]]
        == [*COLUMNS, "label_mobilenet", "probability_mobilenet", "label_vgg16", "probability_vgg16"]
    )
    assert float(read[0]["probability"]) == table[0]["probability"] == TABBY.probability
    assert (read[0]["right"], table[0]["right"], read[0]["unsure"]) == ("false", False, "true")
    assert (read[0]["label_vgg16"], read[2]["label_vgg16"]) == ("lynx", "")
    assert (table[1]["probability"], table[2]["truth"], table[2]["right"]) == (None, None, None)


def test_json_has_the_models_below_each_image() -> None:
    first, broken, partly = json.loads(to_json(ROWS))
    assert first["answer"] == {"label": "tabby", "synset": "n02123045", "index": 281, "probability": 0.8412345678}
    assert [model["label"] for model in first["models"]] == ["tabby", "lynx"]
    assert (first["truth"], first["right"], first["unsure"], first["members"]) == ("lynx", False, True, [*MODELS])
    assert (broken["answer"], broken["error"]) == (None, "This is a text file.")
    assert partly["models"][1] == {"model": "vgg16", "error": "out of memory"}


def test_a_name_is_no_formula() -> None:
    assert "'=cmd" in to_csv(ROWS, MODELS).decode()


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_sheet_is_a_file_too(format: str) -> None:
    assert FORMATS[format][0]([], MODELS)
