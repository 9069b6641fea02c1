"""What damage does to the predictions of several networks for one image or a few: curves and sentences.

All networks are given the same damaged image. The reference class of a model is its first class on the undamaged image,
or one that is given.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imgrec.errors import ImgrecError
from imgrec.explanation.corruptions import CORRUPTIONS, SIDE_PX, STRENGTHS, corrupt, seed_of
from imgrec.formatting import percent
from imgrec.images import transforms
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import frame
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports.sentences import label_of, title_of

# (kind, strength): kind is a key of `CORRUPTIONS`; ("", 0) is the undamaged image.
Damage = tuple[str, int]
UNDAMAGED: Damage = ("", 0)
ALL_DAMAGE: tuple[Damage, ...] = (UNDAMAGED, *((kind, step) for kind in CORRUPTIONS for step in STRENGTHS))

# The predictions of a model for one image.
ByDamage = Mapping[Damage, Prediction]


@dataclass(frozen=True, slots=True, eq=False)
class Robustness:
    """The curves of one model, each by kind: float (6,), for the strengths 0 to 5.

    `probability` is that of the reference class, the mean over the images; `kept` is the share of images whose first
    class is still the one without damage.
    """

    model: str
    title: str
    images: int
    probability: Mapping[str, np.ndarray]
    kept: Mapping[str, np.ndarray]

    @property
    def kept_in_all(self) -> float:
        """The share of damaged images with an unchanged first class, over all kinds and strengths."""
        return float(np.mean([curve[1:] for curve in self.kept.values()]))


def damaged_views(image: DecodedImage, damages: Sequence[Damage] = ALL_DAMAGE) -> Iterator[tuple[Damage, np.ndarray]]:
    """Yield each damage with the damaged image, uint8 (H, W, 3), its short side at most `SIDE_PX`."""
    pixels = transforms.reduce(image.pixels, SIDE_PX)
    seed = seed_of(image.sha256)
    for damage in damages:
        yield damage, corrupt(pixels, *damage, seed)


def predict_damaged(
    image: DecodedImage,
    specs: Sequence[ModelSpec],
    pool: EnginePool,
    framing: str = "crop",
    damages: Sequence[Damage] = ALL_DAMAGE,
    is_known: Callable[[ModelSpec, Damage], bool] = lambda spec, damage: False,
) -> Iterator[tuple[Damage, Prediction | Failure]]:
    """Yield the outcome of each model for each damage; a model that fails is not asked again.

    Outcomes that are known already are left out.
    """
    failed: set[str] = set()
    wanted = [damage for damage in damages if not all(is_known(spec, damage) for spec in specs)]
    for damage, pixels in damaged_views(image, wanted):
        for spec in specs:
            if spec.name in failed or is_known(spec, damage):
                continue
            try:
                batch = frame(pixels, spec.input_size, spec.crop_fraction, framing)[np.newaxis]
                probabilities, milliseconds = pool.predict(spec, batch)
                row = probabilities[0]
                yield damage, Prediction(spec.name, spec.get_label_space(), row, milliseconds, title=spec.title)
            except ImgrecError as error:
                failed.add(spec.name)
                yield damage, Failure(spec.name, error, spec.title)


def summarize(images: Sequence[ByDamage], index: int | None = None) -> Robustness:
    """Return the curves of one model over all damages of `images`, at least one.

    `index` is the reference class; without it, the first class of each undamaged image.
    """
    first = images[0][UNDAMAGED]
    probability, kept = {}, {}
    for kind in CORRUPTIONS:
        shares = np.empty((len(images), len(STRENGTHS) + 1))
        same = np.empty_like(shares)
        for row, found in enumerate(images):
            clean = found[UNDAMAGED]
            reference = clean.first.index if index is None else index
            along = [clean, *(found[kind, strength] for strength in STRENGTHS)]
            shares[row] = [one.probabilities[reference] for one in along]
            same[row] = [one.first.index == clean.first.index for one in along]
        probability[kind], kept[kind] = shares.mean(axis=0), same.mean(axis=0)
    return Robustness(first.model, first.title, len(images), probability, kept)


def describe_first_change(by_model: Mapping[str, ByDamage]) -> str:
    """Return which model changes its first class at the weakest damage of one image, and which keeps it longest."""
    changes = {model: _weakest_changes(found) for model, found in by_model.items()}
    counts = {model: _count_kept(found) for model, found in by_model.items()}
    total = len(CORRUPTIONS) * len(STRENGTHS)
    strength = min((found[0][1] for found in changes.values() if found), default=None)
    if strength is None:
        return f"No damage changes the first class{' of any model' if len(by_model) > 1 else ''}."
    # Of several at this strength, the one with fewest unchanged answers.
    model = min(
        (model for model, found in changes.items() if found and found[0][1] == strength), key=lambda one: counts[one]
    )
    kinds = [kind for kind, step in changes[model] if step == strength]
    before, after = by_model[model][UNDAMAGED], by_model[model][kinds[0], strength]
    enough = "is enough" if len(kinds) == 1 else f"are each enough: with {_word(kinds[0])}"
    words = (
        f"{_joined([_word(kind) for kind in kinds])} of strength {strength} {enough}"
        f"{':' if len(kinds) == 1 else ''} it says {label_of(after.label_space, after.first.index)} "
        f"({percent(after.first.probability)}) instead of {label_of(before.label_space, before.first.index)}."
    )
    title = title_of(before)
    if len(by_model) == 1:
        return f"{title} keeps its first class in {counts[model]} of {total}. {words[0].upper()}{words[1:]}"
    best = max(counts, key=lambda one: counts[one])
    keeps = f"{title_of(by_model[best][UNDAMAGED])} keeps its first class longest: in {counts[best]} of {total}."
    return f"The first to change its mind is {title}: {words} {keeps}"


def describe_mean(models: Sequence[Robustness]) -> str:
    """Return how often each model keeps its first class, over several images."""
    ranked = sorted(models, key=lambda one: -one.kept_in_all)
    parts = ", ".join(f"{one.title} {percent(one.kept_in_all)}" for one in ranked)
    return f"Share of damaged copies of {ranked[0].images} images with the same first class: {parts}."


def _weakest_changes(found: ByDamage) -> list[Damage]:
    """Return for each kind that changes the first class the weakest damage that does, the weakest first."""
    clean = found[UNDAMAGED].first.index
    firsts = []
    for kind in CORRUPTIONS:
        strength = next((step for step in STRENGTHS if found[kind, step].first.index != clean), None)
        if strength is not None:
            firsts.append((kind, strength))
    return sorted(firsts, key=lambda damage: damage[1])


def _count_kept(found: ByDamage) -> int:
    clean = found[UNDAMAGED].first.index
    return sum(found[damage].first.index == clean for damage in ALL_DAMAGE[1:])


def _word(kind: str) -> str:
    title = CORRUPTIONS[kind].title
    return title if title.isupper() else title.lower()


def _joined(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
