"""A dataset on a page: counts, samples, augmentation, and pixel values."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from imgrec.data import arrays
from imgrec.errors import ImgrecError
from imgrec.training.recipes import Recipe
from imgrec.ui import caches
from imgrec.ui.markdown import plain
from imgrec.ui.train.findings import state_of

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
    """The set `data` as `recipe` sees it; read when somebody asks for it."""
    if not data or caches.settings().demo:
        return
    if not st.toggle("Show the dataset", key="explore", help="Reads the whole dataset once."):
        return
    try:
        totals, counts, samples, notes = _explored(data, state_of(data), recipe.input_size)
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/folder_off:")
        return
    tabs = st.tabs(["Classes", "Samples", "Augmentation", "Pixel values"])
    with tabs[0]:
        st.markdown(totals)
        _counts(counts, notes)
    with tabs[1]:
        for label, images in list(samples.items())[:MAX_CLASSES_SHOWN]:
            st.image(_row(images), caption=plain(label), width="stretch", alt=f"Samples of {label}")
    with tabs[2]:
        _augmented(recipe, samples)
    with tabs[3]:
        _pixel(next(iter(samples.values()))[0])


@st.cache_data(max_entries=4, show_spinner="Reading the images")
def _explored(
    data: str, state: tuple[object, ...], input_size: tuple[int, int]
) -> tuple[str, dict[str, tuple[int, int]], dict[str, np.ndarray], tuple[str, ...]]:
    """Totals in words, counts, some images of each class, and notes; the set itself is not kept.

    `state` is that of its files.
    """
    found = arrays.load(data, caches.settings(), input_size)
    rng = np.random.default_rng(0)
    samples = {}
    for target, label in enumerate(found.classes):
        mine = np.flatnonzero(found.train.targets == target)
        if len(mine):
            samples[label] = found.train.pixels[rng.permutation(mine)[:SAMPLES_PER_CLASS]]
    return found.summary(), found.counts(), samples, found.notes


def _counts(counts: dict[str, tuple[int, int]], notes: Sequence[str]) -> None:
    rows = [{"Class": label, "Training": train, "Test": test} for label, (train, test) in counts.items()]
    most = max((train for train, _ in counts.values()), default=1)
    st.dataframe(
        rows,
        hide_index=True,
        alt="Images of each class",
        column_config={
            "Training": st.column_config.ProgressColumn(format="%d", min_value=0, max_value=most),
            "Test": st.column_config.NumberColumn(format="%d"),
        },
    )
    if notes:
        which = f", the first of {len(notes):,}" if len(notes) > 1 else ""
        st.warning(f"Note{which}: {plain(notes[0])}", icon=":material/warning:")


def _augmented(recipe: Recipe, samples: dict[str, np.ndarray]) -> None:
    """The same images as the network will get them in the first epochs."""
    st.caption("First the original image, then how augmentation changes it in the first epochs.")
    for label, images in list(samples.items())[:4]:
        # Of a batch, as in training: what happens to a image depends on its place in it.
        changed = [
            recipe.augmentation.apply(images, np.arange(len(images)), seed=0, epoch=epoch)[0]
            for epoch in range(PREVIEWS - 1)
        ]
        st.image(_row(np.stack([images[0], *changed])), width="stretch", alt=f"{label}, augmented")


def _pixel(image: np.ndarray) -> None:
    left, right = st.columns([1, 2])
    factor = max(1, PIXEL_SIDE_PX // max(image.shape[:2]))
    left.image(image.repeat(factor, 0).repeat(factor, 1), alt="One image, enlarged until its pixels show")
    height, width = image.shape[:2]
    right.markdown(
        f"This image has **{height} rows of {width} pixels**; each pixel is three numbers from 0 to 255 (red, green, "
        f"blue). The network input has {height} × {width} × 3 = {image.size:,} values. Below, the upper left corner."
    )
    corner = [
        {f"column {x}": ", ".join(map(str, image[y, x].tolist())) for x in range(min(CORNER, width))}
        for y in range(min(CORNER, height))
    ]
    right.dataframe(corner, hide_index=True, alt="Red, green and blue of the pixels in the upper left corner")


def _row(images: np.ndarray) -> np.ndarray:
    """Pictures side by side with a gap, each enlarged by whole pixels: uint8 (H, W, 3)."""
    factor = max(1, ROW_SIDE_PX // images.shape[1])
    large = images.repeat(factor, 1).repeat(factor, 2)
    gap = np.full((large.shape[1], 4, 3), 128, np.uint8)
    parts = [part for image in large for part in (image, gap)][:-1]
    return np.concatenate(parts, axis=1)
