"""The catalog as tables, and the memory of models: before they are loaded, and after."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from imgrec.charts import memory_budget
from imgrec.charts.colors import swatch_of
from imgrec.errors import ImgrecError
from imgrec.formatting import PERCENT_COLUMN, SIZE_COLUMN, duration, size
from imgrec.models import cards as model_cards
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB
from imgrec.ui import caches
from imgrec.ui.compare import result_cards
from imgrec.ui.models import download


@dataclass(frozen=True, slots=True)
class State:
    """How a state of `resources.state_of` is shown."""

    title: str
    icon: str
    color: str
    meaning: str


STATES = {
    "loaded": State("Loaded", ":material/bolt:", "primary", "in memory, ready to predict"),
    "installed": State("Installed", ":material/deployed_code:", "blue", "weights in an installed Python package"),
    "downloaded": State("Downloaded", ":material/check_circle:", "green", "weights in the folder of Keras"),
    "bundled": State("Bundled", ":material/inventory_2:", "violet", "weights in the folder of imgrec"),
    "missing": State("Not downloaded", ":material/cloud_download:", "gray", "weights are downloaded on request"),
    "uninstalled": State(
        "Not installed", ":material/cloud_off:", "gray", "the weights' Python package is not installed"
    ),
}

# Columns are as wide as their longest text. On a phone the first three, 356 px together, are seen without scrolling.
TITLE_PX, STATE_PX, TOP_PX = 148, 128, 76
SMALL_TITLE_PX, SMALL_STATE_PX, ACCURACY_PX = 176, 92, 84
NUMBER_PX, LICENSE_PX, NAME_PX, PREPROCESSING_PX, SOURCE_PX = 92, 112, 172, 124, 380


def memory(specs: Sequence[ModelSpec]) -> None:
    """One bar: what loaded models use, what the selected ones would add, and the budget."""
    pool = caches.pool()
    plan = pool.plan(spec for spec in specs if caches.refusal(spec) is None)
    words = memory_budget.describe_memory(pool.used_bytes, plan.missing_bytes, pool.budget_bytes)
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            "**Memory**",
            help="The budget is 60\u202f% of the memory available to this server, or IMGREC_MEMORY_MIB. Where a model "
            "does not fit beside the loaded ones, the least recently used are unloaded.",
        )
        result_cards.chart(
            memory_budget.memory_bar(pool.used_bytes, plan.missing_bytes, pool.budget_bytes), words, key="memory"
        )
        st.caption(words)
        if plan.evicted:
            st.caption(f"Unloaded to make room: {', '.join(map(_title, plan.evicted))}.")


def actions(specs: Sequence[ModelSpec]) -> None:
    """For each selected model its state and what can be done about it."""
    with st.grid(min_column_width=result_cards.MIN_CARD_PX):
        for spec in specs:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _action(spec, [other.name for other in specs])


def _action(spec: ModelSpec, among: Sequence[str]) -> None:
    state = _state(spec)
    shown = STATES[state]
    st.markdown(
        f"{swatch_of(spec.name, among).markdown} **{spec.title}** :small[:gray[{shown.icon} {shown.title}]]",
        help=_origin(spec, shown),
    )
    if not caches.is_ready(spec):
        download.progress(spec)
    elif state == "loaded":
        for row in caches.pool().loaded():
            if row.name == spec.name:
                st.caption(f"Uses {size(row.memory_bytes)} · loaded in {duration(row.load_milliseconds / 1000)}")
        st.button(
            "Unload",
            key=f"unload_{spec.name}",
            icon=":material/eject:",
            on_click=caches.pool().unload,
            args=(spec.name,),
        )
    else:
        need = caches.pool().plan([spec]).missing_bytes
        st.caption(f"Needs {size(need)} of memory")
        if st.button("Load", key=f"load_{spec.name}", icon=":material/bolt:"):
            _load(spec)


def _state(spec: ModelSpec) -> str:
    """Return the key of `STATES` for `spec`: what can be downloaded and what must be installed are told apart."""
    state = caches.state_of(spec)
    return "uninstalled" if state == "missing" and spec.weights.package_file is not None else state


def _origin(spec: ModelSpec, shown: State) -> str:
    """Return what the state means and, for weights in a package, in which one."""
    words = f"{shown.title}: {shown.meaning}."
    if (file := spec.weights.package_file) is not None:
        words += f" The package is `{file.package}` {file.version}."
    return words


def _load(spec: ModelSpec) -> None:
    try:
        with st.spinner(f"Loading {spec.title}"):
            caches.pool().load(spec)
    except ImgrecError as error:
        st.error(str(error), icon=":material/memory:")
    else:
        st.rerun()


def catalog() -> None:
    """All published models in one table, the small ones of this project in another; both can be sorted and searched."""
    specs = list(caches.catalog().values())
    st.subheader("ImageNet models", anchor=False, help="Trained on 1.28 million images of 1,000 classes.")
    published = [spec for spec in specs if spec.weights.is_published]
    _table(
        map(_published_row, _ready_first(published)),
        "Models for ImageNet's 1,000 classes",
        title_px=TITLE_PX,
        state_px=STATE_PX,
        height=560,
    )
    small = [spec for spec in specs if spec.bundled]
    if small:
        st.subheader(
            "Small CIFAR-10 models",
            anchor=False,
            help="Trained by this project on images of 32 × 32 px: ten classes and nothing else. Of a photo they see "
            "32 × 32 px, too.",
        )
        _table(
            map(_small_row, _ready_first(small)),
            "Small models for CIFAR-10's ten classes",
            title_px=SMALL_TITLE_PX,
            state_px=SMALL_STATE_PX,
            height="auto",
        )


def _ready_first(specs: Iterable[ModelSpec]) -> list[ModelSpec]:
    """Return what is on this machine before the rest; weights in packages, the default models, come first in both.

    Whether a model is loaded does not count: rows stay where they are when one is loaded.
    """
    return sorted(specs, key=lambda spec: (not caches.is_here(spec), spec.weights.package_file is None))


def _table(
    rows: Iterable[dict[str, object]], words: str, *, title_px: int, state_px: int, height: int | Literal["auto"]
) -> None:
    meanings = "  \n".join(f"**{state.title}**: {state.meaning}." for state in STATES.values())
    st.dataframe(
        list(rows),
        hide_index=True,
        height=height,
        placeholder="–",
        alt=f"{words}, with state, accuracy, size and license",
        column_config={
            "Model": st.column_config.TextColumn(pinned=True, width=title_px),
            "State": st.column_config.MultiselectColumn(
                options=[state.title for state in STATES.values()],
                color=[state.color for state in STATES.values()],
                width=state_px,
                help=meanings,
            ),
            "Top-1": st.column_config.NumberColumn(
                format=PERCENT_COLUMN, width=TOP_PX, help="Published top-1 accuracy on ImageNet's validation images"
            ),
            "Top-5": st.column_config.NumberColumn(
                format=PERCENT_COLUMN, width=TOP_PX, help="Published top-5 accuracy on ImageNet's validation images"
            ),
            "Accuracy": st.column_config.NumberColumn(
                format=PERCENT_COLUMN, width=ACCURACY_PX, help="Measured on CIFAR-10's 10,000 test images"
            ),
            "Parameters": st.column_config.NumberColumn(format="compact", width=NUMBER_PX),
            "Size": st.column_config.NumberColumn(format=SIZE_COLUMN, width=NUMBER_PX, help="Size of the weights file"),
            "Input": st.column_config.TextColumn(width=NUMBER_PX, help="Width × height in px"),
            "License": st.column_config.TextColumn(width=LICENSE_PX, help="License of the weights"),
            "Name": st.column_config.TextColumn(
                width=NAME_PX, help="What the command line, the API and links call the model"
            ),
            "Preprocessing": st.column_config.TextColumn(
                width=PREPROCESSING_PX, help="How pixel values are scaled, as keras.applications names it"
            ),
            "Source": st.column_config.TextColumn(width=SOURCE_PX, help="Where the accuracies were published"),
        },
    )


def _published_row(spec: ModelSpec) -> dict[str, object]:
    published = spec.published
    return (
        _head(spec)
        | {
            "Top-1": published.top1 * 100 if published else None,
            "Top-5": published.top5 * 100 if published and published.top5 is not None else None,
        }
        | _facts(spec)
        | {"Preprocessing": spec.preprocess, "Source": published.source if published else None}
    )


def _small_row(spec: ModelSpec) -> dict[str, object]:
    card = model_cards.read(model_cards.BUNDLED / f"{spec.name}.json")
    return _head(spec) | {"Accuracy": card.metrics["accuracy"] * 100} | _facts(spec)


def _head(spec: ModelSpec) -> dict[str, object]:
    return {"Model": spec.title, "State": [STATES[_state(spec)].title]}


def _facts(spec: ModelSpec) -> dict[str, object]:
    return {
        "Parameters": spec.parameters,
        "Size": spec.weights.size_bytes / MIB,
        "Input": f"{spec.input_size[1]} × {spec.input_size[0]}",
        "License": spec.license,
        "Name": spec.name,
    }


def _title(name: str) -> str:
    return caches.catalog().title_of(name)
