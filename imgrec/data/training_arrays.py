"""A dataset as arrays, for a training: each image decoded and framed as the model will be given it.

What cannot be read is listed, and the rest is used. More images than the memory holds are kept on the disk.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from imgrec.data.classes import check_classes, no_classes, untested
from imgrec.data.dataset import ArrayDataset, Dataset, Images, empty_images
from imgrec.data.reader import read_images
from imgrec.data.sources import open_dataset
from imgrec.errors import ImageError
from imgrec.images.preprocessing import frame
from imgrec.models.downloads import Progress
from imgrec.settings import Settings


def load(
    name_or_path: str,
    settings: Settings,
    input_size: tuple[int, int] = (32, 32),
    progress: Progress | None = None,
    on_read: Callable[[int, int], None] | None = None,
) -> ArrayDataset:
    """Return the dataset with that name (a key of `sources.DATASETS`) or at that path.

    Images from files become `input_size` (height, width) in px; arrays keep their own. `on_read` gets (done, all).

    Raises:
        InputError: There is one class only, a class with a single image, or nothing readable.
        MemoryBudgetError: Arrays do not fit into the memory.
        StorageError: Images do not fit onto the disk.
        WeightsError: A published dataset cannot be downloaded.
    """
    found = open_dataset(name_or_path, settings, progress)
    return found.arrays or _decode(found, settings, input_size, on_read or (lambda done, count: None))


def _decode(
    found: Dataset, settings: Settings, input_size: tuple[int, int], on_read: Callable[[int, int], None]
) -> ArrayDataset:
    name = Path(found.source).name
    places = {
        id_: (is_test, found.label_space.labels[target])
        for id_, target, is_test in zip(found.ids, found.targets, found.is_test, strict=True)
    }
    candidates = sorted({label for is_test, label in places.values() if not is_test})
    unknown = sorted({label for _, label in places.values()} - set(candidates))
    refused = [*found.left_out, *(f"test folder {label}: no such class in training" for label in unknown)]

    def trained(ids: Iterable[str]) -> dict[str, int]:
        counts = Counter(places[id_] for id_ in ids)
        return {label: counts[False, label] for label in candidates}

    # Each image has its row before any is read: training first, class by class, in the order of the files.
    ordered = sorted((id_ for id_ in places if places[id_][1] not in unknown), key=places.__getitem__)
    check_classes(name, trained(ordered), [*no_classes(found.empty), *refused])
    folder = settings.home / "pictures"
    pixels = empty_images(len(ordered), (*input_size, 3), folder)
    row_of = {id_: row for row, id_ in enumerate(ordered)}
    readable = set()
    images = read_images(found.items(ordered), settings, lambda image: frame(image, input_size, 1.0))
    for count, (item, framed) in enumerate(images, 1):
        if isinstance(framed, ImageError):
            refused.append(f"{item.id}: {framed}")
        else:
            pixels[row_of[item.id]] = framed
            readable.add(item.id)
        on_read(count, len(ordered))
    counts = {label: count for label, count in trained(readable).items() if count}
    missing = no_classes(sorted({*found.empty, *candidates} - counts.keys()))
    refused = [*found.remarks, *missing, *refused]
    check_classes(name, counts, refused)

    # Without the test images of a class none of whose training images could be read.
    kept = [id_ for id_ in ordered if id_ in readable and places[id_][1] in counts]
    for row, id_ in enumerate(kept):
        if row != row_of[id_]:
            pixels[row] = pixels[row_of[id_]]
    pixels.flags.writeable = False
    index = {label: i for i, label in enumerate(counts)}
    targets = np.array([index[places[id_][1]] for id_ in kept], np.int64)
    train, end = sum(counts.values()), len(kept)
    if end > train:
        refused += untested(list(index), targets[train:])
    return ArrayDataset(
        name=found.name,
        classes=tuple(index),
        train=Images(pixels[:train], targets[:train], folder),
        test=Images(pixels[train:end], targets[train:], folder) if end > train else None,
        source=found.source,
        notes=tuple(refused),
        missing=missing,
        files=tuple(kept[:train]),
    )
