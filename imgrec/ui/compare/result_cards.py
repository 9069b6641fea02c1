"""The predictions of each model for one image, side by side, each as it finishes.

The cards are parallel fragments: the page stands at once, skeletons hold the places, and a model that fails or is
missing says so on its own card. Models run one after another behind the pool's gate, so that the latency on a card
is that of the model alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from imgrec.charts import top_k
from imgrec.charts.bars import ROW_PX
from imgrec.charts.colors import swatch_of
from imgrec.charts.theme import Rows, Spec
from imgrec.formatting import milliseconds, size
from imgrec.images import preprocessing
from imgrec.models.catalog import ModelSpec, get_spec
from imgrec.predictions import ensembles
from imgrec.predictions.ensembles import ENSEMBLE, RULES, Ensemble
from imgrec.predictions.gallery_predictions import Stored
from imgrec.predictions.prediction import Prediction
from imgrec.reports import result, sentences
from imgrec.reports.result import Failure
from imgrec.ui import caches, predictions
from imgrec.ui.image_input import Image, tray
from imgrec.ui.models import download
from imgrec.ui.settings_bar import Choice

# A card must be wide enough for a label and a bar.
MIN_CARD_PX = 340

NOBODY = "None of the models could answer."

PRECOMPUTED = "Precomputed"

APART = "These models have different classes: each group is averaged on its own."

# An input of 32 px would be a stamp.
SMALLEST_VIEW_PX = 128

# Height of what stands above the bars on a card.
HEADER_PX = 40


def compare(image: Image, choice: Choice) -> None:
    """The verdict, then one card for the ensemble and one for each model, then files and the models' own view."""
    if not choice.specs:
        download.nothing_here()
        return
    answering = tuple(spec for spec in choice.specs if predictions.can_answer(spec, image, choice.framing))
    groups = _groups(answering)
    if answering:
        _verdict(image, answering, choice)
    with st.grid(min_column_width=MIN_CARD_PX):
        for members in groups:
            if len(members) > 1:
                _ensemble_card(image, members, choice, len(groups) > 1)
        for spec in choice.specs:
            stored = predictions.precomputed(spec, image, choice.framing)
            if stored is not None:
                _precomputed_card(spec, stored, choice)
            elif spec in answering:
                _card(image, spec, choice)
            else:
                download.card(spec, choice.names)
    ready = tuple(spec for spec in answering if caches.is_ready(spec))
    if ready:
        _memory(ready)
        downloads(image, ready, choice)
    _what_models_see(image, choice)


def _memory(specs: Sequence[ModelSpec]) -> None:
    """Said where the chosen models do not fit into memory together: they answer all the same, but slowly."""
    plan = caches.pool().plan(specs)
    if not plan.fits:
        st.caption(
            f":material/memory: Together these models need {size(plan.total_bytes)}; the memory budget is "
            f"{size(plan.budget_bytes)}. They are loaded in turn for every image, which is slow."
        )


def is_new(question: tuple[object, ...]) -> bool:
    """Whether this session has no answer to `question` yet, so that computing it may take a moment."""
    return question not in st.session_state.get("answered", set())


@contextmanager
def waiting(question: tuple[object, ...], height_px: int) -> Iterator[None]:
    """Hold the place of an answer that is new while the block computes it.

    Not as Streamlit's own context: its timer writes a traceback into the log when a click ends the script meanwhile.
    """
    place = st.skeleton(height=height_px) if is_new(question) else None
    yield
    st.session_state.setdefault("answered", set()).add(question)
    if place is not None:
        place.empty()


def _groups(specs: Sequence[ModelSpec]) -> list[tuple[ModelSpec, ...]]:
    """Models by label space: only those of one can have a common answer."""
    spaces = dict.fromkeys(spec.label_space for spec in specs)
    return [tuple(spec for spec in specs if spec.label_space == space) for space in spaces]


@st.fragment(parallel=True)
def _verdict(image: Image, specs: tuple[ModelSpec, ...], choice: Choice) -> None:
    with waiting(("verdict", choice.names, image.id, choice.framing), 68):
        members = predictions.predictions(predictions.outcomes(specs, image, choice))
        by_space = ensembles.groups(members)
        together = {space: predictions.combine(group, choice) for space, group in by_space.items()}
    for space, group in by_space.items():
        ensemble = together[space]
        show_verdict(group, ensemble if isinstance(ensemble, Ensemble) else None)
        chips = [_chip(camp) for camp in sentences.agreement(group)] if len(group) > 1 else []
        if any(predictions.precomputed(get_spec(one.model), image, choice.framing) for one in group):
            chips.append(f":violet-badge[{PRECOMPUTED}]")
        if chips:
            st.markdown(" ".join(chips))
    if len(by_space) > 1:
        st.caption(f":material/call_split: {APART}")


def show_verdict(members: Sequence[Prediction], ensemble: Ensemble | None) -> None:
    """The one sentence; where it is "none of these", also how far that can be trusted."""
    st.subheader(sentences.verdict(members, ensemble), anchor=False)
    if ensemble is not None and sentences.is_none_of_these(ensemble):
        st.caption(f":material/help: {sentences.describe_limit(ensemble.prediction.label_space.name)}")


def _chip(camp: sentences.Camp) -> str:
    color = "blue" if len(camp.models) > 1 else "gray"
    who = "" if len(camp.models) > 3 else f": {', '.join(sentences.title_of(name) for name in camp.models)}"
    return f":{color}-badge[{camp.sentence}{who}]"


@st.fragment(parallel=True)
def _ensemble_card(image: Image, specs: tuple[ModelSpec, ...], choice: Choice, is_one_of_several: bool) -> None:
    space = specs[0].label_space
    with st.container(border=True, height="stretch", gap="xsmall"):
        with waiting((space, choice.names, image.id, choice.framing), HEADER_PX + choice.top_k * ROW_PX):
            members = predictions.predictions(predictions.outcomes(specs, image, choice))
            ensemble = predictions.combine(members, choice)
        if not isinstance(ensemble, Ensemble):
            _header(ENSEMBLE, "", choice)
            st.info(ensemble.error if ensemble else NOBODY, icon=":material/join_inner:")
        else:
            whose = f" · {sentences.space_title(space)}" if is_one_of_several else ""
            _header(ENSEMBLE, f"{RULES[choice.rule].title.lower()} of {len(members)}{whose}", choice)
            show_ensemble(ensemble, choice, key=f"chart_ensemble_{space}", legend=False)


@st.fragment(parallel=True)
def _card(image: Image, spec: ModelSpec, choice: Choice) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        header = st.empty()
        question = (spec.name, image.id, choice.framing)
        with header:
            _header(spec.name, "computing …" if is_new(question) else "", choice)
        with waiting(question, choice.top_k * ROW_PX):
            outcome = predictions.outcome(spec, image, choice.framing)
        if isinstance(outcome, Failure):
            with header:
                _header(spec.name, "", choice)
            st.error(outcome.error, icon=":material/error:")
        else:
            with header:
                remark, about = _latency(spec, outcome.milliseconds)
                _header(spec.name, remark, choice, about)
            show(outcome, choice)


def _precomputed_card(spec: ModelSpec, stored: Stored, choice: Choice) -> None:
    """The stored answer of a model about a sample image, and how far the model itself is."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        _header(
            spec.name,
            PRECOMPUTED,
            choice,
            f"Computed on {stored.computed_at} with OpenVINO {stored.versions['openvino']}, and kept with this sample. "
            f"Weights: sha256 {stored.weights_sha256[:16]}… {stored.note}",
        )
        show(stored.prediction, choice)
        download.progress(spec)


def _latency(spec: ModelSpec, took_ms: float) -> tuple[str, str | None]:
    """Return what this inference took, beside it the measured median where there is one, and where that is from."""
    this_run = f"{milliseconds(took_ms)} this run"
    measured = predictions.measured_latency(spec)
    if measured is None:
        return this_run, None
    median_ms, hardware = measured
    return (
        f"{this_run} · measured median {milliseconds(median_ms)}",
        f"One inference just now; beside it the median of many on {hardware}, as on Benchmarks.",
    )


def _header(model: str, remark: str, choice: Choice, about: str | None = None) -> None:
    swatch = swatch_of(model, choice.names).markdown
    st.markdown(f"{swatch} **{sentences.title_of(model)}** :small[:gray[{remark}]]", help=about)


def show(prediction: Prediction, choice: Choice) -> None:
    """One prediction, as a chart or as its table twin."""
    words = top_k.describe_top_k(prediction, choice.top_k)
    if choice.table:
        table(top_k.top_k_rows(prediction, choice.top_k), words)
    else:
        chart(top_k.top_k_bars(prediction, choice.top_k, among=choice.names), words, key=f"chart_{prediction.model}")


def show_ensemble(ensemble: Ensemble, choice: Choice, *, key: str, legend: bool = True) -> None:
    """An ensemble, each bar made of its members' parts; or its table twin."""
    words = top_k.describe_ensemble(ensemble, choice.top_k)
    if choice.table:
        table(top_k.ensemble_rows(ensemble, choice.top_k), words)
    else:
        spec = top_k.ensemble_bars(ensemble, choice.top_k, among=choice.names, legend=legend)
        chart(spec, words, key=key)


def chart(spec: Spec, words: str, *, key: str) -> None:
    """A chart and its text alternative."""
    st.vega_lite_chart(spec, theme=None, alt=words, key=key)


def table(rows: Rows, words: str) -> None:
    """The table twin of a chart."""
    st.table(rows, border="horizontal", hide_index=True, alt=words)


def downloads(image: Image, specs: tuple[ModelSpec, ...], choice: Choice) -> None:
    """Results of all images of the session, or of the sample `image`, as files; computed at the click."""
    # Bound here: the file is made outside the session, which has no tray.
    images = tuple(tray()) or (image,)
    count = len(images)
    what = "results" if count == 1 else f"results of {count} images"

    def found() -> list[result.Report]:
        return [predictions.report(image, specs, choice) for image in images]

    with st.container(horizontal=True):
        st.download_button(
            f"{what.capitalize()} as CSV",
            lambda: result.to_csv(found(), choice.top_k),
            "imgrec.csv",
            "text/csv",
            key="csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "As JSON",
            lambda: result.to_json(found(), choice.top_k),
            "imgrec.json",
            "application/json",
            key="json",
            icon=":material/download:",
            on_click="ignore",
        )


def _what_models_see(image: Image, choice: Choice) -> None:
    """The exact input of each model, at its size; models that are given the same share one image."""
    panel = st.expander("What the models see", icon=":material/visibility:", key="sees", on_change="rerun")
    if not panel.open:
        return
    views: dict[tuple[tuple[int, int], float], list[str]] = {}
    for spec in choice.specs:
        views.setdefault((spec.input_size, spec.crop_fraction), []).append(spec.title)
    with panel, st.grid(4, min_column_width=180):
        for (size, crop), titles in views.items():
            with st.container(gap="xxsmall"):
                pixels = caches.framed(image.id, size, crop, choice.framing, image.image)
                # Each pixel of a tiny input as a square of several: it is shown, not smoothed.
                times = max(1, SMALLEST_VIEW_PX // size[1])
                st.image(
                    pixels.repeat(times, axis=0).repeat(times, axis=1),
                    width=size[1] * times,
                    alt=f"The image as {', '.join(titles)} get it",
                    output_format="PNG",
                )
                enlarged = f", shown {times} times as large" if times > 1 else ""
                st.caption(f"{size[1]} × {size[0]} px{enlarged} · {', '.join(titles)}")
    panel.caption(preprocessing.FRAMINGS[choice.framing])
