"""Evaluation of a model on a labeled dataset: stored answers, and a row of figures.

Answers are written shard by shard, so that memory does not grow and a stopped run goes on where it was. What cannot be
read is listed in the row, and the rest is measured.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
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
from imgrec.evaluation import metrics_row, shards, stored_predictions
from imgrec.evaluation.mirror import Mirror
from imgrec.evaluation.shard_work import Runner, Work, run_here
from imgrec.evaluation.shards import Shard
from imgrec.files import sha256_of
from imgrec.images.preprocessing import FRAMINGS, RESAMPLING
from imgrec.inference import conversion, quantization
from imgrec.inference.preparation import Preparations
from imgrec.inference.process_info import processor, usable_cores
from imgrec.models import cards, weights
from imgrec.models.catalog import Catalog, ModelSpec
from imgrec.predictions.labels import LABEL_SPACES, LabelSpace, get_label_map, get_label_space
from imgrec.settings import MIB, Settings, available_memory_bytes

# Images timed one by one; the slowest 5 % of them are five.
TIMED = 100

# Images that are timed in turn: a decoded photograph takes megabytes.
KEPT = 20

# Images of which the throughput is measured.
FLOWING = 300

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """The speed of a model on `hardware`: milliseconds from decoded image to probabilities, one image at a time.

    `cold_ms` is loading and the first prediction, p50 and p95 are of warm ones. `throughput_per_s` counts images from
    encoded bytes to predictions in a stream. `memory_bytes` is what the loaded network holds.
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
    run: Runner = run_here,
    starts: Sequence[int] | None = None,
    timing: Timing | None = None,
    mirror: Mirror | None = None,
) -> dict[str, Any]:
    """Measure `spec` on `labeled`, store the answers and the row under `folder`, and return the row.

    Answers that are there already for the same weights, images (to the last byte) and preprocessing are kept. `framing`
    is a key of `FRAMINGS`, `note` a remark for readers, such as that the weights are not the publisher's own, `command`
    the one that reproduces the row. `on_progress` is called with (done, all) after each image. `run` is the engine;
    the row does not depend on it. With `starts`, for a dataset that grows, shards begin there and their files are kept.
    `timing` is taken anew unless it is given. With a `mirror`, whose folder is `folder`, its store gets each file.

    Raises:
        LabelSpaceError: Before any work, if the classes of the dataset are not those of the model.
        InputError: Before any work, on a framing and as `stored_predictions.check_place`; later, if no image can be
            read. What fetching, converting and predicting raise is passed on.
    """
    if framing not in FRAMINGS:
        raise InputError(f"Expected one of the framings {', '.join(FRAMINGS)}. Received: {framing!r}.")
    scoring(spec.get_label_space(), labeled.label_space, labeled.groups)
    about = describe_dataset(labeled)
    stored_predictions.check_place(folder, about)
    compiled = Preparations(settings).ensure(spec)
    depends_on, about_run = _provenance(spec, labeled, settings, framing)
    provenance = depends_on | about_run
    path = stored_predictions.predictions_path(folder, spec.name, labeled.name)
    parts = path.with_suffix(shards.PARTS)
    if not _has_key(path, provenance["key"]):
        plan = shards.list_shards(labeled, depends_on, starts)
        work = Work(spec, labeled, settings, compiled, framing)
        _predict(work, run, parts, plan, on_progress, mirror)
        shards.merge(parts, path, provenance)
        if mirror is not None:
            mirror.send(path)
    if starts is None and parts.exists():
        if mirror is not None:
            mirror.finish(parts)
        shutil.rmtree(parts, ignore_errors=True)
    timing = timing or time_model(spec, labeled, settings, compiled, framing)
    row = row_of(path) | asdict(timing) | {"note": note, "command": command}
    if mirror is not None:
        mirror.fetch(folder / stored_predictions.SUMMARY)
    stored_predictions.put_row(folder, row, about)
    if mirror is not None:
        mirror.send(folder / stored_predictions.SUMMARY)
    return row


def get_fitting_specs(labeled: Dataset, catalog: Catalog, settings: Settings) -> list[ModelSpec]:
    """Return the models with weights on this machine whose classes are, or roll up to, those of the dataset.

    Raises:
        InputError: If there are none; it names the model with most of the classes.
    """
    found, others = [], []
    for spec in catalog.values():
        try:
            scoring(spec.get_label_space(), labeled.label_space, labeled.groups)
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


def row_of(path: Path) -> dict[str, Any]:
    """Return the row that follows from a stored file: provenance from its metadata, figures from its answers.

    Where the model knows more classes than the dataset has, `closed` has the figures without those.
    """
    note = stored_predictions.read_note(path)
    row = {key: value for key, value in note.items() if key not in {"version", "key"}}
    row |= metrics_row.all_figures(lambda: stored_predictions.read_chunks(path))
    classes = len(get_label_space(note["label_space"]).labels) if note["label_space"] in LABEL_SPACES else None
    row["closed"] = None
    if classes is not None and stored_predictions.count_classes(path) > classes:
        row["closed"] = metrics_row.all_figures(
            lambda: (metrics_row.closed(chunk, classes) for chunk in stored_predictions.read_chunks(path))
        )
    row["predictions_sha256"] = sha256_of(path)
    return row


def describe_dataset(labeled: Dataset) -> dict[str, Any]:
    """Return what the summary has of a dataset; `unreachable` are its classes that ImageNet has no place for."""
    space = labeled.label_space.name
    rolls_up = space in LABEL_SPACES and space != "imagenet_1k"
    return {
        "name": labeled.name,
        "label_space": space,
        "labels": list(labeled.label_space.labels) if space != "imagenet_1k" else None,
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
    """Time the compiled network on the first images of `labeled` that can be read."""
    from imgrec.inference.openvino_engine import OpenVINOEngine

    items: list[Item] = []
    images: list[np.ndarray] = []
    for item in labeled.items():
        if len(images) < KEPT:
            try:
                images.append(decode(item, settings).pixels)
            except ImageError:
                continue  # many broken files at the start must not be what is timed
        items.append(item)
        if len(items) >= FLOWING:
            break
    if not images:
        raise InputError(f"Expected readable images in {labeled.name}. Received: none.")
    manifest = conversion.read_manifest(compiled)
    memory_bytes = None if manifest is None else manifest.memory_bytes
    times = [time.perf_counter()]
    engine = OpenVINOEngine(compiled, memory_bytes or 0)
    for i in range(TIMED + 1):
        engine.predict(framed_for(images[max(i - 1, 0) % len(images)], spec, framing)[np.newaxis])
        times.append(time.perf_counter())
    engine.close()
    cold, *warm = np.diff(times)
    start = time.perf_counter()
    answers = stream_predictions(spec, enumerate(items), settings, compiled, framing)
    answered = sum(1 for _, answer in answers if not isinstance(answer, str))
    streaming = time.perf_counter() - start
    p50, p95 = np.percentile(warm, [50, 95])
    return Timing(
        cold_ms=round(float(cold) * 1e3, 1),
        latency_p50_ms=round(float(p50) * 1e3, 2),
        latency_p95_ms=round(float(p95) * 1e3, 2),
        throughput_per_s=round(answered / streaming, 1),
        memory_bytes=memory_bytes,
        hardware=hardware(),
        timed_at=_now(),
    )


def timing_of(row: Mapping[str, Any]) -> Timing:
    """Return the times in a row."""
    return Timing(**{field.name: row[field.name] for field in fields(Timing)})


def hardware() -> str:
    """Return the processor, cores and memory of this process, on which times depend."""
    return f"{processor()}, {usable_cores()} cores, {available_memory_bytes() / MIB / 1024:.0f} GiB"


def backbone_of(spec: ModelSpec, settings: Settings) -> Any:
    """Return {model, sha256} of the published weights that a model started from; None where it did not."""
    found = (card.fields.get("backbone") for card in cards.all_cards(settings) if card.name == spec.name)
    return next(found, None)


def _predict(
    work: Work,
    run: Runner,
    parts: Path,
    plan: Sequence[Shard],
    on_progress: OnProgress | None,
    mirror: Mirror | None,
) -> None:
    """Have `run` make the shards that are missing, and write each when it is there."""
    missing = shards.open_folder(parts, plan)
    if mirror is not None:
        mirror.send(parts / shards.MANIFEST)
    count = len(work.labeled)
    done = count - sum(map(len, missing))

    def on_images(finished: int) -> None:
        nonlocal done
        done += finished
        if on_progress is not None:
            on_progress(done, count)

    if missing:
        for shard, answers, failures in run(work, missing, on_images):
            shards.put(parts, shard, answers, failures)
            if mirror is not None:
                mirror.send(parts / shard.file_name)


def _nearest(specs: Iterable[ModelSpec], space: LabelSpace) -> str:
    """Return a sentence about the model with most classes of `space`; nothing where no model has any."""
    unknown = {spec.title: unknown_classes(spec.get_label_space(), space) for spec in specs}
    title = min(unknown, key=lambda title: len(unknown[title]), default="")
    if not title or not 0 < len(unknown[title]) < len(space.labels):
        return ""
    return f" Nearest is {title}. Not among its classes: {in_words(unknown[title])}."


def _provenance(
    spec: ModelSpec, labeled: Dataset, settings: Settings, framing: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what answers depend on; and what is said about them, with a `key` by which a later run finds its own."""
    digest = weights.identity(spec, settings)
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
        "runtime": f"OpenVINO on CPU, {spec.precision}",
        "versions": conversion.versions() | {"pillow": metadata.version("pillow")},
    }
    if spec.is_compact:
        depends_on["quantization"] = quantization.key(spec, settings)
    if labeled.groups is not None:
        depends_on["classes"] = labeled.groups.to_link()
    key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    about = {
        # Not in the key: its labels are in the digest, and its name may depend on the other models here.
        "label_space": labeled.label_space.name,
        "parameters": spec.parameters,
        "title": spec.title,
        "backbone": backbone_of(spec, settings),
        "measured_at": _now(),
        "imgrec": __version__,
    }
    return depends_on, about | {"key": key}


def _has_key(path: Path, key: str) -> bool:
    """Return whether answers are stored at `path`, whole, and with this `key`."""
    return path.is_file() and stored_predictions.is_whole(path) and stored_predictions.read_note(path).get("key") == key


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
