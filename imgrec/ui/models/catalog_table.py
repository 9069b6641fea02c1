"""The catalog as tables, and the memory of models: before they are loaded, and after."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import streamlit as st

from imgrec.charts import memory_budget
from imgrec.charts.colors import swatch_of
from imgrec.formatting import PERCENT_COLUMN, SIZE_COLUMN, duration, size
from imgrec.models import cards as model_cards
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB, RAY
from imgrec.ui import caches
from imgrec.ui.compare import result_cards
from imgrec.ui.elements import errors_shown
from imgrec.ui.models import download_progress
from imgrec.ui.widget_keys import key_of


class State(NamedTuple):
    """How a state of `weights.state_of` is shown."""

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


def memory(specs: Sequence[ModelSpec]) -> None:
    """Show one bar: what loaded models use, what the selected ones would add, and the budget; and what computes."""
    pool = caches.pool()
    if caches.settings().engine == RAY:  # whose memory is the cluster's
        st.caption(f":material/lan: {pool.describe()}")
        return
    plan = pool.plan(spec for spec in specs if caches.refusal(spec) is None)
    words = memory_budget.describe_memory(pool.used_bytes, plan.missing_bytes, pool.budget_bytes)
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            "**Memory**",
            help="The budget is 60\u202f% of the memory available to this server, or IMGREC_MEMORY_MIB. Where a model "
            "does not fit beside the loaded ones, the least recently used are unloaded.",
        )
        bar = memory_budget.memory_bar(pool.used_bytes, plan.missing_bytes, pool.budget_bytes)
        result_cards.chart(bar, words, key="memory")
        st.caption(f"{words} {pool.describe()}")
        if plan.evicted:
            st.caption(f"Unloaded to make room: {', '.join(map(caches.catalog().title_of, plan.evicted))}.")


def actions(specs: Sequence[ModelSpec]) -> None:
    """Show the state of each selected model, and what can be done about it."""
    with st.grid(min_column_width=result_cards.MIN_CARD_PX):
        for spec in specs:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _action(spec, [other.name for other in specs])


def _action(spec: ModelSpec, among: Iterable[str]) -> None:
    state = _state(spec)
    words = f"{state.title}: {state.meaning}."
    if (file := spec.weights.package_file) is not None:
        words += f" The package is `{file.package}` {file.version}."
    title = f"{swatch_of(spec.name, among).markdown} **{spec.title}** :small[:gray[{state.icon} {state.title}]]"
    st.markdown(title, help=words)
    if not caches.is_ready(spec) or download_progress.is_damaged(spec):
        download_progress.progress(spec)
    elif state is STATES["loaded"]:
        for row in caches.pool().loaded():
            if row.name == spec.name:
                uses = f"Uses {size(row.memory_bytes)}" if row.memory_bytes else "On the cluster"
                st.caption(f"{uses} · loaded in {duration(row.load_milliseconds / 1000)}")
        if caches.settings().engine != RAY:  # other dashboards may need it
            unload = caches.pool().unload
            st.button(
                "Unload", key=key_of("unload", spec.name), icon=":material/eject:", on_click=unload, args=(spec.name,)
            )
    else:
        if caches.settings().engine != RAY:
            st.caption(f"Needs {size(caches.pool().plan([spec]).missing_bytes)} of memory")
        if st.button("Load", key=key_of("load", spec.name), icon=":material/bolt:"):
            with errors_shown(":material/memory:"):
                with st.spinner(f"Loading {spec.title}"):
                    caches.pool().load(spec)
                st.rerun()


def _state(spec: ModelSpec) -> State:
    """Return the state of `spec`; of weights that are missing, those in a package are installed, not downloaded."""
    state = caches.state_of(spec)
    return STATES["uninstalled" if state == "missing" and spec.weights.package_file is not None else state]


def catalog() -> None:
    """Show all published models in one table, and the small ones of this project in another."""
    # Models on this machine stand first, of these and of the others those with weights in packages, the default ones.
    # Whether a model is loaded does not count: rows stay where they are when one is loaded.
    specs = sorted(
        caches.catalog().values(), key=lambda spec: (not caches.is_here(spec), spec.weights.package_file is None)
    )
    st.subheader("ImageNet models", anchor=False, help="Trained on 1.28 million images of 1,000 classes.")
    published = [_row(spec) | _publication(spec) for spec in specs if spec.weights.is_published]
    _table(published, "Models for ImageNet's 1,000 classes", title_px=148, state_px=128, height=560)
    if small := [_row(spec) | _measurement(spec) for spec in specs if spec.bundled]:
        st.subheader(
            "Small CIFAR-10 models",
            anchor=False,
            help="Trained by this project on images of 32 × 32 px: ten classes and nothing else. Of a photo they see "
            "32 × 32 px, too.",
        )
        _table(small, "Small models for CIFAR-10's ten classes", title_px=176, state_px=92, height="auto")


def _row(spec: ModelSpec) -> dict[str, object]:
    return {
        "Model": spec.title,
        "State": [_state(spec).title],
        "Parameters": spec.parameters,
        "Size": spec.weights.size_bytes / MIB,
        "Input": f"{spec.input_size[1]} × {spec.input_size[0]}",
        "License": spec.license,
        "Name": spec.name,
    }


def _publication(spec: ModelSpec) -> dict[str, object]:
    published = spec.published
    return {
        "Top-1": published.top1 * 100 if published else None,
        "Top-5": published.top5 * 100 if published and published.top5 is not None else None,
        "Preprocessing": spec.preprocess,
        "Source": published.source if published else None,
    }


def _measurement(spec: ModelSpec) -> dict[str, object]:
    return {"Accuracy": model_cards.read(model_cards.BUNDLED / f"{spec.name}.json").metrics["accuracy"] * 100}


def _table(
    rows: list[dict[str, object]], words: str, *, title_px: int, state_px: int, height: int | Literal["auto"]
) -> None:
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    published = "Published top-{} accuracy on ImageNet's validation images"
    # Columns are as wide as their longest text. On a phone the first three, 356 px together, are seen without
    # scrolling.
    columns = {
        "Model": text(pinned=True, width=title_px),
        "State": st.column_config.MultiselectColumn(
            options=[state.title for state in STATES.values()],
            color=[state.color for state in STATES.values()],
            width=state_px,
            help="  \n".join(f"**{state.title}**: {state.meaning}." for state in STATES.values()),
        ),
        "Top-1": number(format=PERCENT_COLUMN, width=76, help=published.format(1)),
        "Top-5": number(format=PERCENT_COLUMN, width=76, help=published.format(5)),
        "Accuracy": number(format=PERCENT_COLUMN, width=84, help="Measured on CIFAR-10's 10,000 test images"),
        "Parameters": number(format="compact", width=92),
        "Size": number(format=SIZE_COLUMN, width=92, help="Size of the weights file"),
        "Input": text(width=92, help="Width × height in px"),
        "License": text(width=112, help="License of the weights"),
        "Name": text(width=172, help="What the command line, the API and links call the model"),
        "Preprocessing": text(width=124, help="How pixel values are scaled, as keras.applications names it"),
        "Source": text(width=380, help="Where the accuracies were published"),
    }
    st.dataframe(
        rows,
        hide_index=True,
        height=height,
        placeholder="–",
        alt=f"{words}, with state, accuracy, size and license",
        column_order=[name for name in columns if name in rows[0]],
        column_config=columns,
    )
