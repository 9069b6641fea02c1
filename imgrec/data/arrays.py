"""A dataset as arrays, for a training: each image decoded and framed as the model will be given it.

What cannot be read is listed, and the rest is used. More images than the memory holds are kept on the disk.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from imgrec.data.array_files import Rows
from imgrec.data.dataset import ArrayDataset, Dataset, Images
from imgrec.data.reader import read_images
from imgrec.data.sources import check_classes, no_classes, open_dataset, untested
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

    Args:
        name_or_path: A published dataset, a folder, an archive or an .npz.
        settings: Limits, and where published datasets and images on the disk are kept.
        input_size: (height, width) in px of images from files; arrays keep their own.
        progress: Of a download.
        on_read: Called with the number of images that have been read, and of all.

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
    name, labels = Path(found.source).name, found.label_space.labels
    label_of = {id_: labels[target] for id_, target in zip(found.ids, found.targets, strict=True)}
    is_test = dict(zip(found.ids, found.is_test, strict=True))
    refused = list(found.left_out)
    candidates = sorted({label for id_, label in label_of.items() if not is_test[id_]})
    unknown = sorted(set(label_of.values()) - set(candidates))
    refused += [f"test folder {label}: no such class in training" for label in unknown]

    def counts(ids: list[str]) -> dict[str, int]:
        counted = Counter(label_of[id_] for id_ in ids if not is_test[id_])
        return {label: counted[label] for label in candidates}

    # Each image has its row before any is read: training first, class by class, in the order of the files.
    ordered = sorted(
        (id_ for id_ in found.ids if label_of[id_] not in unknown), key=lambda id_: (is_test[id_], label_of[id_])
    )
    check_classes(name, counts(ordered), [*no_classes(found.empty), *refused])
    row_of = {id_: row for row, id_ in enumerate(ordered)}
    folder = settings.home / "pictures"
    with Rows(len(ordered), (*input_size, 3), folder) as rows:
        images = read_images(found.items(ordered), settings, lambda image: frame(image, input_size, 1.0))
        for count, (item, pixels) in enumerate(images, 1):
            if isinstance(pixels, ImageError):
                refused.append(f"{item.id}: {pixels}")
            else:
                rows.write(row_of[item.id], pixels)
            on_read(count, len(ordered))
        readable = [id_ for id_, written in zip(ordered, rows.written.tolist(), strict=True) if written]
        trained = {label: count for label, count in counts(readable).items() if count}
        missing = no_classes(sorted({*found.empty, *candidates} - trained.keys()))
        refused = [*found.remarks, *missing, *refused]
        check_classes(name, trained, refused)
        # Without the test images of a class none of whose training images could be read.
        kept = [id_ for id_ in readable if label_of[id_] in trained]
        pixels = rows.finish(np.array([label_of[id_] in trained for id_ in ordered]))

    index = {label: i for i, label in enumerate(trained)}
    targets = np.array([index[label_of[id_]] for id_ in kept], np.int64)
    train = sum(trained.values())
    if len(kept) > train:
        refused += untested(list(index), targets[train:])
    return ArrayDataset(
        name=found.name,
        classes=tuple(index),
        train=Images(pixels[:train], targets[:train], folder),
        test=Images(pixels[train:], targets[train:], folder) if len(kept) > train else None,
        source=found.source,
        notes=tuple(refused),
        missing=missing,
        files=tuple(kept[:train]),
    )
