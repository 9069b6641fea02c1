"""The layers of a network of the catalog, beside what publications print of it."""

import csv
import io
from dataclasses import asdict

import streamlit as st

from imgrec.models import network_layers
from imgrec.models.catalog import BUILT_IN
from imgrec.models.network_layers import NetworkLayer, PrintedLayers
from imgrec.training.recipes import RECIPES
from imgrec.ui import query_params
from imgrec.ui.elements import download
from imgrec.ui.markdown import plain

# Recipes that are trained from scratch, and models of the catalog.
TITLES = {name: recipe.title for name, recipe in RECIPES.items() if recipe.backbone is None}
TITLES |= {name: spec.title for name, spec in BUILT_IN.items()}

_HEIGHT_PX = 420


def panel() -> None:
    """Choose a network and show its layers; nothing until one is chosen."""
    st.subheader(
        "Layers of a network",
        anchor=False,
        help="As Keras builds it. Multiply-accumulates (MACs) are of one image, of convolutions and dense layers.",
    )
    names = sorted(TITLES, key=lambda name: (name not in BUILT_IN, TITLES[name]))
    chosen = st.selectbox(
        "Network",
        names,
        index=None,
        key=query_params.named("layers_of", "model", names, None, title=lambda name: TITLES[name]),
        format_func=lambda name: TITLES.get(name, str(name)),
        placeholder="Choose a network",
        width=320,
    )
    if chosen is None or chosen not in names:
        return
    layers = network_layers.read_network(chosen)
    st.markdown(_summary(chosen, layers))
    st.dataframe(
        [
            {
                "Layer": layer.name,
                "Type": layer.kind,
                "Stride": layer.stride or None,
                "Input": layer.input or None,
                "Filter": layer.filter or None,
                "Output": layer.output,
                "Parameters": layer.parameters,
                "MACs": layer.macs,
            }
            for layer in layers
        ],
        hide_index=True,
        height=_HEIGHT_PX,
        placeholder="–",
        alt=f"The {len(layers)} layers of {TITLES[chosen]}",
        column_config={
            "Layer": st.column_config.TextColumn(pinned=True),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "MACs": st.column_config.NumberColumn(format="localized"),
        },
        key="network_layers",
    )
    download("Layers as CSV", lambda: _csv(layers), f"{chosen}_layers.csv", "text/csv", key="download_layers")
    for printed in network_layers.read_printed():
        if printed.model == chosen:
            _printed(printed)


def _summary(name: str, layers: tuple[NetworkLayer, ...]) -> str:
    weighted = sum(bool(layer.macs) for layer in layers)
    macs = sum(layer.macs for layer in layers)
    return (
        f"**{plain(TITLES[name])}**: {len(layers)} layers, {weighted} of them with filters, at most "
        f"{network_layers.depth_of(name)} one after another. "
        f"{sum(layer.parameters for layer in layers):,} parameters, {macs / 1e6:,.1f} million MACs."
    )


def _printed(table: PrintedLayers) -> None:
    st.markdown(f"**{table.title}** · {table.source}")
    st.caption(table.remark)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    st.table(rows, border="horizontal", alt=table.title)


def _csv(layers: tuple[NetworkLayer, ...]) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, network_layers.COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(layer) for layer in layers)
    return target.getvalue()
