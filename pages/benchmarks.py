"""Benchmarks: what was measured on labelled pictures. Reads stored answers and runs no model."""

import streamlit as st

from imgrec.ui import benchmarks

st.header("Benchmarks", anchor=False)
board = benchmarks.chooser()
if board is not None:
    benchmarks.show(board)
