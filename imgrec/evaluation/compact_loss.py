"""What a compact twin loses against its original: in stored answers to the same images, and on a contact sheet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.errors import ImgrecError
from imgrec.evaluation import stored_predictions
from imgrec.evaluation.contact_sheet import Row
from imgrec.evaluation.metrics_row import PerImage, per_image
from imgrec.formatting import percent
from imgrec.inference.precision import MAX_LOSS
from imgrec.metrics.significance import Paired, mcnemar
from imgrec.models.catalog import COMPACT_SUFFIX, ModelSpec


@dataclass(frozen=True, slots=True)
class Loss:
    """A model and its twin on the same images.

    `same` of the `images` have the same first answer, `lost` were right before and are wrong, `won` the other way
    round. `confidence_shift` is the mean change of the probability of the first answer. Times are medians.
    """

    model: str
    dataset: str
    images: int
    same: int
    lost: int
    won: int
    p_value: float
    top_1: float
    confidence_shift: float
    exact_ms: float | None
    compact_ms: float | None
    exact_bytes: int | None
    compact_bytes: int | None

    @property
    def share(self) -> float:
        """The share of the images that it loses; below 0 where it wins more."""
        return (self.lost - self.won) / self.images

    @property
    def is_too_large(self) -> bool:
        """Whether it loses more than `MAX_LOSS`."""
        return self.share > MAX_LOSS


def between(exact: PerImage, compact: PerImage) -> tuple[int, Paired, float]:
    """Return how many first answers are the same, the paired test, and the mean change of confidence."""
    same = int((exact.choice == compact.choice).sum())
    return same, mcnemar(exact.right, compact.right), float(np.mean(compact.confidence - exact.confidence))


def measured(folder: Path) -> list[Loss]:
    """Return the losses of all twins that were measured into `folder` beside their originals, on the same images.

    What cannot be read is left out. Raises `ImgrecError` when there is no summary that can be read.
    """
    rows = stored_predictions.read_summary(folder)["rows"]
    by_name = {(row["model"], row["dataset"]): row for row in rows}
    found: list[Loss] = []
    for row in rows:
        name = str(row["model"])
        original = by_name.get((name.removesuffix(COMPACT_SUFFIX), row["dataset"]))
        if not name.endswith(COMPACT_SUFFIX) or original is None or _images(row) != _images(original):
            continue
        try:
            exact, compact = (
                per_image(
                    stored_predictions.read_chunks(
                        stored_predictions.predictions_path(folder, one["model"], one["dataset"])
                    )
                )
                for one in (original, row)
            )
        except ImgrecError:
            continue
        if exact.ids == compact.ids:
            found.append(_loss(original, row, exact, compact))
    return found


def on_sheet(rows: Iterable[Row], specs: Sequence[ModelSpec]) -> list[str]:
    """Return a sentence for each model of `specs` whose twin stands on the contact sheet beside it."""
    chosen, done = {spec.name: spec for spec in specs}, list(rows)
    sentences = []
    for spec in specs:
        original = chosen.get(spec.name.removesuffix(COMPACT_SUFFIX))
        if not spec.is_compact or original is None:
            continue
        both = [row.choices for row in done if {spec.name, original.name} <= row.choices.keys()]
        same = sum(choices[spec.name].index == choices[original.name].index for choices in both)
        if both:
            images = "1 image" if len(both) == 1 else f"{len(both):,} images"
            sentences.append(f"{spec.title}: the first answer of {original.title} on {same:,} of your {images}")
    return sentences


def sentence(loss: Loss, title: str) -> str:
    """Return the loss in words: "EfficientNet-Lite0 Compact: 94.0 % the same first answer; …"."""
    return (
        f"{title}: {percent(loss.same / loss.images)} the same first answer; of {loss.images:,} images "
        f"{loss.lost} lost and {loss.won} won"
    )


def _images(row: dict[str, Any]) -> tuple[object, ...]:
    return row.get("dataset_digest"), row.get("pictures_sha256"), row["images"], row.get("framing")


def _loss(original: dict[str, Any], row: dict[str, Any], exact: PerImage, compact: PerImage) -> Loss:
    same, paired, shift = between(exact, compact)
    times = (original.get("latency_p50_ms"), row.get("latency_p50_ms"))
    is_one_machine = original.get("hardware") == row.get("hardware")
    return Loss(
        model=original["model"],
        dataset=row["dataset"],
        images=paired.images,
        same=same,
        lost=paired.only_a,
        won=paired.only_b,
        p_value=paired.p_value,
        top_1=float(compact.right.mean()),
        confidence_shift=shift,
        exact_ms=times[0] if is_one_machine else None,
        compact_ms=times[1] if is_one_machine else None,
        exact_bytes=original.get("memory_bytes"),
        compact_bytes=row.get("memory_bytes"),
    )
