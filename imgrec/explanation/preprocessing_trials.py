"""One network under right and wrong preprocessing: the real network, given values that no byte can hold.

A compiled network normalizes by itself. To give it other values, the pixels are computed that it would normalize to
these: fractions, and outside 0-255 where the values are. So nothing is rounded or limited, and the result is that of
the same wrong line in a program.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from imgrec.errors import ImgrecError, UnknownNameError
from imgrec.images.decoding import DecodedImage, as_stored
from imgrec.images.preprocessing import (
    ALL_FRAMINGS,
    DEFAULT_RESAMPLING,
    PREPROCESS,
    RESAMPLINGS,
    denormalize,
    frame,
    normalize,
)
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Failure, Prediction


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a program prepares an image, each field a key of `OPTIONS`; raises `UnknownNameError` on another value.

    `channels` is the order in which the program read the image, before the normalization that `mode` names.
    """

    mode: str
    channels: str = "rgb"
    framing: str = "crop"
    resampling: str = DEFAULT_RESAMPLING
    exif: str = "on"

    def __post_init__(self) -> None:
        for name, options in OPTIONS.items():
            if getattr(self, name) not in options:
                raise UnknownNameError.of(name, getattr(self, name), list(options))


def correct_for(spec: ModelSpec) -> Preprocessing:
    """Return the preprocessing that the weights of `spec` expect."""
    return Preprocessing(spec.preprocess)


def single_mistakes(spec: ModelSpec) -> list[Preprocessing]:
    """Return the correct preprocessing with one field changed, for each other value of each field."""
    correct = correct_for(spec)
    return [
        replace(correct, **{name: option})
        for name, options in OPTIONS.items()
        for option in options
        if option != getattr(correct, name)
    ]


def differences(tried: Preprocessing, spec: ModelSpec) -> tuple[str, ...]:
    """Return the names of the fields that are not as the weights of `spec` expect."""
    correct = correct_for(spec)
    return tuple(name for name in OPTIONS if getattr(tried, name) != getattr(correct, name))


def prepare(image: DecodedImage, spec: ModelSpec, tried: Preprocessing) -> np.ndarray:
    """Return the values that the network is given: float32 (height, width, 3)."""
    pixels = as_stored(image) if tried.exif == "off" else image
    framed = frame(pixels, spec.input_size, spec.crop_fraction, tried.framing, tried.resampling)
    return normalize(framed[..., ::-1] if tried.channels == "bgr" else framed, tried.mode)


def as_pixels(values: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Return the RGB pixels that correct preprocessing would turn into `values`, neither rounded nor limited.

    This is what the network takes the image for. Both arrays are float32 (height, width, 3).
    """
    return np.ascontiguousarray(denormalize(values, spec.preprocess), np.float32)


def visible(pixels: np.ndarray) -> np.ndarray:
    """Return `pixels` of any range for a screen, uint8: what is darker than black is black, and brighter, white."""
    return np.asarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def predict(image: DecodedImage, spec: ModelSpec, tried: Preprocessing, pool: EnginePool) -> Prediction:
    """Return the prediction of `spec` under this preprocessing; raises as `EnginePool.predict`."""
    pixels = as_pixels(prepare(image, spec, tried), spec)
    probabilities, milliseconds = pool.predict_values(spec, pixels[np.newaxis])
    return Prediction(spec.name, spec.get_label_space(), probabilities[0], milliseconds, title=spec.title)


def predict_each(
    image: DecodedImage, spec: ModelSpec, trials: Iterable[Preprocessing], pool: EnginePool
) -> Iterator[tuple[Preprocessing, Prediction | Failure]]:
    """Yield the outcome of each trial; the others go on where one fails."""
    for tried in trials:
        try:
            yield tried, predict(image, spec, tried, pool)
        except ImgrecError as error:
            yield tried, Failure(spec.name, error, spec.title)


# The fields of `Preprocessing`, each with its options and their meanings.
OPTIONS: dict[str, dict[str, str]] = {
    "mode": {
        "caffe": "Keras' `caffe`: channels to BGR, the mean color of ImageNet subtracted.",
        "tf": "Keras' `tf`: scaled to −1 to 1.",
        "torch": "Keras' `torch`: mean color subtracted, divided by the standard deviation.",
        "unit": "Divided by 255: 0 to 1.",
        "identity": "None: 0 to 255.",
    },
    "channels": {"rgb": "Read as red, green, blue.", "bgr": "Read as blue, green, red, as OpenCV does."},
    "framing": dict(ALL_FRAMINGS),
    "resampling": {
        "bicubic": "Smooth and sharp, antialiased.",
        "bilinear": "Smooth and a little softer, antialiased.",
        "nearest": "One pixel for each; those between are dropped.",
    },
    "exif": {"on": "Turned upright by the EXIF tag.", "off": "As the sensor stored it: the tag is ignored."},
}

if OPTIONS["mode"].keys() != PREPROCESS.keys() or OPTIONS["resampling"].keys() != RESAMPLINGS.keys():
    raise RuntimeError("Expected a meaning for each preprocessing mode and each resampling.")
