"""Labelled images for training and measuring: a known set by name, a folder of class folders, an archive, `.npz`.

Images of people's own go through the one decoder and the one framing, so that a network is trained on what it
will be shown later. What cannot be read is listed, and the rest is used. A set may be larger than the memory: its
images are then kept on the disk (see `rows`). Which file is of which class is decided in `layouts`.
"""

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from imgrec.data import archives, cifar10, memmap, npz
from imgrec.data.folders import MAX_CLASSES, class_name, lay_out
from imgrec.data.splits import packs
from imgrec.errors import ImageError, InputError
from imgrec.images import decoding
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import frame
from imgrec.models.downloads import Progress
from imgrec.settings import Settings, available_memory_bytes

# The share of the memory that this process may use which arrays of an .npz may take; the rest is for the network.
MEMORY_SHARE = 0.4

# A class needs some images to learn from and at least one to be tested on.
MIN_PER_CLASS = 2

# Classes that a sentence names; of more, their number suffices.
MAX_NAMED = 5

# Decoders free the interpreter while they work; more threads than this only wait for the one that reads.
MAX_THREADS = 4

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """`pixels` is uint8 (N, height, width, 3) RGB, `targets` int64 (N,): indices into the data set's classes.

    Many images are an `np.memmap`, read-only: take batches of them, not all. `folder` is where those that are taken
    from these may lie when they are many.
    """

    pixels: np.ndarray
    targets: np.ndarray
    folder: Path | None = None

    def __post_init__(self) -> None:
        pixels, targets = self.pixels, self.targets
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3 or 0 in pixels.shape[1:]:
            raise InputError(
                f"Expected images of type uint8 and shape (N, H, W, 3). Received: {pixels.dtype} {pixels.shape}."
            )
        if targets.shape != pixels.shape[:1] or not np.issubdtype(targets.dtype, np.integer):
            raise InputError(
                f"Expected one whole number for each of {len(pixels)} images. "
                f"Received: {targets.dtype} {targets.shape}."
            )
        object.__setattr__(self, "targets", targets.astype(np.int64))

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: np.ndarray) -> "Images":
        """The images at `indices` (K,), copied: in memory, or where these lie when they lie on the disk."""
        if self.folder is not None and isinstance(self.pixels, np.memmap):
            return Images(memmap.copy(self.pixels, indices, self.folder), self.targets[indices], self.folder)
        return Images(self.pixels[indices], self.targets[indices])


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Pictures with their classes. `test` is None where the set does not come with one.

    `label_space` names a space of `labels.LABEL_SPACES` if the classes are those, else None. `notes` are for
    people: what was left out and why; `missing` is that of them which is about classes without a image. `files`
    names the training images in their order, if they were files. `published` says how others pack the set.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images | None
    source: str
    label_space: str | None = None
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    published: str = ""
    _digest: list[str] = field(default_factory=list, repr=False)

    def counts(self) -> dict[str, tuple[int, int]]:
        """Class → (images to train on, images to test on)."""
        train = np.bincount(self.train.targets, minlength=len(self.classes))
        test = np.bincount(self.test.targets if self.test else np.array([], int), minlength=len(self.classes))
        return {label: (int(train[i]), int(test[i])) for i, label in enumerate(self.classes)}

    def summary(self) -> str:
        """Totals in a sentence: "180 images of 3 classes, all to train on."."""
        test = len(self.test) if self.test else 0
        parts = f": {len(self.train):,} to train on, {test:,} to test on" if test else ", all to train on"
        packed = f"; published in {self.published}" if self.published else ""
        return f"{len(self.train) + test:,} images of {len(self.classes):,} classes{parts}{packed}."

    def sha256(self) -> str:
        """Of the training images and their targets: what a resumed run must find again. Computed once."""
        if not self._digest:
            digest = hashlib.sha256()
            for array in (self.train.pixels, self.train.targets):
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            self._digest.append(digest.hexdigest())
        return self._digest[0]


def load(
    name_or_path: str,
    settings: Settings,
    input_size: tuple[int, int] = (32, 32),
    progress: Progress | None = None,
    on_read: Callable[[int, int], None] | None = None,
) -> DataSet:
    """The dataset called `name_or_path`, or the one that lies at that path, at `input_size` (height, width) px.

    `on_read` is told how many images of how many have been read. Raises `InputError` with a sentence on one class
    only, a class with a single image, or nothing readable; `MemoryBudgetError` when arrays do not fit into the
    memory, `StorageError` when images do not fit onto the disk; `WeightsError` when they cannot be had.
    """
    if name_or_path in DATASETS:
        return DATASETS[name_or_path](settings, progress or Progress())
    path = Path(name_or_path).expanduser()
    if not path.exists():
        raise InputError(
            f"Expected the name of a dataset ({', '.join(DATASETS)}), or the path of a folder of class folders, "
            f"a zip, a tar or an .npz file. Received: {name_or_path!r}."
        )
    if path.suffix == ".npz":
        return _from_npz(path)
    return _from_files(path, settings, input_size, on_read)


def split(
    targets: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to validate on, the same share of each class: int64 (N − M,) and (M,), shuffled.

    At least one image of each class is held out. `groups` (N,) names the group of each image (`likeness.groups`),
    which stays on one side, unless its class has no other. The same `seed` gives the same split on any machine.
    Raises `InputError` for a class with fewer than `MIN_PER_CLASS` images, or a fraction outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise InputError(f"Expected a share above 0 and below 1 to validate on. Received: {fraction}.")
    rng = np.random.default_rng(seed)
    kept, held_out = [], []
    for target in np.unique(targets):
        mine = rng.permutation(np.flatnonzero(targets == target))
        if len(mine) < MIN_PER_CLASS:
            raise InputError(f"Expected at least {MIN_PER_CLASS} images of each class. Received: {len(mine)} of one.")
        count = max(1, round(len(mine) * fraction))
        held = np.arange(len(mine)) < count if groups is None else _hold_out(mine, groups, count)
        held_out.append(mine[held])
        kept.append(mine[~held])
    return rng.permutation(np.concatenate(kept)), rng.permutation(np.concatenate(held_out))


def _hold_out(mine: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """bool (K,): about `count` of the shuffled images `mine` (K,) of one class, in whole groups, and not all."""
    found = packs(mine, groups)
    if len(found) < 2:
        return np.arange(len(mine)) < count
    taken: list[int] = []
    for members in found:
        # As long as that brings their number nearer to what is wanted.
        if 2 * len(taken) + len(members) < 2 * count and len(taken) + len(members) < len(mine):
            taken += members
    return np.isin(mine, taken or min(found, key=len))


def read_each(
    path: Path,
    names: Collection[PurePosixPath],
    settings: Settings,
    work: Callable[[DecodedImage, bytes], _Result],
) -> Iterator[tuple[PurePosixPath, _Result | ImageError]]:
    """(name, what `work` makes of the image and its bytes) of each file in `names`, in the order of the files.

    Images are decoded and worked on in threads, a few at a time. One that cannot be read comes as its error.
    """

    def one(name: PurePosixPath, data: bytes) -> _Result | ImageError:
        try:
            return work(decoding.decode(data, max_bytes=settings.max_upload_bytes, name=name.name), data)
        except ImageError as error:
            return error

    threads = min(MAX_THREADS, os.cpu_count() or 1)
    waiting: deque[tuple[PurePosixPath, Future[_Result | ImageError]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="reading") as pool:

        def damaged(name: PurePosixPath, sentence: str) -> None:
            waiting.append((name, pool.submit(ImageError, sentence)))

        found = archives.files(path, max_bytes=settings.max_upload_bytes, only=names, on_damaged=damaged)
        for name, data in found:
            waiting.append((name, pool.submit(one, name, data)))
            if len(waiting) > 2 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _from_files(
    path: Path, settings: Settings, input_size: tuple[int, int], on_read: Callable[[int, int], None] | None
) -> DataSet:
    """A folder or archive of class folders; each image decoded and framed as a model would be shown it."""
    listing = archives.survey(path)
    layout = lay_out(path, listing.names, listing.empty)
    refused = [*listing.left_out, *layout.left_out]
    candidates = sorted({label for part, label in layout.places.values() if part == "train"})
    unknown = {label for part, label in layout.places.values() if part == "test"} - set(candidates)
    refused += [f"test folder {label}: no such class in training" for label in sorted(unknown)]
    places = {name: place for name, place in layout.places.items() if place[1] not in unknown}
    _check_classes(path.name, _count(candidates, places.values()), [*no_classes(layout.empty), *refused])

    # Each image has its row before any is read: training first, class by class, in the order of the files.
    ordered = sorted(places, key=lambda name: (places[name][0] == "test", places[name][1]))
    row_of = {name: row for row, name in enumerate(ordered)}
    folder = settings.home / "pictures"
    with memmap.Rows(len(ordered), (*input_size, 3), folder) as store:
        work = read_each(path, row_of.keys(), settings, lambda image, _: frame(image, input_size, 1.0))
        for count, (name, found) in enumerate(work, 1):
            if isinstance(found, ImageError):
                refused.append(f"{name}: {found}")
            else:
                store.write(row_of[name], found)
            if on_read is not None:
                on_read(count, len(ordered))
        readable = [name for name, written in zip(ordered, store.written.tolist(), strict=True) if written]
        counts = _count(candidates, [places[name] for name in readable])
        index = {label: i for i, label in enumerate(label for label in candidates if counts[label])}
        missing = no_classes(sorted({*layout.empty, *candidates} - index.keys()))
        refused = [*layout.remarks, *missing, *refused]
        _check_classes(path.name, {label: counts[label] for label in index}, refused)
        # Less the test images of a class none of whose training images could be read.
        kept = [name for name in readable if places[name][1] in index]
        pixels = store.finish(np.array([places[name][1] in index for name in ordered]))

    targets = np.array([index[places[name][1]] for name in kept], np.int64)
    train = sum(counts.values())
    if len(kept) > train:
        refused += _untested(list(index), targets[train:])
    return DataSet(
        name=path.stem,
        classes=tuple(index),
        train=Images(pixels[:train], targets[:train], folder),
        test=Images(pixels[train:], targets[train:], folder) if len(kept) > train else None,
        source=str(path),
        notes=tuple(refused),
        missing=missing,
        files=tuple(map(str, kept[:train])),
    )


def no_classes(labels: Sequence[str], more: int = 0) -> tuple[str, ...]:
    """The sentence on classes, `labels` and so many `more`, that have no image to learn from; none of no classes.

    >>> no_classes(["frog"])
    ('frog: no readable picture to learn from, so it is no class',)
    """
    if not labels:
        return ()
    named, more = ", ".join(labels[:MAX_NAMED]), more + len(labels[MAX_NAMED:])
    single = len(labels) + more == 1
    return (
        f"{named}{f' and {more:,} more' if more else ''}: no readable image to learn from, so "
        f"{'it is no class' if single else 'they are no classes'}",
    )


def _untested(labels: Sequence[str], targets: np.ndarray) -> list[str]:
    """A sentence for each class that does not occur in the `targets` of the test."""
    tested = set(targets.tolist())
    return [f"{label}: no image to test on" for i, label in enumerate(labels) if i not in tested]


def _count(labels: list[str], places: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Training images of each of `labels`."""
    counts = Counter(label for part, label in places if part == "train")
    return {label: counts[label] for label in labels}


def _check_classes(name: str, counts: dict[str, int], refused: list[str]) -> None:
    """Raise `InputError` unless there are two classes or more, not too many, with enough images each."""
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


def _from_npz(path: Path) -> DataSet:
    """Arrays `x_train`, `y_train`, and if there is one `x_test`, `y_test`, `class_names`.

    A class without training images is none, and the others move up; each keeps its name.
    """
    found = npz.read(path, int(available_memory_bytes() * MEMORY_SHARE))
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
    # The first of them: targets may be numbers of millions.
    absent = list(islice((i for i in range(count) if i not in present), MAX_NAMED))
    missing = [*no_classes([*map(name, absent)], count - len(kept) - len(absent))]
    _check_classes(path.name, dict(zip(labels, counts.tolist(), strict=True)), missing)
    untested: list[str] = []
    if test is not None and not (known := np.isin(test.targets, kept)).all():
        missing.append(f"x_test: {np.sum(~known):,} of {len(test):,} images left out, being of no class")
        test = test.take(np.flatnonzero(known))
    if test is not None and not len(test):
        missing.append("x_test: no image to test on")
        test = None
    if test is not None:
        test = Images(test.pixels, np.searchsorted(kept, test.targets))
        untested = _untested(labels, test.targets)
    train = Images(train.pixels, np.searchsorted(kept, train.targets))
    return DataSet(path.stem, labels, train, test, str(path), notes=(*missing, *untested), missing=tuple(missing))


def _cifar10(settings: Settings, progress: Progress) -> DataSet:
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
    return DataSet("cifar10", cifar10.CLASSES, train, test, source, label_space="cifar_10", published=cifar10.PUBLISHED)


DATASETS: dict[str, Callable[[Settings, Progress], DataSet]] = {"cifar10": _cifar10}
