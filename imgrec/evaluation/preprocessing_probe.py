"""Which preprocessing a network was trained with, found by trying each on labeled images; or why that stays open.

A network with the wrong preprocessing still answers, often nearly as well: a wrong scale costs some points of accuracy,
a wrong order of channels fewer. So each is tried on the same images, and one is proposed only if its log loss is
smaller than every other's beyond chance, and it is right more often than guessing.
"""

import functools
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from imgrec.data.classes import scoring
from imgrec.data.dataset import Dataset
from imgrec.data.reader import read_images
from imgrec.errors import ImageError, InputError
from imgrec.formatting import percent
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import FRAMINGS, PREPROCESS, frame
from imgrec.inference.own_model import CHANNELS, Examined, predict
from imgrec.metrics.significance import RESAMPLES, Interval, wilson
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import ASSETS, Settings

# Enough that the best of ten stands out, and few enough for a minute.
MAX_IMAGES = 100
# Fewer leave it to chance, however large the differences seem.
MIN_IMAGES = 20

# Of the difference from each other one, on both sides. That the best was chosen by the same images asks for no more: to
# be taken for the best by chance is most likely with a single rival (Gutmann and Maymin, Is the selected population the
# best?, 1987).
SIGNIFICANCE = 0.05

# A network may be sure of a wrong class: one image must not decide.
SMALLEST_PROBABILITY = 1e-6

# Photographs of things that ImageNet has a class of; `probe.json` has the classes that count as right, and the sources.
PHOTOGRAPHS = ASSETS / "probe"


@dataclass(frozen=True, slots=True)
class Tried:
    """One preprocessing: `mode` is a key of `PREPROCESS`, `channels` the order that the network got.

    `behind` is by how much its log loss is above the best one's, at 95 %; None for the best itself.
    """

    mode: str
    channels: str
    right: int
    log_loss: float
    behind: Interval | None

    @property
    def title(self) -> str:
        """The mode, and the order of channels where it is not that of the mode."""
        own = CHANNELS[PREPROCESS[self.mode].reverse_channels]
        return self.mode if self.channels == own else f"{self.mode} with {self.channels.upper()}"


@dataclass(frozen=True, slots=True)
class Probe:
    """All that were tried on `images` images of `dataset`, the smallest log loss first.

    `doubt` is the sentence on why none is proposed, empty where the first one is.
    """

    dataset: str
    images: int
    tried: tuple[Tried, ...]
    doubt: str

    @property
    def proposed(self) -> Tried | None:
        """The preprocessing that the network was trained with, if that is clear."""
        return None if self.doubt else self.tried[0]

    def sentence(self) -> str:
        """Return what was found, and how sure it is."""
        best, next_best = self.tried[:2]
        accuracy = wilson(best.right, self.images)
        low, high = percent(accuracy.low, 0), percent(accuracy.high, 0)
        found = (
            f"{best.title}: {best.right} of {self.images} images of {self.dataset} right ({low} to {high}), "
            f"log loss {best.log_loss:.2f}; next is {next_best.title} with {next_best.right} right and "
            f"{next_best.log_loss:.2f}."
        )
        return f"{found} {self.doubt or 'The difference is beyond chance.'}"


def probe(
    model: Examined,
    space: LabelSpace,
    labeled: Dataset,
    settings: Settings,
    *,
    crop_fraction: float = 0.875,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> Probe:
    """Try every preprocessing on images of a dataset, at most `MAX_IMAGES`, spread evenly over it.

    Args:
        model: Within the block of `own_model.examine`.
        space: The classes of its outputs.
        labeled: Images with classes that are these, or that these roll up to.
        settings: Limits of the decoder.
        crop_fraction: As the network will be given images.
        on_progress: Is called with how many of how many preprocessings were tried.

    Raises:
        LabelSpaceError: The classes do not fit.
        InputError: No image can be read.
        ImgrecError: As `own_model.predict`.
    """
    mapping = scoring(space, labeled.label_space, labeled.groups)
    places = np.unique(np.linspace(0, len(labeled) - 1, min(MAX_IMAGES, len(labeled))).round().astype(int))
    chosen = {labeled.ids[place] for place in places.tolist()}
    framed, targets = [], []
    read = read_images(labeled.items(chosen), settings, lambda image: frame(image, model.input_size, crop_fraction))
    for item, found in read:
        if not isinstance(found, ImageError):
            framed.append(found)
            targets.append(item.target)
    if not framed:
        raise InputError(f"Expected readable images in {labeled.name}. Received: none.")
    names, answers = _answers(model, np.stack(framed), on_progress)
    scores = {name: rows if mapping is None else mapping.apply(rows) for name, rows in zip(names, answers, strict=True)}
    each = np.arange(len(targets))
    of_truth = {name: rows[each, targets, np.newaxis] for name, rows in scores.items()}
    right = {name: int((rows.argmax(axis=1) == targets).sum()) for name, rows in scores.items()}
    return _judge(labeled.name, of_truth, right, classes=len(labeled.label_space.labels))


@functools.cache
def photographs() -> dict[str, tuple[str, ...]]:
    """Return the files in `PHOTOGRAPHS`, each with the synsets that count as right."""
    rows = json.loads((PHOTOGRAPHS / "probe.json").read_text(encoding="utf-8"))
    return {row["file"]: tuple(row["synsets"]) for row in rows}


def probe_photographs(
    model: Examined,
    space: LabelSpace,
    settings: Settings,
    *,
    crop_fraction: float = 0.875,
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> Probe:
    """Try every preprocessing on imgrec's own photographs, for a network with ImageNet's classes; as `probe`.

    They are few: each is shown in both framings and mirrored, and its loss is the mean of the four.
    """
    views, accepted = [], []
    for file, synsets in photographs().items():
        image = decode((PHOTOGRAPHS / file).read_bytes(), max_bytes=settings.max_upload_bytes)
        for framing in FRAMINGS:
            view = frame(image, model.input_size, crop_fraction, framing)
            views += [view, view[:, ::-1]]
        accepted.append([space.synsets.index(synset) for synset in synsets])
    names, answers = _answers(model, np.stack(views), on_progress)
    of_truth, right = {}, {}
    for name, found in zip(names, answers.reshape(len(names), len(accepted), -1, len(space.labels)), strict=True):
        of_truth[name] = np.array([one[:, places].sum(axis=1) for one, places in zip(found, accepted, strict=True)])
        # As the network will see it: the first view is the center crop.
        right[name] = sum(int(one[0].argmax()) in places for one, places in zip(found, accepted, strict=True))
    return _judge("imgrec's photographs", of_truth, right, classes=len(space.labels))


def _answers(
    model: Examined, images: np.ndarray, on_progress: Callable[[int, int], None]
) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Return (mode, order of channels) of each trial, and the probabilities float32 (trials, N, classes)."""
    names = list(itertools.product(model.modes, CHANNELS))
    trials = [(mode, order != CHANNELS[PREPROCESS[mode].reverse_channels]) for mode, order in names]
    return names, predict(model, images, trials, on_progress)


def _judge(
    dataset: str, of_truth: Mapping[tuple[str, str], np.ndarray], right: Mapping[tuple[str, str], int], *, classes: int
) -> Probe:
    """Return the trials in order; `of_truth` has the probability of the true class of each view of an image, (N, V)."""
    # An answer that is no number is as wrong as one can be.
    clean = {name: np.nan_to_num(values, nan=0.0) for name, values in of_truth.items()}
    losses = {name: -np.log(np.maximum(values, SMALLEST_PROBABILITY)).mean(axis=1) for name, values in clean.items()}
    order = sorted(losses, key=lambda name: (losses[name].mean(), name))
    best, images = order[0], len(losses[order[0]])
    behind = {name: _interval(losses[name] - losses[best]) for name in order[1:]}
    tried = tuple(
        Tried(*name, right=right[name], log_loss=float(losses[name].mean()), behind=behind.get(name)) for name in order
    )
    rivals = [one for one in tried[1:] if one.behind is not None and one.behind.low <= 0]
    doubt = ""
    if images < MIN_IMAGES:
        doubt = f"Too few images to be sure: expected {MIN_IMAGES} labeled ones, received {images}."
    elif wilson(right[best], images).low <= 1 / classes:
        doubt = "None is better than guessing: the labels may be in another order, or the images of other classes."
    elif rivals:
        others = ", ".join(one.title for one in rivals[:3])
        doubt = f"Not clear: with these images {others} may be as good."
    return Probe(dataset, images, tried, doubt)


def _interval(differences: np.ndarray) -> Interval:
    """Return the bootstrap interval of the mean of `differences` (N,)."""
    generator = np.random.default_rng(0)
    means = differences[generator.integers(0, len(differences), (5 * RESAMPLES, len(differences)))].mean(axis=1)
    share = 100 * SIGNIFICANCE / 2
    low, high = np.percentile(means, [share, 100 - share])
    return Interval(float(low), float(high))
