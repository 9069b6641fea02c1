"""Several models' stored answers to the same images: a board.

Reads artifacts, runs no model. Images that only some models could be asked about are left out, so that every
comparison is paired. What can be seen on a board is in `comparisons`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.evaluation import artifacts
from imgrec.evaluation.artifacts import SUMMARY
from imgrec.evaluation.summary import PerImage, closed, per_image
from imgrec.metrics.classification import Integers, adaptive_calibration_gap, calibration_gap
from imgrec.metrics.confusion import average, class_figures, kappa
from imgrec.metrics.curves import macro_auc
from imgrec.metrics.significance import wilson
from imgrec.predictions.labels import get_label_space

# What a roll-up calls the classes that have no place in the set.
REST = "something else"

# Added to the name of a set of one's own that is called like another.
OTHER = " (measured here)"

# How answers count where a model knows more classes than the set has.
READINGS = {
    "strict": "Wrong: a prediction that is none of these classes counts as wrong.",
    "closed": "Ignored: only the probabilities of these classes are compared, scaled up to 100 % together.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """One set: what is known of it, and each model's row and answers, all to the same images in the same order.

    `paths` are the files with all probabilities. `unread` images are left out because not every model could read
    them; the figures of `rows` are of the others, too.

    `labels` has the set's classes and, if a model can choose it, `REST` as the last. `problems` are sentences about
    artifacts that cannot be used; those models are left out. `reading` is a key of `READINGS`, `has_rest` says
    whether the other one would differ.
    """

    name: str
    about: Mapping[str, Any]
    labels: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Any]]
    paths: Mapping[str, Path]
    found: Mapping[str, PerImage]
    problems: tuple[str, ...]
    reading: str = "strict"
    has_rest: bool = False
    unread: int = 0

    @property
    def models(self) -> list[str]:
        return list(self.found)

    @property
    def ids(self) -> tuple[str, ...]:
        return next(iter(self.found.values())).ids

    @property
    def target(self) -> Integers:
        return next(iter(self.found.values())).target

    @property
    def images(self) -> int:
        return len(self.ids)

    def top_1(self, model: str) -> float:
        """The share of the board's images whose first choice is right."""
        return float(self.found[model].right.mean())


def set_names(folders: Sequence[Path]) -> list[str]:
    """The sets of which there are measurements in `folders`, those with the most images first."""
    measured = _measured(folders)
    used = {name for name, _, _ in measured.rows}
    return sorted(used, key=lambda name: (-measured.sets[name]["images"], name))


def best_set(folders: Sequence[Path], spaces: Mapping[str, str | None]) -> str | None:
    """Return the set that fits the models in `spaces`, model → label space; None where there are no measurements.

    Of the sets on which most of the models are measured, one with the classes of most of them, then the largest.
    """
    measured = _measured(folders)
    models: dict[str, set[str]] = {}
    for name, row, _ in measured.rows:
        models.setdefault(name, set()).add(row["model"])

    def fit(name: str) -> tuple[int, int, int]:
        own = sum(space == measured.sets[name]["label_space"] for space in spaces.values())
        return len(models[name] & spaces.keys()), own, measured.sets[name]["images"]

    return max(sorted(models), key=fit, default=None)


def load(folders: Sequence[Path], name: str, reading: str = "strict") -> Board:
    """The board of the set called `name`, its models best first, counted as `reading` (a key of `READINGS`) says.

    Of a model that was measured in two of the `folders`, the later counts. Raises `UnknownNameError` where there is
    no such set or reading, `InputError` when nothing of it can be used.
    """
    if reading not in READINGS:
        raise UnknownNameError.of("reading", reading, list(READINGS))
    measured = _measured(folders)
    candidates = [(row, path) for dataset, row, path in measured.rows if dataset == name]
    if not candidates:
        raise UnknownNameError.of("measured set", name, sorted(measured.sets))
    about = measured.sets[name]
    labels = tuple(about["labels"] or get_label_space(about["label_space"]).labels)
    rows: dict[str, Mapping[str, Any]] = {}
    paths: dict[str, Path] = {}
    found: dict[str, PerImage] = {}
    failed: list[tuple[str, str, ImgrecError]] = []
    has_rest = False
    for row, path in reversed(candidates):
        model = row["model"]
        if model in found:
            continue
        try:
            _check_images(row, about)
            more = artifacts.count_classes(path) > len(labels)
            if more and reading == "closed" and row.get("closed") is None:
                raise InputError(f"Expected {SUMMARY} to have figures of these classes only. Received: an older one.")
            chunks = artifacts.read_chunks(path)
            found[model] = per_image(_read_as(chunks, reading, len(labels)) if more else chunks)
        except ImgrecError as error:
            failed.append((model, row.get("title", model), error))
        else:
            rows[model], paths[model] = (_row_as(row, reading) if more else row), path
            has_rest |= more
    problems = list(measured.problems)
    for model, title, why in failed:
        which = f"A later measurement of {title}" if model in found else title
        problems.append(f"{which} is left out. {why}")
    if not found:
        raise InputError(" ".join(problems))
    found = dict(sorted(found.items(), key=lambda item: -float(item[1].right.mean())))
    labels = (*labels, REST) if has_rest and reading == "strict" else labels
    aligned = _aligned(found, len(labels))
    board = Board(name, about, labels, rows, paths, aligned, tuple(problems), reading, has_rest)
    return _on_common_images(board, found)


def read(board: Board, model: str) -> artifacts.Answers:
    """All stored probabilities of a model, as the board counts them, in the order of their file."""
    answers = artifacts.read(board.paths[model])
    if answers.probabilities.shape[1] <= len(board.labels):
        return answers
    shares = closed(answers, len(board.labels)).probabilities
    return replace(answers, probabilities=artifacts.halved(shares))


def narrowed(board: Board, models: Sequence[str]) -> Board:
    """The same board with only these models, where there are any of them."""
    kept = {model: found for model, found in board.found.items() if model in models}
    return replace(board, found=kept or board.found)


def stack(board: Board, models: Sequence[str]) -> np.ndarray:
    """Probabilities float16 (M, N, C) of `models` for the images of the board, in its order."""
    layers = []
    for model in models:
        answers = read(board, model)
        rows = answers.probabilities
        if answers.ids != board.ids:
            place = {name: i for i, name in enumerate(answers.ids)}
            rows = rows[[place[name] for name in board.ids]]
        layers.append(_padded(rows, len(board.labels)))
    return np.stack(layers)


def figures(found: PerImage) -> dict[str, float]:
    """What the leaderboard shows of answers to images, as `summaries` has it."""
    matrix = found.matrix
    return {
        "top_1": float(found.right.mean()),
        "top_5": float((found.rank < 5).mean()),
        "macro_f1": average(class_figures(matrix)).f1,
        "kappa": kappa(matrix),
        "log_loss": float(found.log_losses.mean()),
        "brier": float(found.brier.mean()),
        "ece": calibration_gap(found.confidence, found.right),
        "adaptive_ece": adaptive_calibration_gap(found.confidence, found.right),
    }


@dataclass(frozen=True, slots=True)
class _Measured:
    """What lies in several folders: sets by name, rows as (set, row, file of the answers), and what cannot be read."""

    sets: Mapping[str, Mapping[str, Any]]
    rows: Sequence[tuple[str, Mapping[str, Any], Path]]
    problems: Sequence[str]


def _measured(folders: Sequence[Path]) -> _Measured:
    """A set of the same name with other images is another one. Raises `InputError` if that leaves nothing."""
    sets: dict[str, Mapping[str, Any]] = {}
    rows: list[tuple[str, Mapping[str, Any], Path]] = []
    problems: list[str] = []
    for folder in folders:
        try:
            summary = artifacts.read_summary(folder)
        except ImgrecError as error:
            problems.append(str(error))
            continue
        names = {}
        for name, about in summary["datasets"].items():
            is_other = name in sets and not _are_same_images(sets[name], about)
            names[name] = f"{name}{OTHER}" if is_other else name
            sets.setdefault(names[name], about)
        for row in summary["rows"]:
            path = artifacts.predictions_path(folder, row["model"], row["dataset"])
            rows.append((names[row["dataset"]], row, path))
    if problems and not rows:
        raise InputError(" ".join(problems))
    return _Measured(sets, rows, problems)


def _read_as(chunks: Iterable[artifacts.Answers], reading: str, classes: int) -> Iterator[artifacts.Answers]:
    return (closed(chunk, classes) if reading == "closed" else chunk for chunk in chunks)


def _row_as(row: Mapping[str, Any], reading: str) -> Mapping[str, Any]:
    """The row with the figures of the reading; timings and provenance are the same."""
    return {**row, **row["closed"]} if reading == "closed" else row


def _are_same_images(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions have the same ids and targets and, where both know it, the same contents."""
    contents = {about["pictures_sha256"] for about in (one, other) if about.get("pictures_sha256")}
    return bool(one["digest"] == other["digest"] and len(contents) < 2)


def _check_images(row: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Raises `InputError` where a row is of other images than the set has now."""
    measured = {**row, "digest": row.get("dataset_digest", about["digest"])}
    if not _are_same_images(measured, about):
        raise InputError(
            f"Expected answers to the images that {SUMMARY} describes as {about['name']}. "
            "Received: answers to others of that name; measure it again."
        )


def _on_common_images(board: Board, found: Mapping[str, PerImage]) -> Board:
    """The board with every row's figures on its images, where not all models could read all that were `found`."""
    every = {name for one in found.values() for name in one.ids}
    if len(every) == board.images:
        return board
    rows = {model: _row_on_common(board, model) for model in board.models}
    return replace(board, rows=rows, unread=len(every) - board.images)


def _row_on_common(board: Board, model: str) -> Mapping[str, Any]:
    """The row with the figures of the board's images; what cannot be said of them is left out."""
    row, found = board.rows[model], board.found[model]
    stale = [key for key in row if key.endswith(("_low", "_high")) or key.startswith(("macro_", "micro_", "weighted_"))]
    now: dict[str, float | None] = dict(figures(found))
    if row.get("macro_auc") is not None:
        now["macro_auc"] = macro_auc(stack(board, [model])[0], found.target)
    interval = wilson(int(found.right.sum()), len(found))
    now |= {"images": len(found), "top_1_low": interval.low, "top_1_high": interval.high}
    now = {key: None if value is None or np.isnan(value) else value for key, value in now.items()}
    return {key: value for key, value in row.items() if key not in stale} | now


def _aligned(found: dict[str, PerImage], classes: int) -> dict[str, PerImage]:
    """The same images in the same order for every model."""
    first = next(iter(found.values())).ids
    if all(one.ids == first for one in found.values()):
        return {model: replace(one, classes=classes) for model, one in found.items()}
    common = set(first).intersection(*(one.ids for one in found.values()))
    order = [name for name in first if name in common]
    if not order:
        raise InputError("Expected models that were asked about the same images. Received: none in common.")
    return {model: _picked(one, order, classes) for model, one in found.items()}


def _picked(one: PerImage, order: Iterable[str], classes: int) -> PerImage:
    place = {name: i for i, name in enumerate(one.ids)}
    rows = np.array([place[name] for name in order])
    arrays = {name: getattr(one, name)[rows] for name in ("target", "choice", "confidence", "own", "rank", "brier")}
    return PerImage(ids=tuple(one.ids[i] for i in rows), classes=classes, **arrays)


def _padded(rows: np.ndarray, classes: int) -> np.ndarray:
    """`rows` (N, C) with columns of zeros up to `classes`: a model that knows no "something else"."""
    missing = classes - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing))) if missing else rows
