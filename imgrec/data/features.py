"""Outputs of a network without its top, computed once by the compiled engine and kept on disk.

    IMGREC_HOME/features/
    ├── mobilenet_features-<key>.npy        float32 (N, D), or (N, height, width, channels) without pooling
    ├── mobilenet_features-<key>.json       what it was made of, and its sha256
    └── mobilenet_features-<key>.parts/     an unfinished extraction: its finished parts

The key depends on all that the numbers depend on: weights, preprocessing, input size, pooling, the images and the
versions of what computes. So an entry is never out of date, and may be deleted by hand at any time; when there are too
many, those that were not read for longest are deleted. Heads of a hundred trials train on one extraction.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imgrec import json_files
from imgrec.data.dataset import Images
from imgrec.data.reader import read_ahead
from imgrec.errors import ImgrecError, InputError, MemoryBudgetError, WeightsError
from imgrec.files import replacing, sha256_of, sole_holder, storage_errors
from imgrec.images.preprocessing import RESAMPLING, frame
from imgrec.inference import conversion
from imgrec.inference.preparation import OnProgress as OnPreparation
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB, Settings

# Rows in one file of an unfinished extraction: a few seconds of work to lose.
PART_ROWS = 500

# What is kept on disk of features that are not in use: as much as those of a million images (MobileNet).
KEPT_BYTES = 4096 * MIB

# An extraction that was left alone for a week is deleted.
ABANDONED_S = 7 * 24 * 3600

# Networks halve the image five times; Keras refuses most below this.
SMALLEST_SIDE_PX = 32

# How images become inputs here, as `training_arrays` frames them, too: the largest centered square.
CROP_FRACTION = 1.0

Pooling = Literal["avg"] | None
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """`rows` is float32 (N, …), read from the disk. `seconds` counts computing alone; `cached`: none of it."""

    rows: np.ndarray
    seconds: float
    cached: bool


def backbone_spec(spec: ModelSpec, *, pooling: Pooling = "avg", input_size: tuple[int, int] | None = None) -> ModelSpec:
    """Return the row of `spec` without its top: prepared and converted like any other, it outputs features.

    `pooling` "avg" gives a vector, None the map (height, width, channels). `input_size` (height, width) in px is the
    network's own unless given. Raises `InputError` for a network that was trained here, and for other arguments.
    """
    if not spec.weights.is_published:
        raise InputError(
            f"Expected a network with published weights as a backbone, such as mobilenet. "
            f"Received: {spec.name}, which was trained on a few classes."
        )
    if pooling not in ("avg", None):
        raise InputError(f"Expected the pooling avg, or none. Received: {pooling!r}.")
    size = input_size or spec.input_size
    if min(size) < SMALLEST_SIDE_PX:
        raise InputError(f"Expected an input of {SMALLEST_SIDE_PX} px or more. Received: {size[0]} × {size[1]}.")
    suffix = ("features" if pooling else "map") + (f"_{size[0]}x{size[1]}" if size != spec.input_size else "")
    return replace(
        spec,
        name=f"{spec.name}_{suffix}",
        title=f"{spec.title}, features",
        arguments=(*spec.arguments, ("include_top", False), ("pooling", pooling)),
        input_size=size,
        crop_fraction=CROP_FRACTION,
        published=None,
    )


def digest_of(images: Images) -> str:
    """Return the sha256 of the pixels, 64 hexadecimal digits: what features depend on."""
    digest = hashlib.sha256(str(images.pixels.shape).encode())
    digest.update(np.ascontiguousarray(images.pixels).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def extract(
    spec: ModelSpec,
    images: Images,
    settings: Settings,
    on_progress: OnProgress | None = None,
    on_preparation: OnPreparation = lambda preparation: None,
    *,
    most_bytes: int | None = None,
) -> Features:
    """Return the features of `images` by `spec`, a row of `backbone_spec`; from the disk if they are there unchanged.

    Images of another size are framed. `on_progress` gets (done, all), `on_preparation` the progress of weights being
    downloaded and converted. What either raises ends the extraction; the next one goes on from the finished parts.

    Raises:
        MemoryBudgetError: The rows would be more than `most_bytes`, which the first of them tells.
        StorageError: There is no room for them.
        ImgrecError: What downloading, converting and running raise.
    """
    compiled = Preparations(settings).ensure(spec, on_preparation)
    made_of = _provenance(spec, images, settings)
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    path = settings.home / "features" / f"{spec.name}-{key}.npy"
    # Another process that needs the same waits and finds it.
    with sole_holder(path.with_suffix(".lock"), lambda: None):
        start = time.perf_counter()
        rows = _read_whole(path, len(images))
        if is_cached := rows is not None:
            _check_size(rows[0], len(images), most_bytes)
            with contextlib.suppress(OSError):  # a disk that is read-only
                os.utime(path)
        else:
            _extract_parts(spec, images, compiled, path.with_suffix(".parts"), on_progress, most_bytes)
            with storage_errors(path):
                _join(path, len(images), made_of)
            _prune(path)
            rows = _read_whole(path, len(images))
    if rows is None:
        raise InputError(f"Expected {path} to stay as it was written. Received: another file; start again.")
    return Features(rows, 0.0 if is_cached else time.perf_counter() - start, is_cached)


def _extract_parts(
    spec: ModelSpec,
    images: Images,
    compiled: Path,
    parts: Path,
    on_progress: OnProgress | None,
    most_bytes: int | None,
) -> None:
    """Write the parts that are missing."""
    from imgrec.inference.openvino_engine import stream

    def framed(i: int) -> tuple[int, np.ndarray]:
        pixels = images.pixels[i]
        is_framed = pixels.shape[:2] == spec.input_size
        return i, pixels if is_framed else frame(pixels, spec.input_size, CROP_FRACTION)

    count = len(images)
    with storage_errors(parts):
        parts.mkdir(exist_ok=True)
    blocks = [range(start, min(start + PART_ROWS, count)) for start in range(0, count, PART_ROWS)]
    files = [parts / f"{number:05d}.npy" for number in range(len(blocks))]
    waiting: dict[int, dict[int, np.ndarray]] = {
        number: {} for number, file in enumerate(files) if _read_array(file, len(blocks[number])) is None
    }
    done = count - sum(len(blocks[number]) for number in waiting)
    wanted = [position for number in waiting for position in blocks[number]]
    for position, row in stream(compiled, read_ahead(wanted, framed)):
        _check_size(row, count, most_bytes)
        number = position // PART_ROWS
        waiting[number][position] = row
        done += 1
        if on_progress is not None:
            on_progress(done, count)
        if len(waiting[number]) == len(blocks[number]):
            block = waiting.pop(number)
            with storage_errors(parts), replacing(files[number]) as beside, beside.open("wb") as file:
                np.save(file, np.stack([block[i] for i in blocks[number]]))


def _check_size(row: np.ndarray, count: int, most_bytes: int | None) -> None:
    """Raise `MemoryBudgetError` when `count` rows like this one are more than `most_bytes`."""
    if most_bytes is not None and count * row.nbytes > most_bytes:
        raise MemoryBudgetError(
            f"Expected features of at most {most_bytes / MIB:,.0f} MiB. Received: {count * row.nbytes / MIB:,.0f} MiB; "
            "with pooling, a smaller backbone or fewer images they are less."
        )


def _join(path: Path, count: int, made_of: dict[str, Any]) -> None:
    """Join the parts into `path`, one at a time; the note last, since an entry without it does not count.

    They are written, never stored into a mapping: a full disk is then an error with a sentence.
    """
    parts = path.with_suffix(".parts")
    files = sorted(parts.glob("*.npy"))
    shape = (count, *np.load(files[0], mmap_mode="r").shape[1:])
    with replacing(path) as beside, beside.open("wb") as joined:
        kind = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(joined, kind)
        for file in files:
            joined.write(np.ascontiguousarray(np.load(file)).data)
    note = made_of | {"shape": list(shape), "sha256": sha256_of(path)}
    with replacing(path.with_suffix(".json")) as beside:
        beside.write_text(json.dumps(note, indent=1) + "\n")
    shutil.rmtree(parts, ignore_errors=True)


def _prune(newest: Path) -> None:
    """Delete abandoned parts, and what was not read for longest until at most `KEPT_BYTES` are left.

    `newest` stays, however large. What is mapped by a reader stays readable.
    """
    with contextlib.suppress(OSError):  # another process deletes at the same moment, or the system refuses
        others = [(file.stat(), file) for file in newest.parent.glob("*.npy") if file != newest]
        total = newest.stat().st_size
        for stat, file in sorted(others, key=lambda entry: entry[0].st_mtime, reverse=True):
            total += stat.st_size
            if total > KEPT_BYTES:
                file.with_suffix(".json").unlink(missing_ok=True)
                file.unlink(missing_ok=True)
        for parts in newest.parent.glob("*.parts"):
            if time.time() - parts.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(parts, ignore_errors=True)


def _read_whole(path: Path, count: int) -> np.ndarray | None:
    """Return the rows at `path`, left on disk; None unless they are what the note beside says."""
    with contextlib.suppress(ImgrecError):
        note = json_files.read(path.with_suffix(".json"))
        if isinstance(note, dict) and note.get("sha256") == sha256_of(path):
            return _read_array(path, count)
    return None


def _read_array(path: Path, count: int) -> np.ndarray | None:
    """Return float32 (count, …) at `path`, mapped; None for a file that is missing, cut short or something else."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        rows: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        if rows.dtype == np.float32 and rows.ndim > 1 and len(rows) == count:
            return rows
    return None


def _provenance(spec: ModelSpec, images: Images, settings: Settings) -> dict[str, Any]:
    """Return all that the numbers depend on."""
    weights_sha256 = weights.sha256(spec, settings)
    if weights_sha256 is None:
        raise WeightsError(f"Expected the weights of {spec.title} on this machine. Received: none.")
    return {
        "architecture": spec.architecture,
        "arguments": [list(argument) for argument in spec.arguments],
        "input_size": list(spec.input_size),
        "preprocess": spec.preprocess,
        "crop_fraction": spec.crop_fraction,
        "resampling": RESAMPLING.name.lower(),
        "weights_sha256": weights_sha256,
        "pictures": len(images),
        "pictures_sha256": digest_of(images),
        "versions": conversion.versions() | {"pillow": metadata.version("pillow")},
    }
