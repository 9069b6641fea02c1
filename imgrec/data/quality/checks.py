"""Checks of a labeled dataset: one function for each problem, on figures that are already taken.

A check returns its findings, or none; `CHECKS` says in words what it means when there are none. Sentences name
figures, so that a reader can judge whether it matters.
"""

from collections.abc import Callable

import numpy as np

from imgrec.data.folders import MAX_CLASSES
from imgrec.data.quality.duplicates import HARMLESS_SHARE, MAX_COMPARED, copies, near_copies, variety
from imgrec.data.quality.report import Case, Finding
from imgrec.data.quality.scan import Examined, counted, has, is_or_are, listed
from imgrec.data.splits import MIN_PER_CLASS
from imgrec.formatting import percent
from imgrec.images.perceptual_hash import brightness

# With a fifth held out for validation, fewer leave less than four images to choose an epoch by.
FEW_PER_CLASS = 20

# From here on the largest class is worth naming, from there on it pays to say nothing else.
IMBALANCE_NOTE, IMBALANCE_WARN = 1.5, 3.0

# Enlarged this many times, a image's own pixels can be seen.
MUCH_ENLARGED = 2.0

# Of a image, in its square center.
LEAST_SEEN = 0.5

# Difference of two means in standard deviations that Cohen (1988) calls medium: visible to the naked eye.
CLEAR_EFFECT = 0.5

# Besides, a difference that matters: of 255 levels, and of a side in octaves (a quarter longer).
CLEAR_BRIGHTNESS = 10.0
CLEAR_OCTAVES = 0.32

# Difference of two shares.
CLEAR_SHARE = 0.2

# Of all images, more that a guess by what they do not show gets right than who always names the largest class.
CLEAR_GAIN = 0.15

# Fewer images say nothing about how a part is made.
MIN_COMPARED = 20

# A class nearly all of whose images, and hardly any other, have a mark.
MARKED, UNMARKED = 0.9, 0.1


def check(seen: Examined, *, unread: bool = False) -> tuple[list[Finding], list[str]]:
    """The findings of all checks, and the sentences of those that found nothing.

    With `unread`, of those alone that need no more of a image than its name, part and class.
    """
    found, passed = [], []
    for fine, one, is_possible in CHECKS:
        if not is_possible(seen) or (unread and one not in UNREAD):
            continue
        here = one(seen)
        found += here
        if not here:
            passed.append(fine)
    return found, passed


def classes(seen: Examined) -> list[Finding]:
    counts = {label: train for label, (train, test) in seen.counts().items() if train}
    found = [Finding.of("no_class", "warn", f"{sentence}.") for sentence in seen.missing]
    if len(counts) < 2:
        words = f"only one, {next(iter(counts))!r}" if counts else "none with a readable image"
        sentence = f"At least two classes are needed; there is {words}."
        return [Finding.of("one_class", "stop", sentence), *found]
    if len(counts) > MAX_CLASSES:
        sentence = (
            f"There are {len(counts):,} classes, and at most {MAX_CLASSES:,} are supported; "
            "the folder that directly contains an image is its class."
        )
        found.append(Finding.of("too_many_classes", "stop", sentence))
    if single := [label for label, count in counts.items() if count < MIN_PER_CLASS]:
        sentence = (
            f"{listed(single)} {has(single)} a single image; at least one to train and one to validate on are needed."
        )
        found.append(Finding.of("single_picture", "stop", sentence))
    if few := {label: count for label, count in counts.items() if MIN_PER_CLASS <= count < FEW_PER_CLASS}:
        least = min(few.values())
        sentence = (
            f"{listed(list(few))} {has(list(few))} fewer than {FEW_PER_CLASS} training images "
            f"(minimum {least}): the model may not generalize, and its measured accuracy is uncertain."
        )
        found.append(Finding.of("few_pictures", "warn", sentence))
    return found


def balance(seen: Examined) -> list[Finding]:
    counts = {label: train for label, (train, _) in seen.counts().items() if train}
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    ratio = counts[most] / counts[least]
    if ratio < IMBALANCE_NOTE:
        return []
    sentence = (
        f"{most!r} has {ratio:.1f} times as many images as {least!r} ({counts[most]:,} and {counts[least]:,}): "
        f"always predicting {most!r} gives {percent(counts[most] / sum(counts.values()), 1)} accuracy."
    )
    return [Finding.of("imbalance", "warn" if ratio >= IMBALANCE_WARN else "note", sentence)]


def parts(seen: Examined) -> list[Finding]:
    """Classes that stand in one of training and test alone."""
    counts = seen.counts()
    found = [Finding.of("validation_part", "note", sentence) for sentence in seen.remarks]
    if not seen.is_test.any():
        return found
    if missing := [label for label, (train, test) in counts.items() if train and not test]:
        sentence = f"{listed(missing)} {has(missing)} no test image, so test accuracy does not cover that."
        found.append(Finding.of("missing_in_test", "warn", sentence))
    if unknown := [label for label, (train, test) in counts.items() if test and not train]:
        tested = sum(counts[label][1] for label in unknown)
        sentence = (
            f"{listed(unknown)} {has(unknown)} test images ({tested:,}) but no training image: these are skipped."
        )
        found.append(Finding.of("missing_in_training", "warn", sentence))
    return found


def readable(seen: Examined) -> list[Finding]:
    found = []
    if seen.unreadable:
        count = len(seen.unreadable)
        sentence = f"{counted(count, 'file')} in class folders cannot be read and {is_or_are(count)} skipped."
        cases = [Case((file,), reason) for file, reason in seen.unreadable]
        found.append(Finding.of("unreadable", "warn", sentence, cases))
    if seen.left_out:
        count = len(seen.left_out)
        sentence = f"{counted(count, 'file')} outside class folders {is_or_are(count)} ignored."
        cases = [Case((), sentence) for sentence in seen.left_out]
        found.append(Finding.of("left_out", "note", sentence, cases))
    return found


def sizes(seen: Examined) -> list[Finding]:
    found = []
    height, width = seen.input_size
    enlarged = np.maximum(height / seen.sizes_px[:, 0], width / seen.sizes_px[:, 1])
    small = np.flatnonzero(enlarged > 1)
    if len(small):
        median, most = float(np.median(enlarged[small])), float(enlarged.max())
        sentence = (
            f"{len(small):,} of {len(seen.files):,} images are smaller than the network input of "
            f"{width} × {height} px and are upscaled {median:.1f} times (median; maximum {most:.1f}), "
            "which adds no detail."
        )
        cases = [
            seen.case(i, remark=f"{seen.sizes_px[i, 1]} × {seen.sizes_px[i, 0]} px, upscaled {enlarged[i]:.1f} times")
            for i in small[np.argsort(-enlarged[small], kind="stable")].tolist()
        ]
        much = (enlarged >= MUCH_ENLARGED).mean() >= HARMLESS_SHARE
        found.append(Finding.of("small", "warn" if much else "note", sentence, cases))
    seen_share = seen.sizes_px.min(axis=1) / seen.sizes_px.max(axis=1)
    extreme = np.flatnonzero(seen_share < LEAST_SEEN)
    if len(extreme):
        sentence = (
            f"{counted(len(extreme), 'image')} {is_or_are(len(extreme))} so elongated that center "
            "cropping removes more than half of it."
        )
        cases = [
            seen.case(
                i,
                remark=f"{seen.sizes_px[i, 1]} × {seen.sizes_px[i, 0]} px, {percent(seen_share[i], 0)} kept",
            )
            for i in extreme[np.argsort(seen_share[extreme], kind="stable")].tolist()
        ]
        found.append(Finding.of("extreme_shape", "note", sentence, cases))
    return found


def colors(seen: Examined) -> list[Finding]:
    gray = seen.gray()
    count = int(gray.sum())
    if not 0 < count < len(gray):
        return []
    minority, words = (
        (gray, "grayscale among color images") if count * 2 <= len(gray) else (~gray, "color among grayscale images")
    )
    number = int(minority.sum())
    sentence = f"{number:,} of {len(gray):,} images {is_or_are(number)} {words}."
    return [Finding.of("grey", "note", sentence, [seen.case(i) for i in np.flatnonzero(minority).tolist()])]


def differences(seen: Examined) -> list[Finding]:
    """What tells training from test in the images themselves: preprocessing is the same for both."""
    test, train = seen.is_test, ~seen.is_test
    light = brightness(seen.thumbnails).mean(axis=(1, 2))
    side = seen.sizes_px.min(axis=1)
    told = []
    if _is_clear(light[train], light[test], CLEAR_BRIGHTNESS):
        told.append(
            f"mean brightness {light[train].mean():.0f} in training and {light[test].mean():.0f} in test (of 255)"
        )
    if _is_clear(np.log2(side[train]), np.log2(side[test]), CLEAR_OCTAVES):
        told.append(
            f"short side {np.median(side[train]):.0f} px in training and {np.median(side[test]):.0f} px in test"
        )
    marks = {"grayscale": seen.gray()} | {str(kind): seen.formats == kind for kind in np.unique(seen.formats)}
    for name, mark in marks.items():
        if abs(mark[train].mean() - mark[test].mean()) >= CLEAR_SHARE:
            told.append(
                f"{percent(mark[train].mean(), 0)} {name} in training and {percent(mark[test].mean(), 0)} in test"
            )
    if not told:
        return []
    sentence = f"Training and test images differ: {'; '.join(told)}. Test accuracy may be lower for this reason."
    return [Finding.of("parts_differ", "warn", sentence)]


def shortcuts(seen: Examined) -> list[Finding]:
    """Marks by which a class, or many images, can be told without looking at what they show."""
    gray = np.where(seen.gray(), "grayscale images", "color images")
    formats = np.char.add(seen.formats, " files")
    found = []
    for name, values in (("color or grayscale", gray), ("file format", formats)):
        marked = _marked(seen, values)
        # Where a class has a mark of its own that says it all.
        found += marked or _guessable(seen, name, values)
    return found


def _marked(seen: Examined, values: np.ndarray) -> list[Finding]:
    """Classes nearly all of whose images, and hardly any other, have one of `values` (N,)."""
    found = []
    for target, label in enumerate(seen.labels):
        mine = seen.targets == target
        if min(mine.sum(), (~mine).sum()) < MIN_COMPARED:
            continue
        for name in np.unique(values[mine]):
            inside, outside = (values[mine] == name).mean(), (values[~mine] == name).mean()
            if inside >= MARKED and outside <= UNMARKED:
                sentence = (
                    f"{percent(inside, 0)} of {label!r} are {name}, and {percent(outside, 0)} of the others: "
                    "a network may learn this shortcut instead of the content."
                )
                found.append(Finding.of("shortcut", "warn", sentence))
    return found


def _guessable(seen: Examined, name: str, values: np.ndarray) -> list[Finding]:
    """Whether who knows of each image but its one of `values` (N,) guesses the class much better than without."""
    kinds, kind = np.unique(values, return_inverse=True)
    counts = np.zeros((len(kinds), len(seen.labels)), np.int64)
    np.add.at(counts, (kind, seen.targets), 1)
    guessed, most = counts.max(axis=1).sum() / len(values), counts.sum(axis=0).max() / len(values)
    if guessed - most < CLEAR_GAIN:
        return []
    telling = [
        f"{int(row.max())} of {int(row.sum())} {kinds[i]} show {seen.labels[int(row.argmax())]!r}"
        for i, row in sorted(enumerate(counts), key=lambda pair: -pair[1].max())
    ]
    sentence = (
        f"The {name} alone predicts the class of {percent(guessed, 0)} of the images, the largest class "
        f"{percent(most, 0)} ({', '.join(telling[:4])}): a network may learn this shortcut instead of the content."
    )
    return [Finding.of("shortcut", "warn", sentence)]


def _is_clear(one: np.ndarray, other: np.ndarray, least: float) -> bool:
    """Whether the means differ by `least`, and by `CLEAR_EFFECT` pooled standard deviations (Cohen's d)."""
    difference = abs(float(one.mean() - other.mean()))
    return difference >= max(least, CLEAR_EFFECT * float(np.sqrt((one.var() + other.var()) / 2)))


def _always(seen: Examined) -> bool:
    return True


def _has_images(seen: Examined) -> bool:
    return bool(len(seen.files))


def _has_classes(seen: Examined) -> bool:
    """Two or more, to be compared."""
    return sum(train > 0 for train, _ in seen.counts().values()) > 1


def _has_parts(seen: Examined) -> bool:
    return bool(seen.is_test.any() or seen.remarks)


def _has_large_parts(seen: Examined) -> bool:
    """Enough of both to compare them."""
    return bool(min(seen.is_test.sum(), (~seen.is_test).sum()) >= MIN_COMPARED)


def _has_many(seen: Examined) -> bool:
    """Enough to say how they were made."""
    return _has_classes(seen) and len(seen.files) >= 2 * MIN_COMPARED


def _can_be_compared(seen: Examined) -> bool:
    return 0 < len(seen.files) <= MAX_COMPARED


# What can be said of a set whose images were not read.
UNREAD = (classes, balance, parts)

# (what is said when nothing was found, the check, whether there is something to look at)
CHECKS: tuple[tuple[str, Callable[[Examined], list[Finding]], Callable[[Examined], bool]], ...] = (
    (f"Every class has at least {FEW_PER_CLASS} training images.", classes, _always),
    ("Classes are balanced.", balance, _has_classes),
    ("Every class occurs in training and test set.", parts, _has_parts),
    ("All files are readable.", readable, _always),
    ("No duplicate files.", copies, _has_images),
    ("No near-duplicate images.", near_copies, _has_images),
    ("Every class has more than near-duplicates.", variety, _can_be_compared),
    ("Images are large enough for the network input, and not too elongated.", sizes, _has_images),
    ("All images are in color, or all are grayscale.", colors, _has_images),
    ("Training and test images have similar brightness, size, color and format.", differences, _has_large_parts),
    ("Color and file format do not reveal the class.", shortcuts, _has_many),
)
