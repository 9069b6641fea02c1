"""A model and a labeled set → stored answers and a row of figures.

Images flow (see `flowing`); every thousand answers are written down, so that memory does not grow and a killed run
goes on where it was. What cannot be read is listed in the row, and the rest is measured.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import __version__
from imgrec.data.classes import in_words, scoring, unknown_classes
from imgrec.data.dataset import Dataset, Item
from imgrec.data.reader import decode, framed_for, stream_predictions
from imgrec.errors import ImageError, InputError, LabelSpaceError, WeightsError
from imgrec.evaluation import artifacts, summary
from imgrec.evaluation.artifacts import Answers
from imgrec.files import sha256_of
from imgrec.images.preprocessing import FRAMINGS, RESAMPLING
from imgrec.inference import conversion
from imgrec.inference.preparation import Preparations
from imgrec.inference.process_info import usable_cores
from imgrec.models import cards, weights
from imgrec.models.catalog import Catalog, ModelSpec
from imgrec.predictions.labels import LABEL_SPACES, LabelMap, LabelSpace, get_label_map, get_label_space
from imgrec.settings import MIB, Settings, available_memory_bytes

# Answers in one file of an unfinished run: at 100 images a second, ten seconds of work to lose.
PART_ROWS = 1000

# Images timed one by one; the slowest 5 % of them are five.
TIMED = 100

# They are these in turn: a decoded photograph takes megabytes.
KEPT = 20

# Images that flow to measure the throughput.
FLOWING = 300

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a model is on `hardware`: milliseconds from decoded image to probabilities, one at a time.

    `cold_ms` is loading and the first answer, p50 and p95 are of warm ones, `throughput_per_s` counts images from
    encoded bytes to answers when many flow. `memory_bytes` is what the loaded network holds.
    """

    cold_ms: float
    latency_p50_ms: float
    latency_p95_ms: float
    throughput_per_s: float
    memory_bytes: int | None
    hardware: str
    timed_at: str


def evaluate(
    spec: ModelSpec,
    labeled: Dataset,
    settings: Settings,
    folder: Path,
    *,
    framing: str = "crop",
    note: str = "",
    command: str = "",
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Measure `spec` on `labeled`, store the answers and the row under `folder`, and return the row.

    Answers that are there already for the same weights, images (to the last byte) and preprocessing are kept.
    `note` is for people (weights that are not the publisher's own), `command` is what reproduces it; `on_progress`
    gets (done, all).

    Raises before any work: `LabelSpaceError` when the set's classes are not the model's, `InputError` on a framing
    and where `artifacts.check_place` does. Later: `InputError` when no image can be read, and what fetching,
    converting and running raise.
    """
    _check_framing(framing)
    to_set = scoring(spec.get_label_space(), labeled.label_space)
    about = describe_set(labeled)
    artifacts.check_place(folder, about)
    compiled = Preparations(settings).ensure(spec)
    provenance = _provenance(spec, labeled, settings, framing)
    path = artifacts.predictions_path(folder, spec.name, labeled.name)
    if not _has_key(path, provenance["key"]):
        parts = path.with_suffix(".parts")
        _discard_others(parts, provenance["key"])
        failures = _answer_all(spec, labeled, settings, compiled, framing, to_set, parts, provenance, on_progress)
        files = sorted(parts.glob("*.parquet"))
        artifacts.merge(files, path, provenance | {"failures": failures})
        artifacts.discard(parts)
    timing = time_model(spec, labeled, settings, compiled, framing)
    row = row_of(path) | asdict(timing) | {"note": note, "command": command}
    artifacts.put_row(folder, row, about)
    return row


def get_fitting_specs(labeled: Dataset, catalog: Catalog, settings: Settings) -> list[ModelSpec]:
    """The models whose weights are on this machine and whose classes are, or roll up to, those of the set."""
    found, others = [], []
    for spec in catalog.values():
        try:
            scoring(spec.get_label_space(), labeled.label_space)
        except LabelSpaceError:
            others.append(spec)
        else:
            if weights.locate(spec, settings) is not None:
                found.append(spec)
    if not found:
        raise InputError(
            f"Expected a model on this machine for the classes of {labeled.name}. "
            f"Received: none.{_nearest(others, labeled.label_space)}"
        )
    return found


def _nearest(specs: Iterable[ModelSpec], space: LabelSpace) -> str:
    """Which of `specs` knows most classes of a set, and which it does not know; nothing where none knows any."""
    unknown = {spec.title: unknown_classes(spec.get_label_space(), space) for spec in specs}
    title = min(unknown, key=lambda title: len(unknown[title]), default="")
    if not title or not 0 < len(unknown[title]) < len(space.labels):
        return ""
    return f" Nearest is {title}. Not among its classes: {in_words(unknown[title])}."


def row_of(path: Path) -> dict[str, Any]:
    """The row that follows from a stored file: provenance from its metadata, figures from its answers.

    Where the model knows more classes than the set has, `closed` has the figures without those; see
    `summaries.closed`.
    """
    note = artifacts.read_note(path)
    row = {key: value for key, value in note.items() if key not in {"version", "key"}}
    row |= figures_of(lambda: artifacts.read_chunks(path))
    classes = len(get_label_space(note["label_space"]).labels) if note["label_space"] in LABEL_SPACES else None
    row["closed"] = None
    if classes is not None and artifacts.count_classes(path) > classes:
        row["closed"] = figures_of(lambda: (summary.closed(chunk, classes) for chunk in artifacts.read_chunks(path)))
    row["predictions_sha256"] = sha256_of(path)
    return row


def figures_of(read: Callable[[], Iterable[Answers]]) -> dict[str, Any]:
    """All figures that follow from answers; `read` gives them from the start, as often as it is called."""
    scaled = summary.scale(read)
    figures = summary.summarize(summary.per_image(read()))
    figures["macro_auc"] = summary.area_under_roc(read())
    figures["temperature"] = None if scaled is None else asdict(scaled)
    return figures


def describe_set(labeled: Dataset) -> dict[str, Any]:
    """What the summary says about a set; `unreachable` are its classes that ImageNet has no place for."""
    space = labeled.label_space.name
    rolls_up = space in LABEL_SPACES and space != "imagenet_1k"
    return {
        "name": labeled.name,
        "label_space": labeled.label_space.name,
        "labels": list(labeled.label_space.labels) if labeled.label_space.name != "imagenet_1k" else None,
        "images": len(labeled),
        "classes": len(set(labeled.targets)),
        "source": labeled.source,
        "flaws": list(labeled.flaws),
        "digest": labeled.digest,
        "pictures_sha256": labeled.images_sha256,
        "per_class": labeled.per_class,
        "unreachable": list(get_label_map("imagenet_1k", space).unreachable) if rolls_up else [],
    }


def time_model(spec: ModelSpec, labeled: Dataset, settings: Settings, compiled: Path, framing: str = "crop") -> Timing:
    """Time the compiled network on the first images of `labeled` that can be read; see `Timing`."""
    from imgrec.inference.openvino_engine import OpenVINOEngine

    items, images = _to_time(labeled, settings)
    if not images:
        raise InputError(f"Expected readable images in {labeled.name}. Received: none.")
    manifest = conversion.read_manifest(compiled)
    memory_bytes = None if manifest is None else manifest.memory_bytes
    start = time.perf_counter()
    engine = OpenVINOEngine(compiled, memory_bytes or 0)
    engine.predict(framed_for(images[0], spec, framing)[np.newaxis])
    cold = time.perf_counter() - start
    times = []
    for i in range(TIMED):
        start = time.perf_counter()
        engine.predict(framed_for(images[i % len(images)], spec, framing)[np.newaxis])
        times.append(time.perf_counter() - start)
    engine.close()
    start = time.perf_counter()
    answers = stream_predictions(spec, enumerate(items), settings, compiled, framing)
    answered = sum(1 for _, answer in answers if not isinstance(answer, str))
    flowing = time.perf_counter() - start
    p50, p95 = np.percentile(times, [50, 95])
    return Timing(
        cold_ms=round(cold * 1e3, 1),
        latency_p50_ms=round(float(p50) * 1e3, 2),
        latency_p95_ms=round(float(p95) * 1e3, 2),
        throughput_per_s=round(answered / flowing, 1),
        memory_bytes=memory_bytes,
        hardware=hardware(),
        timed_at=_now(),
    )


def _to_time(labeled: Dataset, settings: Settings) -> tuple[list[Item], list[np.ndarray]]:
    """The first `FLOWING` images that may flow, and the first `KEPT` readable ones of them, decoded.

    What cannot be read at the start is passed over: a hundred broken files must not stand for a set.
    """
    items: list[Item] = []
    images: list[np.ndarray] = []
    for item in labeled.items():
        if len(images) < KEPT:
            try:
                images.append(decode(item, settings).pixels)
            except ImageError:
                continue
        items.append(item)
        if len(items) >= FLOWING:
            break
    return items, images


def hardware() -> str:
    """Processor, cores and memory that this process may use, as numbers depend on them."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {usable_cores()} cores, {available_memory_bytes() / MIB / 1024:.0f} GiB"


def _answer_all(
    spec: ModelSpec,
    labeled: Dataset,
    settings: Settings,
    compiled: Path,
    framing: str,
    to_set: LabelMap | None,
    parts: Path,
    provenance: dict[str, Any],
    on_progress: OnProgress | None,
) -> list[dict[str, str]]:
    """Write the parts that are missing, and return what could not be read, in the order of the set."""
    count = len(labeled)
    blocks = [range(start, min(start + PART_ROWS, count)) for start in range(0, count, PART_ROWS)]
    files = [parts / f"{number:05d}.parquet" for number in range(len(blocks))]
    missing = {number for number, file in enumerate(files) if not artifacts.is_whole(file)}
    done = count - sum(len(blocks[number]) for number in missing)
    wanted = ((i, item) for i, item in enumerate(labeled.items()) if i // PART_ROWS in missing)
    waiting: dict[int, dict[int, np.ndarray | str]] = {number: {} for number in missing}
    for position, answer in stream_predictions(spec, wanted, settings, compiled, framing):
        number = position // PART_ROWS
        waiting[number][position] = answer
        done += 1
        if on_progress is not None:
            on_progress(done, count)
        if len(waiting[number]) == len(blocks[number]):
            block = waiting.pop(number)
            answers, failures = _scored(labeled, block, to_set, len(spec.get_label_space().labels))
            artifacts.write_part(files[number], answers, provenance | {"failures": failures})
    if any(waiting.values()):
        raise InputError(f"Expected {count:,} images in {labeled.name}. Received: fewer; it changed meanwhile.")
    failures = [failure for file in files for failure in artifacts.read_note(file)["failures"]]
    if len(failures) == count:
        raise InputError(f"Expected readable images in {labeled.name}. Received: none; {failures[0]['reason']}")
    return failures


def _scored(
    labeled: Dataset, block: dict[int, np.ndarray | str], to_set: LabelMap | None, classes: int
) -> tuple[Answers, list[dict[str, str]]]:
    """The answers of a block in the order of the set, in the set's classes, and what could not be read."""
    positions = sorted(block)
    rows = {i: row for i in positions if not isinstance(row := block[i], str)}
    probabilities = np.stack(list(rows.values())) if rows else np.empty((0, classes), np.float32)
    if to_set is not None:
        probabilities = to_set.apply(probabilities).astype(np.float32)
    answers = Answers(
        tuple(labeled.ids[i] for i in rows),
        np.array([labeled.targets[i] for i in rows], np.int64),
        artifacts.halved(probabilities) if len(rows) else probabilities.astype(np.float16),
    )
    failures = [{"id": labeled.ids[i], "reason": reason} for i in positions if isinstance(reason := block[i], str)]
    return answers, failures


def _check_framing(framing: str) -> None:
    if framing not in FRAMINGS:
        raise InputError(f"Expected one of the framings {', '.join(FRAMINGS)}. Received: {framing!r}.")


def _provenance(spec: ModelSpec, labeled: Dataset, settings: Settings, framing: str) -> dict[str, Any]:
    """What answers depend on, with a `key` by which a later run finds its own."""
    digest = weights.sha256(spec, settings)
    if digest is None:
        raise WeightsError(f"Expected the weights of {spec.title} on this machine. Received: none.")
    depends_on = {
        "model": spec.name,
        "dataset": labeled.name,
        "dataset_digest": labeled.digest,
        "pictures_sha256": labeled.images_sha256,
        "weights_sha256": digest,
        "preprocess": spec.preprocess,
        "framing": framing,
        "resampling": RESAMPLING.name.lower(),
        "input_size": list(spec.input_size),
        "crop_fraction": spec.crop_fraction,
        "runtime": "OpenVINO on CPU, float32",
        "versions": conversion.versions() | {"pillow": metadata.version("pillow")},
    }
    key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    about = {
        # Its labels are in the digest of the set; what it is called may depend on the other models here.
        "label_space": labeled.label_space.name,
        "parameters": spec.parameters,
        "title": spec.title,
        "backbone": backbone_of(spec, settings),
        "measured_at": _now(),
        "imgrec": __version__,
    }
    return depends_on | about | {"key": key}


def backbone_of(spec: ModelSpec, settings: Settings) -> Any:
    """{model, sha256} of the published weights that a model trained here started from; None where it did not."""
    found = (card.fields.get("backbone") for card in cards.all_cards(settings) if card.name == spec.name)
    return next(found, None)


def _has_key(path: Path, key: str) -> bool:
    """Whether answers are stored at `path`, whole, and with this `key`."""
    return path.is_file() and artifacts.is_whole(path) and artifacts.read_note(path).get("key") == key


def _discard_others(parts: Path, key: str) -> None:
    """Throw away what an unfinished run left, unless it was the same run."""
    for file in parts.glob("*.parquet"):
        if not _has_key(file, key):
            file.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
