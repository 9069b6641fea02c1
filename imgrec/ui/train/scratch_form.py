"""Training from scratch: a recipe, a dataset, and the button that starts a run."""

from functools import partial

import streamlit as st

from imgrec.training import training_job
from imgrec.training.recipes import MAX_BATCH_SIZE, RECIPES, Recipe
from imgrec.ui import caches
from imgrec.ui.train import augmentation_fields, dataset_preview, form_fields


def form() -> None:
    """Show all settings of a training from scratch, the button that starts it, and the dataset."""
    recipe = _recipe()
    data = form_fields.dataset(recipe, f"data_{recipe.name}", "data_path")
    recipe = _augmented(recipe, data)
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


def _augmented(recipe: Recipe, data: str) -> Recipe:
    """Return the recipe with the visitor's augmentation, and the normalization that goes with it."""
    with st.expander("Augmentation", icon=":material/auto_fix_high:"):
        augmentation = augmentation_fields.fields(recipe.augmentation, recipe.name)
        more = [
            *([f"shifts of {augmentation.shift_px} px"] if augmentation.shift_px else []),
            *([f"covered squares of {augmentation.cutout_px} px"] if augmentation.cutout_px else []),
        ]
        if more:
            st.caption(f"The recipe adds {' and '.join(more)}.")
        normalization = {}
        if recipe.takes_statistics:
            titles = {"featurewise_center": "Featurewise center", "featurewise_std_normalization": "Featurewise std"}
            for field, title in titles.items():
                normalization[field] = st.toggle(
                    title,
                    getattr(recipe, field),
                    key=f"{field}_{recipe.name}",
                    help="Over the training images, in a layer of the network: it holds for every other image, too.",
                )
        augmentation_fields.preview(augmentation, data, recipe.input_size, recipe.name)
    return recipe.changed(augmentation=augmentation, **normalization)
