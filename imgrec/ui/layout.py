"""Frames that pages share."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def halves() -> tuple[DeltaGenerator, DeltaGenerator]:
    """A narrow column for the picture and a wide one for what is said about it; below each other on a phone."""
    left, right = st.columns([1, 3], gap="large")
    return left, right
