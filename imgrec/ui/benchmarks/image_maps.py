"""Heat-maps on cards of single images: where each model looked for the class that it predicts.

Maps are made by the models on this machine, for images at hand; all on a page have one scale.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.explanation import attribution, overlay
from imgrec.explanation import target as targets
from imgrec.explanation.alignment import on_image
from imgrec.explanation.attribution import Attribution
from imgrec.explanation.map_figures import measure_map
from imgrec.images import decoding, encoding, preprocessing
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Failure
from imgrec.ui import caches

# The longer side of a map, in px.
SIDE_PX = 224

OPACITY = 0.8

# The file of an array that was decoded already.
_ARRAY = "PNG"

FileOrPixels = bytes | np.ndarray


@dataclass(frozen=True, slots=True)
class DrawnMap:
    """A map over its image as JPEG, with the class that it is about and its text alternative."""

    jpeg: bytes
    label: str
    words: str


def choose(models: Sequence[str]) -> tuple[ModelSpec, ...]:
    """Let the maps be switched on; return the models that draw some, none where they are off."""
    here = [spec for spec in caches.catalog().values() if spec.name in models and caches.is_here(spec)]
    if not here:
        return ()
    titles = " and ".join(spec.title for spec in here)
    on = st.toggle(
        "Heat-maps",
        key="bench_maps",
        bind="query-params",
        help=f"Where {titles} looked for the class that it predicts, computed now with the weights on this machine. "
        "All maps on a page have one scale.",
    )
    ready = tuple(spec for spec in here if on and caches.is_ready(spec))
    if on and len(ready) < len(here):
        missing = ", ".join(spec.title for spec in here if spec not in ready)
        st.caption(f"{missing}: not compiled yet. Choose it on Compare once.")
    return ready


@st.cache_data(max_entries=32, show_spinner="Drawing heat-maps")
def draw(
    place: str,
    changed_at: int,
    ids: tuple[str, ...],
    models: tuple[tuple[str, str | None, str], ...],
    _read: Callable[[Collection[str]], Mapping[str, FileOrPixels]],
    _specs: Sequence[ModelSpec],
) -> dict[tuple[str, str], DrawnMap]:
    """Return the maps by (id of the image, model); an image or model that fails has none.

    `_read` returns the images with these `ids`. `models` are names, hashes and framings of `_specs`: with
    `place` and `changed_at` they are the key of the cache.
    """
    found: dict[tuple[str, str], tuple[DecodedImage, Attribution]] = {}
    for name, data in _read(ids).items():
        try:
            image = _decoded(name, data)
        except ImgrecError:
            continue  # the card is shown without its image, too
        for spec, (_, _, framing) in zip(_specs, models, strict=True):
            if (one := _map(image, spec, framing)) is not None:
                found[name, spec.name] = image, one
    scale = overlay.common_scale(one.values for _, one in found.values())
    drawn = {}
    for key, (image, one) in found.items():
        height, width = image.pixels.shape[:2]
        # Small images are enlarged, as the images on the cards are.
        factor = SIDE_PX / max(height, width)
        size = max(1, round(height * factor)), max(1, round(width * factor))
        photo = preprocessing.frame(image, size, 1.0, "squash")
        pixels = overlay.draw(photo, on_image(one, size), scale, opacity=OPACITY)
        drawn[key] = DrawnMap(encoding.to_jpeg(pixels), one.target.label, measure_map(one).sentence)
    return drawn


def _decoded(name: str, data: FileOrPixels) -> DecodedImage:
    if isinstance(data, bytes):
        return decoding.decode(data, max_bytes=caches.settings().max_upload_bytes)
    return DecodedImage(Raster(data), _ARRAY, name, (), (data.shape[0], data.shape[1]))


def _map(image: DecodedImage, spec: ModelSpec, framing: str) -> Attribution | None:
    """Return the map of the first class of a model; None where it has no map."""
    (subject,) = subjects = attribution.frame_subjects(image, [spec], caches.pool(), framing)
    space = spec.get_label_space()
    try:
        first = targets.of_class(space, int(subject.seen.probabilities.argmax()))
    except ImgrecError:
        return None
    (outcome,) = attribution.explain(image, subjects, {space.name: first}, framing=framing)
    return None if isinstance(outcome, Failure) else outcome
