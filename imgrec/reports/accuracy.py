"""Accuracy in words: a percentage where many images were held out, counts with their interval where few were."""

from imgrec.metrics.significance import wilson

# On fewer images a percentage claims more than was measured.
FEW_IMAGES = 100

# A 95 % interval wider than this says too little to compare models by.
WIDE = 0.2

_SPACE = "\u202f"  # narrow and no-break, between a number and %


def is_few(images: int) -> bool:
    """Whether an accuracy on so many images is stated as counts."""
    return images < FEW_IMAGES


def is_vague(accuracy: float, images: int) -> bool:
    """Whether Wilson's 95 % interval of an accuracy on so many images is wide: too few to tell."""
    found = wilson(round(accuracy * images), images)
    return found.high - found.low > WIDE


def interval(accuracy: float, images: int) -> str:
    """Wilson's 95 % interval of an accuracy on so many images.

    >>> interval(1.0, 10).replace(_SPACE, " ")
    '72–100 %'
    """
    found = wilson(round(accuracy * images), images)
    return f"{100 * found.low:.0f}–{100 * found.high:.0f}{_SPACE}%"


def short(accuracy: float, images: int | None) -> str:
    """Counts where `images` are few, else the percentage; for lines with several figures.

    >>> short(0.75, 16), short(0.841, 1000).replace(_SPACE, " ")
    ('12 of 16', '84.1 %')
    """
    if images is not None and is_few(images):
        return f"{round(accuracy * images)} of {images}"
    return f"{100 * accuracy:.1f}{_SPACE}%"


def in_words(accuracy: float, images: int, kind: str) -> str:
    """How many of the images of `kind` (validation, test) were classified correctly, and what that is worth.

    >>> in_words(1.0, 10, "validation").replace(_SPACE, " ")
    '10 of 10 validation images correct (95 %: 72–100 %); too few to tell'
    >>> in_words(0.841, 1000, "test").replace(_SPACE, " ")
    '84.1 % accuracy on 1,000 test images'
    """
    if not is_few(images):
        return f"{short(accuracy, images)} accuracy on {images:,} {kind} images"
    words = f"{short(accuracy, images)} {kind} images correct (95{_SPACE}%: {interval(accuracy, images)})"
    return f"{words}; too few to tell" if is_vague(accuracy, images) else words
