"""None of these: when the doubt about a image says that it shows nothing that the models know.

A network must choose among its classes, whatever it is shown. What gives a foreign image away is the entropy of the
mean of the members' probabilities (`ensembles.Uncertainty.entropy_bits`): it grows when each of them doubts and when
they contradict each other, so that disagreement is part of it, and one model alone has it too.

It is measured, not chosen by taste (`python -m bench.out_of_distribution`, with the result in
`bench/results/out_of_distribution.json`): on CIFAR-10's test images against photographs of things that are none of its ten
classes. The entropy tells these apart better than mutual information, disagreement or the highest probability alone
(area under the ROC curve 0.92 against 0.86, 0.70 and 0.91 for the bundled networks together), and the limit that keeps
95 % of the test images is nearly the same for each of them and for all: 2.3 of at most 3.3 bits. It stops 57 % of
foreign photographs. It also stops two in ten photographs of the ten classes, which are not CIFAR-10's images (among
photographs alone the area is 0.79); half of those would have been named wrongly, of the others one in seven.

The limit depends on how a network was trained: one that learned five flowers needs another. So each label space has
its own, and a model of the user's own training gets one from the images that its card was measured on (`cards`), if
these are enough (`MIN_IMAGES`). With two classes it is weak: a linear head on MobileNet 0.25 for daisies and roses,
with the limit of 480 held-out images, flagged 5 of 52 photographs of other things and 27 of 600 new daisies and roses.
A softmax is often confident where it has seen nothing alike; `describe` therefore claims nothing of unknown images.
ImageNet has none. Flowers that it has no class for do differ from its validation images, but so do daisies, which it
knows: the doubt there tells where a image comes from, not whether its answer is among the thousand.
"""

from dataclasses import dataclass

import numpy as np

from imgrec.predictions.ensembles import Uncertainty
from imgrec.registry import Registry

# The share of the images of its classes that a limit lets through.
KEPT = 0.95


@dataclass(frozen=True, slots=True)
class Limit:
    """Above `entropy_bits` it is most likely none of these.

    `caught` is the share of foreign photographs above it, `lost` that of photographs of the classes, and `auroc` the
    chance that a foreign photograph has more entropy than a test image; None where only images of the classes were
    there to measure it.
    """

    entropy_bits: float
    caught: float | None = None
    lost: float | None = None
    auroc: float | None = None


# A quantile at 95 % of fewer images is the largest value or two of them: chance.
MIN_IMAGES = 20


# By the name of the label space. A test holds them against the measurement.
LIMITS: Registry[Limit] = Registry({"cifar_10": Limit(entropy_bits=2.3, caught=0.57, lost=0.2, auroc=0.92)})


def is_none_of_these(label_space: str, uncertainty: Uncertainty) -> bool | None:
    """Whether the image most likely shows none of the classes; None where nobody has measured a limit for them."""
    limit = LIMITS.get(label_space)
    return None if limit is None else uncertainty.entropy_bits > limit.entropy_bits


def keeping(entropy_bits: np.ndarray, share: float = KEPT) -> float:
    """The limit that lets through `share` of images with these entropies (N,).

    >>> keeping(np.array([0.5, 1.0, 1.5, 2.0, 2.5]), share=0.75)
    2.0
    """
    return float(np.quantile(entropy_bits, share))


def limit_of(entropy_bits: np.ndarray) -> float | None:
    """The limit that keeps 95 % of the held-out images with these entropies (N,); None of fewer than `MIN_IMAGES`."""
    return keeping(entropy_bits) if len(entropy_bits) >= MIN_IMAGES else None


def describe(limit_bits: float | None, images: int, classes: int) -> str:
    """What a card says of the limit that was set on so many held-out images of so many classes.

    >>> describe(None, 16, 2)
    'No limit for unknown images: too few held-out images (16).'
    """
    if limit_bits is None or images < MIN_IMAGES:
        return f"No limit for unknown images: too few held-out images ({images:,})."
    return (
        f"Limit for unknown images: entropy above {limit_bits:.2f} of at most {np.log2(classes):.2f} bits. It keeps "
        f"{KEPT * 100:.0f}\u202f% of the {images:,} held-out images; how many unknown images it flags was not measured."
    )
