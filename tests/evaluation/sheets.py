"""Images and engines for contact sheets: the color of an image decides what a model says."""

import io
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from imgrec.data.image_paths import ImageList, find_images
from imgrec.errors import EngineError
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import MIB

TABBY, TIGER_CAT, BEAGLE, ESPRESSO = 281, 282, 162, 967

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)

# The first choice by the strongest color, of each model.
SAYS: Mapping[str, tuple[int, int, int]] = {
    "mobilenet": (TABBY, BEAGLE, ESPRESSO),
    "mobilenet_v2": (TABBY, TABBY, ESPRESSO),
    "mobilenet_v3_small": (TABBY, TIGER_CAT, ESPRESSO),
}
SPECS = BUILT_IN.get_specs(SAYS)


class ColorEngine:
    """Says what `SAYS` has for the strongest color of the image, with 0.9, and the rest evenly."""

    memory_bytes = MIB

    def __init__(self, spec: ModelSpec, gate: threading.Event | None = None) -> None:
        self.spec, self.gate, self.images = spec, gate, 0

    def predict(self, batch: np.ndarray) -> np.ndarray:
        if self.gate is not None:
            assert self.gate.wait(30)
        self.images += len(batch)
        classes = len(self.spec.get_label_space().labels)
        rows = np.full((len(batch), classes), 0.1 / (classes - 1), np.float32)
        for row, image in zip(rows, batch, strict=True):
            row[SAYS[self.spec.name][int(image.mean(axis=(0, 1)).argmax())]] = 0.9
        return rows

    def close(self) -> None:
        pass


def pool_of(*broken: str, gate: threading.Event | None = None) -> EnginePool:
    """Return a pool of `ColorEngine`s; those of `broken` models do not load, and `gate` holds all of them up."""

    def load(spec: ModelSpec) -> ColorEngine:
        if spec.name in broken:
            raise EngineError(f"{spec.name} is broken")
        return ColorEngine(spec, gate)

    return EnginePool(64 * MIB, load=load, estimate=lambda spec: MIB)


def photo(color: tuple[int, int, int], side_px: int = 48) -> bytes:
    """Return a PNG of one color."""
    file = io.BytesIO()
    Image.new("RGB", (side_px, side_px), color).save(file, "PNG")
    return file.getvalue()


def images(root: Path, files: Mapping[str, tuple[int, int, int] | bytes]) -> ImageList:
    """Return a list of images of these colors, or of files with these bytes, in a folder."""
    for name, content in files.items():
        (root / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "set" / name).write_bytes(content if isinstance(content, bytes) else photo(content))
    return find_images([root / "set"])
