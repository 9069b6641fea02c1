"""The `.npz` files of a run (checkpoints, trials, heads): written whole or not at all, and read whole."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from imgrec.files import replacing, storage_errors

# (kernel (D, E), bias (E,)) of each dense layer.
Layers = list[tuple[np.ndarray, np.ndarray]]


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` to `path`; raises `StorageError`."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays in `path`; raises `StorageError`, and `ValueError` on a file that is no whole archive."""
    try:
        # Opened here, because numpy does not close a file that is no archive.
        with storage_errors(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error


def from_layers(layers: Layers) -> dict[str, np.ndarray]:
    """Return the arrays of dense layers under their names in a file."""
    pairs = [{f"kernel_{i}": kernel, f"bias_{i}": bias} for i, (kernel, bias) in enumerate(layers)]
    return {name: array for pair in pairs for name, array in pair.items()}


def to_layers(arrays: Mapping[str, np.ndarray]) -> Layers:
    """Return the dense layers among `arrays`; raises `KeyError` on one without its bias."""
    count = sum(name.startswith("kernel_") for name in arrays)
    return [(arrays[f"kernel_{i}"], arrays[f"bias_{i}"]) for i in range(count)]
