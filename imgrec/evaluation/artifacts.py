"""What a measurement leaves behind, and how it is read again without any model.

    assets/benchmarks/
    ├── summary.json                         one row for each model and set: figures, provenance; sorted, to be diffed
    └── predictions/
        ├── <model>.<set>.parquet            one row a image: id, target, probabilities (float16)
        └── <model>.<set>.parts/             the same while it is being made; a killed run goes on from there

Everything in a row except timings follows from its parquet file, whose metadata carries the provenance. Whatever is
written is written beside and renamed into place. pyarrow is imported when the first table is opened.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgrec.errors import InputError
from imgrec.files import replacing, storage_errors
from imgrec.settings import Settings

if TYPE_CHECKING:
    import pyarrow

# Counted up when the meaning of a column changes; `read` names versions that it does not know.
VERSION = 1

SUMMARY = "summary.json"
_METADATA = b"imgrec"

# What helps where a summary cannot be used.
WAY_OUT = (
    "Move it away: the answers beside it are kept, and `imgrec evaluate` makes its rows again from them; only times "
    "are taken anew."
)

# What every row of a summary has, and every set, by type. What came later may be missing in those of older versions.
_TEXTS = ("weights_sha256", "predictions_sha256", "preprocess", "framing", "resampling", "runtime", "measured_at")
_FIGURES = ("top_1", "top_1_low", "top_1_high", "top_5", "log_loss", "brier", "ece")
_TIMES = ("cold_ms", "latency_p50_ms", "latency_p95_ms", "throughput_per_s")
_Types = dict[str, type | tuple[type, ...]]
_ROW: _Types = {
    **dict.fromkeys(("model", "dataset", *_TEXTS), str),
    **dict.fromkeys(("images", "parameters"), int),
    **dict.fromkeys((*_FIGURES, *_TIMES), (int, float)),
    **dict.fromkeys(("input_size", "failures"), list),
    "versions": dict,
}
_SET: _Types = {
    **dict.fromkeys(("name", "label_space", "source", "digest"), str),
    **dict.fromkeys(("images", "classes"), int),
    **dict.fromkeys(("flaws", "unreachable"), list),
    "labels": (list, type(None)),
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
    """What a model said about images: `probabilities` float16 (N, C), `targets` int64 (N,), `ids` N names."""

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
        raise _no_predictions(path, error) from error
    if not isinstance(note, dict) or note.get("version") != VERSION:
        raise InputError(
            f"Expected {path.name} in version {VERSION} of the format. "
            f"Received: version {note.get('version') if isinstance(note, dict) else None}; measure again."
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
    """A stored file in pieces of at most `rows` images, so that memory does not grow with it."""
    import pyarrow.parquet

    read_note(path)
    with storage_errors(path), _other_tables(path), pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield _answers(pyarrow.Table.from_batches([batch]))


def count_classes(path: Path) -> int:
    """How many probabilities each image has in a stored file; raises as `read_note`."""
    import pyarrow.parquet

    read_note(path)
    with storage_errors(path), _other_tables(path):
        return int(pyarrow.parquet.read_schema(path).field("probabilities").type.list_size)


def is_whole(path: Path) -> bool:
    """Whether `path` is a stored file that can be read to its end."""
    try:
        return sum(len(chunk) for chunk in read_chunks(path)) >= 0
    except Exception:  # whatever pyarrow says about half a file
        return False


def read_summary(folder: Path) -> dict[str, Any]:
    """`summary.json` as {version, datasets, rows}; empty where there is none.

    Raises `InputError` on any other file, also on one whose rows or sets lack what all of them have.
    """
    path = folder / SUMMARY
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {"version": VERSION, "datasets": {}, "rows": []}
    except UnicodeDecodeError as error:
        raise _no_summary(path, "other bytes than text") from error
    except OSError as error:
        raise _no_summary(path, error.strerror or type(error).__name__) from error
    try:
        summary = json.loads(text)
    except ValueError as error:
        raise _no_summary(path, _first_line(error)) from error
    if not isinstance(summary, dict) or "version" not in summary:
        raise _no_summary(path, "no version in it")
    if summary["version"] != VERSION:
        raise InputError(f"Expected {path} in version {VERSION}. Received: version {summary['version']}. {WAY_OUT}")
    wrong = _what_is_wrong(summary)
    if wrong is not None:
        raise _no_summary(path, wrong)
    found: dict[str, Any] = summary
    return found


def check_place(folder: Path, dataset: Mapping[str, Any]) -> None:
    """Raise `InputError` unless rows about `dataset` can be put into the summary of `folder`; before any work.

    They cannot where the summary is not one, or where another set, from elsewhere, has the same name. A set that has
    changed where it lies takes its own place: the digests of its older rows say that they are of other images.
    """
    known = read_summary(folder)["datasets"].get(dataset["name"])
    if known is None or known["source"] == dataset["source"] or _are_same_images(known, dataset):
        return
    raise InputError(
        f"Expected the images that are called {dataset['name']} in {folder / SUMMARY}: {known['images']:,} from "
        f"{known['source']}. Received: {dataset['images']:,} others of the same name, from {dataset['source']}. "
        "Rename their folder or file, or measure them into another folder (--out)."
    )


def put_row(folder: Path, row: Mapping[str, Any], dataset: Mapping[str, Any]) -> None:
    """Put a row into the summary, instead of an earlier one of its model and set. Safe with several processes.

    Raises as `check_place`.
    """
    import filelock

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f".{SUMMARY}.lock"):
        check_place(folder, dataset)
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


def _are_same_images(known: Mapping[str, Any], dataset: Mapping[str, Any]) -> bool:
    """Whether two sets have the same ids and targets and, where that is known of both, the same contents."""
    contents = {about["pictures_sha256"] for about in (known, dataset) if about.get("pictures_sha256")}
    return bool(known["digest"] == dataset["digest"] and len(contents) < 2)


def _what_is_wrong(summary: Mapping[str, Any]) -> str | None:
    """What a summary lacks, or None."""
    sets, rows = summary.get("datasets"), summary.get("rows")
    if not isinstance(sets, dict) or not isinstance(rows, list):
        return "no datasets or no rows in it"
    for name, about in sets.items():
        if lacks := _lacks(about, _SET):
            return f"{', '.join(lacks)} missing or of another type in the set {name}"
    for number, row in enumerate(rows, 1):
        called = f"row {number}"
        if isinstance(row, dict) and "model" in row:
            called += f" ({row['model']} on {row.get('dataset')})"
        if lacks := _lacks(row, _ROW):
            return f"{', '.join(lacks)} missing or of another type in {called}"
        if row["dataset"] not in sets:
            return f"{called} of a set that is not described"
    return None


def _lacks(found: object, expected: _Types) -> list[str]:
    """The keys that `found` should have, of these types, and has not."""
    if not isinstance(found, dict):
        return ["everything"]
    return [key for key, kind in expected.items() if not isinstance(found.get(key, ...), kind)]


@contextmanager
def _other_tables(path: Path) -> Iterator[None]:
    """What reading a table of other columns raises, as an `InputError`."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, KeyError, AttributeError, ValueError, TypeError) as error:
        raise _no_predictions(path, error) from error


def _no_predictions(path: Path, error: Exception) -> InputError:
    return InputError(
        f"Expected {path.name} to be predictions that imgrec stored, whole. Received: {_first_line(error)}. "
        "Delete it and measure again."
    )


def _no_summary(path: Path, received: str) -> InputError:
    return InputError(f"Expected {path} to be a summary of measurements, whole. Received: {received}. {WAY_OUT}")


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
