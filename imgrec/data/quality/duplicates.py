"""Pictures that are there more than once, as the same file or nearly the same: what that does to a measurement."""

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

# Comparing all pairs of more would take minutes; pairs of one set beyond this many are a set of films.
MAX_COMPARED = 60_000
MAX_PAIRS = 20_000


def copies(seen: Examined) -> list[Finding]:
    """Of one file, byte for byte."""
    same = defaultdict(list)
    for index, digest in enumerate(seen.digests):
        same[digest].append(index)
    # Each with the first, and that from training if any is: so every copy in the test is seen to be one.
    ordered = (sorted(group, key=lambda index: bool(seen.is_test[index])) for group in same.values())
    pairs = [(group[0], other) for group in ordered for other in group[1:]]
    return _pairs(seen, pairs, "duplicates", "duplicate")


def near_copies(seen: Examined) -> list[Finding]:
    """Of different files."""
    first = {digest: index for index, digest in reversed(list(enumerate(seen.digests)))}
    single = np.array(sorted(first.values()), np.int64)
    if len(single) > MAX_COMPARED:
        sentence = (
            f"Near-duplicates were not searched: there are {len(single):,} images, over the {MAX_COMPARED:,} limit."
        )
        return [Finding.of("not_compared", "note", sentence)]
    found = single[near_pairs(seen.thumbnails[single], limit=MAX_PAIRS)]
    words = "near-duplicate"
    return _pairs(seen, [(int(i), int(j)) for i, j in found], "near_duplicates", words)


def _pairs(seen: Examined, pairs: Iterable[tuple[int, int]], kind: str, words: str) -> list[Finding]:
    """Findings on pairs of like images: across training and test, across classes, and the rest."""
    leaks: dict[int, Case] = {}
    contradictions: dict[int, Case] = {}
    others: dict[int, Case] = {}
    for i, j in pairs:
        if seen.is_test[i] != seen.is_test[j]:
            train, test = (j, i) if seen.is_test[i] else (i, j)
            leaks.setdefault(test, seen.case(train, test))
        if seen.targets[i] != seen.targets[j]:
            contradictions.setdefault(j, seen.case(i, j, remark=f"{seen.label(i)} and {seen.label(j)}"))
        elif seen.is_test[i] == seen.is_test[j]:
            others.setdefault(j, seen.case(i, j))
    found = []
    if leaks:
        tested = int(seen.is_test.sum())
        sentence = (
            f"{len(leaks):,} of {tested:,} test images ({percent(len(leaks) / tested, 1)}) {_are(len(leaks), words)} "
            "of training images: test accuracy is overestimated."
        )
        found.append(Finding.of(f"{kind}_across_parts", "warn", sentence, list(leaks.values())))
    if contradictions:
        count = len(contradictions)
        sentence = f"{counted(count, 'image')} {_are(count, words)} of an image in another class: one label is wrong."
        found.append(Finding.of(f"{kind}_across_classes", "warn", sentence, list(contradictions.values())))
    if others:
        count = len(others)
        sentence = (
            f"{counted(count, 'image')} {_are(count, words)} within the same class. Fine-tuning keeps them "
            "on one side of the validation split; training from scratch may not."
        )
        harmless = count < HARMLESS_SHARE * len(seen.files)
        found.append(Finding.of(kind, "note" if harmless else "warn", sentence, list(others.values())))
    return found


def _are(count: int, noun: str) -> str:
    """ "is a duplicate" or "are duplicates"."""
    return f"is a {noun}" if count == 1 else f"are {noun}s"


def variety(seen: Examined) -> list[Finding]:
    """Classes that cannot be split without leaving copies on both sides."""
    train = np.flatnonzero(~seen.is_test)
    targets = seen.targets[train]
    different = np.bincount(targets[np.unique(groups(seen.thumbnails[train], targets))], minlength=len(seen.labels))
    alike = np.flatnonzero((different == 1) & (np.bincount(targets, minlength=len(seen.labels)) >= MIN_PER_CLASS))
    if not len(alike):
        return []
    sentence = (
        f"All images of {listed([seen.labels[target] for target in alike])} are near-duplicates: validation accuracy "
        "is overestimated."
    )
    return [Finding.of("all_alike", "warn", sentence)]
