"""Images that are in a dataset more than once, as the same file or nearly the same."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from imgrec.data.quality.report import Case, Finding
from imgrec.data.quality.scan import Examined, counted, listed
from imgrec.data.splits import MIN_PER_CLASS
from imgrec.formatting import percent
from imgrec.images.perceptual_hash import groups, near_pairs

# A share of copies inside a class that changes no figure.
HARMLESS_SHARE = 0.01

# Comparing all pairs of more would take minutes; pairs of one dataset beyond this many are frames of films.
MAX_COMPARED = 60_000
MAX_PAIRS = 20_000


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
