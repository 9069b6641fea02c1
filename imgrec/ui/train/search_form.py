"""Hyperparameter search: what is varied, between which values, and the button that starts a search."""

from functools import partial

import streamlit as st

from imgrec.training import run_summary, search_job
from imgrec.training.recipes import RECIPES
from imgrec.training.search_job import MAX_TRIALS, METHODS
from imgrec.training.search_spaces import SPACES, Hyperparameter, Space, get_space, words
from imgrec.ui import caches
from imgrec.ui.elements import errors_shown
from imgrec.ui.train import form_fields

TRIALS = 10


def form() -> None:
    """Show all settings of a search, and the button that starts it."""
    space, is_valid = _space()
    recipe = RECIPES[space.recipe]
    data = form_fields.dataset(recipe, f"tune_data_{space.name}", "tune_path")
    can_start = form_fields.is_sound(recipe, data) and is_valid
    if form_fields.is_demo("search"):
        return
    method = st.selectbox(
        "Search method",
        list(METHODS),
        format_func=str.capitalize,
        key="tune_method",
        help="  \n".join(f"**{name.capitalize()}**: {about}" for name, about in METHODS.items()),
    )
    left, right = st.columns(2)
    with left:
        trials = form_fields.count("Trials", TRIALS, "tune_trials", most=MAX_TRIALS)
    with right:
        epochs = form_fields.count("Epochs per trial", space.epochs, f"tune_epochs_{space.name}")
    train_best = st.checkbox(
        "Train the best model afterwards",
        key="tune_train_best",
        help=f"For {recipe.epochs} epochs. The model is added to the catalog.",
    )
    settings = caches.settings()
    start = partial(search_job.start, trials=trials, epochs=epochs, method=method, train_best=train_best)
    form_fields.start_button(
        "Start search",
        "start_search",
        partial(start, space, data, settings) if can_start else None,
        shown="search",
        icon=":material/travel_explore:",
    )


def _space() -> tuple[Space, bool]:
    """Return what is varied, with the visitor's ranges; unchanged, and False, where they are not valid."""
    titles = {name: get_space(name).title for name in [*SPACES, *RECIPES]}
    name = st.selectbox("Search space", list(titles), format_func=lambda name: titles.get(name, name), key="space")
    space = get_space(name)
    st.caption(space.about)
    is_valid = False
    with st.expander("Hyperparameter ranges", icon=":material/tune:"):
        st.caption("`low:high`, `low:high:step`, `low:high:log`, or `a,b,c`.")
        texts = [_range(one, name) for one in space.hyperparameters]
        with errors_shown():
            space = space.varied([text for text in texts if text])
            is_valid = True
    count = "Unlimited" if space.count is None else f"{space.count:,}"
    about = "  \n".join(one.in_words.capitalize() for one in space.hyperparameters)
    if space.is_published:
        recipe = RECIPES[space.recipe]
        found = run_summary.in_words(
            {one.name: dict(recipe.arguments)[one.name] for one in get_space(name).hyperparameters}
        )
        about += f"\n\nPublished result of this search: {found} ({recipe.parameters:,} parameters)."
    st.caption(f"{count} combinations.", help=about)
    return space, is_valid


def _range(hyperparameter: Hyperparameter, space: str) -> str:
    """Return the range as text if the visitor has changed it; else empty."""
    name, _, before = str(hyperparameter).partition("=")
    text = st.text_input(words(name).capitalize(), before, key=f"range_{space}_{name}").strip()
    return "" if text == before else f"{name}={text}"
