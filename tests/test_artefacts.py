"""Stored answers: what is written is read again, half a file is named, an older version is named."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec import artefacts
from imgrec.artefacts import Answers, halved, merge, put_row, read, read_chunks, read_note, read_summary, write_part
from imgrec.errors import InputError

NOTE = {"model": "m", "dataset": "d", "key": "k", "failures": []}


def answers(count: int = 7, classes: int = 3, start: int = 0) -> Answers:
    generator = np.random.default_rng(start)
    rows = generator.dirichlet(np.ones(classes), count).astype(np.float16)
    return Answers(tuple(f"{i}.png" for i in range(start, start + count)), generator.integers(0, classes, count), rows)


def same(a: Answers, b: Answers) -> bool:
    return a.ids == b.ids and (a.targets == b.targets).all() and (a.probabilities == b.probabilities).all()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path, written = tmp_path / "m.d.parquet", answers()
    write_part(path, written, NOTE)
    assert same(read(path), written)
    assert read(path).probabilities.dtype == np.float16
    assert read_note(path) == {"version": artefacts.VERSION, **NOTE}
    assert [p.name for p in tmp_path.iterdir()] == ["m.d.parquet"]


def test_parts_become_one_file_that_is_read_piece_by_piece(tmp_path: Path) -> None:
    parts = [answers(5, start=0), answers(0, start=5), answers(4, start=5)]
    files = [tmp_path / f"{i}.parquet" for i in range(3)]
    for file, part in zip(files, parts, strict=True):
        write_part(file, part, NOTE)
    merge(files, tmp_path / "whole.parquet", NOTE | {"failures": [{"id": "x", "reason": "y"}]})
    whole = read(tmp_path / "whole.parquet")
    assert whole.ids == tuple(f"{i}.png" for i in range(9))
    assert (whole.probabilities == np.concatenate([p.probabilities for p in parts])).all()
    assert [len(chunk) for chunk in read_chunks(tmp_path / "whole.parquet", 4)] == [4, 4, 1]
    assert read_note(tmp_path / "whole.parquet")["failures"] == [{"id": "x", "reason": "y"}]


@given(
    rows=npst.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 9)), elements=st.floats(1e-6, 1)).map(
        lambda a: a / a.sum(1, keepdims=True)
    )
)
def test_half_precision_keeps_first_choices(rows: np.ndarray) -> None:
    half = halved(rows)
    assert half.dtype == np.float16
    assert (half.argmax(1) == rows.argmax(1)).all()
    assert np.abs(half - rows).max() < 1e-3


@pytest.mark.parametrize(
    ("damage", "received"),
    [
        pytest.param(lambda data: data[: len(data) // 2], "to be predictions that imgrec stored, whole", id="half"),
        pytest.param(lambda data: b"", "to be predictions that imgrec stored, whole", id="empty"),
        pytest.param(lambda data: b"id,target\n1,2\n", "to be predictions that imgrec stored, whole", id="a CSV"),
    ],
)
def test_a_file_that_is_not_whole_is_named(tmp_path: Path, damage, received: str) -> None:
    path = tmp_path / "m.d.parquet"
    write_part(path, answers(), NOTE)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=rf"m\.d\.parquet {received}"):
        read(path)
    assert not artefacts.is_whole(path)


def test_a_table_of_somebody_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path)
    with pytest.raises(InputError, match="to be predictions that imgrec stored"):
        read_note(path)


def test_an_older_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.d.parquet"
    table = artefacts._table(answers(), NOTE)
    old = json.dumps({**NOTE, "version": 0}).encode()
    pyarrow.parquet.write_table(table.replace_schema_metadata({b"imgrec": old}), path)
    with pytest.raises(InputError, match=r"Expected m\.d\.parquet in version 1 of the format. Received: version 0"):
        read(path)
    (tmp_path / "summary.json").write_text('{"version": 0, "datasets": {}, "rows": []}')
    with pytest.raises(InputError, match="Received: version 0"):
        read_summary(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    assert read_summary(tmp_path)["rows"] == []
    with pytest.raises(InputError, match="Received: nothing"):
        read_note(tmp_path / "m.d.parquet")


@pytest.mark.parametrize("text", ['{"version": 1, "rows"', "[]", '{"version": 1}'], ids=["half", "a list", "no rows"])
def test_half_a_summary_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(InputError, match="to be a summary of measurements, whole"):
        read_summary(tmp_path)


def test_a_row_replaces_its_predecessor_and_rows_are_sorted(tmp_path: Path) -> None:
    for model, value in (("b", 1), ("a", 2), ("b", 3)):
        put_row(tmp_path, {"model": model, "dataset": "d", "top_1": value}, {"name": "d"})
    summary = read_summary(tmp_path)
    assert [(row["model"], row["top_1"]) for row in summary["rows"]] == [("a", 2), ("b", 3)]
    assert summary["datasets"] == {"d": {"name": "d"}}
