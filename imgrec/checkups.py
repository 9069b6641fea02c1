"""What can be wrong with a set of labelled pictures: one function for each thing, on figures that are already taken.

A check returns its findings, or none; `CHECKS` says in words what it means when there are none. Sentences name
figures, so that whoever reads them can judge by himself whether it matters.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from imgrec.datasets import MIN_PER_CLASS
from imgrec.findings import Case, Finding
from imgrec.layouts import MAX_CLASSES
from imgrec.likeness import brightness, near_pairs

# With a fifth held out for validation, fewer leave less than four pictures to choose an epoch by.
FEW_PER_CLASS = 20

# From here on the largest class is worth naming, from there on it pays to say nothing else.
IMBALANCE_NOTE, IMBALANCE_WARN = 1.5, 3.0

# A share of copies inside a class that changes no figure.
HARMLESS_SHARE = 0.01

# Enlarged this many times, a picture's own pixels can be seen.
MUCH_ENLARGED = 2.0

# Of a picture, in its square centre.
LEAST_SEEN = 0.5

# The values of red, green and blue differ by less than this in each field of a grey picture's thumbnail; JPEG's
# rounding gives 1 or 2.
GREY_SPREAD = 4

# Difference of two means in standard deviations that Cohen (1988) calls medium: visible to the naked eye.
CLEAR_EFFECT = 0.5

# Besides, a difference that matters: of 255 levels, and of a side in octaves (a quarter longer).
CLEAR_BRIGHTNESS = 10.0
CLEAR_OCTAVES = 0.32

# Difference of two shares.
CLEAR_SHARE = 0.2

# Fewer pictures say nothing about how a part is made.
MIN_COMPARED = 20

# A class nearly all of whose pictures, and hardly any other, have a mark.
MARKED, UNMARKED = 0.9, 0.1

# Comparing all pairs of more would take minutes; pairs of one set beyond this many are a set of films.
MAX_COMPARED = 60_000
MAX_PAIRS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What was seen of a set: for each of N readable pictures its file, part, class, digest, size, format, thumbnail.

    `targets` int64 (N,) are indices into `labels`; `is_test` bool (N,); `sizes_px` int64 (N, 2) height and width of the
    whole picture; `thumbnails` uint8 (N, *likeness.THUMBNAIL_SHAPE, 3); `digests` are the sha256 of the bytes.
    `unreadable` are (file, reason), `left_out` sentences on files that belong to no class. `missing` are sentences on
    classes without a picture, which are not among `labels`, `remarks` sentences on the parts. `input_size` is (height,
    width) of the network.
    """

    labels: tuple[str, ...]
    files: Sequence[str]
    targets: np.ndarray
    is_test: np.ndarray
    digests: Sequence[bytes]
    sizes_px: np.ndarray
    formats: np.ndarray
    thumbnails: np.ndarray
    unreadable: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    input_size: tuple[int, int]
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def counts(self) -> dict[str, tuple[int, int]]:
        train = np.bincount(self.targets[~self.is_test], minlength=len(self.labels))
        test = np.bincount(self.targets[self.is_test], minlength=len(self.labels))
        return {label: (int(train[i]), int(test[i])) for i, label in enumerate(self.labels)}

    def case(self, *indices: int, remark: str = "") -> Case:
        return Case(tuple(self.files[i] for i in indices), remark)

    def label(self, index: int) -> str:
        return self.labels[int(self.targets[index])]

    def grey(self) -> np.ndarray:
        """bool (N,): pictures without colour."""
        spread = self.thumbnails.max(axis=3).astype(np.int16) - self.thumbnails.min(axis=3)
        return np.asarray(spread.reshape(len(spread), -1).max(axis=1, initial=0) < GREY_SPREAD)


def check(seen: Examined) -> tuple[list[Finding], list[str]]:
    """The findings of all checks, and the sentences of those that found nothing."""
    found, passed = [], []
    for fine, one, needs_pictures in CHECKS:
        if needs_pictures and not len(seen.files):
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
        words = f"only one, {next(iter(counts))!r}" if counts else "none that has a readable picture"
        sentence = f"Two classes or more are needed to learn from; there is {words}."
        return [Finding.of("one_class", "stop", sentence), *found]
    if len(counts) > MAX_CLASSES:
        sentence = (
            f"There are {len(counts):,} classes, and at most {MAX_CLASSES:,} can be taught; "
            "the folder that directly holds a picture is taken for its class."
        )
        found.append(Finding.of("too_many_classes", "stop", sentence))
    if single := [label for label, count in counts.items() if count < MIN_PER_CLASS]:
        sentence = (
            f"{_listed(single)} {_has(single)} a single picture: one to learn from and one to check by are needed."
        )
        found.append(Finding.of("single_picture", "stop", sentence))
    if few := {label: count for label, count in counts.items() if MIN_PER_CLASS <= count < FEW_PER_CLASS}:
        least = min(few.values())
        sentence = (
            f"{_listed(list(few))} {_has(list(few))} fewer than {FEW_PER_CLASS} pictures to learn from "
            f"({least} at the least): "
            "what a network learns of so few is mostly chance, and so is its measured accuracy."
        )
        found.append(Finding.of("few_pictures", "warn", sentence))
    return found


def balance(seen: Examined) -> list[Finding]:
    counts = {label: train for label, (train, _) in seen.counts().items() if train}
    if len(counts) < 2:
        return []
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    ratio = counts[most] / counts[least]
    if ratio < IMBALANCE_NOTE:
        return []
    sentence = (
        f"{most!r} has {ratio:.1f} times as many pictures as {least!r} ({counts[most]:,} and {counts[least]:,}): "
        f"who always answers {most!r} is right {_percent(counts[most] / sum(counts.values()), 1)} of the time."
    )
    return [Finding.of("imbalance", "warn" if ratio >= IMBALANCE_WARN else "note", sentence)]


def parts(seen: Examined) -> list[Finding]:
    """Classes that stand in one of training and test alone."""
    counts = seen.counts()
    found = [Finding.of("validation_part", "note", sentence) for sentence in seen.remarks]
    if not seen.is_test.any():
        return found
    if missing := [label for label, (train, test) in counts.items() if train and not test]:
        sentence = (
            f"{_listed(missing)} {_has(missing)} no picture to test on: the accuracy will say nothing about that."
        )
        found.append(Finding.of("missing_in_test", "warn", sentence))
    if unknown := [label for label, (train, test) in counts.items() if test and not train]:
        pictures = sum(counts[label][1] for label in unknown)
        sentence = (
            f"{_listed(unknown)} {_has(unknown)} pictures to test on ({pictures:,}) and none to learn from: "
            "they are left out."
        )
        found.append(Finding.of("missing_in_training", "warn", sentence))
    return found


def readable(seen: Examined) -> list[Finding]:
    found = []
    if seen.unreadable:
        count = len(seen.unreadable)
        sentence = f"{count:,} {_files(count)} in class folders cannot be read; the rest is used."
        cases = [Case((file,), reason) for file, reason in seen.unreadable]
        found.append(Finding.of("unreadable", "warn", sentence, cases))
    if seen.left_out:
        count = len(seen.left_out)
        sentence = f"{count:,} {_files(count)} of no class {_is(count)} left alone."
        cases = [Case((), sentence) for sentence in seen.left_out]
        found.append(Finding.of("left_out", "note", sentence, cases))
    return found


def copies(seen: Examined) -> list[Finding]:
    groups = defaultdict(list)
    for index, digest in enumerate(seen.digests):
        groups[digest].append(index)
    # Each with the first, and that from training if any is: so every copy in the test is seen to be one.
    ordered = (sorted(group, key=lambda index: bool(seen.is_test[index])) for group in groups.values())
    pairs = [(group[0], other) for group in ordered for other in group[1:]]
    return _pairs(seen, pairs, "duplicates", "the same file as another")


def near_copies(seen: Examined) -> list[Finding]:
    first = {digest: index for index, digest in reversed(list(enumerate(seen.digests)))}
    single = np.array(sorted(first.values()), np.int64)
    if len(single) > MAX_COMPARED:
        sentence = (
            f"Pictures were not compared with each other: {MAX_COMPARED:,} can be, and there are {len(single):,}."
        )
        return [Finding.of("not_compared", "note", sentence)]
    found = single[near_pairs(seen.thumbnails[single], limit=MAX_PAIRS)]
    words = "nearly the same as another (stored again, resized, from the same series)"
    return _pairs(seen, [(int(i), int(j)) for i, j in found], "near_duplicates", words)


def _pairs(seen: Examined, pairs: Iterable[tuple[int, int]], kind: str, words: str) -> list[Finding]:
    """Findings on pairs of like pictures: across training and test, across classes, and the rest."""
    leaks: dict[int, Case] = {}
    contradictions, others = [], []
    for i, j in pairs:
        if seen.is_test[i] != seen.is_test[j]:
            train, test = (j, i) if seen.is_test[i] else (i, j)
            leaks.setdefault(test, seen.case(train, test))
        if seen.targets[i] != seen.targets[j]:
            contradictions.append(seen.case(i, j, remark=f"{seen.label(i)} and {seen.label(j)}"))
        elif seen.is_test[i] == seen.is_test[j]:
            others.append(seen.case(i, j))
    found = []
    if leaks:
        tested = int(seen.is_test.sum())
        sentence = (
            f"{len(leaks):,} of {tested:,} test pictures ({_percent(len(leaks) / tested, 1)}) {_is(len(leaks))} "
            f"{words}, in training: the accuracy on them is remembered, not learned."
        )
        found.append(Finding.of(f"{kind}_across_parts", "warn", sentence, list(leaks.values())))
    if contradictions:
        count = len(contradictions)
        sentence = (
            f"{count:,} {_pictures(count)} {_is(count)} {words}, in another class: one of the two labels is wrong."
        )
        found.append(Finding.of(f"{kind}_across_classes", "warn", sentence, contradictions))
    if others:
        count = len(others)
        sentence = (
            f"{count:,} {_pictures(count)} {_is(count)} {words} in the same class and part, "
            f"so {_it(count)} more than once."
        )
        harmless = count < HARMLESS_SHARE * len(seen.files)
        found.append(Finding.of(kind, "note" if harmless else "warn", sentence, others))
    return found


def sizes(seen: Examined) -> list[Finding]:
    found = []
    height, width = seen.input_size
    enlarged = np.maximum(height / seen.sizes_px[:, 0], width / seen.sizes_px[:, 1])
    small = np.flatnonzero(enlarged > 1)
    if len(small):
        median, most = float(np.median(enlarged[small])), float(enlarged.max())
        sentence = (
            f"{len(small):,} of {len(seen.files):,} pictures are smaller than the network's input of "
            f"{width} × {height} px and are enlarged {median:.1f} times (median), {most:.1f} at the most: "
            "no detail comes from that."
        )
        cases = [
            seen.case(i, remark=f"{seen.sizes_px[i, 1]} × {seen.sizes_px[i, 0]} px, enlarged {enlarged[i]:.1f} times")
            for i in small[np.argsort(-enlarged[small], kind="stable")].tolist()
        ]
        much = (enlarged >= MUCH_ENLARGED).mean() >= HARMLESS_SHARE
        found.append(Finding.of("small", "warn" if much else "note", sentence, cases))
    seen_share = seen.sizes_px.min(axis=1) / seen.sizes_px.max(axis=1)
    extreme = np.flatnonzero(seen_share < LEAST_SEEN)
    if len(extreme):
        sentence = (
            f"{len(extreme):,} {_pictures(len(extreme))} {_is(len(extreme))} so long or so tall that the square "
            "centre, which is what the network sees, is less than half of it."
        )
        cases = [
            seen.case(
                i,
                remark=f"{seen.sizes_px[i, 1]} × {seen.sizes_px[i, 0]} px, {_percent(seen_share[i])} seen",
            )
            for i in extreme[np.argsort(seen_share[extreme], kind="stable")].tolist()
        ]
        found.append(Finding.of("extreme_shape", "note", sentence, cases))
    return found


def colours(seen: Examined) -> list[Finding]:
    grey = seen.grey()
    count = int(grey.sum())
    if not 0 < count < len(grey):
        return []
    minority, words = (
        (grey, "without colour among coloured ones") if count * 2 <= len(grey) else (~grey, "in colour among grey ones")
    )
    number = int(minority.sum())
    sentence = f"{number:,} of {len(grey):,} pictures {_is(number)} {words}."
    return [Finding.of("grey", "note", sentence, [seen.case(i) for i in np.flatnonzero(minority).tolist()])]


def differences(seen: Examined) -> list[Finding]:
    """What tells training from test in the pictures themselves: preprocessing is the same for both."""
    test, train = seen.is_test, ~seen.is_test
    if min(test.sum(), train.sum()) < MIN_COMPARED:
        return []
    light = brightness(seen.thumbnails).mean(axis=(1, 2))
    side = seen.sizes_px.min(axis=1)
    told = []
    if _is_clear(light[train], light[test], CLEAR_BRIGHTNESS):
        told.append(
            f"mean brightness {light[train].mean():.0f} in training and {light[test].mean():.0f} in the test (of 255)"
        )
    if _is_clear(np.log2(side[train]), np.log2(side[test]), CLEAR_OCTAVES):
        told.append(
            f"short side {np.median(side[train]):.0f} px in training and {np.median(side[test]):.0f} px in the test"
        )
    marks = {"grey": seen.grey()} | {str(kind): seen.formats == kind for kind in np.unique(seen.formats)}
    for name, mark in marks.items():
        if abs(mark[train].mean() - mark[test].mean()) >= CLEAR_SHARE:
            told.append(
                f"{_percent(mark[train].mean())} {name} in training and {_percent(mark[test].mean())} in the test"
            )
    if not told:
        return []
    sentence = (
        f"Training and test pictures were made differently: {'; '.join(told)}. What is learned may not carry over."
    )
    return [Finding.of("parts_differ", "warn", sentence)]


def shortcuts(seen: Examined) -> list[Finding]:
    """Marks by which a class can be told without looking at what it shows."""
    found = []
    marks = {"grey": seen.grey()} | {f"{kind} files": seen.formats == kind for kind in np.unique(seen.formats)}
    for target, label in enumerate(seen.labels):
        mine = seen.targets == target
        if min(mine.sum(), (~mine).sum()) < MIN_COMPARED:
            continue
        for name, mark in marks.items():
            inside, outside = mark[mine].mean(), mark[~mine].mean()
            if inside >= MARKED and outside <= UNMARKED:
                sentence = (
                    f"{_percent(inside)} of {label!r} are {name}, and {_percent(outside)} of the others: "
                    "a network may learn that instead of what the pictures show."
                )
                found.append(Finding.of("shortcut", "warn", sentence))
    return found


def _is_clear(one: np.ndarray, other: np.ndarray, least: float) -> bool:
    """Whether the means differ by `least`, and by `CLEAR_EFFECT` pooled standard deviations (Cohen's d)."""
    difference = abs(float(one.mean() - other.mean()))
    return difference >= max(least, CLEAR_EFFECT * float(np.sqrt((one.var() + other.var()) / 2)))


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _listed(labels: Sequence[str]) -> str:
    named = [repr(label) for label in labels[:4]]
    return ", ".join(named) if len(labels) <= 4 else f"{', '.join(named)} and {len(labels) - 4:,} more"


def _has(labels: Sequence[str]) -> str:
    return "has" if len(labels) == 1 else "have"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _it(count: int) -> str:
    return "it counts" if count == 1 else "they count"


def _pictures(count: int) -> str:
    return "picture" if count == 1 else "pictures"


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


# (what is said when nothing was found, the check, whether it needs a readable picture)
CHECKS: tuple[tuple[str, Callable[[Examined], list[Finding]], bool], ...] = (
    (f"Every class has {FEW_PER_CLASS} pictures or more to learn from.", classes, False),
    ("The classes are of about the same size.", balance, True),
    ("Every class stands in training and in the test, or there is no test set.", parts, True),
    ("Every file could be read.", readable, False),
    ("No file is there twice.", copies, True),
    ("No two pictures are nearly the same.", near_copies, True),
    ("Every picture is as large as the network's input, and near enough to a square.", sizes, True),
    ("All pictures are in colour, or none is.", colours, True),
    ("Training and test pictures are alike in brightness, size, colour and format.", differences, True),
    ("No class can be told by its colour or format alone.", shortcuts, True),
)
