"""What a measurement leaves behind, and how it is read again without any model.

    assets/benchmarks/
    ├── summary.json                         one row for each model and set: figures, provenance; sorted, to be diffed
    └── predictions/
        ├── <model>.<set>.parquet            one row a picture: id, target, probabilities (float16)
        └── <model>.<set>.parts/             the same while it is being made; a killed run goes on from there

Everything in a row except timings follows from its parquet file, whose metadata carries the provenance. Whatever is
written is written beside and renamed into place. pyarrow is imported when the first table is opened.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgrec.errors import InputError
from imgrec.settings import Settings
from imgrec.storage import replacing, storage_errors

if TYPE_CHECKING:
    import pyarrow

# Counted up when the meaning of a column changes; `read` names versions that it does not know.
VERSION = 1

SUMMARY = "summary.json"
_METADATA = b"imgrec"

# First bytes with first bytes, second with second: a tenth smaller than probabilities one after the other.
_ENCODING: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 12,
    "use_dictionary": ["target"],
    "use_byte_stream_split": ["probabilities.list.element"],
}

# Rows read at a time: 1,000 pictures of 1,000 classes are 2 MB.
CHUNK_ROWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model said about pictures: `probabilities` float16 (N, C), `targets` int64 (N,), `ids` N names."""

    ids: tuple[str, ...]
    targets: np.ndarray
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def halved(probabilities: np.ndarray) -> np.ndarray:
    """`probabilities` (N, C) as float16, three digits, with every row's first choice still its first choice.

    Two values that half precision makes equal would let the lower index win; the true winner is then raised by one
    step.

    >>> halved(np.array([[0.49990, 0.49991, 0.00019]])).argmax()
    np.int64(1)
    """
    rows = np.asarray(probabilities)
    half = rows.astype(np.float16)
    best = rows.argmax(axis=1)
    lost = np.flatnonzero(half.argmax(axis=1) != best)
    half[lost, best[lost]] = np.nextafter(half[lost].max(axis=1), np.float16(2))
    return half


def own_folder(settings: Settings) -> Path:
    """Where this user's measurements lie; the Benchmarks page shows them beside those that come with imgrec."""
    return settings.home / "benchmarks"


def predictions_path(folder: Path, model: str, dataset: str) -> Path:
    return folder / "predictions" / f"{model}.{dataset}.parquet"


def write_part(path: Path, answers: Answers, note: Mapping[str, Any]) -> None:
    """Write `answers` as a parquet file with `note` in its metadata, beside and then renamed."""
    import pyarrow.parquet

    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        pyarrow.parquet.write_table(_table(answers, note), beside, **_ENCODING)


def merge(parts: Sequence[Path], path: Path, note: Mapping[str, Any]) -> None:
    """One file of all `parts`, in their order, read and written one after the other."""
    import pyarrow.parquet

    with replacing(path) as beside:
        writer = None
        try:
            for part in parts:
                table = _table(_answers(pyarrow.parquet.read_table(part)), note)
                writer = writer or pyarrow.parquet.ParquetWriter(beside, table.schema, **_ENCODING)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


def read_note(path: Path) -> dict[str, Any]:
    """The provenance in the metadata of `path`; raises `InputError` on other, older, newer or half-written files."""
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
        note: dict[str, Any] = json.loads(metadata[_METADATA])
    except FileNotFoundError as error:
        raise InputError(f"Expected stored predictions at {path}. Received: nothing.") from error
    except (pyarrow.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(
            f"Expected {path.name} to be predictions that imgrec stored, whole. Received: {_first_line(error)}. "
            "Delete it and measure again."
        ) from error
    if note.get("version") != VERSION:
        raise InputError(
            f"Expected {path.name} in version {VERSION} of the format. Received: version {note.get('version')}; "
            "measure again."
        )
    return note


def read(path: Path) -> Answers:
    """All of a stored file; raises as `read_note`."""
    chunks = list(read_chunks(path, CHUNK_ROWS * 1000))
    if not chunks:
        raise InputError(f"Expected {path.name} to hold predictions. Received: none.")
    return Answers(
        tuple(name for chunk in chunks for name in chunk.ids),
        np.concatenate([chunk.targets for chunk in chunks]),
        np.concatenate([chunk.probabilities for chunk in chunks]),
    )


def read_chunks(path: Path, rows: int = CHUNK_ROWS) -> Iterator[Answers]:
    """A stored file in pieces of at most `rows` pictures, so that memory does not grow with it."""
    import pyarrow.parquet

    read_note(path)
    with storage_errors(path), pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield _answers(pyarrow.Table.from_batches([batch]))


def count_classes(path: Path) -> int:
    """How many probabilities each picture has in a stored file; raises as `read_note`."""
    import pyarrow.parquet

    read_note(path)
    return int(pyarrow.parquet.read_schema(path).field("probabilities").type.list_size)


def is_whole(path: Path) -> bool:
    """Whether `path` is a stored file that can be read to its end."""
    try:
        return sum(len(chunk) for chunk in read_chunks(path)) >= 0
    except Exception:  # whatever pyarrow says about half a file
        return False


def read_summary(folder: Path) -> dict[str, Any]:
    """`summary.json` as {version, datasets, rows}; empty where there is none. Raises `InputError` on any other file."""
    path = folder / SUMMARY
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {"version": VERSION, "datasets": {}, "rows": []}
    try:
        summary = json.loads(text)
        version, _ = summary["version"], (summary["datasets"], summary["rows"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Expected {path} to be a summary of measurements, whole. Received: {_first_line(error)}."
        ) from error
    if version != VERSION:
        raise InputError(f"Expected {path} in version {VERSION}. Received: version {version}; measure again.")
    found: dict[str, Any] = summary
    return found


def put_row(folder: Path, row: Mapping[str, Any], dataset: Mapping[str, Any]) -> None:
    """Put a row into the summary, instead of an earlier one of its model and set. Safe with several processes."""
    import filelock

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f".{SUMMARY}.lock"):
        summary = read_summary(folder)
        same = (row["model"], row["dataset"])
        rows = [other for other in summary["rows"] if (other["model"], other["dataset"]) != same]
        summary["rows"] = sorted([*rows, dict(row)], key=lambda r: (r["dataset"], r["model"]))
        summary["datasets"] = dict(sorted({**summary["datasets"], str(dataset["name"]): dict(dataset)}.items()))
        with replacing(folder / SUMMARY) as beside:
            text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False, sort_keys=True)
            beside.write_text(text + "\n", encoding="utf-8")


def discard(folder: Path) -> None:
    """Delete the parts of a run."""
    with storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _table(answers: Answers, note: Mapping[str, Any]) -> "pyarrow.Table":
    import pyarrow

    flat = pyarrow.array(np.ascontiguousarray(answers.probabilities, np.float16).ravel())
    table = pyarrow.table(
        {
            "id": pyarrow.array(answers.ids, pyarrow.string()),
            "target": pyarrow.array(answers.targets, pyarrow.int16()),
            "probabilities": pyarrow.FixedSizeListArray.from_arrays(flat, answers.probabilities.shape[1]),
        }
    )
    words = json.dumps({"version": VERSION, **note}, sort_keys=True, ensure_ascii=False)
    return table.replace_schema_metadata({_METADATA: words.encode()})


def _answers(table: "pyarrow.Table") -> Answers:
    column = table.column("probabilities").combine_chunks()
    classes = table.schema.field("probabilities").type.list_size
    return Answers(
        tuple(table.column("id").to_pylist()),
        table.column("target").to_numpy().astype(np.int64),
        column.flatten().to_numpy().reshape(-1, classes),
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
