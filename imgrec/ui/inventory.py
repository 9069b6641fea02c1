"""The catalogue as a table, and the memory that models take: before they are loaded, and after."""

from collections.abc import Sequence

import streamlit as st

from imgrec import charts
from imgrec.catalogue import CATALOGUE, ModelSpec
from imgrec.errors import ImgrecError
from imgrec.formatting import PERCENT_COLUMN, SIZE_COLUMN, duration, size
from imgrec.settings import MIB
from imgrec.ui import cards, getting, resources

ICONS = {
    "loaded": ":material/bolt:",
    "bundled": ":material/inventory_2:",
    "downloaded": ":material/check_circle:",
    "missing": ":material/cloud:",
}


def memory(specs: Sequence[ModelSpec]) -> None:
    """One bar: what loaded models take, what the chosen ones would add, and the budget."""
    pool = resources.pool()
    plan = pool.plan(spec for spec in specs if resources.refusal(spec) is None)
    words = charts.describe_memory(pool.used_bytes, plan.missing_bytes, pool.budget_bytes)
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Memory**")
        cards.chart(charts.memory_bar(pool.used_bytes, plan.missing_bytes, pool.budget_bytes), words, key="memory")
        st.caption(words)
        if plan.evicted:
            st.caption(f"To make room, these would be unloaded: {', '.join(map(_title, plan.evicted))}.")


def actions(specs: Sequence[ModelSpec]) -> None:
    """For each chosen model its state and what can be done about it."""
    with st.grid(min_column_width=cards.MIN_CARD_PX):
        for spec in specs:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _action(spec)


def _action(spec: ModelSpec) -> None:
    state = resources.state_of(spec)
    colour = charts.colour_of(spec.name)
    st.markdown(f':color[■]{{foreground="{colour}"}} **{spec.title}** :small[:gray[{ICONS[state]} {state}]]')
    if not resources.is_ready(spec):
        getting.progress(spec)
    elif state == "loaded":
        for row in resources.pool().loaded():
            if row.name == spec.name:
                st.caption(f"Takes {size(row.memory_bytes)}; loaded in {duration(row.load_milliseconds / 1000)}.")
        st.button(
            "Unload",
            key=f"unload_{spec.name}",
            icon=":material/eject:",
            on_click=resources.pool().unload,
            args=(spec.name,),
        )
    else:
        need = resources.pool().plan([spec]).missing_bytes
        st.caption(f"Takes {size(need)} of memory.")
        if st.button("Load", key=f"load_{spec.name}", icon=":material/bolt:"):
            _load(spec)


def _load(spec: ModelSpec) -> None:
    try:
        with st.spinner(f"Loading {spec.title}"):
            resources.pool().load(spec)
    except ImgrecError as error:
        st.error(str(error), icon=":material/memory:")
    else:
        st.rerun()


def catalogue() -> None:
    """Every model as one row of a table that can be sorted and searched."""
    st.dataframe(
        [_row(spec) for spec in CATALOGUE.values()],
        hide_index=True,
        height=560,
        placeholder="–",
        alt="The catalogue: every model with state, size, input and published accuracy",
        column_config={
            "Model": st.column_config.TextColumn(pinned=True),
            "State": st.column_config.MultiselectColumn(
                options=list(ICONS), color=["primary", "violet", "green", "gray"]
            ),
            "Parameters": st.column_config.NumberColumn(format="compact", help="Weights and biases of the network"),
            "Download": st.column_config.NumberColumn(format=SIZE_COLUMN),
            "Top-1": st.column_config.NumberColumn(
                format=PERCENT_COLUMN,
                help="Published: how often its first answer was right on ImageNet's validation set",
            ),
            "Top-5": st.column_config.NumberColumn(
                format=PERCENT_COLUMN, help="Published: how often the right answer was among its first five"
            ),
            "Input": st.column_config.TextColumn(help="Width × height of what the network is given, in px"),
            "Source": st.column_config.TextColumn(help="Where the accuracies were published"),
        },
    )


def _row(spec: ModelSpec) -> dict[str, object]:
    published = spec.published
    return {
        "Model": spec.title,
        "State": [resources.state_of(spec)],
        "Parameters": spec.parameters,
        "Download": spec.weights.size_bytes / MIB,
        "Input": f"{spec.input_size[1]} × {spec.input_size[0]}",
        "Top-1": 100 * published.top1 if published else None,
        "Top-5": 100 * published.top5 if published and published.top5 else None,
        "Source": published.source if published else None,
        "Preprocessing": spec.preprocess,
        "Licence": spec.licence,
        "Name": spec.name,
    }


def _title(name: str) -> str:
    return CATALOGUE[name].title if name in CATALOGUE else name
