"""What a network takes an image for, as an image."""

import streamlit as st

from imgrec.explanation import preprocessing_trials
from imgrec.explanation.preprocessing_trials import Preprocessing
from imgrec.models.catalog import ModelSpec
from imgrec.ui.image_input import Image

MEANING = "Pixels that correct preprocessing would turn into the same values; what is out of range is cut."


def show_input(image: Image, spec: ModelSpec, settings: Preprocessing, side_px: int, remark: str) -> None:
    """Show the values under `settings` as the pixels that `spec` takes them for; needs no weights."""
    values = preprocessing_trials.prepare(image.image, spec, settings)
    pixels = preprocessing_trials.visible(preprocessing_trials.as_pixels(values, spec))
    # Pixels of a tiny input are enlarged to squares, without smoothing.
    times = max(1, side_px // pixels.shape[1])
    st.image(
        pixels.repeat(times, axis=0).repeat(times, axis=1),
        width=side_px,
        alt=f"What {spec.title} takes the image for: {remark}",
        output_format="PNG",
    )
