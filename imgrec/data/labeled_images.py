"""Labelled images to measure on: a known set by name, class folders, a folder with `labels.csv`, archives, `.npz`.

Read one by one, from where they lie, so that a set may be larger than the memory. What `labels.csv` says is in
`label_tables`. Where a set comes in a training and a test part, the test part is measured on, and what stands in both
is counted and said.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

import numpy as np

from imgrec.data import archives, dataset, folders, label_csv
from imgrec.data.label_csv import LABELS_FILE, MAX_LABELS_BYTES
from imgrec.errors import InputError, LabelSpaceError, UnknownNameError
from imgrec.predictions.labels import LABEL_SPACES, LabelMap, LabelSpace, get_label_map, get_label_space
from imgrec.settings import Settings

# What is no part of a set's name: a folder may well be called my.v1.
SUFFIXES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip", ".npz")

# Of many classes a sentence names so many.
MAX_NAMED = 4

# What every reader of numbers on a well-known set must know, and where it is from.
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

# Words by which people call the classes of known spaces, besides the spaces' own.
SYNONYMS = {"plane": "airplane", "aeroplane": "airplane", "car": "automobile", "boat": "ship"}


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One image: bytes as they came, uint8 pixels (H, W, 3), or a sentence why it cannot be read.

    `target` is its class in the set's label space.
    """

    id: str
    target: int
    image: bytes | np.ndarray | str


@dataclass(frozen=True, eq=False)  # without slots, which have no room for what is computed once
class LabeledSet:
    """A set of labeled images; `items()` reads it from the start, as often as it is called.

    `ids` and `targets` stand in the order of the items. `source` says where it is from, `flaws` what a reader of
    its numbers must know. `pick`, where there is one, reads only the items with these ids. `per_class` is how many
    images of each class were taken at most, None for all.
    """

    name: str
    label_space: LabelSpace
    ids: tuple[str, ...]
    targets: tuple[int, ...]
    items: Callable[[], Iterator[Item]] = field(repr=False)
    source: str
    flaws: tuple[str, ...] = ()
    pick: Callable[[Collection[str]], Iterator[Item]] | None = field(default=None, repr=False)
    per_class: int | None = None

    def __post_init__(self) -> None:
        if not self.ids:
            raise InputError(f"Expected labeled images in {self.name}. Received: none.")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """The sha256 of ids and targets: which images are asked for, and what is right."""
        digest = hashlib.sha256(repr(self.label_space.labels).encode())
        for item in zip(self.ids, self.targets, strict=True):
            digest.update(repr(item).encode())
        return digest.hexdigest()

    @cached_property
    def images_sha256(self) -> str:
        """The sha256 of the images themselves, in their order; reads all of them when it is first asked for."""
        digest = hashlib.sha256()
        for item in self.items():
            digest.update(_digest(item.image))
        return digest.hexdigest()


def open_set(
    name_or_path: str,
    settings: Settings,
    *,
    per_class: int | None = None,
    flaws: Sequence[str] = (),
    training: str | None = None,
) -> LabeledSet:
    """The set called `name_or_path` (a key of `datasets.DATASETS`) or lying at that path.

    `per_class` takes only the first so many images of each class; `flaws` are added to what is known of the set.
    `training` names the set that models were trained on: how many images stand in both is said among the flaws.
    Raises `InputError` when there is nothing to measure on or labels cannot be understood.
    """
    if name_or_path in dataset.DATASETS:
        data = dataset.load(name_or_path, settings)
        found = _arrays(data, name_or_path, *KNOWN.get(name_or_path, (data.source, ())))
    else:
        # Absolute: images are read later, and whoever asks may be in another folder by then.
        path = Path(os.path.abspath(Path(name_or_path).expanduser()))
        if not path.exists():
            known = ", ".join(dataset.DATASETS)
            raise InputError(
                f"Expected the name of a dataset ({known}), or the path of a folder, a zip, a tar or an .npz file. "
                f"Received: {name_or_path!r}, which is not there."
            )
        if path.suffix == ".npz":
            found = _arrays(dataset.load(name_or_path, settings), _name_of(path), str(path))
        else:
            found = _files(path, settings)
    if per_class is not None:
        found = _limited(found, per_class)
    if training is not None:
        flaws = (*flaws, _overlap(found, training, settings))
    return replace(found, flaws=(*found.flaws, *flaws)) if flaws else found


def scoring(model_space: LabelSpace, set_space: LabelSpace) -> LabelMap | None:
    """How a model's classes count as those of a set: None when they are the same, else a map whose sums stay 1.

    The map's target has the set's classes first and, if some of the model's have no place there, one more for
    "something else". ImageNet's classes roll up through WordNet; spaces with the same labels, in another order or
    number ("cats", "cat"), are matched by name. Raises `LabelSpaceError` when nothing fits.
    """
    if model_space.name == set_space.name or model_space.labels == set_space.labels:
        return None
    mine, theirs = list(map(_plain, model_space.labels)), list(map(_plain, set_space.labels))
    if sorted(mine) == sorted(theirs) and len(set(theirs)) == len(theirs):
        return LabelMap(model_space, set_space, np.array([theirs.index(name) for name in mine]))
    if model_space.name in LABEL_SPACES and set_space.name in LABEL_SPACES:
        found = get_label_map(model_space.name, set_space.name)
        if len(found.unreachable) < len(set_space.labels):
            return found.with_rest()
    unknown = unknown_classes(model_space, set_space)
    received = (
        f"{len(set_space.labels):,} classes. Not among them: {in_words(unknown)}"
        if unknown
        else in_words(set_space.labels)
    )
    raise LabelSpaceError(
        f"Expected a set with the classes of the model ({in_words(model_space.labels)}), or ones that these roll up "
        f"to. Received: {received}."
    )


def recognize(names: Sequence[str]) -> LabelSpace:
    """The known label space that has all these classes (by WordNet id, or by name), or a new one of just these.

    ImageNet is recognized by WordNet ids alone: two of its classes are called crane.
    """
    imagenet = get_label_space("imagenet_1k")
    if names and set(names) <= set(imagenet.synsets):
        return imagenet
    # The smallest that has them all: cats and dogs are classes of CIFAR-10 too.
    for space in sorted(map(get_label_space, LABEL_SPACES), key=lambda space: len(space.labels)):
        if space is not imagenet and set(map(_plain, names)) <= set(map(_plain, space.labels)) and len(names) > 1:
            return space
    ordered = tuple(sorted(names))
    return LabelSpace("_".join(ordered)[:60], ordered, (None,) * len(ordered))


def unknown_classes(model_space: LabelSpace, set_space: LabelSpace) -> list[str]:
    """The classes of a set that a model does not have by any of their names."""
    known = _positions(model_space)
    return [name for name in set_space.labels if name not in known and _plain(name) not in known]


def in_words(labels: Sequence[str]) -> str:
    """The first of `labels`, and how many more there are."""
    more = len(labels) - MAX_NAMED
    return ", ".join(labels[:MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _name_of(path: Path) -> str:
    """What a set at the absolute `path` is called: as its folder or file, without what it is packed as."""
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    name = path.name if path.is_dir() else path.name[: len(path.name) - len(suffix)]
    return name or path.name or "pictures"


def _plain(name: str) -> str:
    """A class name as it is compared: "Cats" and "cat" are one."""
    word = name.strip().lower().replace("_", " ")
    word = word[:-1] if word.endswith("s") and not word.endswith("ss") else word
    return SYNONYMS.get(word, word)


def _positions(space: LabelSpace) -> Mapping[str, int]:
    """Class by WordNet id and by plain name."""
    return {_plain(n): i for i, n in enumerate(space.labels)} | {s: i for i, s in enumerate(space.synsets) if s}


def _arrays(data: dataset.DataSet, name: str, source: str, flaws: tuple[str, ...] = ()) -> LabeledSet:
    """The test part of a set that lies in memory, or the whole of one that has no parts."""
    images = data.train if data.test is None else data.test
    space = get_label_space(data.label_space) if data.label_space else recognize(data.classes)
    place = _positions(space)
    targets = tuple(place[_plain(data.classes[t])] for t in images.targets.tolist())
    ids = tuple(f"{i:05d}" for i in range(len(targets)))

    def items() -> Iterator[Item]:
        yield from (Item(ids[i], targets[i], images.pixels[i]) for i in range(len(ids)))

    def pick(wanted: Collection[str]) -> Iterator[Item]:
        yield from (Item(ids[i], targets[i], images.pixels[i]) for i in sorted(int(name) for name in wanted))

    return LabeledSet(name, space, ids, targets, items, source, (*flaws, *data.notes), pick)


def _files(path: Path, settings: Settings) -> LabeledSet:
    names = archives.survey(path).names
    table = next((name for name in names if name.name == LABELS_FILE), None)
    flaws: list[str] = []
    if table is None:
        classes, leaks = _by_folder(path, names, settings)
        space = recognize(sorted(set(classes.values())))
        place = _positions(space)
        chosen = {name: place[_plain(label)] if label not in place else place[label] for name, label in classes.items()}
        if leaks:
            flaws.append(f"{leaks} of its images stand in its training part too.")
    else:
        chosen, space, count = _by_table(path, table, names)
        if missing := count - len(chosen):
            flaws.append(f"{missing:,} of {count:,} listed images are not there.")
    listed = [name for name in names if name in chosen]
    return LabeledSet(
        name=_name_of(path),
        label_space=space,
        ids=tuple(map(str, listed)),
        targets=tuple(chosen[name] for name in listed),
        items=partial(_read, path, chosen, settings.max_upload_bytes, chosen),
        source=str(path),
        flaws=tuple(flaws),
        pick=lambda ids: _read(path, chosen, settings.max_upload_bytes, {PurePosixPath(name) for name in ids}),
    )


def _read(
    path: Path, chosen: Mapping[PurePosixPath, int], max_bytes: int, only: Collection[PurePosixPath]
) -> Iterator[Item]:
    damaged: list[Item] = []

    def keep(name: PurePosixPath, sentence: str) -> None:
        damaged.append(Item(str(name), chosen[name], sentence))

    for name, data in archives.files(path, max_bytes=max_bytes, only=only, on_damaged=keep):
        yield from damaged
        damaged.clear()
        yield Item(str(name), chosen[name], data)
    yield from damaged


def _pass_over(name: PurePosixPath, sentence: str) -> None:
    """For a damaged image where none is told of it: whoever evaluates it lists it."""


def _by_folder(path: Path, names: Sequence[PurePosixPath], settings: Settings) -> tuple[dict[PurePosixPath, str], int]:
    """Class of each image to measure on, and how many of them are in the training part as well."""
    places = folders.lay_out(path, names).places
    test = {name: label for name, (part, label) in places.items() if part == "test"}
    train = {name: label for name, (part, label) in places.items() if part == "train"}
    if not test:
        if not train:
            raise InputError(
                f"Expected images in class folders, or a {LABELS_FILE}, in {path.name}. Received: "
                f"{len(names):,} files and neither."
            )
        return train, 0
    leaks = 0
    if train:
        digests: dict[str, set[bytes]] = {"train": set(), "test": set()}
        for name, data in archives.files(path, max_bytes=settings.max_upload_bytes, on_damaged=_pass_over):
            digest = hashlib.sha256(data).digest()
            if name in train:
                digests["train"].add(digest)
            elif name in test:
                digests["test"].add(digest)
        leaks = len(digests["train"] & digests["test"])
    return test, leaks


def _by_table(
    path: Path, table: PurePosixPath, names: Sequence[PurePosixPath]
) -> tuple[dict[PurePosixPath, int], LabelSpace, int]:
    """Class of each image that `labels.csv` lists and that is there, their label space, and how many it lists."""
    listed = label_csv.read(_content(path, table), table)
    if listed.column == "index":
        space = get_label_space("imagenet_1k")
        indices = {str(i): i for i in range(len(space.labels))}
        targets = {name: indices.get(word.lstrip("0") or "0", -1) for name, word in listed.words.items()}
    else:
        space = recognize(sorted(set(listed.words.values())))
        place = _positions(space)
        targets = {name: place.get(word, place.get(_plain(word), -1)) for name, word in listed.words.items()}
    wrong = list(dict.fromkeys(listed.words[name] for name, target in targets.items() if target < 0))
    if wrong:
        raise UnknownNameError(
            f"Expected classes of {space.name} in the column {listed.column} of {table}. "
            f"Received: {in_words(wrong)}, not among them."
        )
    present = set(names)
    found = {name: target for name, target in targets.items() if name in present}
    if not found:
        raise InputError(f"Expected the images that {table} lists. Received: none of {len(targets):,} is there.")
    return found, space, len(targets)


def _content(path: Path, wanted: PurePosixPath) -> bytes:
    return next(data for name, data in archives.files(path, max_bytes=MAX_LABELS_BYTES) if name == wanted)


def _overlap(found: LabeledSet, training: str, settings: Settings) -> str:
    """How many images of `found` stand in the training part of another set too, byte for byte, in a sentence."""
    if training in dataset.DATASETS or training.endswith(".npz"):
        seen = {_digest(pixels) for pixels in dataset.load(training, settings).train.pixels}
    else:
        path = Path(training).expanduser()
        names = archives.survey(path).names
        places = folders.lay_out(path, names).places
        only = [name for name, (part, _) in places.items() if part == "train"] or list(names)
        read = archives.files(path, max_bytes=settings.max_upload_bytes, only=set(only), on_damaged=_pass_over)
        seen = {_digest(data) for _, data in read}
    count = sum(_digest(item.image) in seen for item in found.items() if not isinstance(item.image, str))
    if not seen:
        raise InputError(f"Expected images that models were trained on in {training}. Received: none.")
    name = Path(training).name
    if not count:
        return f"None of its images stands in {name}, byte for byte."
    return f"{count:,} of its {len(found):,} images stand in {name} too, byte for byte: these were trained on."


def _digest(image: bytes | np.ndarray | str) -> bytes:
    """Of a file's bytes, of pixels and their shape, or of the sentence that stands for them."""
    if isinstance(image, bytes | str):
        return hashlib.sha256(image if isinstance(image, bytes) else image.encode()).digest()
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()


def _limited(found: LabeledSet, per_class: int) -> LabeledSet:
    """Only the first `per_class` images of each class."""
    if per_class < 1:
        raise InputError(f"Expected 1 image of each class or more. Received: {per_class}.")
    counts: Counter[int] = Counter()
    kept: list[int] = []
    for position, target in enumerate(found.targets):
        counts[target] += 1
        if counts[target] <= per_class:
            kept.append(position)
    wanted = {found.ids[i] for i in kept}

    def items() -> Iterator[Item]:
        return (item for item in found.items() if item.id in wanted)

    return LabeledSet(
        f"{found.name}_first_{per_class}",
        found.label_space,
        tuple(found.ids[i] for i in kept),
        tuple(found.targets[i] for i in kept),
        items,
        found.source,
        (*found.flaws, f"Only the first {per_class} images of each class."),
        found.pick,
        per_class,
    )


def look_up(found: LabeledSet, ids: Collection[str]) -> dict[str, bytes | np.ndarray]:
    """The images with these ids, as far as they are there; reads nothing else where the set can do so."""
    wanted = set(ids) & set(found.ids)
    items = found.pick(wanted) if found.pick is not None else found.items()
    return {item.id: item.image for item in items if item.id in wanted and not isinstance(item.image, str)}
