"""Stored answers of several models to the same images of one dataset.

Runs no model. Images that only some models could read are left out, so that every comparison is paired.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.evaluation import stored_predictions
from imgrec.evaluation.metrics_row import PerImage, closed, figures, per_image
from imgrec.evaluation.stored_predictions import SUMMARY, Answers, are_same_images
from imgrec.metrics.classification import Integers
from imgrec.metrics.curves import macro_auc
from imgrec.metrics.significance import wilson
from imgrec.predictions.labels import get_label_space

Row = Mapping[str, Any]

# The class of all that has no place in the dataset, where classes are rolled up.
REST = "something else"

# Added to the name of a user's own dataset that is called like another one.
OTHER = " (measured here)"

# How answers count where a model knows more classes than the dataset has.
READINGS = {
    "strict": "Wrong: a prediction that is none of these classes counts as wrong.",
    "closed": "Ignored: only the probabilities of these classes are compared, scaled up to 100 % together.",
}


@dataclass(frozen=True, slots=True, eq=False)
class AlignedResults:
    """The row and the answers of each model, the best model first, to the same images in the same order.

    `about` describes the dataset. `labels` are its classes and, if a model can choose it, `REST` as the last. `paths`
    are the files with all probabilities. `problems` are sentences about files that cannot be used. `reading` is a key
    of `READINGS`; `has_rest` tells whether the other one would differ. `unread` images are left out because not every
    model could read them; the figures of `rows` are of the others, too.
    """

    name: str
    about: Mapping[str, Any]
    labels: tuple[str, ...]
    rows: Mapping[str, Row]
    paths: Mapping[str, Path]
    per_image: Mapping[str, PerImage]
    problems: tuple[str, ...]
    reading: str = "strict"
    has_rest: bool = False
    unread: int = 0

    @property
    def models(self) -> list[str]:
        """The names of the models, the best first."""
        return list(self.per_image)

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the images."""
        return next(iter(self.per_image.values())).ids

    @property
    def target(self) -> Integers:
        """The true classes, int64 (N,)."""
        return next(iter(self.per_image.values())).target

    @property
    def images(self) -> int:
        """The number of images."""
        return len(self.ids)

    def top_1(self, model: str) -> float:
        """Return the share of the images whose first choice is right."""
        return float(self.per_image[model].right.mean())


def dataset_names(folders: Sequence[Path]) -> list[str]:
    """Return the datasets of which there are measurements in `folders`, those with the most images first."""
    datasets, rows, _ = _measured(folders)
    return sorted({name for name, _, _ in rows}, key=lambda name: (-datasets[name]["images"], name))


def best_dataset(folders: Sequence[Path], spaces: Mapping[str, str | None]) -> str | None:
    """Return the dataset that fits the models in `spaces`, model → label space; None if there are no measurements.

    Of the datasets on which most of the models are measured, one with the classes of most of them, then the largest.
    """
    datasets, rows, _ = _measured(folders)

    def fit(name: str) -> tuple[int, int, int]:
        about = datasets[name]
        measured = {row["model"] for dataset, row, _ in rows if dataset == name}
        own = sum(space == about["label_space"] for space in spaces.values())
        return len(measured & spaces.keys()), own, about["images"]

    return max(sorted({name for name, _, _ in rows}), key=fit, default=None)


def load(folders: Sequence[Path], name: str, reading: str = "strict") -> AlignedResults:
    """Return the results on the dataset `name`, counted as `reading` (a key of `READINGS`) says.

    Of a model that was measured in two of the `folders`, the later counts.

    Raises:
        UnknownNameError: Where there is no such dataset or reading.
        InputError: Where no measurement of the dataset can be used.
    """
    if reading not in READINGS:
        raise UnknownNameError.of("reading", reading, list(READINGS))
    datasets, measured, unreadable = _measured(folders)
    candidates = [(row, path) for dataset, row, path in reversed(measured) if dataset == name]
    if not candidates:
        raise UnknownNameError.of("measured dataset", name, sorted(datasets))
    about = datasets[name]
    labels = tuple(about["labels"] or get_label_space(about["label_space"]).labels)
    rows: dict[str, Row] = {}
    paths: dict[str, Path] = {}
    found: dict[str, PerImage] = {}
    failed: list[tuple[str, str, ImgrecError]] = []
    has_rest = False
    for row, path in candidates:
        model = row["model"]
        if model in found:
            continue
        try:
            if not are_same_images({**row, "digest": row.get("dataset_digest", about["digest"])}, about):
                raise InputError(
                    f"Expected answers to the images that {SUMMARY} describes as {about['name']}. "
                    "Received: answers to others of that name; measure it again."
                )
            more = stored_predictions.count_classes(path) > len(labels)
            is_closed = more and reading == "closed"
            if is_closed and row.get("closed") is None:
                raise InputError(f"Expected {SUMMARY} to have figures of these classes only. Received: an older one.")
            chunks = stored_predictions.read_chunks(path)
            found[model] = per_image((closed(chunk, len(labels)) for chunk in chunks) if is_closed else chunks)
            rows[model], paths[model] = ({**row, **row["closed"]} if is_closed else row), path
            has_rest |= more
        except ImgrecError as error:
            failed.append((model, row.get("title", model), error))
    problems = list(unreadable)
    for model, title, why in failed:
        which = f"A later measurement of {title}" if model in found else title
        problems.append(f"{which} is left out. {why}")
    if not found:
        raise InputError(" ".join(problems))
    if has_rest and reading == "strict":
        labels = (*labels, REST)
    best_first = dict(sorted(found.items(), key=lambda item: -float(item[1].right.mean())))
    aligned = _aligned(best_first, len(labels))
    results = AlignedResults(name, about, labels, rows, paths, aligned, tuple(problems), reading, has_rest)
    unread = len({name for one in found.values() for name in one.ids}) - results.images
    if not unread:
        return results
    return replace(results, rows={model: _common_row(results, model) for model in found}, unread=unread)


def read(results: AlignedResults, model: str) -> Answers:
    """Return all stored answers of a model for the images of `results`, counted as in `results`."""
    answers = stored_predictions.read(results.paths[model])
    if answers.probabilities.shape[1] > len(results.labels):
        answers = closed(answers, len(results.labels))
        answers = replace(answers, probabilities=stored_predictions.halved(answers.probabilities))
    return answers if answers.ids == results.ids else answers.take(_places(answers.ids, results.ids))


def narrowed(results: AlignedResults, models: Sequence[str]) -> AlignedResults:
    """Return the same with only these models, if there are any of them."""
    kept = {model: found for model, found in results.per_image.items() if model in models}
    return replace(results, per_image=kept or results.per_image)


def stack(results: AlignedResults, models: Sequence[str]) -> np.ndarray:
    """Return probabilities float16 (M, N, C) of `models`; a model that cannot choose `REST` has 0 there."""
    layers = (read(results, model).probabilities for model in models)
    return np.stack([np.pad(rows, ((0, 0), (0, len(results.labels) - rows.shape[1]))) for rows in layers])


def _measured(folders: Iterable[Path]) -> tuple[dict[str, Row], list[tuple[str, Row, Path]], list[str]]:
    """Return the datasets by name, rows as (dataset, row, file of the answers), and what cannot be read.

    A dataset of the same name with other images is another one. Raises `InputError` if nothing is left.
    """
    datasets: dict[str, Row] = {}
    rows: list[tuple[str, Row, Path]] = []
    problems: list[str] = []
    for folder in folders:
        try:
            summary = stored_predictions.read_summary(folder)
        except ImgrecError as error:
            problems.append(str(error))
            continue
        names = {}
        for name, about in summary["datasets"].items():
            names[name] = name if name not in datasets or are_same_images(datasets[name], about) else f"{name}{OTHER}"
            datasets.setdefault(names[name], about)
        for row in summary["rows"]:
            path = stored_predictions.predictions_path(folder, row["model"], row["dataset"])
            rows.append((names[row["dataset"]], row, path))
    if problems and not rows:
        raise InputError(" ".join(problems))
    return datasets, rows, problems


def _common_row(results: AlignedResults, model: str) -> Row:
    """Return the row with the figures of the common images, without those that are only known of all images."""
    row, found = results.rows[model], results.per_image[model]
    stale = [key for key in row if key.endswith(("_low", "_high")) or key.startswith(("macro_", "micro_", "weighted_"))]
    now: dict[str, float | None] = dict(figures(found))
    if row.get("macro_auc") is not None:
        now["macro_auc"] = macro_auc(read(results, model).probabilities, found.target)
    interval = wilson(int(found.right.sum()), len(found))
    now |= {"images": len(found), "top_1_low": interval.low, "top_1_high": interval.high}
    now = {key: None if value is None or np.isnan(value) else value for key, value in now.items()}
    return {key: value for key, value in row.items() if key not in stale} | now


def _aligned(found: Mapping[str, PerImage], classes: int) -> dict[str, PerImage]:
    """Return the same images in the same order for every model."""
    first = next(iter(found.values())).ids
    common = set(first).intersection(*(one.ids for one in found.values()))
    if not common:
        raise InputError("Expected models that were given the same images. Received: none in common.")
    order = [name for name in first if name in common]
    return {model: one.take(_places(one.ids, order), classes) for model, one in found.items()}


def _places(ids: Sequence[str], wanted: Iterable[str]) -> Integers:
    """Return the positions of `wanted` among `ids`."""
    place = {name: i for i, name in enumerate(ids)}
    return np.array([place[name] for name in wanted], np.int64)
