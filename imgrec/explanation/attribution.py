"""One map for each model: where in the image it found a class.

A new method is one function and one line in `METHODS`.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from imgrec.errors import ImgrecError, UnknownNameError
from imgrec.explanation.class_activation import class_activation
from imgrec.explanation.perturbation import Compute, OnProgress, occlusion, rise
from imgrec.explanation.subject import Subject
from imgrec.explanation.target import Target
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import find_box, frame
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Failure

DEFAULT_METHOD = "cam"


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """A map of one model for one image and `target`.

    `values` are float32 (h, w) in the unit of `method`, larger where more speaks for the target, over the part of the
    image that the model was given: `box`, (left, top, right, bottom) in px of the image of `size_px`, (height, width).
    `probability` is that of the target. `milliseconds` are those of the map, with the inference that it needs.
    """

    model: str
    title: str
    target: Target
    method: str
    values: np.ndarray
    box: tuple[float, float, float, float]
    size_px: tuple[int, int]
    probability: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Method:
    """A way to make a map: its title, the unit of its values, and in a sentence what they mean.

    `compute` returns float32 (h, w) for a network with its image, and a target.
    """

    title: str
    unit: str
    sentence: str
    compute: Compute


def frame_subjects(
    image: DecodedImage, specs: Iterable[ModelSpec], pool: EnginePool, framing: str = "crop"
) -> list[Subject]:
    """Return each model of `pool` with `image` as it is given to it; `framing` is a key of `preprocessing.FRAMINGS`."""
    return [Subject(spec, pool, frame(image, spec.input_size, spec.crop_fraction, framing)) for spec in specs]


def explain(
    image: DecodedImage,
    subjects: Iterable[Subject],
    targets: Mapping[str, Target],
    *,
    framing: str = "crop",
    method: str = DEFAULT_METHOD,
    on_progress: OnProgress = lambda done, total: None,
) -> Iterator[Attribution | Failure]:
    """Yield the map of each model, or the reason why there is none, as soon as it is there.

    Args:
        image: The whole image.
        subjects: The models, as of `frame_subjects`; what one has computed for the image is used again.
        targets: The target for each label space of the models, by its name; of other models, nothing is yielded.
        framing: That of the subjects.
        method: A key of `METHODS`.
        on_progress: See `OnProgress`.

    Raises:
        UnknownNameError: Another method or framing.
    """
    compute = find_method(method).compute
    for subject in subjects:
        spec = subject.spec
        target = targets.get(spec.label_space)
        if target is None:
            continue
        box = find_box(image.size_px, spec.input_size, spec.crop_fraction, framing)
        try:
            inference_ms = subject.inference_ms
            start = time.perf_counter()
            values = compute(subject, target, on_progress)
        except ImgrecError as error:
            yield Failure(spec.name, error, spec.title)
            continue
        yield Attribution(
            spec.name,
            spec.title,
            target,
            method,
            values,
            box,
            image.size_px,
            float(target.probability(subject.seen.probabilities)),
            inference_ms + (time.perf_counter() - start) * 1e3,
        )


def find_method(name: str) -> Method:
    """Return the method called `name`, or raise `UnknownNameError`."""
    if name not in METHODS:
        raise UnknownNameError.of("method", name, list(METHODS))
    return METHODS[name]


METHODS = {
    "cam": Method(
        "Class activation",
        "logits",
        "What each position of the last feature map adds to the score of the class. Exact where the head of the "
        "network is linear; otherwise the score with only that position kept (ReciproCAM).",
        lambda subject, target, _: class_activation(subject, target),
    ),
    "occlusion": Method(
        "Occlusion",
        "logits",
        "How far the score of the class falls when a square covers that place.",
        occlusion,
    ),
    "rise": Method(
        "RISE",
        "probability",
        "How far the probability of the class is above its mean over random masks where that place is visible.",
        rise,
    ),
}
