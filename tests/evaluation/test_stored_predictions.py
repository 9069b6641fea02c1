"""Stored answers: what is written is read again, half a file is named, an older version is named."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec.errors import InputError, StorageError
from imgrec.evaluation import stored_predictions
from imgrec.evaluation.stored_predictions import (
    Answers,
    halved,
    put_row,
    read,
    read_chunks,
    read_note,
    read_summary,
    write,
    write_part,
)

NOTE = {"model": "m", "dataset": "d", "key": "k", "failures": []}


def answers(count: int = 7, classes: int = 3, start: int = 0) -> Answers:
    generator = np.random.default_rng(start)
    rows = generator.dirichlet(np.ones(classes), count).astype(np.float16)
    return Answers(tuple(f"{i}.png" for i in range(start, start + count)), generator.integers(0, classes, count), rows)


def row(model: str, **others: object) -> dict[str, object]:
    """A row as it stands in a summary."""
    texts = ("weights_sha256", "predictions_sha256", "preprocess", "framing", "resampling", "runtime", "measured_at")
    figures = ("top_1", "top_1_low", "top_1_high", "top_5", "log_loss", "brier", "ece")
    times = ("cold_ms", "latency_p50_ms", "latency_p95_ms", "throughput_per_s")
    found = {"model": model, "dataset": "d", "images": 7, "parameters": 9} | dict.fromkeys(texts, "x")
    return (
        found | dict.fromkeys((*figures, *times), 0.5) | {"input_size": [8, 8], "failures": [], "versions": {}} | others
    )


def about(**others: object) -> dict[str, object]:
    """A set as it stands in a summary."""
    found = {"name": "d", "label_space": "d", "source": "made up", "digest": "d", "images": 7, "classes": 3}
    return found | {"flaws": [], "unreachable": [], "labels": None} | others


def same(a: Answers, b: Answers) -> bool:
    return a.ids == b.ids and (a.targets == b.targets).all() and (a.probabilities == b.probabilities).all()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path, written = tmp_path / "m.d.parquet", answers()
    write_part(path, written, NOTE)
    assert same(read(path), written)
    assert read(path).probabilities.dtype == np.float16
    assert read_note(path) == {"version": stored_predictions.VERSION, **NOTE}
    assert [p.name for p in tmp_path.iterdir()] == ["m.d.parquet"]


def test_parts_become_one_file_that_is_read_piece_by_piece(tmp_path: Path) -> None:
    parts = [answers(5, start=0), answers(0, start=5), answers(4, start=5)]
    write(tmp_path / "whole.parquet", parts, NOTE | {"failures": [{"id": "x", "reason": "y"}]})
    whole = read(tmp_path / "whole.parquet")
    assert whole.ids == tuple(f"{i}.png" for i in range(9))
    assert (whole.probabilities == np.concatenate([p.probabilities for p in parts])).all()
    assert [len(chunk) for chunk in read_chunks(tmp_path / "whole.parquet", 4)] == [4, 4, 1]
    assert read_note(tmp_path / "whole.parquet")["failures"] == [{"id": "x", "reason": "y"}]


def test_of_values_that_half_precision_makes_equal_the_first_choice_stays_first() -> None:
    half = halved(np.array([[0.49990, 0.49991, 0.00019], [0.2, 0.4, 0.4]]))
    assert half.argmax(axis=1).tolist() == [1, 1]
    assert half[0] == pytest.approx([0.4999, 0.4999, 0.0002], abs=5e-4)


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
    assert not stored_predictions.is_whole(path)


def test_a_table_of_another_origin_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path)
    with pytest.raises(InputError, match="to be predictions that imgrec stored"):
        read_note(path)


def test_an_older_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.d.parquet"
    table = stored_predictions._table(answers(), NOTE)
    old = json.dumps({**NOTE, "version": 0}).encode()
    pyarrow.parquet.write_table(table.replace_schema_metadata({b"imgrec": old}), path)
    with pytest.raises(InputError, match=r"Expected m\.d\.parquet in version 1 of the format. Received: version 0"):
        read(path)
    (tmp_path / "summary.json").write_text('{"version": 0, "datasets": {}, "rows": []}')
    with pytest.raises(InputError, match="Received: version 0"):
        read_summary(tmp_path)


def test_a_table_without_its_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.d.parquet"
    note = json.dumps({**NOTE, "version": stored_predictions.VERSION}).encode()
    pyarrow.parquet.write_table(pyarrow.table({"id": ["a"]}).replace_schema_metadata({b"imgrec": note}), path)
    for use in (read, stored_predictions.count_classes):
        with pytest.raises(InputError, match=r"Expected m\.d\.parquet to be predictions that imgrec stored, whole"):
            use(path)
    assert not stored_predictions.is_whole(path)


def test_a_note_that_is_no_mapping_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.d.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": ["a"]}).replace_schema_metadata({b"imgrec": b"[]"}), path)
    with pytest.raises(InputError, match="Received: version None"):
        read_note(path)


def test_nothing_there(tmp_path: Path) -> None:
    assert read_summary(tmp_path)["rows"] == []
    with pytest.raises(InputError, match="Received: nothing"):
        read_note(tmp_path / "m.d.parquet")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"version": 1, "rows"', id="half"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"version": 1}', id="no rows"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
    ],
)
def test_half_a_summary_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(
        InputError, match=r"to be a summary of measurements in version 1 of the format, whole.*Move it away"
    ):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    ("damage", "received"),
    [
        pytest.param(lambda s: s["rows"][0].pop("top_1"), r"top_1 missing .* in row 1 \(a on d\)", id="no accuracy"),
        pytest.param(
            lambda s: s["rows"][0].update(images="7"), r"images missing or of another type in row 1", id="a text"
        ),
        pytest.param(
            lambda s: s["rows"].insert(0, 7), "model, dataset, .* missing .* in row 1", id="a number for a row"
        ),
        pytest.param(lambda s: s["rows"][0].update(model=None), "model missing .* in row 1", id="no model"),
        pytest.param(
            lambda s: s["rows"][0].update(dataset="e"),
            r"row 1 \(a on e\) of a dataset that is not described",
            id="no set",
        ),
        pytest.param(lambda s: s["datasets"]["d"].pop("digest"), "digest missing .* in the dataset d", id="no digest"),
        pytest.param(lambda s: s.update(datasets=[]), "no datasets", id="a list of sets"),
    ],
)
def test_a_summary_with_a_broken_row_or_set_is_named(tmp_path: Path, damage, received: str) -> None:
    put_row(tmp_path, row("a"), about())
    summary = json.loads((tmp_path / "summary.json").read_text())
    damage(summary)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(
        InputError, match=f"to be a summary of measurements in version 1 of the format, whole. Received: {received}"
    ):
        read_summary(tmp_path)


def test_a_row_replaces_its_predecessor_and_rows_are_sorted(tmp_path: Path) -> None:
    for model, value in (("b", 1), ("a", 2), ("b", 3)):
        put_row(tmp_path, row(model, top_1=value), about())
    summary = read_summary(tmp_path)
    assert [(row["model"], row["top_1"]) for row in summary["rows"]] == [("a", 2), ("b", 3)]
    assert summary["datasets"] == {"d": about()}


def test_another_set_of_the_same_name_is_not_put_beside_the_first(tmp_path: Path) -> None:
    put_row(tmp_path, row("a"), about(pictures_sha256="1" * 64))
    put_row(tmp_path, row("b"), about(source="elsewhere"))  # an older imgrec did not know what is in the images
    put_row(tmp_path, row("b"), about(source="elsewhere", pictures_sha256="1" * 64))
    for other in (about(digest="e"), about(pictures_sha256="2" * 64)):
        with pytest.raises(InputError, match=r"7 from elsewhere. Received: 7 others of the same name, from made up"):
            put_row(tmp_path, row("c"), other)
    put_row(tmp_path, row("c"), about(source="elsewhere", digest="e"))
    assert read_summary(tmp_path)["datasets"]["d"]["digest"] == "e"


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".summary.json.lock").mkdir()  # also where the tests run as root, whom no permission stops
    with pytest.raises(StorageError):
        stored_predictions.put_row(tmp_path, {}, {})
