"""Training from scratch: a recipe, a dataset, and the button that starts a run."""

import streamlit as st

from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError
from imgrec.training import training_job
from imgrec.training.recipes import MAX_BATCH_SIZE, MAX_EPOCHS, RECIPES, Recipe
from imgrec.ui import caches, query_params
from imgrec.ui.markdown import plain
from imgrec.ui.train import dataset_preview
from imgrec.ui.train.data_quality import examined
from imgrec.ui.train.runs import look_at

OWN_DATA = "My folder or file"


FINE_TUNE, SCRATCH, TUNE = "Fine-tune a pretrained model", "Train from scratch", "Tune hyperparameters"

# What links of old call an option.
FORMER = {TUNE: "Search"}


def method() -> str:
    """Return the chosen way to train: one of `FINE_TUNE`, `SCRATCH` and `TUNE`."""
    ways = [FINE_TUNE, SCRATCH, TUNE]
    key = query_params.named(
        "learn", "training method", ways, FINE_TUNE, title=lambda way: FORMER.get(way, way), name=query_params.slug
    )
    return str(
        st.segmented_control(
            "Training method",
            ways,
            default=None if key in st.session_state else FINE_TUNE,
            required=True,
            key=key,
            label_visibility="collapsed",
            wrap=True,
        )
    )


def scratch_panel() -> None:
    """Everything that is chosen before a network learns from nothing, and what its images look like."""
    recipe = recipe_chooser()
    data = data_chooser(recipe)
    starter(recipe, data, is_sound(recipe, data))
    dataset_preview.explorer(recipe, data)


def recipe_chooser() -> Recipe:
    """Which network, and how long; returns the recipe as changed by the visitor."""
    key = query_params.named("recipe", "recipe", list(RECIPES), next(iter(RECIPES)), title=_recipe_title)
    name = st.selectbox("Recipe", list(RECIPES), format_func=_recipe_title, key=key)
    recipe = RECIPES[name]
    st.caption(f"{recipe.about} {recipe.parameters:,} parameters, {recipe.input_size[1]} × {recipe.input_size[0]} px.")
    with st.expander("Training settings", icon=":material/tune:"):
        epochs = st.number_input("Epochs", 1, MAX_EPOCHS, recipe.epochs, key=f"epochs_{name}")
        batch_size = st.number_input("Batch size", 1, MAX_BATCH_SIZE, recipe.batch_size, key=f"batch_{name}")
        rate = st.number_input(
            "Learning rate (peak)",
            1e-6,
            10.0,
            recipe.optimizer.learning_rate,
            format="%g",
            key=f"rate_{name}",
        )
    return recipe.changed(epochs=int(epochs), batch_size=int(batch_size), learning_rate=float(rate))


def data_chooser(recipe: Recipe) -> str:
    """Return the name of a known set, or a path on this machine; empty while none is given."""
    known = [recipe.dataset] if recipe.dataset else []
    choice = st.selectbox("Dataset", [*known, OWN_DATA], key=f"data_{recipe.name}")
    if choice != OWN_DATA:
        return str(choice)
    return st.text_input(
        "Path",
        placeholder="/home/me/images",
        help="A folder with one subfolder per class, a zip or tar of one, or an .npz file.",
        key="data_path",
    ).strip()


def is_sound(recipe: Recipe, data: str) -> bool:
    """Show the dataset check; return whether training may start. Built-in datasets are not checked."""
    if caches.settings().demo or not data or data in DATASETS:
        return bool(data)
    return examined(data, recipe.input_size)


def starter(recipe: Recipe, data: str, sound: bool) -> None:
    """Return the button that starts a run, and the sentence when it cannot be."""
    if caches.settings().demo:
        st.info(
            "Training is disabled in this public demo. Run imgrec on your own machine to train.", icon=":material/lock:"
        )
        return
    clicked = st.button(
        "Start training", type="primary", icon=":material/play_arrow:", disabled=not sound, key="start_training"
    )
    if not clicked:
        return
    try:
        job = training_job.start(recipe, data, caches.settings())
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        look_at(job.name)
        st.rerun()


def _recipe_title(name: str) -> str:
    return RECIPES[name].title if name in RECIPES else str(name)
