"""The images of a dataset that models are measured on: its test part, or all of it where it has no parts.

A dataset is a name, a folder, an archive, arrays, Parquet files, tars of WebDataset, or a store of any of these.

Their classes are those of a known label space where one has them all; `labels.csv` may say what they are. What is in
the training part too is counted and said.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from imgrec.data import archives, folders, packed_images
from imgrec.data.classes import check_groups, in_words, place_of_label, recognize
from imgrec.data.dataset import Dataset, digest_of
from imgrec.data.folders import LABELS_FILE
from imgrec.data.packed_images import Versions
from imgrec.data.sources import DATASETS, from_files, name_of, of_arrays, open_dataset, path_of, read_files
from imgrec.data.stores import Store, is_address
from imgrec.errors import InputError, UnknownNameError
from imgrec.predictions.class_groups import ClassGroups
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
    groups: ClassGroups | None = None,
) -> Dataset:
    """Return what is measured of the dataset with that name (a key of `DATASETS`), at that path or address.

    Only the first `per_class` images of each class are taken. `flaws` are added to what is known of the dataset;
    `training` is the dataset that models were trained on: the number of images in both is added to the flaws. `groups`
    say what the classes mean in WordNet, where no known label space has them.
    Raises `InputError` when there is nothing to measure on, or labels cannot be understood.
    """
    versions: Versions | None = None
    if name_or_path in DATASETS:
        found = _of_parts(open_dataset(name_or_path, settings), name_or_path)
    else:
        place = Store.of(name_or_path) if is_address(name_or_path) else path_of(name_or_path)
        if (packed := packed_images.find(place)) is not None:
            labeled, versions = packed_images.open_labeled(packed, settings)
            found = _of_parts(labeled, reads_all=False)
        elif place.suffix == ".npz" and isinstance(place, Path):
            found = _of_parts(open_dataset(name_or_path, settings), name_or_path)
        else:
            found, versions = _of_files(place, settings)
    if per_class is not None:
        found = _limited(found, per_class)
    if training is not None:
        flaws = (*flaws, _overlap(found, training, settings))
    if groups is not None:
        check_groups(found.label_space.labels, groups)
        flaws = (*flaws, f"Its classes, as WordNet has them: {groups.to_link()}.")
    found = replace(found, flaws=(*found.flaws, *flaws), groups=groups)
    return found if versions is None else found.with_contents(b"".join(digest_of(versions(id_)) for id_ in found.ids))


def _of_files(place: archives.Place, settings: Settings) -> tuple[Dataset, Versions | None]:
    """Return the images that lie in class folders or are listed in a table, and the versions of a store's files."""
    versions = None
    if isinstance(place, Store):
        files = place.list()
        listing = archives.Listing(tuple(file.name for file in files), ())
        versions = {str(file.name): file.version for file in files}.__getitem__
    else:
        listing = archives.survey(place)
    table = next((name for name in listing.names if name.name == LABELS_FILE), None)
    if table:
        return _of_table(place, table, listing, settings), versions
    return _of_parts(from_files(place, settings, listing), reads_all=versions is None), versions


def _of_parts(found: Dataset, name: str = "", *, reads_all: bool = True) -> Dataset:
    """Return the test part, or all images where there is none.

    Images that stand in both parts are looked for where that `reads_all`: of a store, which may have millions, not.
    """
    labels = found.label_space.labels
    if (data := found.arrays) is not None:
        source, known = KNOWN.get(name, (data.source, ()))
        found = replace(of_arrays(data, {"": data.test or data.train}), source=source, flaws=(*known, *data.notes))
        space = get_label_space(data.label_space) if data.label_space else recognize(labels)
    else:
        test = found.positions(test=True)
        if not found.ids:
            raise InputError(
                f"Expected images in class folders, or a {LABELS_FILE}, in {Path(found.source).name}. Received: "
                f"{len(found.left_out):,} files and neither."
            )
        leaks = _leaks(found) if reads_all and 0 < len(test) < len(found) else 0
        found = found.take(
            test or range(len(found)),
            flaws=(f"{leaks} of its images stand in its training part too.",) if leaks else (),
        )
        space = recognize(sorted({labels[target] for target in found.targets}))
    index = [place_of_label(space, label) for label in labels]
    return replace(found, label_space=space, targets=tuple(index[target] for target in found.targets))


def _leaks(found: Dataset) -> int:
    """Return the number of images that are in both parts, byte for byte."""
    digests: dict[bool, set[bytes]] = {False: set(), True: set()}
    is_test = dict(zip(found.ids, found.is_test, strict=True))
    for item in found.items():
        if not isinstance(item.image, str):
            digests[is_test[item.id]].add(digest_of(item.image))
    return len(digests[False] & digests[True])


def _of_table(path: archives.Place, table: PurePosixPath, listing: archives.Listing, settings: Settings) -> Dataset:
    """Return the images that `labels.csv` lists and that are there."""
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
    names = [name for name in listing.names if name in targets]
    if not names:
        raise InputError(f"Expected the images that {table} lists. Received: none of {len(targets):,} is there.")
    missing = len(targets) - len(names)
    return Dataset(
        name=name_of(path),
        label_space=space,
        ids=tuple(map(str, names)),
        targets=tuple(targets[name] for name in names),
        is_test=(True,) * len(names),
        read=partial(read_files, path, settings.max_upload_bytes),
        source=str(path),
        flaws=(f"{missing:,} of {len(targets):,} listed images are not there.",) if missing else (),
    )


def _limited(found: Dataset, per_class: int) -> Dataset:
    """Return only the first `per_class` images of each class."""
    if per_class < 1:
        raise InputError(f"Expected 1 image of each class or more. Received: {per_class}.")
    by_class: dict[int, list[int]] = {}
    for position, target in enumerate(found.targets):
        by_class.setdefault(target, []).append(position)
    return found.take(
        sorted(position for positions in by_class.values() for position in positions[:per_class]),
        name=f"{found.name}_first_{per_class}",
        flaws=(*found.flaws, f"Only the first {per_class} images of each class."),
        per_class=per_class,
    )


def _overlap(found: Dataset, training: str, settings: Settings) -> str:
    """Return in a sentence how many images of `found` are in another training part too, byte for byte."""
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
