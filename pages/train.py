"""Train: choose a recipe and pictures, start a run that cannot be lost, and watch every run as it grows."""

import streamlit as st

from imgrec.ui import training

left, right = st.columns([1, 2], gap="large")
with left:
    recipe = training.recipe_chooser()
    data = training.data_chooser(recipe)
    training.starter(recipe, data)
with right:
    training.run_list()
training.explorer(recipe, data)
training.trained()
