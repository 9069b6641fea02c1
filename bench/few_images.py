"""A few images of large datasets, as datasets of their own, where a protocol or a budget wants no more."""

import shutil
from pathlib import Path

import numpy as np

from imgrec.data import training_arrays
from imgrec.settings import Settings

# A fifth of CIFAR-10.
FEW_CIFAR = 1000

# Capstone #3: 32 dogs and 32 that are none.
FEW_OF_EACH = 32


def few_cifar10(settings: Settings) -> Path:
    """Return CIFAR-10 with the first `FEW_CIFAR` training images of each class, and all test images."""
    path = settings.home / "few_cifar10.npz"
    found = training_arrays.load("cifar10", settings)
    if found.test is None:
        raise SystemExit("CIFAR-10 without a test part")
    targets = found.train.targets
    kept = np.sort(np.concatenate([np.flatnonzero(targets == c)[:FEW_CIFAR] for c in range(len(found.classes))]))
    arrays = {"x_train": found.train.pixels[kept], "y_train": targets[kept]}
    arrays |= {"x_test": found.test.pixels, "y_test": found.test.targets}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, class_names=np.array(found.classes), allow_pickle=False, **arrays)
    return path


def few_cats_and_dogs(catsdogs: Path, settings: Settings) -> Path:
    """Return a set of the first images of each class of the training part, and the whole test part."""
    folder = settings.home / "few_cats_and_dogs"
    shutil.rmtree(folder, ignore_errors=True)
    for label in ("cats", "dogs"):
        (folder / "training_set" / label).mkdir(parents=True)
        for image in sorted((catsdogs / "training_set" / label).iterdir())[:FEW_OF_EACH]:
            shutil.copy(image, folder / "training_set" / label)
        shutil.copytree(catsdogs / "test_set" / label, folder / "test_set" / label)
    return folder
