"""Images that a model was trained on, kept with it, so that its compact twin is made with images of its own kind.

IMGREC_HOME/training_images/<model>-<16 digits of the sha256 of what it holds>.npz     uint8 (N, height, width, 3)
"""

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from imgrec.errors import InputError
from imgrec.files import replacing, storage_errors
from imgrec.models.catalog import COMPACT_SUFFIX
from imgrec.settings import Settings

if TYPE_CHECKING:
    import numpy as np


def find(model: str, settings: Settings) -> Path | None:
    """Return the file with the images of the model called `model`, or of the original of that twin; None without."""
    return next(iter(_files(model.removesuffix(COMPACT_SUFFIX), settings)), None)


def keep(model: str, images: "np.ndarray", settings: Settings) -> Path:
    """Keep `images`, uint8 (N, height, width, 3) as the network is given them, instead of those before.

    Raises `StorageError` where they cannot be written.
    """
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, images=images)
    digest = hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()[:16]
    path = _folder(settings) / f"{model}-{digest}.npz"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content.getvalue())
    remove(model, settings, but=path)
    return path


def read(path: Path, input_size: tuple[int, int]) -> "np.ndarray":
    """Return the kept images, uint8 (N, height, width, 3).

    Raises:
        InputError: They are damaged, or of another size than `input_size`, (height, width) in px.
        StorageError: There is no file that can be read.
    """
    import zipfile
    import zlib

    import numpy as np

    with storage_errors(path):
        content = path.read_bytes()
    try:
        images = np.load(io.BytesIO(content), allow_pickle=False)["images"]
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"Expected kept training images in {path}. Received: a damaged file; delete it.") from error
    if images.dtype != np.uint8 or images.shape[1:] != (*input_size, 3) or not len(images):
        raise InputError(
            f"Expected uint8 images of {' × '.join(map(str, input_size))} px in {path}. "
            f"Received: {images.dtype} {images.shape}; delete it."
        )
    return np.asarray(images)


def remove(model: str, settings: Settings, *, but: Path | None = None) -> None:
    """Delete what is kept of the model called `model`, except the file `but`."""
    for path in _files(model, settings):
        if path != but:
            with storage_errors(path):
                path.unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.home / "training_images"


def _files(model: str, settings: Settings) -> list[Path]:
    return sorted(_folder(settings).glob(f"{model}-*.npz"))
