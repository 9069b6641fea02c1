"""Benchmarks: models measured on labeled images. Reads stored predictions and runs no model."""

import streamlit as st

from imgrec.ui import benchmarks

st.header("Benchmarks", anchor=False)
board = benchmarks.chooser()
if board is not None:
    benchmarks.show(board)
