"""Every source of labeled images: a published dataset by name, class folders, an archive of them, arrays in `.npz`.

Which class a file belongs to is decided in `folders`. What cannot be used is listed, and the rest is used.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from imgrec.data import archives, folders
from imgrec.data.array_files import cifar10, from_npz
from imgrec.data.classes import own_space
from imgrec.data.dataset import ArrayDataset, Dataset, Images, Raw
from imgrec.data.stores import Store
from imgrec.errors import InputError
from imgrec.files import is_there, kind_of, storage_errors, typed_path
from imgrec.models.downloads import Progress
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import Settings

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
    return of_arrays(from_npz(path, name_of(path))) if path.suffix == ".npz" else from_files(path, settings)


def path_of(name_or_path: str) -> Path:
    """Return the absolute path, as images are read later; raises `InputError` when there is nothing."""
    path = Path(os.path.abspath(typed_path(name_or_path)))
    if not is_there(path):
        raise InputError(
            f"Expected the name of a dataset ({', '.join(DATASETS)}), or the path of a folder of class folders, "
            f"a zip, a tar or an .npz file. Received: {name_or_path!r}, which is not there."
        )
    with storage_errors(path):
        kind = None if path.is_dir() else kind_of(path)
    if kind is not None:
        raise InputError(f"Expected a folder, a zip, a tar or an .npz file. Received: {path}, which is {kind}.")
    return path


def of_arrays(data: ArrayDataset, parts: Mapping[str, Images | None] | None = None) -> Dataset:
    """Return `parts` of `data` as images that are read one by one; ids are the key of the part and a number."""
    chosen = {key: part for key, part in (parts or {"train/": data.train, "test/": data.test}).items() if part}
    images = {f"{key}{i:05d}": pixels for key, part in chosen.items() for i, pixels in enumerate(part.pixels)}
    return Dataset(
        name=data.name,
        label_space=LabelSpace(data.name, data.classes, (None,) * len(data.classes)),
        ids=tuple(images),
        targets=tuple(target for part in chosen.values() for target in part.targets.tolist()),
        is_test=tuple(part is data.test for part in chosen.values() for _ in range(len(part))),
        read=lambda ids: ((id_, pixels) for id_, pixels in images.items() if id_ in ids),
        source=data.source,
        arrays=data,
    )


def from_files(path: archives.Place, settings: Settings, listing: archives.Listing | None = None) -> Dataset:
    """Return the images in class folders of a folder, archive or store, which has that `listing`; they may be none."""
    listing = listing or archives.survey(path)
    layout = folders.lay_out(path, listing.names, listing.empty)
    parts, labels = zip(*layout.places.values(), strict=True) if layout.places else ((), ())
    space = own_space(labels)
    index = {label: i for i, label in enumerate(space.labels)}
    return Dataset(
        name=name_of(path),
        label_space=space,
        ids=tuple(map(str, layout.places)),
        targets=tuple(index[label] for label in labels),
        is_test=tuple(part == "test" for part in parts),
        read=partial(read_files, path, settings.max_upload_bytes),
        source=str(path),
        left_out=(*listing.left_out, *layout.left_out),
        remarks=layout.remarks,
        empty=layout.empty,
    )


def read_files(path: archives.Place, max_bytes: int, ids: Collection[str]) -> Iterator[tuple[str, Raw]]:
    """Yield (name, content) of the files called `ids` in a folder, archive or store; of a damaged one, a sentence."""
    found = archives.files(path, max_bytes=max_bytes, only={PurePosixPath(id_) for id_ in ids})
    return ((str(name), data) for name, data in found)


def name_of(path: archives.Place) -> str:
    """Return what a dataset at the absolute `path` is called: its folder or file, without the suffix of an archive."""
    if isinstance(path, Store):
        return path.name.removesuffix(path.suffix) or path.name or "pictures"
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    name = path.name if path.is_dir() else path.name[: len(path.name) - len(suffix)]
    return name or path.name or "pictures"


DATASETS: dict[str, Callable[[Settings, Progress], ArrayDataset]] = {"cifar10": cifar10}
