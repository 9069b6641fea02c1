"""The Lab page: the choice of models and experiment. Only the chosen experiment is computed."""

from collections.abc import Callable

import streamlit as st

from imgrec.ui import caches, query_params, settings_bar
from imgrec.ui.image_input import Image
from imgrec.ui.lab import preprocessing, robustness, stories
from imgrec.ui.lab.trials import Subject
from imgrec.ui.models import download_progress

EXPERIMENTS: dict[str, Callable[[Image, Subject], None]] = {
    "Preprocessing": preprocessing.show,
    "Robustness": robustness.show,
    "Stories": stories.show,
}


def show(image: Image) -> None:
    """Show the choosers and the chosen experiment on `image`."""
    specs = settings_bar.models()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = query_params.segmented(
            "Experiment", "experiment", list(EXPERIMENTS), "Preprocessing", "experiment", label_visibility="collapsed"
        )
        st.space("stretch")
        table = settings_bar.view()
    ready = tuple(spec for spec in specs if caches.is_ready(spec))
    if not specs:
        download_progress.nothing_here()
        return
    # Precomputed predictions are of no use here: each experiment changes the input.
    download_progress.cards([spec for spec in specs if spec not in ready], [spec.name for spec in specs])
    if ready:
        EXPERIMENTS[name](image, Subject(ready, settings_bar.swatches(), table))
