"""Wrong preprocessing in sentences, each from the settings, the image and the row of the model.

A wrong normalization is told as what it makes of black and white: the values are turned back into the pixels that the
network takes them for.
"""

from collections.abc import Callable

import numpy as np

from imgrec.explanation.preprocessing_trials import Preprocessing, differences
from imgrec.formatting import change, percent, relative_change
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import PREPROCESS, denormalize, letterbox_size, normalize
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import label_of

_WHITE = 255

# Contrast as a share of the correct one: below the first, little can be seen; above the second, some pixels are out of
# range, and above the third, most of them.
_FAINT, _HARSH, _EXTREME = 0.05, 1.5, 10.0

# Brightness as a share of white: nearer to black or white than this is called so.
_DARK, _BRIGHT = 0.17, 0.83

# So near to black or white nothing is to be seen of a difference.
_EDGE = 0.02

# A source with more than so many pixels for each of the input loses some with "nearest".
_REDUCED = 1.5

_SIDEWAYS, _UPSIDE_DOWN, _MIRRORED = (5, 6, 7, 8), (3, 4), (2,)


def explain(image: DecodedImage, spec: ModelSpec, tried: Preprocessing) -> str:
    """Return one sentence for each setting of `tried` that is not as the weights of `spec` expect."""
    wrong = differences(tried, spec)
    if not wrong:
        return f"These are the settings that {spec.title} was trained with."
    sentences = [_RULES[name](image, spec, tried) for name in wrong]
    return " ".join(sentence for sentence in sentences if sentence)


def describe_effect(correct: Prediction, tried: Prediction) -> str:
    """Return what became of the first class: "espresso: 62.1 % → 0.3 % (−61.8 points, −99.5 %); now first: …"."""
    first, now = correct.first, tried.first
    after = float(tried.probabilities[first.index])
    label = label_of(correct.label_space, first.index)
    words = (
        f"{label}: {percent(first.probability)} → {percent(after)} "
        f"({change(first.probability, after)} points, {relative_change(first.probability, after)})"
    )
    if now.index == first.index:
        return f"{words}; still the first class."
    return f"{words}; now first: {label_of(tried.label_space, now.index)} {percent(now.probability)}."


def value_range(mode: str) -> tuple[float, float]:
    """Return the least and the greatest value that a normalization makes of bytes."""
    ends = normalize(np.array([[0, 0, 0], [_WHITE] * 3], np.uint8), mode)
    return float(ends.min()), float(ends.max())


def _explain_mode(image: DecodedImage, spec: ModelSpec, tried: Preprocessing) -> str:
    """Return what a wrong normalization makes of black, white and the contrast between them."""
    (low, high), (given_low, given_high) = value_range(spec.preprocess), value_range(tried.mode)
    ends = normalize(np.array([[0, 0, 0], [_WHITE] * 3], np.uint8), tried.mode)
    black, white = denormalize(ends, spec.preprocess).mean(axis=1).tolist()
    swapped = ", and red and blue are swapped" if _is_swapped(spec, tried) else ""
    return (
        f"{spec.title} was trained on values from {_number(low)} to {_number(high)}; "
        f"it was given {_number(given_low)} to {_number(given_high)}, so that "
        f"{_looks(black / _WHITE, white / _WHITE)}{swapped}."
    )


def _looks(black: float, white: float) -> str:
    """Return what an image looks like whose black and white arrive as these shares of white."""
    contrast, middle = white - black, (black + white) / 2
    if contrast < _FAINT:
        color = "black" if middle < _DARK else "white" if middle > _BRIGHT else "one gray"
        return f"the whole image looks nearly {color} to it: {percent(contrast)} of the contrast is left"
    if contrast > _HARSH:
        beyond = [
            *(["darker than black"] if black < -_EDGE else []),
            *(["brighter than white"] if white > 1 + _EDGE else []),
        ]
        pixels = "most pixels are far" if contrast > _EXTREME else "some pixels are"
        return f"the contrast is {_factor(contrast)} times as strong, and {pixels} {' or '.join(beyond)}"
    return (
        f"black looks {_brightness(black)} to it and white {_brightness(white)}: "
        f"{percent(contrast, 0)} of the contrast is left"
    )


def _brightness(share: float) -> str:
    if share < -_EDGE or share > 1 + _EDGE:
        return "darker than black" if share < 0 else "brighter than white"
    if share < _EDGE:
        return "black"
    return "white" if share > 1 - _EDGE else f"{percent(share, 0)} bright"


def _factor(contrast: float) -> str:
    # Of 127.5, rounding errors would make sometimes 127 and sometimes 128.
    return f"{round(contrast, 2):,.0f}" if contrast >= _EXTREME else f"{contrast:.1f}"


def _explain_channels(image: DecodedImage, spec: ModelSpec, tried: Preprocessing) -> str:
    if not _is_swapped(spec, tried):
        return "The image was read as BGR, and the wrong normalization swaps red and blue back."
    if tried.mode != spec.preprocess and PREPROCESS[tried.mode].reverse_channels == _reverses(spec):
        return "The image was read as BGR, as OpenCV does, which swaps red and blue."
    if tried.mode != spec.preprocess:
        return ""  # told with the normalization
    return (
        f"{spec.title} expects red, green and blue at their places; the image was read as BGR, as OpenCV does, so that "
        "red and blue are swapped."
    )


def _explain_framing(image: DecodedImage, spec: ModelSpec, tried: Preprocessing) -> str:
    (height, width), (rows, columns) = _size(image, tried), spec.input_size
    cropped = max(rows / height, columns / width) / spec.crop_fraction
    if tried.framing == "squash":
        across, down = columns / width / cropped, rows / height / cropped
        shape = "" if abs(across / down - 1) < 0.02 else f", which makes it {_stretch(across, down)}"
        smaller = f"; things look {percent(min(across, down), 0)} as large" if min(across, down) < 0.98 else ""
        return f"The whole image was fitted to the input instead of its center{shape}{smaller}."
    inner = letterbox_size((height, width), spec.input_size)
    bars = 1 - inner[0] * inner[1] / (rows * columns)
    size = inner[1] / width / cropped
    if bars < _EDGE:
        return (
            f"The whole image was fitted to the input instead of its center; things look {percent(size, 0)} as large."
        )
    return (
        f"Gray bars fill {percent(bars, 0)} of the input, and things look {percent(size, 0)} as large as in the center "
        "crop."
    )


def _stretch(across: float, down: float) -> str:
    factor, shape = (across / down, "wide") if across > down else (down / across, "high")
    return f"{factor:.2f} times too {shape}"


def _explain_resampling(image: DecodedImage, spec: ModelSpec, tried: Preprocessing) -> str:
    if tried.resampling != "nearest":
        return "Bilinear instead of bicubic resampling makes edges a little softer, which rarely matters."
    (height, width), (rows, columns) = _size(image, tried), spec.input_size
    reduced = min(height / rows, width / columns) * spec.crop_fraction
    if reduced < 1 / _REDUCED:
        return f"Each pixel was enlarged to a square {1 / reduced:.1f} px wide, whose edges are not in the scene."
    if reduced < _REDUCED:
        return "One pixel was taken for each, without a mean, so that edges turn into steps."
    return (
        f"One of about {reduced**2:.0f} pixels was taken instead of their mean, so that fine detail turns into noise."
    )


def _explain_exif(image: DecodedImage, spec: ModelSpec, tried: Preprocessing) -> str:
    if image.orientation in _SIDEWAYS:
        return "The EXIF tag was ignored, so that the image lies on its side, as few training images do."
    if image.orientation in _UPSIDE_DOWN:
        return "The EXIF tag was ignored, so that the image stands upside down, as few training images do."
    if image.orientation in _MIRRORED:
        return "The EXIF tag was ignored, so that the image is mirrored, which rarely matters."
    if image.format == "HEIC":
        return "A HEIC is turned upright by its decoder, whatever a program makes of the EXIF tag."
    return "This image has no EXIF orientation, so that ignoring it changes nothing."


def _size(image: DecodedImage, tried: Preprocessing) -> tuple[int, int]:
    """Return the (height, width) of the image as it is framed."""
    height, width = image.pixels.shape[:2]
    return (width, height) if tried.exif == "off" and image.orientation in _SIDEWAYS else (height, width)


def _reverses(spec: ModelSpec) -> bool:
    return PREPROCESS[spec.preprocess].reverse_channels


def _is_swapped(spec: ModelSpec, tried: Preprocessing) -> bool:
    """Whether red and blue arrive at each other's places."""
    arrives_reversed = PREPROCESS[tried.mode].reverse_channels != (tried.channels == "bgr")
    return arrives_reversed != _reverses(spec)


def _number(value: float) -> str:
    """Return an end of a range: whole where it is, or large.

    >>> [_number(value) for value in (-1.0, 255.0, 2.64, -123.68)]
    ['−1', '255', '2.6', '−124']
    """
    text = f"{value:.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"
    return text.replace("-", "−")


_RULES: dict[str, Callable[[DecodedImage, ModelSpec, Preprocessing], str]] = {
    "mode": _explain_mode,
    "channels": _explain_channels,
    "framing": _explain_framing,
    "resampling": _explain_resampling,
    "exif": _explain_exif,
}
