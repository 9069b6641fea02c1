"""Benchmarks: models measured on labeled images. Reads stored predictions and runs no model."""

import streamlit as st

from imgrec.ui.benchmarks import overview

st.header("Benchmarks", anchor=False)
board = overview.chooser()
if board is not None:
    overview.show(board)
