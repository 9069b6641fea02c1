"""A dataset on a page: counts, samples, augmentation, and pixel values."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from imgrec.data import training_arrays
from imgrec.training.recipes import Recipe
from imgrec.ui import caches
from imgrec.ui.elements import errors_shown
from imgrec.ui.markdown import plain
from imgrec.ui.train.data_quality import state_of

# Images of each class in the sample grid, and in how many changed forms one is shown.
SAMPLES_PER_CLASS = 8
MAX_CLASSES_SHOWN = 12
PREVIEWS = 8

# The image that is taken apart into numbers is enlarged to this; its values are shown for this corner.
PIXEL_SIDE_PX = 256
CORNER = 6

# Images of a row are enlarged by whole pixels to about this.
ROW_SIDE_PX = 64


def explorer(recipe: Recipe, data: str) -> None:
    """Show the dataset `data` as `recipe` uses it, once the switch for that is on."""
    if not data or caches.settings().demo:
        return
    if not st.toggle("Show the dataset", key="explore", help="Reads the whole dataset once."):
        return
    with errors_shown(":material/folder_off:"):
        totals, counts, samples, notes = _explored(data, state_of(data), recipe.input_size)
        classes, images, augmentation, pixels = st.tabs(["Classes", "Samples", "Augmentation", "Pixel values"])
        with classes:
            st.markdown(totals)
            _counts(counts, notes)
        with images:
            for label, row in list(samples.items())[:MAX_CLASSES_SHOWN]:
                st.image(image_row(row), caption=plain(label), width="stretch", alt=f"Samples of {label}")
        with augmentation:
            st.caption("First the original image, then how augmentation changes it in the first epochs.")
            for label, row in list(samples.items())[:4]:
                # Of a batch, as in training: what happens to an image depends on its place in it.
                changed = [
                    recipe.augmentation.apply(row, np.arange(len(row)), seed=0, epoch=epoch)[0]
                    for epoch in range(PREVIEWS - 1)
                ]
                st.image(image_row(np.stack([row[0], *changed])), width="stretch", alt=f"{label}, augmented")
        with pixels:
            _pixel_values(next(iter(samples.values()))[0])


@st.cache_data(max_entries=4, show_spinner="Reading the images")
def _explored(
    data: str, state: tuple[object, ...], input_size: tuple[int, int]
) -> tuple[str, dict[str, tuple[int, int]], dict[str, np.ndarray], tuple[str, ...]]:
    """Return totals in words, counts, some images of each class, and notes; the dataset itself is not kept.

    `state` is that of its files.
    """
    found = training_arrays.load(data, caches.settings(), input_size)
    rng = np.random.default_rng(0)
    samples = {}
    for target, label in enumerate(found.classes):
        chosen = rng.permutation(np.flatnonzero(found.train.targets == target))[:SAMPLES_PER_CLASS]
        samples[label] = found.train.pixels[chosen]
    return found.summary(), found.counts(), samples, found.notes


def _counts(counts: dict[str, tuple[int, int]], notes: Sequence[str]) -> None:
    st.dataframe(
        [{"Class": label, "Training": train, "Test": test} for label, (train, test) in counts.items()],
        hide_index=True,
        alt="Images of each class",
        column_config={
            "Training": st.column_config.ProgressColumn(
                format="%d", min_value=0, max_value=max(train for train, _ in counts.values())
            ),
            "Test": st.column_config.NumberColumn(format="%d"),
        },
    )
    if notes:
        which = f", the first of {len(notes):,}" if len(notes) > 1 else ""
        st.warning(f"Note{which}: {plain(notes[0])}", icon=":material/warning:")


def _pixel_values(image: np.ndarray) -> None:
    left, right = st.columns([1, 2])
    height, width = image.shape[:2]
    factor = max(1, PIXEL_SIDE_PX // max(height, width))
    left.image(image.repeat(factor, 0).repeat(factor, 1), alt="One image, enlarged until its pixels show")
    right.markdown(
        f"This image has **{height} rows of {width} pixels**; each pixel is three numbers from 0 to 255 (red, green, "
        f"blue). The network input has {height} × {width} × 3 = {image.size:,} values. Below, the upper left corner."
    )
    corner = [
        {f"column {x}": ", ".join(map(str, pixel.tolist())) for x, pixel in enumerate(row)}
        for row in image[:CORNER, :CORNER]
    ]
    right.dataframe(corner, hide_index=True, alt="Red, green and blue of the pixels in the upper left corner")


def image_row(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, 3) side by side with a gap, each enlarged by whole pixels: uint8 (H, W, 3)."""
    factor = max(1, ROW_SIDE_PX // images.shape[1])
    large = images.repeat(factor, 1).repeat(factor, 2)
    with_gap = np.pad(large, ((0, 0), (0, 0), (0, 4), (0, 0)), constant_values=128)
    return np.concatenate(with_gap, axis=1)[:, :-4]
