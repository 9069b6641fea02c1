"""Checks of a labeled dataset: one function for each problem, on what `scan` has measured.

A check returns its findings, or none; `CHECKS` has a sentence for when there are none. Sentences contain
figures, so that a reader can decide whether it matters.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from imgrec.data.folders import MAX_CLASSES
from imgrec.data.quality.report import Case, Finding
from imgrec.data.quality.scan import Examined, counted, has, is_or_are, listed
from imgrec.data.splits import MIN_PER_CLASS
from imgrec.formatting import percent
from imgrec.images.perceptual_hash import brightness, groups, near_pairs

# A share of copies inside a class that changes no figure.
HARMLESS_SHARE = 0.01

# Comparing all pairs of more would take minutes; pairs of one dataset beyond this many are frames of films.
MAX_COMPARED = 60_000
MAX_PAIRS = 20_000

# With a fifth held out for validation, fewer leave less than four images to choose an epoch by.
FEW_PER_CLASS = 20

# From here on the largest class is worth naming, from there on it pays to predict nothing else.
IMBALANCE_NOTE, IMBALANCE_WARN = 1.5, 3.0

# Enlarged this many times, an image's own pixels can be seen.
MUCH_ENLARGED = 2.0

# The share of an image that is in its square center.
LEAST_SEEN = 0.5

# Difference of two means in standard deviations that Cohen (1988) calls medium: visible to the naked eye.
CLEAR_EFFECT = 0.5

# Besides, a difference that matters: of 255 levels, and of a side in octaves (a quarter longer).
CLEAR_BRIGHTNESS = 10.0
CLEAR_OCTAVES = 0.32

# Difference of two shares.
CLEAR_SHARE = 0.2

# The share of all images by which a mark alone predicts classes better than the largest class does.
CLEAR_GAIN = 0.15

# Fewer images tell nothing about how a part was made.
MIN_COMPARED = 20

# A class nearly all of whose images, and hardly any other, have a mark.
MARKED, UNMARKED = 0.9, 0.1


def check(seen: Examined, *, unread: bool = False) -> tuple[list[Finding], list[str]]:
    """Return the findings of all checks, and the sentences of those that found nothing.

    With `unread`, of those alone that need no more of an image than its name, part and class.
    """
    found, passed = [], []
    for fine, one, is_possible in CHECKS:
        if is_possible(seen) and (one in UNREAD or not unread):
            here = one(seen)
            found += here
            passed += [] if here else [fine]
    return found, passed


def classes(seen: Examined) -> list[Finding]:
    """Find classes with too few images, and too few or too many classes."""
    counts = _trained(seen)
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
        sentence = (
            f"{listed(list(few))} {has(list(few))} fewer than {FEW_PER_CLASS} training images "
            f"(minimum {min(few.values())}): the model may not generalize, and its measured accuracy is uncertain."
        )
        found.append(Finding.of("few_pictures", "warn", sentence))
    return found


def balance(seen: Examined) -> list[Finding]:
    """Find a class that is much larger than another."""
    counts = _trained(seen)
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
    """Find classes that are in one of training and test alone."""
    counts = seen.counts()
    found = [Finding.of("validation_part", "note", sentence) for sentence in seen.remarks]
    missing = [label for label, (train, test) in counts.items() if train and not test]
    unknown = [label for label, (train, test) in counts.items() if test and not train]
    if missing and seen.is_test.any():
        sentence = f"{listed(missing)} {has(missing)} no test image, so test accuracy does not cover that."
        found.append(Finding.of("missing_in_test", "warn", sentence))
    if unknown:
        tested = sum(counts[label][1] for label in unknown)
        sentence = (
            f"{listed(unknown)} {has(unknown)} test images ({tested:,}) but no training image: these are skipped."
        )
        found.append(Finding.of("missing_in_training", "warn", sentence))
    return found


def readable(seen: Examined) -> list[Finding]:
    """Find files that cannot be read, or belong to no class."""
    found = []
    if count := len(seen.unreadable):
        sentence = f"{counted(count, 'file')} in class folders cannot be read and {is_or_are(count)} skipped."
        cases = [Case((file,), reason) for file, reason in seen.unreadable]
        found.append(Finding.of("unreadable", "warn", sentence, cases))
    if count := len(seen.left_out):
        sentence = f"{counted(count, 'file')} outside class folders {is_or_are(count)} ignored."
        found.append(Finding.of("left_out", "note", sentence, [Case((), line) for line in seen.left_out]))
    return found


def copies(seen: Examined) -> list[Finding]:
    """Find copies of one file, byte for byte."""
    same = defaultdict(list)
    for index, digest in enumerate(seen.digests):
        same[digest].append(index)
    # Each with the first, and that from training if any is, so that each copy in the test is found.
    ordered = (sorted(group, key=lambda index: bool(seen.is_test[index])) for group in same.values())
    pairs = [(group[0], other) for group in ordered for other in group[1:]]
    return _pairs(seen, pairs, "duplicates", "duplicate")


def near_copies(seen: Examined) -> list[Finding]:
    """Find different files whose images are nearly the same."""
    first = {digest: index for index, digest in reversed(list(enumerate(seen.digests)))}
    single = np.array(sorted(first.values()), np.int64)
    if len(single) > MAX_COMPARED:
        sentence = (
            f"Near-duplicates were not searched: there are {len(single):,} images, over the {MAX_COMPARED:,} limit."
        )
        return [Finding.of("not_compared", "note", sentence)]
    pairs = single[near_pairs(seen.thumbnails[single], limit=MAX_PAIRS)].tolist()
    return _pairs(seen, pairs, "near_duplicates", "near-duplicate")


def variety(seen: Examined) -> list[Finding]:
    """Find classes that cannot be split without copies on both sides."""
    train = np.flatnonzero(~seen.is_test)
    targets, classes = seen.targets[train], len(seen.labels)
    different = np.bincount(targets[np.unique(groups(seen.thumbnails[train], targets))], minlength=classes)
    alike = np.flatnonzero((different == 1) & (np.bincount(targets, minlength=classes) >= MIN_PER_CLASS))
    if not len(alike):
        return []
    sentence = (
        f"All images of {listed([seen.labels[target] for target in alike])} are near-duplicates: validation accuracy "
        "is overestimated."
    )
    return [Finding.of("all_alike", "warn", sentence)]


def _pairs(seen: Examined, pairs: Iterable[tuple[int, int]], kind: str, noun: str) -> list[Finding]:
    """Sort pairs of like images: across training and test, across classes, and the rest."""
    leaks: dict[int, Case] = {}
    contradictions: dict[int, Case] = {}
    others: dict[int, Case] = {}
    for i, j in pairs:
        if seen.is_test[i] != seen.is_test[j]:
            train, test = (j, i) if seen.is_test[i] else (i, j)
            leaks.setdefault(test, seen.case(train, test))
        if seen.targets[i] != seen.targets[j]:
            labels = (seen.labels[seen.targets[k]] for k in (i, j))
            contradictions.setdefault(j, seen.case(i, j, remark=" and ".join(labels)))
        elif seen.is_test[i] == seen.is_test[j]:
            others.setdefault(j, seen.case(i, j))

    def are(cases: dict[int, Case]) -> str:
        return f"is a {noun}" if len(cases) == 1 else f"are {noun}s"

    found = []
    if leaks:
        tested = int(seen.is_test.sum())
        sentence = (
            f"{len(leaks):,} of {tested:,} test images ({percent(len(leaks) / tested, 1)}) {are(leaks)} "
            "of training images: test accuracy is overestimated."
        )
        found.append(Finding.of(f"{kind}_across_parts", "warn", sentence, list(leaks.values())))
    if contradictions:
        images = counted(len(contradictions), "image")
        sentence = f"{images} {are(contradictions)} of an image in another class: one label is wrong."
        found.append(Finding.of(f"{kind}_across_classes", "warn", sentence, list(contradictions.values())))
    if others:
        sentence = (
            f"{counted(len(others), 'image')} {are(others)} within the same class. Fine-tuning keeps them "
            "on one side of the validation split; training from scratch may not."
        )
        is_harmless = len(others) < HARMLESS_SHARE * len(seen.files)
        found.append(Finding.of(kind, "note" if is_harmless else "warn", sentence, list(others.values())))
    return found


def sizes(seen: Examined) -> list[Finding]:
    """Find images that are smaller than the network's input, and very long ones."""
    found = []
    height, width = seen.input_size
    enlarged = np.maximum(height / seen.sizes_px[:, 0], width / seen.sizes_px[:, 1])
    kept = seen.sizes_px.min(axis=1) / seen.sizes_px.max(axis=1)
    small, extreme = np.flatnonzero(enlarged > 1), np.flatnonzero(kept < LEAST_SEEN)

    def cases(which: np.ndarray, remark: Callable[[int], str]) -> list[Case]:
        return [
            seen.case(i, remark=f"{seen.sizes_px[i, 1]} × {seen.sizes_px[i, 0]} px, {remark(i)}")
            for i in which.tolist()
        ]

    if len(small):
        sentence = (
            f"{len(small):,} of {len(seen.files):,} images are smaller than the network input of "
            f"{width} × {height} px and are upscaled {np.median(enlarged[small]):.1f} times (median; maximum "
            f"{enlarged.max():.1f}), which adds no detail."
        )
        named = cases(small[np.argsort(-enlarged[small], kind="stable")], lambda i: f"upscaled {enlarged[i]:.1f} times")
        is_much = (enlarged >= MUCH_ENLARGED).mean() >= HARMLESS_SHARE
        found.append(Finding.of("small", "warn" if is_much else "note", sentence, named))
    if len(extreme):
        sentence = (
            f"{counted(len(extreme), 'image')} {is_or_are(len(extreme))} so elongated that center "
            "cropping removes more than half of it."
        )
        named = cases(extreme[np.argsort(kept[extreme], kind="stable")], lambda i: f"{percent(kept[i], 0)} kept")
        found.append(Finding.of("extreme_shape", "note", sentence, named))
    return found


def colors(seen: Examined) -> list[Finding]:
    """Find grayscale images among color images, or the other way round."""
    gray = seen.gray()
    if gray.all() or not gray.any():
        return []
    is_few = gray.sum() * 2 <= len(gray)
    minority = np.flatnonzero(gray if is_few else ~gray).tolist()
    words = "grayscale among color images" if is_few else "color among grayscale images"
    sentence = f"{len(minority):,} of {len(gray):,} images {is_or_are(len(minority))} {words}."
    return [Finding.of("grey", "note", sentence, [seen.case(i) for i in minority])]


def differences(seen: Examined) -> list[Finding]:
    """Find what tells training from test in the images themselves: preprocessing is the same for both."""
    test, train = seen.is_test, ~seen.is_test
    light = brightness(seen.thumbnails).mean(axis=(1, 2))
    side = seen.sizes_px.min(axis=1)
    shown = []
    if _is_clear(light[train], light[test], CLEAR_BRIGHTNESS):
        shown.append(
            f"mean brightness {light[train].mean():.0f} in training and {light[test].mean():.0f} in test (of 255)"
        )
    if _is_clear(np.log2(side[train]), np.log2(side[test]), CLEAR_OCTAVES):
        shown.append(
            f"short side {np.median(side[train]):.0f} px in training and {np.median(side[test]):.0f} px in test"
        )
    marks = {"grayscale": seen.gray()} | {str(kind): seen.formats == kind for kind in np.unique(seen.formats)}
    for name, mark in marks.items():
        shares = mark[train].mean(), mark[test].mean()
        if abs(shares[0] - shares[1]) >= CLEAR_SHARE:
            shown.append(f"{percent(shares[0], 0)} {name} in training and {percent(shares[1], 0)} in test")
    if not shown:
        return []
    sentence = f"Training and test images differ: {'; '.join(shown)}. Test accuracy may be lower for this reason."
    return [Finding.of("parts_differ", "warn", sentence)]


def shortcuts(seen: Examined) -> list[Finding]:
    """Find marks that tell a class, or the classes of many images, without what the images show."""
    gray = np.where(seen.gray(), "grayscale images", "color images")
    formats = np.char.add(seen.formats, " files")
    found = []
    for name, values in (("color or grayscale", gray), ("file format", formats)):
        # Where a class has a mark of its own, that is all there is to say.
        found += _marked(seen, values) or _guessable(seen, name, values)
    return found


def _marked(seen: Examined, values: np.ndarray) -> list[Finding]:
    """Find classes nearly all of whose images, and hardly any other, have one of `values` (N,)."""
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
    """Find whether one of `values` (N,) predicts the class of an image much better than the largest class does."""
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
    """Return whether the means differ by `least`, and by `CLEAR_EFFECT` pooled standard deviations (Cohen's d)."""
    difference = abs(float(one.mean() - other.mean()))
    return difference >= max(least, CLEAR_EFFECT * float(np.sqrt((one.var() + other.var()) / 2)))


def _trained(seen: Examined) -> dict[str, int]:
    """Return class → training images, of classes that have any."""
    return {label: train for label, (train, _) in seen.counts().items() if train}


def _has_images(seen: Examined) -> bool:
    return len(seen.files) > 0


# Checks of a dataset whose images were not read.
UNREAD = (classes, balance, parts)

# (what is said when nothing was found, the check, whether there is something to look at)
CHECKS: tuple[tuple[str, Callable[[Examined], list[Finding]], Callable[[Examined], bool]], ...] = (
    (f"Every class has at least {FEW_PER_CLASS} training images.", classes, lambda seen: True),
    ("Classes are balanced.", balance, lambda seen: len(_trained(seen)) > 1),
    ("Every class occurs in training and test set.", parts, lambda seen: bool(seen.is_test.any() or seen.remarks)),
    ("All files are readable.", readable, lambda seen: True),
    ("No duplicate files.", copies, _has_images),
    ("No near-duplicate images.", near_copies, _has_images),
    ("Every class has more than near-duplicates.", variety, lambda seen: 0 < len(seen.files) <= MAX_COMPARED),
    ("Images are large enough for the network input, and not too elongated.", sizes, _has_images),
    ("All images are in color, or all are grayscale.", colors, _has_images),
    (
        "Training and test images have similar brightness, size, color and format.",
        differences,
        lambda seen: min(seen.is_test.sum(), (~seen.is_test).sum()) >= MIN_COMPARED,
    ),
    (
        "Color and file format do not reveal the class.",
        shortcuts,
        lambda seen: len(_trained(seen)) > 1 and len(seen.files) >= 2 * MIN_COMPARED,
    ),
)
