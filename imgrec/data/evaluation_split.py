"""The images of a dataset that models are measured on: its test part, or all of it where it has no parts.

Their classes are those of a known label space where one has them all; `labels.csv` may say what they are. What is in
the training part too is counted and said.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from imgrec.data import archives, folders, sources
from imgrec.data.dataset import Dataset, digest_of
from imgrec.data.folders import LABELS_FILE
from imgrec.data.label_matching import in_words, own_space, place_of_label, recognize
from imgrec.data.sources import DATASETS, open_dataset
from imgrec.errors import InputError, UnknownNameError
from imgrec.predictions.labels import get_label_space
from imgrec.settings import Settings

# What every reader of numbers on a published dataset must know, and where it is from.
KNOWN = {
    "cifar10": (
        "CIFAR-10's test set (Krizhevsky 2009), https://www.cs.toronto.edu/~kriz/cifar.html",
        (
            "3.3 % of its images have a near-duplicate in the training set (Barz and Denzler 2020, J. Imaging 6:41).",
            "A few dozen of its labels are wrong (Northcutt, Athalye and Mueller 2021, arXiv:2103.14749).",
            "Its images are 32 × 32 px: ImageNet networks see them enlarged seven times.",
        ),
    )
}


def open_evaluation_split(
    name_or_path: str,
    settings: Settings,
    *,
    per_class: int | None = None,
    flaws: Sequence[str] = (),
    training: str | None = None,
) -> Dataset:
    """Return what is measured of the dataset with that name (a key of `DATASETS`) or at that path.

    Args:
        name_or_path: A published dataset, a folder, an archive or an .npz.
        settings: Limits, and where published datasets are kept.
        per_class: Only the first so many images of each class.
        flaws: Added to what is known of the dataset.
        training: The dataset that models were trained on. The number of images in both is added to the flaws.

    Raises:
        InputError: There is nothing to measure on, or labels cannot be understood.
    """
    table = None
    if name_or_path not in DATASETS and (path := sources.path_of(name_or_path)).suffix != ".npz":
        table = next((name for name in archives.survey(path).names if name.name == LABELS_FILE), None)
    if table is None:
        found = open_dataset(name_or_path, settings)
        found = _of_files(found) if found.arrays is None else _of_arrays(found, name_or_path)
    else:
        found = _of_table(path, table, settings)
    if per_class is not None:
        found = _limited(found, per_class)
    if training is not None:
        flaws = (*flaws, _overlap(found, training, settings))
    return replace(found, flaws=(*found.flaws, *flaws))


def _in_known_space(found: Dataset) -> Dataset:
    """`found` with the label space that has all of its classes."""
    labels = found.label_space.labels
    space = recognize(labels)
    index = [place_of_label(space, label) for label in labels]
    return replace(found, label_space=space, targets=tuple(index[target] for target in found.targets))


def _of_arrays(found: Dataset, name: str) -> Dataset:
    """The test part; ids are positions in it."""
    chosen = found.positions(test=True) or found.positions(test=False)
    ids = tuple(f"{i:05d}" for i in range(len(chosen)))
    part = "test/" if any(found.is_test) else "train/"
    source, flaws = KNOWN.get(name, (found.source, ()))
    taken = found.take(
        chosen,
        ids=ids,
        read=lambda wanted: (
            (id_.removeprefix(part), image) for id_, image in found.read({f"{part}{id_}" for id_ in wanted})
        ),
        source=source,
        flaws=(*flaws, *(found.arrays.notes if found.arrays else ())),
    )
    return taken if found.arrays and found.arrays.label_space else _in_known_space(taken)


def _of_files(found: Dataset) -> Dataset:
    train, test = found.positions(test=False), found.positions(test=True)
    if not train and not test:
        raise InputError(
            f"Expected images in class folders, or a {LABELS_FILE}, in {Path(found.source).name}. Received: "
            f"{len(found.left_out):,} files and neither."
        )
    flaws: list[str] = []
    if train and test:
        digests: dict[bool, set[bytes]] = {False: set(), True: set()}
        is_test = dict(zip(found.ids, found.is_test, strict=True))
        for item in found.items():
            if not isinstance(item.image, str):
                digests[is_test[item.id]].add(digest_of(item.image))
        if leaks := len(digests[False] & digests[True]):
            flaws.append(f"{leaks} of its images stand in its training part too.")
    chosen = test or train
    labels = [found.label_space.labels[found.targets[i]] for i in chosen]
    space = own_space(labels)
    taken = found.take(
        chosen, label_space=space, targets=tuple(space.labels.index(label) for label in labels), flaws=tuple(flaws)
    )
    return _in_known_space(taken)


def _of_table(path: Path, table: PurePosixPath, settings: Settings) -> Dataset:
    """The images that `labels.csv` lists and that are there."""
    column, words = folders.read_labels(path, table)
    if column == "index":
        space = get_label_space("imagenet_1k")
        indices = {str(i): i for i in range(len(space.labels))}
        targets = {name: indices.get(word.lstrip("0") or "0", -1) for name, word in words.items()}
    else:
        space = recognize(sorted(set(words.values())))
        place = {word: place_of_label(space, word) for word in set(words.values())}
        targets = {name: place[word] for name, word in words.items()}
    if wrong := list(dict.fromkeys(words[name] for name, target in targets.items() if target < 0)):
        raise UnknownNameError(
            f"Expected classes of {space.name} in the column {column} of {table}. "
            f"Received: {in_words(wrong)}, not among them."
        )
    names = [name for name in archives.survey(path).names if name in targets]
    if not names:
        raise InputError(f"Expected the images that {table} lists. Received: none of {len(targets):,} is there.")
    missing = len(targets) - len(names)
    return Dataset(
        name=sources.name_of(path),
        label_space=space,
        ids=tuple(map(str, names)),
        targets=tuple(targets[name] for name in names),
        is_test=(True,) * len(names),
        read=partial(sources.read_files, path, settings.max_upload_bytes),
        source=str(path),
        flaws=(f"{missing:,} of {len(targets):,} listed images are not there.",) if missing else (),
    )


def _limited(found: Dataset, per_class: int) -> Dataset:
    """Only the first `per_class` images of each class."""
    if per_class < 1:
        raise InputError(f"Expected 1 image of each class or more. Received: {per_class}.")
    counts: Counter[int] = Counter()
    kept: list[int] = []
    for position, target in enumerate(found.targets):
        counts[target] += 1
        if counts[target] <= per_class:
            kept.append(position)
    return found.take(
        kept,
        name=f"{found.name}_first_{per_class}",
        flaws=(*found.flaws, f"Only the first {per_class} images of each class."),
        per_class=per_class,
    )


def _overlap(found: Dataset, training: str, settings: Settings) -> str:
    """How many images of `found` are in the training part of another dataset too, byte for byte, in a sentence."""
    other = open_dataset(training, settings)
    if not other.ids:  # images without class folders were trained on as well as others
        names = tuple(map(str, archives.survey(Path(other.source)).names))
        other = replace(other, ids=names, targets=(0,) * len(names), is_test=(False,) * len(names))
    trained_on = {other.ids[i] for i in other.positions(test=False) or range(len(other))}
    seen = {digest_of(item.image) for item in other.items(trained_on) if not isinstance(item.image, str)}
    if not seen:
        raise InputError(f"Expected images that models were trained on in {training}. Received: none.")
    count = sum(digest_of(item.image) in seen for item in found.items())
    name = Path(training).name
    if not count:
        return f"None of its images stands in {name}, byte for byte."
    return f"{count:,} of its {len(found):,} images stand in {name} too, byte for byte: these were trained on."
