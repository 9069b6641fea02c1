"""Fields that the forms of the Train page share: the training method, the dataset, numbers, and the start button."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from imgrec.data.sources import DATASETS
from imgrec.jobs import Job
from imgrec.training.recipes import MAX_EPOCHS, Recipe
from imgrec.ui import caches, query_params
from imgrec.ui.elements import errors_shown
from imgrec.ui.train.data_quality import examined

FINE_TUNE, SCRATCH, TUNE = "Fine-tune a pretrained model", "Train from scratch", "Tune hyperparameters"
LOGS = "Read logs"

# What old links call an option.
FORMER = {TUNE: "Search"}

OWN_DATA = "My folder or file"


def method() -> str:
    """Return the chosen training method: one of `FINE_TUNE`, `SCRATCH`, `TUNE` and `LOGS`."""
    methods = [FINE_TUNE, SCRATCH, TUNE, LOGS]
    return query_params.segmented(
        "Training method",
        "training method",
        methods,
        FINE_TUNE,
        "learn",
        title=lambda one: FORMER.get(one, one),
        label_visibility="collapsed",
        wrap=True,
    )


def is_demo(purpose: str) -> bool:
    """Return whether this is a public demo, where nothing is trained, and show a notice if so."""
    if caches.settings().demo:
        words = f"Training is disabled in this public demo. Run imgrec on your own machine to {purpose}."
        st.info(words, icon=":material/lock:")
    return caches.settings().demo


def choice(
    label: str,
    kind: str,
    options: Sequence[str],
    key: str,
    *,
    default: str | None = None,
    titles: Mapping[str, str] | None = None,
    former: Mapping[str, str] | None = None,
    name: Callable[[str], str] = str,
    help: str | None = None,
) -> str:
    """Return the choice of a select box that is tied to the address.

    The address has an option under its `name`; `kind` is the word for an option in a sentence. The page shows
    `titles`, and links may have those of `former` as well. Without `default` it is the first option.
    """
    default, shown = default or options[0], titles or {}
    linked = former or shown
    named = query_params.named(key, kind, options, default, title=lambda one: linked.get(one, one), name=name)
    index = options.index(default)
    return str(
        st.selectbox(label, options, index, format_func=lambda one: shown.get(one, str(one)), key=named, help=help)
    )


def count(
    label: str, default: int, key: str, *, least: int = 1, most: int = MAX_EPOCHS, help: str | None = None
) -> int:
    """Return the whole number of an input from `least` to `most`."""
    return int(st.number_input(label, least, most, default, key=key, help=help))


def path(key: str) -> str:
    """Return the path of a dataset on this machine; empty while none is given."""
    return st.text_input(
        "Path",
        placeholder="/home/me/images",
        help="A folder with one subfolder per class, a zip or tar of one, or an .npz file.",
        key=key,
    ).strip()


def dataset(recipe: Recipe, key: str, path_key: str) -> str:
    """Return the name of the dataset of `recipe`, or a path on this machine; empty while none is given."""
    choice = st.selectbox("Dataset", [*([recipe.dataset] if recipe.dataset else []), OWN_DATA], key=key)
    return path(path_key) if choice == OWN_DATA else str(choice)


def is_sound(recipe: Recipe, data: str) -> bool:
    """Show the dataset check; return whether training may start. Built-in datasets are not checked."""
    if caches.settings().demo or not data or data in DATASETS:
        return bool(data)
    return examined(data, recipe.input_size)


def start_button(label: str, key: str, start: Callable[[], Job] | None, *, shown: str, icon: str) -> None:
    """Show the button that starts a job; None disables it. The chooser with the key `shown` then shows the job."""
    if st.button(label, type="primary", icon=icon, disabled=start is None, key=key) and start is not None:
        with errors_shown():
            choose_next(shown, start().name)
            st.rerun()


def choose_next(key: str, option: str) -> None:
    """Have the chooser with this key show `option` when it is drawn the next time; see `keep_choice`."""
    st.session_state[f"{key}_wanted"] = option


def keep_choice(key: str, options: Sequence[str]) -> None:
    """Prepare a chooser whose `options` change: apply `choose_next`, and drop a choice that no longer exists."""
    if (wanted := st.session_state.pop(f"{key}_wanted", None)) in options:
        st.session_state[key] = wanted
    elif st.session_state.get(key, options[0]) not in options:
        del st.session_state[key]
