"""Rows of any values as files that others read."""

import csv
import doctest
import io
import json

from pyarrow import parquet

from imgrec.reports import flat_rows

ROWS = [{"model": "a", "top_1": 0.5, "versions": {"keras": "3"}}, {"model": "b", "extra": True, "top_1": None}]


def test_the_example_is_true() -> None:
    assert doctest.testmod(flat_rows).failed == 0


def test_each_format_has_every_row_and_column() -> None:
    assert json.loads(flat_rows.to_json(ROWS)) == ROWS
    table = list(csv.DictReader(io.StringIO(flat_rows.to_csv(ROWS).decode())))
    assert [row["model"] for row in table] == ["a", "b"]
    assert table[1]["extra"] == "true"
    read = parquet.read_table(io.BytesIO(flat_rows.to_parquet(ROWS))).to_pylist()
    assert read[0] == {"model": "a", "top_1": 0.5, "versions": '{"keras": "3"}', "extra": None}


def test_types_are_kept_where_there_is_no_value() -> None:
    table = parquet.read_table(io.BytesIO(flat_rows.to_parquet([{"a": None}], {"a": "int64", "b": "string"})))
    assert [str(kind) for kind in table.schema.types] == ["int64", "string"]
    assert flat_rows.to_csv([]) == b"\n"
