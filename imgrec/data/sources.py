"""Every source of labeled images: a published dataset by name, class folders, an archive of them, arrays in `.npz`.

Which class a file belongs to is decided in `folders`. What cannot be used is listed, and the rest is used.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from imgrec.data import archives, array_files, cifar10, folders
from imgrec.data.dataset import ArrayDataset, Dataset, Images, Raw
from imgrec.data.folders import MAX_CLASSES, class_name
from imgrec.data.label_matching import own_space
from imgrec.data.splits import MIN_PER_CLASS
from imgrec.errors import InputError
from imgrec.models.downloads import Progress
from imgrec.predictions.labels import LabelSpace, get_label_space
from imgrec.settings import Settings, available_memory_bytes

# The share of the memory that this process may use which arrays of an .npz may take; the rest is for the network.
MEMORY_SHARE = 0.4

# Classes that a sentence names; of more, their number suffices.
MAX_NAMED = 5

# These are no part of a dataset's name; another suffix may be: my.v1.
SUFFIXES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip", ".npz")


def open_dataset(name_or_path: str, settings: Settings, progress: Progress | None = None) -> Dataset:
    """Return all labeled images of the dataset with that name (a key of `DATASETS`) or at that path.

    Of files only the names are read. Raises `InputError` when there is nothing, and what reading arrays raises:
    `MemoryBudgetError` when they do not fit into the memory, `WeightsError` when they cannot be downloaded.
    """
    if name_or_path in DATASETS:
        return of_arrays(DATASETS[name_or_path](settings, progress or Progress()))
    path = path_of(name_or_path)
    return of_arrays(_from_npz(path)) if path.suffix == ".npz" else from_files(path, settings)


def path_of(name_or_path: str) -> Path:
    """Return the absolute path, as images are read later; raises `InputError` when there is nothing."""
    path = Path(os.path.abspath(Path(name_or_path).expanduser()))
    if not path.exists():
        raise InputError(
            f"Expected the name of a dataset ({', '.join(DATASETS)}), or the path of a folder of class folders, "
            f"a zip, a tar or an .npz file. Received: {name_or_path!r}, which is not there."
        )
    return path


def of_arrays(data: ArrayDataset) -> Dataset:
    """Return `data` as images that are read one by one, with ids such as train/00042."""
    parts = {"train/": data.train} | ({"test/": data.test} if data.test is not None else {})
    images = {f"{key}{i:05d}": pixels for key, part in parts.items() for i, pixels in enumerate(part.pixels)}
    space = get_label_space(data.label_space) if data.label_space else None
    return Dataset(
        name=data.name,
        label_space=space or LabelSpace(data.name, data.classes, (None,) * len(data.classes)),
        ids=tuple(images),
        targets=tuple(target for part in parts.values() for target in part.targets.tolist()),
        is_test=tuple(key == "test/" for key, part in parts.items() for _ in range(len(part))),
        read=lambda ids: ((id_, pixels) for id_, pixels in images.items() if id_ in ids),
        source=data.source,
        arrays=data,
    )


def from_files(path: Path, settings: Settings) -> Dataset:
    """Return the images in class folders of a folder or archive; they may be none."""
    listing = archives.survey(path)
    layout = folders.lay_out(path, listing.names, listing.empty)
    space = own_space(label for _, label in layout.places.values())
    index = {label: i for i, label in enumerate(space.labels)}
    return Dataset(
        name=name_of(path),
        label_space=space,
        ids=tuple(map(str, layout.places)),
        targets=tuple(index[label] for _, label in layout.places.values()),
        is_test=tuple(part == "test" for part, _ in layout.places.values()),
        read=partial(read_files, path, settings.max_upload_bytes),
        source=str(path),
        left_out=(*listing.left_out, *layout.left_out),
        remarks=layout.remarks,
        empty=layout.empty,
    )


def read_files(path: Path, max_bytes: int, ids: Collection[str]) -> Iterator[tuple[str, Raw]]:
    """(name, content) of the files called `ids` in a folder or archive; of a damaged one, a sentence."""
    damaged: list[tuple[str, Raw]] = []
    found = archives.files(
        path,
        max_bytes=max_bytes,
        only={PurePosixPath(id_) for id_ in ids},
        on_damaged=lambda name, sentence: damaged.append((str(name), sentence)),
    )
    for name, data in found:
        yield from damaged
        damaged.clear()
        yield str(name), data
    yield from damaged


def name_of(path: Path) -> str:
    """Return what a dataset at the absolute `path` is called: its folder or file, without the suffix of an archive."""
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    name = path.name if path.is_dir() else path.name[: len(path.name) - len(suffix)]
    return name or path.name or "pictures"


def no_classes(labels: Sequence[str], more: int = 0) -> tuple[str, ...]:
    """Return the sentence on classes, `labels` and so many `more`, that have no training image; none of no classes.

    >>> no_classes(["frog"])
    ('frog: no readable image to learn from, so it is no class',)
    """
    if not labels:
        return ()
    named, more = ", ".join(labels[:MAX_NAMED]), more + len(labels[MAX_NAMED:])
    single = len(labels) + more == 1
    return (
        f"{named}{f' and {more:,} more' if more else ''}: no readable image to learn from, so "
        f"{'it is no class' if single else 'they are no classes'}",
    )


def untested(labels: Sequence[str], targets: np.ndarray) -> list[str]:
    """Return a sentence for each class that does not occur in the `targets` (N,) of the test."""
    tested = set(targets.tolist())
    return [f"{label}: no image to test on" for i, label in enumerate(labels) if i not in tested]


def check_classes(name: str, counts: dict[str, int], refused: Sequence[str]) -> None:
    """Raise `InputError` unless there are two classes or more, not too many, with enough training images each."""
    hint = f" {len(refused):,} could not be used, the first: {refused[0]}" if refused else ""
    if len(counts) < 2:
        received = f"only {next(iter(counts))!r}" if counts else "none"
        raise InputError(
            f"Expected two class folders or more with readable images in {name}. Received: {received}.{hint}"
        )
    if len(counts) > MAX_CLASSES:
        raise InputError(
            f"Expected at most {MAX_CLASSES:,} classes in {name}. Received: {len(counts):,}; "
            "the folder that directly holds an image is taken for its class."
        )
    few = [label for label, count in counts.items() if count < MIN_PER_CLASS]
    if few:
        raise InputError(
            f"Expected at least {MIN_PER_CLASS} readable images of each class. "
            f"Received: fewer of {', '.join(few[:5])}.{hint}"
        )


def _from_npz(path: Path) -> ArrayDataset:
    """Arrays `x_train`, `y_train`, and if there is one `x_test`, `y_test`, `class_names`.

    A class without training images is left out, and the others move up; each keeps its name.
    """
    found = array_files.read_npz(path, int(available_memory_bytes() * MEMORY_SHARE))
    try:
        train = Images(found["x_train"], found["y_train"].reshape(-1))
        test = Images(found["x_test"], found["y_test"].reshape(-1)) if "x_test" in found else None
    except KeyError as error:
        raise InputError(
            f"Expected the arrays x_train and y_train in {path.name}, and y_test where there is x_test. "
            f"Received: {', '.join(found) or 'none'}."
        ) from error
    names = [class_name(str(label)) for label in found["class_names"]] if "class_names" in found else None
    targets = np.concatenate([part.targets for part in (train, test) if part is not None])
    count = int(targets.max(initial=-1)) + 1 if names is None else len(names)
    if not np.all((targets >= 0) & (targets < count)):
        raise InputError(f"Expected targets from 0 to {count - 1} in {path.name}. Received: others.")
    if names is not None and len(set(names)) < len(names):
        raise InputError(f"Expected a name of its own for each class in {path.name}. Received: one name twice.")
    if test is not None and test.pixels.shape[1:] != train.pixels.shape[1:]:
        raise InputError(f"Expected images of one size in {path.name}. Received: two sizes.")

    def name(target: int) -> str:
        return f"class {target}" if names is None else names[target]

    kept, counts = np.unique(train.targets, return_counts=True)
    labels = tuple(map(name, kept.tolist()))
    present = set(kept.tolist())
    # Only the first of them: targets may be numbers of millions.
    absent = list(islice((i for i in range(count) if i not in present), MAX_NAMED))
    missing = [*no_classes([*map(name, absent)], count - len(kept) - len(absent))]
    check_classes(path.name, dict(zip(labels, counts.tolist(), strict=True)), missing)
    not_tested: list[str] = []
    if test is not None:
        known = np.isin(test.targets, kept)
        if not known.all():
            missing.append(f"x_test: {np.sum(~known):,} of {len(test):,} images left out, being of no class")
            test = test.take(np.flatnonzero(known))
        if len(test):
            test = Images(test.pixels, np.searchsorted(kept, test.targets))
            not_tested = untested(labels, test.targets)
        else:
            missing.append("x_test: no image to test on")
            test = None
    train = Images(train.pixels, np.searchsorted(kept, train.targets))
    notes = (*missing, *not_tested)
    return ArrayDataset(name_of(path), labels, train, test, str(path), notes=notes, missing=tuple(missing))


def _cifar10(settings: Settings, progress: Progress) -> ArrayDataset:
    """CIFAR-10: from an .npz of it in `KERAS_HOME/datasets/` if there is one, else as its publishers pack it."""
    if (packed := settings.keras_home / "datasets" / "cifar10.npz").is_file():
        found = _from_npz(packed)
        if len(found.classes) != len(cifar10.CLASSES):
            raise InputError(
                f"Expected the {len(cifar10.CLASSES)} classes of CIFAR-10 in {packed}. Received: {len(found.classes)}."
            )
        train, test, source = found.train, found.test, str(packed)
    else:
        train, test = (Images(*part) for part in cifar10.load(settings, progress))
        source = cifar10.URL
    return ArrayDataset(
        "cifar10", cifar10.CLASSES, train, test, source, label_space="cifar_10", published=cifar10.PUBLISHED
    )


DATASETS: dict[str, Callable[[Settings, Progress], ArrayDataset]] = {"cifar10": _cifar10}
