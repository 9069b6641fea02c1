"""Training from scratch: a recipe, a dataset, and the button that starts a run."""

from functools import partial

import streamlit as st

from imgrec.training import training_job
from imgrec.training.recipes import MAX_BATCH_SIZE, RECIPES, Recipe
from imgrec.ui import caches
from imgrec.ui.train import dataset_preview, form_fields


def form() -> None:
    """Show all settings of a training from scratch, the button that starts it, and the dataset."""
    recipe = _recipe()
    data = form_fields.dataset(recipe, f"data_{recipe.name}", "data_path")
    is_sound = form_fields.is_sound(recipe, data)
    if not form_fields.is_demo("train"):
        start = partial(training_job.start, recipe, data, caches.settings()) if is_sound else None
        form_fields.start_button("Start training", "start_training", start, shown="run", icon=":material/play_arrow:")
    dataset_preview.explorer(recipe, data)


def _recipe() -> Recipe:
    """Return the chosen recipe with the visitor's settings."""
    titles = {name: recipe.title for name, recipe in RECIPES.items()}
    name = form_fields.choice("Recipe", "recipe", list(RECIPES), "recipe", titles=titles)
    recipe = RECIPES[name]
    st.caption(f"{recipe.about} {recipe.parameters:,} parameters, {recipe.input_size[1]} × {recipe.input_size[0]} px.")
    with st.expander("Training settings", icon=":material/tune:"):
        return recipe.changed(
            epochs=form_fields.count("Epochs", recipe.epochs, f"epochs_{name}"),
            batch_size=form_fields.count("Batch size", recipe.batch_size, f"batch_{name}", most=MAX_BATCH_SIZE),
            learning_rate=st.number_input(
                "Learning rate (peak)", 1e-6, 10.0, recipe.optimizer.learning_rate, format="%g", key=f"rate_{name}"
            ),
        )
