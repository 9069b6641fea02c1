"""Accuracy in words: a percentage where many images were held out, counts with their interval where few were."""

from imgrec import formatting
from imgrec.metrics.significance import wilson

# With fewer images a percentage would promise more precision than was measured.
FEW_IMAGES = 100

# A 95 % interval wider than this is too wide to compare models.
WIDE = 0.2


def is_few(images: int) -> bool:
    """Whether an accuracy on so many images is stated as counts."""
    return images < FEW_IMAGES


def is_vague(accuracy: float, images: int) -> bool:
    """Whether Wilson's 95 % interval of an accuracy on so many images is wide."""
    found = wilson(round(accuracy * images), images)
    return found.high - found.low > WIDE


def interval(accuracy: float, images: int) -> str:
    """Return Wilson's 95 % interval of an accuracy on so many images.

    >>> interval(1.0, 10).replace(formatting.THIN_SPACE, " ")
    '72–100 %'
    """
    found = wilson(round(accuracy * images), images)
    return formatting.interval(found.low, found.high, decimals=0)


def short(accuracy: float, images: int | None) -> str:
    """Return counts where `images` are few, else the percentage; for lines with several figures.

    >>> short(0.75, 16), short(0.841, 1000).replace(formatting.THIN_SPACE, " ")
    ('12 of 16', '84.1 %')
    """
    if images is not None and is_few(images):
        return f"{round(accuracy * images)} of {images}"
    return f"{100 * accuracy:.1f}{formatting.THIN_SPACE}%"


def in_words(accuracy: float, images: int, kind: str) -> str:
    """Return the accuracy on images of `kind` (validation, test), with its interval where they are few.

    >>> in_words(1.0, 10, "validation").replace(formatting.THIN_SPACE, " ")
    '10 of 10 validation images correct (95 %: 72–100 %); too few to tell'
    >>> in_words(0.841, 1000, "test").replace(formatting.THIN_SPACE, " ")
    '84.1 % accuracy on 1,000 test images'
    """
    if not is_few(images):
        return f"{short(accuracy, images)} accuracy on {images:,} {kind} images"
    words = (
        f"{short(accuracy, images)} {kind} images correct (95{formatting.THIN_SPACE}%: {interval(accuracy, images)})"
    )
    return f"{words}; too few to tell" if is_vague(accuracy, images) else words
