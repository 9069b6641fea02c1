"""The settings of augmentation as sliders, with a real image of the dataset in several changed forms."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from imgrec.data.sources import open_dataset
from imgrec.errors import ImageError, ImgrecError
from imgrec.images import decoding, gallery
from imgrec.images.preprocessing import frame
from imgrec.training.augmentation import Augmentation
from imgrec.ui import caches
from imgrec.ui.markdown import plain
from imgrec.ui.train.data_quality import state_of
from imgrec.ui.train.dataset_preview import PREVIEWS, image_row

# Title, end and step of each slider.
SLIDERS = {
    "rotation": ("Rotation (°)", 180.0, 1.0, "Turned by up to so many degrees each way."),
    "shift": ("Width and height shift", 0.5, 0.05, "Moved by up to this share of the side, down and across."),
    "shear": ("Shear (°)", 45.0, 0.1, "Slanted by up to so many degrees. Keras' shear_range counts degrees, too."),
    "zoom": ("Zoom", 0.9, 0.05, "Magnified or reduced by up to this share, each axis by itself."),
}

# A preview of a network with a large input shows images of this size: it is the change that counts.
PREVIEW_SIDE_PX = 96

# Images of a dataset that are tried until one can be read.
MOST_TRIED = 10


def fields(augmentation: Augmentation, key: str) -> Augmentation:
    """Return `augmentation` with the visitor's settings; `key` tells the widgets of several forms apart."""
    with st.grid(2, min_column_width=140):
        values: dict[str, Any] = {
            name: st.slider(title, 0.0, end, float(getattr(augmentation, name)), step, key=f"{name}_{key}", help=help)
            for name, (title, end, step, help) in SLIDERS.items()
        }
    mirror = st.toggle(
        "Horizontal flip", augmentation.mirror, key=f"mirror_{key}", help="Half of the images, in turns."
    )
    return replace(augmentation, mirror=mirror, **values)


def preview(augmentation: Augmentation, data: str, input_size: tuple[int, int], key: str) -> None:
    """Show, on request, an image of the dataset `data` and how training changes it; without data a sample image."""
    if not st.toggle("Preview", key=f"preview_{key}"):
        return
    title, image = _image(data, state_of(data) if data else (), _preview_size(input_size))
    # Whole batches, as in training: what happens to an image depends on its place in it.
    changed = [augmentation.apply(image[np.newaxis], np.zeros(1, int), seed=0, epoch=i)[0] for i in range(PREVIEWS - 1)]
    st.image(
        image_row(np.stack([image, *changed])),
        caption=f"{plain(title)}: the original, then {PREVIEWS - 1} changed copies.",
        width="stretch",
        alt=f"{title}, and {PREVIEWS - 1} augmented copies",
    )


def _preview_size(size: tuple[int, int]) -> tuple[int, int]:
    share = min(1.0, PREVIEW_SIDE_PX / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


@st.cache_data(max_entries=16, show_spinner="Reading an image")
def _image(data: str, state: tuple[object, ...], size: tuple[int, int]) -> tuple[str, np.ndarray]:
    """Return what the image shows, and its pixels: of the first training image that can be read."""
    if data and not caches.settings().demo:
        with suppress(ImgrecError):  # what is wrong with the data is said where it is chosen
            found = open_dataset(data, caches.settings())
            for position in found.positions(test=False)[:MOST_TRIED]:
                for image in found.images([found.ids[position]]).values():
                    with suppress(ImageError):
                        pixels = image if isinstance(image, np.ndarray) else _decode(image)
                        return found.label_space.labels[found.targets[position]], frame(pixels, size, 1.0)
    sample = gallery.get_samples()[0]
    return f"{sample.title} (a sample image)", frame(caches.sample_image(sample.file).pixels, size, 1.0)


def _decode(data: bytes) -> np.ndarray:
    return decoding.decode(data, max_bytes=caches.settings().max_upload_bytes).pixels
