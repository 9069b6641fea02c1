"""Labelled pictures for training and measuring: a known set by name, a folder of class folders, an archive, `.npz`.

    data/                          or with its own test set:      data/
    ├── cats/  cat.1.jpg …                                        ├── training_set/ cats/ … dogs/ …
    └── dogs/  dog.1.jpg …                                        └── test_set/     cats/ … dogs/ …

Pictures of people's own go through the one decoder and the one framing, so that a network is trained on what it
will be shown later. What cannot be read is listed, and the rest is used.
"""

import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from imgrec import archives, images
from imgrec.downloads import Progress, download, offline_error, publish, storage_errors
from imgrec.errors import CorruptWeightsError, ImageError, InputError, MemoryBudgetError
from imgrec.preprocessing import frame
from imgrec.settings import MIB, Settings, available_memory_bytes

# Names of the folders that may stand between a data set and its classes.
TRAIN_NAMES = frozenset({"train", "training", "training_set", "train_set"})
TEST_NAMES = frozenset({"test", "testing", "test_set", "val", "valid", "validation", "validation_set"})

# The share of the memory that this process may use which pictures may take; the rest is for the network.
MEMORY_SHARE = 0.4

# A class needs some pictures to learn from and at least one to be tested on.
MIN_PER_CLASS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """`pixels` is uint8 (N, height, width, 3) RGB, `targets` int64 (N,): indices into the data set's classes."""

    pixels: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        pixels, targets = self.pixels, self.targets
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
            raise InputError(
                f"Expected pictures of type uint8 and shape (N, H, W, 3). Received: {pixels.dtype} {pixels.shape}."
            )
        if targets.shape != pixels.shape[:1] or not np.issubdtype(targets.dtype, np.integer):
            raise InputError(
                f"Expected one whole number for each of {len(pixels)} pictures. "
                f"Received: {targets.dtype} {targets.shape}."
            )
        object.__setattr__(self, "targets", targets.astype(np.int64))

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: np.ndarray) -> "Pictures":
        """The pictures at `indices` (K,), copied."""
        return Pictures(self.pixels[indices], self.targets[indices])


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Pictures with their classes. `test` is None where the set does not come with one.

    `label_space` names a space of `labels.LABEL_SPACES` if the classes are those, else None. `notes` are for
    people: what was left out and why.
    """

    name: str
    classes: tuple[str, ...]
    train: Pictures
    test: Pictures | None
    source: str
    label_space: str | None = None
    notes: tuple[str, ...] = ()
    _digest: list[str] = field(default_factory=list, repr=False)

    def counts(self) -> dict[str, tuple[int, int]]:
        """Class → (pictures to train on, pictures to test on)."""
        train = np.bincount(self.train.targets, minlength=len(self.classes))
        test = np.bincount(self.test.targets if self.test else np.array([], int), minlength=len(self.classes))
        return {label: (int(train[i]), int(test[i])) for i, label in enumerate(self.classes)}

    def sha256(self) -> str:
        """Of the training pictures and their targets: what a resumed run must find again. Computed once."""
        if not self._digest:
            digest = hashlib.sha256()
            for array in (self.train.pixels, self.train.targets):
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            self._digest.append(digest.hexdigest())
        return self._digest[0]


def load(
    name_or_path: str, settings: Settings, input_size: tuple[int, int] = (32, 32), progress: Progress | None = None
) -> DataSet:
    """The data set called `name_or_path`, or the one that lies at that path, at `input_size` (height, width) px.

    Raises `InputError` with a sentence on one class only, a class with a single picture, or nothing readable;
    `MemoryBudgetError` when the pictures do not fit; `WeightsError` and `StorageError` when they cannot be had.
    """
    if name_or_path in DATASETS:
        return DATASETS[name_or_path](settings, progress or Progress())
    path = Path(name_or_path).expanduser()
    if not path.exists():
        raise InputError(
            f"Expected the name of a data set ({', '.join(DATASETS)}), or the path of a folder of class folders, "
            f"a zip, a tar or an .npz file. Received: {name_or_path!r}."
        )
    if path.suffix == ".npz":
        return _from_npz(path)
    return _from_files(path, settings, input_size)


def split(targets: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to validate on, the same share of each class: int64 (N − M,) and (M,), shuffled.

    At least one picture of each class is held out. The same `seed` gives the same split on any machine.
    Raises `InputError` for a class with fewer than `MIN_PER_CLASS` pictures, or a fraction outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise InputError(f"Expected a share above 0 and below 1 to validate on. Received: {fraction}.")
    rng = np.random.default_rng(seed)
    kept, held_out = [], []
    for target in np.unique(targets):
        mine = rng.permutation(np.flatnonzero(targets == target))
        if len(mine) < MIN_PER_CLASS:
            raise InputError(f"Expected at least {MIN_PER_CLASS} pictures of each class. Received: {len(mine)} of one.")
        count = max(1, round(len(mine) * fraction))
        held_out.append(mine[:count])
        kept.append(mine[count:])
    return rng.permutation(np.concatenate(kept)), rng.permutation(np.concatenate(held_out))


def _from_files(path: Path, settings: Settings, input_size: tuple[int, int]) -> DataSet:
    """A folder or archive of class folders; each picture decoded and framed as a model would be shown it."""
    found: dict[str, dict[str, list[np.ndarray]]] = {"train": {}, "test": {}}
    refused: list[str] = []
    limit_bytes = int(available_memory_bytes() * MEMORY_SHARE)
    taken_bytes = 0
    for name, data in archives.files(path, max_bytes=settings.max_upload_bytes):
        place = place_of(name)
        if place is None:
            refused.append(f"{name}: not in a class folder")
            continue
        part, label = place
        try:
            image = images.decode(data, max_bytes=settings.max_upload_bytes, name=name.name)
        except ImageError as error:
            refused.append(f"{name}: {error}")
            continue
        pixels = frame(image, input_size, 1.0)
        taken_bytes += pixels.nbytes
        # Twice: the pictures one by one, and the array they end up in.
        if 2 * taken_bytes > limit_bytes:
            raise MemoryBudgetError(
                f"Expected pictures of at most {limit_bytes / MIB:,.0f} MiB at {input_size[0]} × {input_size[1]} px. "
                f"Received: more in {path.name}; train on fewer, or with a recipe of smaller input."
            )
        found[part].setdefault(label, []).append(pixels)
    classes = tuple(sorted(found["train"]))
    _check_classes(path.name, {label: len(found["train"][label]) for label in classes}, refused)
    unknown = sorted(found["test"].keys() - set(classes))
    refused += [f"test folder {label}: no such class in training" for label in unknown]
    if any(found["test"].get(label) for label in classes):
        refused += [f"{label}: no picture to test on" for label in classes if not found["test"].get(label)]
    return DataSet(
        name=path.stem,
        classes=classes,
        train=_stack(found["train"], classes, input_size) or _nothing(path),
        test=_stack(found["test"], classes, input_size),
        source=str(path),
        notes=tuple(refused),
    )


def place_of(name: PurePosixPath) -> tuple[str, str] | None:
    """(train or test, class) of a file; None for one that lies in no class folder."""
    folders = [part for part in name.parts[:-1] if part not in {"..", ".", "/"}]
    if not folders:
        return None
    for i, part in enumerate(folders[:-1]):
        if part.lower() in TRAIN_NAMES | TEST_NAMES:
            return ("test" if part.lower() in TEST_NAMES else "train"), folders[i + 1]
    return None if folders[-1].lower() in TRAIN_NAMES | TEST_NAMES else ("train", folders[-1])


def _stack(
    found: dict[str, list[np.ndarray]], classes: tuple[str, ...], input_size: tuple[int, int]
) -> Pictures | None:
    counts = [len(found.get(label, [])) for label in classes]
    if not sum(counts):
        return None
    pixels = np.empty((sum(counts), *input_size, 3), np.uint8)
    start = 0
    for label, count in zip(classes, counts, strict=True):
        if count:
            pixels[start : start + count] = found.pop(label)
        start += count
    return Pictures(pixels, np.repeat(np.arange(len(classes)), counts))


def _nothing(path: Path) -> Pictures:
    raise InputError(f"Expected pictures in {path.name}. Received: none.")


def _check_classes(name: str, counts: dict[str, int], refused: list[str]) -> None:
    """Raise `InputError` unless there are two classes or more with enough pictures each."""
    hint = f" {len(refused)} files could not be used, the first: {refused[0]}" if refused else ""
    if len(counts) < 2:
        received = f"only {next(iter(counts))!r}" if counts else "none"
        raise InputError(
            f"Expected two class folders or more with readable pictures in {name}. Received: {received}.{hint}"
        )
    few = [label for label, count in counts.items() if count < MIN_PER_CLASS]
    if few:
        raise InputError(
            f"Expected at least {MIN_PER_CLASS} readable pictures of each class. "
            f"Received: fewer of {', '.join(few[:5])}.{hint}"
        )


def _from_npz(path: Path, *, name: str | None = None, **known: Any) -> DataSet:
    """Arrays `x_train`, `y_train`, and if there is one `x_test`, `y_test`, `class_names`."""
    try:
        with storage_errors(path), np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        train = Pictures(arrays["x_train"], arrays["y_train"].reshape(-1))
        test = Pictures(arrays["x_test"], arrays["y_test"].reshape(-1)) if "x_test" in arrays else None
    except KeyError as error:
        raise InputError(
            f"Expected the arrays x_train and y_train in {path.name}, and y_test where there is x_test. "
            f"Received: {', '.join(arrays) or 'none'}."
        ) from error
    except (ValueError, EOFError) as error:
        raise InputError(f"Expected {path.name} to be an .npz file of plain arrays. Received: {error}.") from error
    count = int(train.targets.max()) + 1 if len(train) else 0
    names = [str(label) for label in arrays.get("class_names", [f"class {i}" for i in range(count)])]
    if len(train) and (train.targets.min() < 0 or count > len(names)):
        raise InputError(f"Expected targets from 0 to {len(names) - 1} in {path.name}. Received: others.")
    if test is not None and test.pixels.shape[1:] != train.pixels.shape[1:]:
        raise InputError(f"Expected pictures of one size in {path.name}. Received: two sizes.")
    counts = np.bincount(train.targets, minlength=len(names))
    _check_classes(path.name, {label: int(n) for label, n in zip(names, counts, strict=True) if n}, [])
    return DataSet(name or path.stem, tuple(names), train, test, str(path), **known)


# ── CIFAR-10 ──────────────────────────────────────────────────────────────────────────────────────────────────────

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR10_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_SIDE_PX = 32


def _cifar10(settings: Settings, progress: Progress) -> DataSet:
    """CIFAR-10, 50,000 + 10,000 pictures: from `KERAS_HOME/datasets/`, else from the address that Keras uses."""
    folder = settings.keras_home / "datasets"
    if (arrays := folder / "cifar10.npz").is_file():
        found = _from_npz(arrays, name="cifar10", label_space="cifar_10")
        return DataSet("cifar10", CIFAR10_CLASSES, found.train, found.test, source=str(arrays), label_space="cifar_10")
    # The name under which Keras keeps the archive itself.
    archive = folder / "cifar-10-batches-py-target.tar.gz"
    if not archive.is_file():
        if settings.offline:
            raise offline_error(CIFAR10_URL, archive, "IMGREC_OFFLINE=1")
        with storage_errors(archive):
            folder.mkdir(parents=True, exist_ok=True)
        download(CIFAR10_URL, archive, progress)
        _check_sha256(archive.with_name(archive.name + ".part"))
        publish(archive)
    _check_sha256(archive)
    batches = _cifar10_batches(archive)
    train = _joined(batches[f"data_batch_{i}"] for i in range(1, 6))
    return DataSet(
        "cifar10", CIFAR10_CLASSES, train, _joined([batches["test_batch"]]), CIFAR10_URL, label_space="cifar_10"
    )


def _check_sha256(path: Path) -> None:
    with storage_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != CIFAR10_SHA256:
        raise CorruptWeightsError(
            f"Expected {path} to have the sha256 {CIFAR10_SHA256}, which Keras gives. Received: {digest}. "
            "Move that file away and start again."
        )


def _cifar10_batches(archive: Path) -> dict[str, dict[bytes, Any]]:
    batches = {}
    with storage_errors(archive), tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            name = PurePosixPath(member.name).name
            if file is not None and "_batch" in name:
                batches[name] = _ArraysOnly(io.BytesIO(file.read()), encoding="bytes").load()
    return batches


def _joined(batches: Iterable[dict[bytes, Any]]) -> Pictures:
    parts = list(batches)
    pixels = np.concatenate([part[b"data"] for part in parts])
    targets = np.concatenate([part[b"labels"] for part in parts])
    side = CIFAR10_SIDE_PX
    # Each row is a picture, one channel plane after the other.
    return Pictures(np.ascontiguousarray(pixels.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)), targets)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles what CIFAR-10's publishers pickled, dictionaries of arrays, and refuses to run anything else.

    The archive's sha256 is checked before; this holds if that were ever forgotten.
    """

    def __init__(self, file: IO[bytes], **options: Any) -> None:
        super().__init__(file, **options)

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0], name) in {("numpy", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"Expected arrays. Received: {module}.{name}.")


DATASETS: dict[str, Callable[[Settings, Progress], DataSet]] = {"cifar10": _cifar10}
