"""The files of an evaluation, which are read again without any model.

    assets/benchmarks/
    ├── summary.json                             one row for each model and dataset: figures, provenance; sorted
    └── predictions/
        ├── <model>.<dataset>.parquet            one row for each image: id, target, probabilities (float16)
        └── <model>.<dataset>.parts/             the same of an unfinished run, which goes on from there

Everything in a row except timings follows from its parquet file, whose metadata has the provenance. Files are written
beside and renamed into place. pyarrow is imported when the first table is opened.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgrec import json_files
from imgrec.errors import ImgrecError, InputError
from imgrec.files import is_missing, replacing, sole_holder, storage_errors
from imgrec.settings import Settings

if TYPE_CHECKING:
    import pyarrow.parquet

# Counted up when the meaning of a column changes.
VERSION = 1

SUMMARY = "summary.json"
PREDICTIONS = "predictions"
_METADATA = b"imgrec"

# What helps where a summary cannot be used.
WAY_OUT = (
    "Move it away: the answers beside it are kept, and `imgrec evaluate` makes its rows again from them; only times "
    "are taken anew."
)

# What each row of a summary has, and each dataset, by type. What was added later may be missing in older files.
_Types = dict[type | tuple[type, ...], str]
_ROW: _Types = {
    str: "model dataset weights_sha256 predictions_sha256 preprocess framing resampling runtime measured_at",
    int: "images parameters",
    (int, float): "top_1 top_1_low top_1_high top_5 log_loss brier ece "
    "cold_ms latency_p50_ms latency_p95_ms throughput_per_s",
    list: "input_size failures",
    dict: "versions",
}
_DATASET: _Types = {
    str: "name label_space source digest",
    int: "images classes",
    list: "flaws unreachable",
    (list, type(None)): "labels",
}

# First bytes with first bytes, second with second: a tenth smaller than probabilities one after the other.
_ENCODING: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 12,
    "use_dictionary": ["target"],
    "use_byte_stream_split": ["probabilities.list.element"],
}

# Rows read at a time: 1,000 images of 1,000 classes are 2 MB.
CHUNK_ROWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A model's predictions of N images: `probabilities` float16 (N, C), `targets` int64 (N,), `ids` N names."""

    ids: tuple[str, ...]
    targets: np.ndarray
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Answers":
        """Return the answers at these positions, or where this mask is true."""
        places = np.arange(len(self))[rows]
        return Answers(tuple(self.ids[i] for i in places), self.targets[places], self.probabilities[places])


def joined(chunks: Iterable[Answers]) -> Answers:
    """Return one `Answers` of several; raises `InputError` if there are none."""
    parts = list(chunks)
    if not parts:
        raise InputError("Expected answers to at least one image. Received: none.")
    return Answers(
        tuple(name for part in parts for name in part.ids),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
    )


def halved(probabilities: np.ndarray) -> np.ndarray:
    """Return `probabilities` (N, C) as float16, three digits, with the first choice of each row unchanged.

    Of two values that half precision makes equal, the lower index would win: the true winner is raised by one step.

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
    """Return the folder of this user's measurements, which the Benchmarks page shows beside those of imgrec."""
    return settings.home / "benchmarks"


def predictions_path(folder: Path, model: str, dataset: str) -> Path:
    """Return the file of a model's answers to a dataset."""
    return folder / PREDICTIONS / f"{model}.{dataset}.parquet"


def write_part(path: Path, answers: Answers, note: Mapping[str, Any]) -> None:
    """Write `answers` as a parquet file with `note` in its metadata."""
    write(path, [answers], note)


def write(path: Path, chunks: Iterable[Answers], note: Mapping[str, Any]) -> None:
    """Write `chunks` one after the other as one parquet file, a row group each, with `note` in its metadata."""
    _write(path, (_table(answers, note) for answers in chunks))


def read_note(path: Path) -> dict[str, Any]:
    """Return the provenance in the metadata of `path`.

    Raises:
        InputError: On files that are missing, broken, of another kind or of another version.
    """
    with _opened(path) as (_, note):
        return note


def read(path: Path) -> Answers:
    """Return all answers of a stored file; raises as `read_note`."""
    return joined(read_chunks(path))


def read_chunks(path: Path, rows: int = CHUNK_ROWS) -> Iterator[Answers]:
    """Yield the answers of a stored file, at most `rows` images at a time; raises as `read_note`."""
    import pyarrow

    with _opened(path) as (file, _):
        for batch in file.iter_batches(batch_size=rows):
            yield _answers(pyarrow.Table.from_batches([batch]))


def count_classes(path: Path) -> int:
    """Return how many probabilities each image has in a stored file; raises as `read_note`."""
    with _opened(path) as (file, _):
        return int(file.schema_arrow.field("probabilities").type.list_size)


def is_whole(path: Path) -> bool:
    """Return whether `path` is a stored file that can be read to its end."""
    try:
        return sum(len(chunk) for chunk in read_chunks(path)) >= 0
    except ImgrecError:
        return False


def read_summary(folder: Path) -> dict[str, Any]:
    """Return `summary.json` as {version, datasets, rows}; empty where there is none.

    Raises:
        InputError: On any other file, also if a row or a dataset lacks what each of them has.
    """
    path = folder / SUMMARY
    try:
        summary = json_files.read(path)
        wrong = _what_is_wrong(summary)
    except ImgrecError as error:
        if is_missing(error):
            return {"version": VERSION, "datasets": {}, "rows": []}
        wrong = _first_line(error)
    if wrong is not None:
        expected = f"Expected {path} to be a summary of measurements in version {VERSION} of the format, whole."
        raise InputError(f"{expected} Received: {wrong}. {WAY_OUT}")
    found: dict[str, Any] = summary
    return found


def check_place(folder: Path, dataset: Mapping[str, Any]) -> None:
    """Check, before any work, that rows about `dataset` can be put into the summary of `folder`.

    A dataset that has changed where it lies takes its own place: its older rows have another digest.

    Raises:
        InputError: Where the summary is not one, or has another dataset of the same name from elsewhere.
    """
    known = read_summary(folder)["datasets"].get(dataset["name"])
    if known is None or known["source"] == dataset["source"] or are_same_images(known, dataset):
        return
    raise InputError(
        f"Expected the images that are called {dataset['name']} in {folder / SUMMARY}: {known['images']:,} from "
        f"{known['source']}. Received: {dataset['images']:,} others of the same name, from {dataset['source']}. "
        "Rename their folder or file, or measure them into another folder (--out)."
    )


def put_row(folder: Path, row: Mapping[str, Any], dataset: Mapping[str, Any]) -> None:
    """Put a row into the summary, instead of an earlier one of its model and dataset; raises as `check_place`.

    Several processes may do so at once.
    """
    with sole_holder(folder / f".{SUMMARY}.lock", lambda: None):
        check_place(folder, dataset)
        summary = read_summary(folder)
        rows = {(other["dataset"], other["model"]): other for other in summary["rows"]}
        rows[row["dataset"], row["model"]] = dict(row)
        summary["rows"] = [rows[key] for key in sorted(rows)]
        summary["datasets"][dataset["name"]] = dict(dataset)
        with replacing(folder / SUMMARY) as beside:
            text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False, sort_keys=True)
            beside.write_text(text + "\n", encoding="utf-8")


def are_same_images(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two datasets have the same ids and targets and, if that is known of both, the same contents."""
    contents = {about["pictures_sha256"] for about in (one, other) if about.get("pictures_sha256")}
    return bool(one["digest"] == other["digest"] and len(contents) < 2)


def _what_is_wrong(summary: Any) -> str | None:
    """Return what a summary lacks; None where nothing is wrong."""
    if not isinstance(summary, dict) or "version" not in summary:
        return "no version in it"
    if summary["version"] != VERSION:
        return f"version {summary['version']}"
    datasets, rows = summary.get("datasets"), summary.get("rows")
    if not isinstance(datasets, dict) or not isinstance(rows, list):
        return "no datasets or no rows in it"
    entries = [(f"the dataset {name}", about, _DATASET) for name, about in datasets.items()]
    for number, row in enumerate(rows, 1):
        of = f" ({row['model']} on {row.get('dataset')})" if isinstance(row, dict) and "model" in row else ""
        entries.append((f"row {number}{of}", row, _ROW))
    for name, entry, types in entries:
        known = entry if isinstance(entry, dict) else {}
        lacks = [
            key for kind, keys in types.items() for key in keys.split() if not isinstance(known.get(key, ...), kind)
        ]
        if lacks:
            return f"{', '.join(lacks)} missing or of another type in {name}"
        if types is _ROW and entry["dataset"] not in datasets:
            return f"{name} of a dataset that is not described"
    return None


@contextmanager
def _opened(path: Path) -> Iterator[tuple["pyarrow.parquet.ParquetFile", dict[str, Any]]]:
    """Open a stored file, with its note; what reading it raises becomes an `InputError`."""
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            note = json_files.decode((file.schema_arrow.metadata or {})[_METADATA], "the note of its columns")
            version = note.get("version") if isinstance(note, dict) else None
            if version != VERSION:
                raise InputError(
                    f"Expected {path.name} in version {VERSION} of the format. "
                    f"Received: version {version}; measure again."
                )
            yield file, note
    except FileNotFoundError as error:
        raise InputError(f"Expected stored predictions at {path}. Received: nothing.") from error
    except (pyarrow.ArrowException, OSError, KeyError, AttributeError, ValueError, TypeError) as error:
        raise InputError(
            f"Expected {path.name} to be predictions that imgrec stored, whole. Received: {_first_line(error)}. "
            "Delete it and measure again."
        ) from error


def _write(path: Path, tables: Iterable["pyarrow.Table"]) -> None:
    import pyarrow.parquet

    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        writer = None
        try:
            for table in tables:
                writer = writer or pyarrow.parquet.ParquetWriter(beside, table.schema, **_ENCODING)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


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
    return Answers(
        tuple(table.column("id").to_pylist()),
        table.column("target").to_numpy().astype(np.int64),
        column.flatten().to_numpy().reshape(-1, table.schema.field("probabilities").type.list_size),
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
