"""The frame that pages share."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# Names the right column, for the focus after an image has been taken.
RESULT = "result"


def halves() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return a narrow column for the image and a wide one for the result; stacked on a narrow screen."""
    left, right = st.columns([1, 3], gap="large")
    return left, right.container(key=RESULT)
