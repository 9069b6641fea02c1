"""The images that were held back from a trained model, and those that it was trained on, found again by its card.

A dataset with a test part is measured on it. Of others, a part of the training images is held back: `part_of` makes
it, with a name that a later measurement knows it by.
"""

from dataclasses import replace

import numpy as np

from imgrec.data.dataset import ArrayDataset, Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.reader import framed_for, read_images
from imgrec.data.sources import DATASETS, of_arrays, open_dataset
from imgrec.errors import ImageError, InputError, OfflineError
from imgrec.evaluation import stored_predictions
from imgrec.inference import calibration_images
from imgrec.inference.request import DEFAULT_FRAMING
from imgrec.models import cards, training_images, weights
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import Settings

# The limits of figures on such a part.
FLAWS = {
    "validation": "Held back from training, but looked at after every epoch: a test part would be stricter.",
    "test": "Held back from training by imgrec, as the set has no test part of its own.",
}


def part_of(whole: Dataset, data: ArrayDataset, chosen: np.ndarray, space: LabelSpace, part: str, seed: int) -> Dataset:
    """Return the images `chosen` (K,) of `data.train`, as stored in `whole`, the same dataset, in its order.

    `space` has the classes of `data`; `part` is a key of `FLAWS`. The name has the seed and the count: images of
    another split are another set. Raises `InputError` when `whole` has none of them.
    """
    ids = data.files or tuple(f"{i:05d}" for i in range(len(data.train)))
    targets = {ids[i]: int(data.train.targets[i]) for i in chosen.tolist()}
    kept = [i for i, name in enumerate(whole.ids) if name in targets]
    return whole.take(
        kept,
        name=f"{part}{_part_of(whole)}{seed}, {len(kept):,} images)",
        label_space=space,
        targets=tuple(targets[whole.ids[i]] for i in kept),
        flaws=(FLAWS[part], *whole.flaws),
    )


def find(spec: ModelSpec, settings: Settings) -> tuple[Dataset, Dataset]:
    """Return the images that the model `spec`, or the original of that twin, is measured on, and its training images.

    Nothing is downloaded.

    Raises:
        InputError: imgrec has not trained it, or its images are not on this machine, or were never told apart.
    """
    exact, offline = spec.exact(), replace(settings, offline=True)
    card = cards.find(exact.name, settings)
    if card is None or card.is_added:
        raise InputError(f"Expected a model that imgrec has trained, for its held-out images. Received: {exact.title}.")
    data = card.fields["data"]
    place = str(data["name"] if data.get("name") in DATASETS else data.get("source", ""))
    try:
        whole = open_evaluation_split(place, offline)
    except OfflineError as error:
        raise InputError(
            f"Expected {place} on this machine, for the held-out images of {exact.title}. "
            f"Received: none; imgrec evaluate --data {place} --models {exact.name} downloads it."
        ) from error
    listed = _every_image(whole, place, offline)
    trained_on = listed.take(listed.positions(test=False), name=listed.name)
    if listed.positions(test=True):
        return whole, trained_on
    held_out = _stored_part(exact, whole, settings)
    others = set(held_out.ids)
    return held_out, trained_on.take([i for i, id_ in enumerate(trained_on.ids) if id_ not in others])


def some_of(count: int) -> list[int] | None:
    """Return the positions, of `count` training images, of those that are kept to make a twin with.

    None where they are too few, which show too few values: then it is made with those that come with imgrec.
    """
    chosen = np.random.default_rng(0).permutation(count)[: calibration_images.COUNT]
    return sorted(chosen.tolist()) if len(chosen) >= calibration_images.MIN_COUNT else None


def keep_training_images(spec: ModelSpec, trained_on: Dataset, settings: Settings) -> None:
    """Keep some of the images `trained_on` with the original of the twin `spec`, unless some are kept or it has few."""
    name, chosen = spec.exact().name, some_of(len(trained_on))
    if chosen is None or training_images.find(name, settings) is not None:
        return
    read = read_images(
        trained_on.take(chosen).items(), settings, lambda image: framed_for(image, spec, DEFAULT_FRAMING)
    )
    framed = [image for _, image in read if not isinstance(image, ImageError)]
    if len(framed) >= calibration_images.MIN_COUNT:
        training_images.keep(name, np.stack(framed), settings)


def _every_image(whole: Dataset, place: str, settings: Settings) -> Dataset:
    """Return the dataset that `whole` is measured of, with all its parts; images of both have the same ids."""
    if whole.arrays is None:
        return open_dataset(place, settings)
    return of_arrays(whole.arrays) if whole.arrays.test is not None else whole


def _stored_part(exact: ModelSpec, whole: Dataset, settings: Settings) -> Dataset:
    """Return the part of `whole` that stored answers of the model name."""
    folder, digest = stored_predictions.own_folder(settings), weights.sha256(exact, settings)
    summary = stored_predictions.read_summary(folder)
    rows = [
        row
        for row in summary["rows"]
        if (row["model"], row["weights_sha256"]) == (exact.name, digest) and _part_of(whole) in row["dataset"]
    ]
    if not rows:
        raise InputError(
            f"Expected the stored answers of {exact.title} to its held-out images, which say which of {whole.name} "
            "these are. Received: none."
        )
    name = max(rows, key=lambda row: str(row["measured_at"]))["dataset"]
    answers = stored_predictions.read(stored_predictions.predictions_path(folder, exact.name, name))
    targets = dict(zip(answers.ids, answers.targets.tolist(), strict=True))
    positions = [i for i, id_ in enumerate(whole.ids) if id_ in targets]
    if len(positions) < len(targets):
        raise InputError(
            f"Expected the {len(targets):,} held-out images of {exact.title} in {whole.source}. "
            f"Received: {len(positions):,} of them."
        )
    return whole.take(
        positions,
        name=name,
        label_space=exact.get_label_space(),
        targets=tuple(targets[whole.ids[i]] for i in positions),
        flaws=tuple(summary["datasets"][name]["flaws"]),
    )


def _part_of(whole: Dataset) -> str:
    return f" part of {whole.name} (seed "
