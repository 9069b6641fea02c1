"""Inside the network: what each layer of one network computes for the image, step by step."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from imgrec.charts import top_k
from imgrec.errors import ImgrecError
from imgrec.explanation import feature_maps
from imgrec.explanation.color_scale import stretched, viridis
from imgrec.explanation.feature_maps import FeatureMaps
from imgrec.explanation.layer_kinds import LAYER_KINDS
from imgrec.explanation.layers import Layer
from imgrec.formatting import percent
from imgrec.inference.request import DEFAULT_FRAMING
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.models.layer_table import read_dropout_rates
from imgrec.predictions.prediction import DEFAULT_TOP_K, Prediction
from imgrec.ui import caches, query_params, settings_bar
from imgrec.ui.compare import result_cards
from imgrec.ui.elements import errors_shown
from imgrec.ui.explain import pixels
from imgrec.ui.image_input import Image
from imgrec.ui.models import download_progress

# A map is shown at this side, eight in a row on a wide screen: its values are enlarged to squares, without smoothing.
TILE_PX = 100

# Of a layer without positions, so many of the largest outputs are listed.
LISTED_UNITS = 10

# A row of outputs, each a square.
STRIP_UNITS, STRIP_PX = 64, 8

PLACEHOLDER_PX = 360


def show(image: Image) -> None:
    """Show the chooser of model and layer, and what that layer computes for `image`."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        spec = _model()
        if spec is None:
            download_progress.nothing_here()
            return
        st.space("stretch")
        table = settings_bar.view()
    if not caches.is_ready(spec):
        download_progress.card(spec, [spec.name])
        return
    with errors_shown():
        path = feature_maps.find_network(spec, caches.settings())
        if path is None:
            # Compiled by an earlier version.
            download_progress.progress(spec)
            return
        saved = weights.locate(spec, caches.settings())
        layers = caches.layers(str(path), None if saved is None else str(saved))
        at = _step(layers, spec.name)
        framing = query_params.choices().get("framing", DEFAULT_FRAMING)
        framed = caches.framed(image.id, spec.input_size, spec.crop_fraction, framing, image.image)
        _describe(layers, at)
        if layers[at].kind == "input":
            pixels.show(framed, spec)
        else:
            group = feature_maps.group_of(layers, at)
            fill = result_cards.reserve(True, lambda: st.skeleton(height=PLACEHOLDER_PX))
            try:
                found = caches.feature_map_group(
                    str(path), spec.title, image.id, framing, group.start, group.stop, layers, framed
                )
            except ImgrecError:
                fill()
                raise
            with fill():
                _outputs(found[at - group.start], spec, table=table)
        _training_only(spec, layers, saved)
        _all_layers(layers)


def _model() -> ModelSpec | None:
    """Choose one of the models on this machine; None where there is none."""
    here = {spec.name: spec for spec in caches.catalog().values() if caches.is_here(spec)}
    if not here:
        return None
    chosen = query_params.choices().get("models") or [spec.name for spec in caches.default_specs()]
    usual = next((name for name in chosen if name in here), next(iter(here)))
    name = st.selectbox(
        "Model",
        list(here),
        index=list(here).index(usual),
        key=query_params.named("network", "model", list(here), usual, title=lambda name: here[name].title),
        format_func=lambda name: here[name].title if name in here else str(name),
        width=320,
    )
    return here[name if name in here else usual]


def _step(layers: Sequence[Layer], model: str) -> int:
    """Choose a layer with a slider, two buttons or two keys; return its place."""
    state, most = st.session_state, len(layers) - 1
    if "layer" in state:
        state["layer"] = min(state["layer"], most)
    elif "layer" in query_params.choices() and "layer" not in st.query_params:
        state["layer"] = min(query_params.choices()["layer"], most)
    query_params.number("layer", "the layer", 0, most)

    def move(step: int) -> None:
        state["layer"] = max(0, min(most, state["layer"] + step))

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        at = int(st.slider("Layer", 0, most, 0, key="layer", bind="query-params", width="stretch"))
        back, on = partial(move, -1), partial(move, 1)
        st.button("Previous", key="layer_back", on_click=back, disabled=at == 0, shortcut="P")
        st.button("Next", key="layer_on", on_click=on, disabled=at == most, shortcut="N")
    query_params.choices()["layer"] = at
    return at


def _describe(layers: Sequence[Layer], at: int) -> None:
    layer = layers[at]
    st.subheader(f"{at} of {len(layers) - 1} · {layer.title}", anchor=False)
    st.markdown(LAYER_KINDS[layer.kind].sentence)
    words = [f"Output {_shape(layer)}", f"{layer.parameters:,} parameters" if layer.parameters else "No parameters"]
    st.caption(" · ".join([*words, layer.detail] if layer.detail else words))


def _shape(layer: Layer) -> str:
    return " × ".join(f"{side:,}" for side in layer.output)


def _outputs(found: FeatureMaps, spec: ModelSpec, *, table: bool) -> None:
    """Show the output of one layer: maps, probabilities, or a strip of numbers."""
    layer = found.layer
    if layer.views > 1:
        st.caption("This network sees each image and its mirror image, and averages both answers. Shown: the image.")
    if layer.kind == "softmax":
        _probabilities(found, spec, table=table)
    elif not found.channels:
        _units(found, table=table)
    elif table:
        st.table(
            [
                {
                    "Channel": f"{channel.place}",
                    "Smallest": f"{channel.least:.2f}",
                    "Mean": f"{channel.mean:.2f}",
                    "Largest": f"{channel.most:.2f}",
                }
                for channel in found.channels
            ],
            border="horizontal",
            alt=f"The values of {len(found.channels)} channels",
        )
    else:
        _maps(found)


def _maps(found: FeatureMaps) -> None:
    shown, of = len(found.channels), found.layer.output[-1]
    which = "All channels" if shown == of else f"The {shown} of {of:,} channels that vary most over the image"
    st.caption(f"{which}, each from its smallest value (dark) to its largest (light). Below: its number and range.")
    maps = found.maps
    if found.layer.kind == "dropout" and st.toggle(
        "As in training: one random example", key="dropout_example", bind="query-params"
    ):
        maps = feature_maps.drop(found, found.layer.rate)
    with st.container(horizontal=True, gap="small"):
        for channel, values in zip(found.channels, maps, strict=True):
            st.image(
                _enlarged(viridis(values / 255)),
                f"{channel.place} · {channel.least:.1f} to {channel.most:.1f}",
                width=TILE_PX,
                output_format="PNG",
                alt=f"Channel {channel.place}: from {channel.least:.2f} to {channel.most:.2f}",
            )


def _probabilities(found: FeatureMaps, spec: ModelSpec, *, table: bool) -> None:
    space = spec.get_label_space()
    prediction = Prediction(spec.name, space, found.values, 0.0, title=spec.title)
    words = top_k.describe_top_k(prediction, DEFAULT_TOP_K)
    if table:
        result_cards.table(top_k.top_k_rows(prediction, DEFAULT_TOP_K), words)
    else:
        result_cards.chart(top_k.top_k_bars(prediction, DEFAULT_TOP_K), words, key="inside_probabilities")


def _units(found: FeatureMaps, *, table: bool) -> None:
    """Show a layer without positions: its outputs as a strip of squares, and the largest as a table."""
    values = found.values
    largest = np.argsort(-values, kind="stable")[:LISTED_UNITS].tolist()
    if not table:
        st.caption(
            f"All {len(values):,} outputs, from the smallest (dark) to the largest (light); beside, the largest."
        )
    with st.container(horizontal=True, gap="medium"):
        if not table:
            st.image(
                _strip(values),
                output_format="PNG",
                alt=f"{len(values):,} outputs from {values.min():.2f} to {values.max():.2f}; the largest is number "
                f"{largest[0]}",
            )
        st.table(
            [{"Output": f"{place}", "Value": f"{values[place]:.2f}"} for place in largest],
            border="horizontal",
            width="content",
            alt="The largest outputs",
        )


def _strip(values: np.ndarray) -> np.ndarray:
    """Return `values`, float32 (units,), as rows of colored squares; squares beyond the last are transparent."""
    width = min(len(values), STRIP_UNITS)
    squares = np.zeros((math.ceil(len(values) / width) * width, 4), np.uint8)
    squares[: len(values), :3], squares[: len(values), 3] = viridis(stretched(values)), 255
    return squares.reshape(-1, width, 4).repeat(STRIP_PX, axis=0).repeat(STRIP_PX, axis=1)


def _enlarged(image: np.ndarray) -> np.ndarray:
    """Return the image with each pixel as a square, so that a browser need not smooth it."""
    times = max(1, 2 * TILE_PX // image.shape[1])
    return image.repeat(times, axis=0).repeat(times, axis=1)


def _training_only(spec: ModelSpec, layers: Sequence[Layer], saved: Path | None) -> None:
    """Say which layers are missing because they work in training alone."""
    if any(layer.kind == "dropout" for layer in layers):
        return
    rates = read_dropout_rates(saved) if saved is not None and saved.suffix == ".keras" else []
    listed = ", ".join(percent(rate, 0) for rate in rates)
    here = f" {spec.title} was trained with {len(rates)} of these layers ({listed})." if rates else ""
    st.caption(
        ":material/info: **Dropout** sets some values to 0 at random in training, so that no unit relies on one other."
        f"{here} It does nothing afterwards, so it is not among these layers."
    )


def _all_layers(layers: Sequence[Layer]) -> None:
    panel = st.expander(f"All {len(layers)} layers", icon=":material/layers:", key="layers_open", on_change="rerun")
    if panel.open:
        panel.table(
            [
                {
                    "": f"{place}",
                    "Layer": layer.title,
                    "Operation": layer.detail,
                    "Output": _shape(layer),
                    "Parameters": f"{layer.parameters:,}",
                }
                for place, layer in enumerate(layers)
            ],
            border="horizontal",
            alt=f"The {len(layers)} layers from the image to the probabilities",
        )
