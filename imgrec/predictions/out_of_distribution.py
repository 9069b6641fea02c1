"""None of these, or unsure: the entropy above which a prediction says little.

A network must choose among its classes for any image. Images of other things are recognized by the entropy of the mean
of the members' probabilities (`ensembles.Uncertainty.entropy_bits`): it grows when each member is unsure and when the
members disagree, and it exists for a single model too. A limit keeps 95 % of images of the classes.

None of these: the classes of CIFAR-10 and of a user's own model have one limit each (`LabelSpace.entropy_limit`).
CIFAR-10's is measured by `python -m bench.out_of_distribution`: its test images against photographs of things outside
its ten classes. Entropy separates them better than mutual information, disagreement or the highest probability (area
under the ROC curve 0.92 against 0.86, 0.70 and 0.91 for the bundled networks together). The limit that keeps 95 % of
the test images is nearly the same for each network and for all: 2.3 of at most 3.3 bits. It flags 57 % of unrelated
photographs, and two in ten photographs of the ten classes that are not CIFAR-10's images (among photographs alone the
area is 0.79); half of those would have been classified wrongly. A user's own model gets a limit from the images that
its card was measured on (`cards`), if these are enough (`MIN_IMAGES`). With two classes it is weak: a linear head on
MobileNet 0.25 for daisies and roses, with the limit of 480 held-out images, flagged 5 of 52 photographs of other things
and 27 of 600 new daisies and roses. `describe` therefore promises nothing about unknown images.

Unsure: for networks of ImageNet the entropy shows how unlike ImageNet an image is, not whether it shows one of the
classes, so that no more is said. Each network and each ensemble of equal weights has its own limit in `MEASURED`, by
the sha256 of the weights (`python -m bench.unsure`).
"""

import functools
import json
import math
from typing import Any

import numpy as np

from imgrec.predictions.ensembles import Ensemble, Uncertainty
from imgrec.predictions.labels import EntropyLimit, LabelSpace
from imgrec.settings import ASSETS

MEASURED = ASSETS / "benchmarks" / "unsure.json"

# The share of the images of its classes that a limit keeps.
KEPT = 0.95

# The 95 % quantile of fewer images is chance: one or two of the largest values decide it.
MIN_IMAGES = 20


def is_none_of_these(label_space: LabelSpace, uncertainty: Uncertainty) -> bool | None:
    """Whether the image most likely shows none of the classes; None where no limit is measured."""
    limit = label_space.entropy_limit
    return None if limit is None else uncertainty.entropy_bits > limit.entropy_bits


def is_unsure(ensemble: Ensemble) -> bool | None:
    """Whether the entropy is above what these members have for 95 % of ImageNet's images; None without a limit."""
    limit = measured_limit(ensemble)
    return None if limit is None else ensemble.uncertainty.entropy_bits > limit.entropy_bits


def measured_limit(ensemble: Ensemble) -> EntropyLimit | None:
    """Return the limit measured for the members of `ensemble`.

    None where one of them was not measured with these weights, or counts more than another. Members of weight 0 do not
    count. What the limit flags is by the title of the images, see `measured`.
    """
    found = measured()
    counted = [(member, weight) for member, weight in zip(ensemble.members, ensemble.weights, strict=True) if weight]
    places = [_places().get(member.weights_sha256) for member, _ in counted]
    if not found or None in places or len(set(places)) < len(places):
        return None
    if not all(math.isclose(weight, 1 / len(counted), rel_tol=1e-5) for _, weight in counted):
        return None
    at = sum(1 << place for place in places if place is not None) - 1
    flagged = {
        about["title"]: found["limits"]["flagged"][name][at]
        for name, about in found["sources"].items()
        if name != found["inside"]
    }
    return EntropyLimit(found["limits"]["entropy_bits"][at], flagged)


@functools.cache
def measured() -> dict[str, Any]:
    """Return what `python -m bench.unsure` has measured: sources of images, detectors, models, limits; {} for nothing.

    `limits` has lists over all ensembles: that of the models i, j, … is at position 2^i + 2^j + … − 1.
    """
    if not MEASURED.exists():
        return {}
    found: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


@functools.cache
def _places() -> dict[str, int]:
    """Return the number of each measured model by the sha256 of its weights."""
    return {about["weights_sha256"]: place for place, about in enumerate(measured().get("models", {}).values())}


def keeping(entropy_bits: np.ndarray, share: float = KEPT) -> float:
    """Return the limit that keeps `share` of images with these entropies (N,).

    >>> keeping(np.array([0.5, 1.0, 1.5, 2.0, 2.5]), share=0.75)
    2.0
    """
    return float(np.quantile(entropy_bits, share))


def limit_of(entropy_bits: np.ndarray) -> float | None:
    """Return the limit that keeps 95 % of images with these entropies (N,); None for fewer than `MIN_IMAGES`."""
    return keeping(entropy_bits) if len(entropy_bits) >= MIN_IMAGES else None


def describe(limit_bits: float | None, images: int, classes: int) -> str:
    """Return the sentence of a model card about the limit measured on `images` held-out images of `classes`.

    >>> describe(None, 16, 2)
    'No limit for unknown images: too few held-out images (16).'
    """
    if limit_bits is None or images < MIN_IMAGES:
        return f"No limit for unknown images: too few held-out images ({images:,})."
    return (
        f"Limit for unknown images: entropy above {limit_bits:.2f} of at most {np.log2(classes):.2f} bits. It keeps "
        f"{KEPT * 100:.0f}\u202f% of the {images:,} held-out images; how many unknown images it flags was not measured."
    )
