"""The predictions of all models for one image side by side, each as soon as it is there.

The page stands at once, with skeletons in the places of what is computed. Models run one after another behind the
pool's gate, so that the latency on a card is that of the model alone. A model that fails or is missing has a sentence
on its own card.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.layout_utils import Gap

from imgrec.charts import top_k
from imgrec.charts.bars import ROW_PX
from imgrec.charts.colors import swatch_of
from imgrec.charts.theme import Rows, Spec
from imgrec.formatting import milliseconds, percent, size
from imgrec.images import preprocessing
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import ENSEMBLE, RULES, Ensemble
from imgrec.predictions.gallery_predictions import PrecomputedPrediction
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports import calibration_effect, sentences
from imgrec.ui import caches, history, pinned, results
from imgrec.ui.compare import downloads, remote_panel, reproduce_panel
from imgrec.ui.compare.matrix import Matrices
from imgrec.ui.image_input import NOTE, Image
from imgrec.ui.markdown import plain
from imgrec.ui.models import download_progress
from imgrec.ui.settings_bar import MATRIX, Choice
from imgrec.ui.widget_keys import key_of

# A card must be wide enough for a label and a bar.
MIN_CARD_PX = 340

PRECOMPUTED = "Precomputed"

APART = "These models have different classes: each group is averaged on its own."

# Below the cards, whose charts leave such labels out.
SMALL = f"Labels below {percent(top_k.LEAST_DRAWN)} are not drawn, except the first and a pinned one."

# A smaller input is enlarged to about this side.
SMALLEST_VIEW_PX = 128

HEADLINE_PX = 68


def compare(image: Image, choice: Choice) -> None:
    """Show the headline, one card for each ensemble and each model, then files and the input of the models."""
    if not choice.specs:
        download_progress.nothing_here()
        return
    found = results.classify(image, choice)
    fill_headline = reserve(bool(found.computing), lambda: st.skeleton(height=HEADLINE_PX), gap="small")
    shown = Matrices(found, choice) if choice.layout == MATRIX else Cards(found, choice)
    if found.ready:
        plan = caches.pool().plan(found.ready)
        if not plan.fits:
            st.caption(
                f":material/memory: Together these models need {size(plan.total_bytes)}; the memory budget is "
                f"{size(plan.budget_bytes)}. They are loaded in turn for every image, which is slow."
            )
        downloads.buttons(image, found.ready, choice)
    _what_models_see(image, choice)
    reproduce_panel.show(image, choice)
    remote_panel.show(image, choice)

    result = found.finish(shown.take)
    groups = results.by_label_space(result, choice)
    with fill_headline():
        _headlines(groups)
        opened, note = st.session_state.get(NOTE, ("", ""))
        if opened == image.id:
            st.caption(plain(note))
    shown.finish(groups)
    history.record(image, choice, result, groups)


class Cards:
    """The places of the cards on the page, one for each ensemble and each model."""

    def __init__(self, found: results.Classification, choice: Choice) -> None:
        """Reserve the places, with skeletons where a prediction is computed."""
        self._choice = choice
        self._ensembles: dict[str, Callable[[], DeltaGenerator]] = {}
        self._models: dict[str, Callable[[], DeltaGenerator]] = {}
        space_of = {spec.name: _shown_space(spec, choice) for spec in found.answering}
        spaces = [space for space in space_of.values() if space]
        self._is_one_of_several = len(set(spaces)) > 1
        with st.grid(min_column_width=MIN_CARD_PX):
            for space in dict.fromkeys(spaces):
                if spaces.count(space) > 1:
                    is_pending = any(space_of[spec.name] == space for spec in found.computing)
                    self._ensembles[space] = _reserve_card(ENSEMBLE, choice, is_pending)
            for spec in choice.specs:
                if spec in found.missing:
                    download_progress.card(spec, choice.swatches)
                else:
                    self._models[spec.name] = _reserve_card(spec.name, choice, spec in found.computing)

        if not choice.table and any(len(spec.get_label_space().labels) > choice.k for spec in found.answering):
            st.caption(SMALL)

    def take(self, outcome: Prediction | Failure) -> None:
        """Fill the card of a model."""
        with self._models[outcome.model]():
            _card(self._choice.roll_up(outcome), self._choice)

    def finish(self, groups: Mapping[str, results.Group]) -> None:
        """Fill the cards of the ensembles."""
        for space, fill in self._ensembles.items():
            members, ensemble = groups.get(space, ([], None))
            with fill():
                _ensemble_card(ensemble, len(members), space, self._choice, self._is_one_of_several)


def reserve(is_pending: bool, draw_pending: Callable[[], object], gap: Gap = "xsmall") -> Callable[[], DeltaGenerator]:
    """Reserve a place on the page, with what `draw_pending` draws while `is_pending`; return a function to fill it.

    What is known is drawn without a placeholder: its charts would flicker at each rerun. The skeletons are no context
    managers: their timer writes a traceback into the log when a click ends the script meanwhile.
    """
    if not is_pending:
        place = st.container(gap=gap)
        return lambda: place
    placeholder = st.empty()
    with placeholder.container(gap=gap):
        draw_pending()
    return partial(placeholder.container, gap=gap)


def _shown_space(spec: ModelSpec, choice: Choice) -> str | None:
    """Return the name of the label space that a model is shown in; None where it knows none of the classes."""
    space = choice.shown_space(spec.get_label_space())
    return space.name if space else None


def _reserve_card(model: str, choice: Choice, is_pending: bool) -> Callable[[], DeltaGenerator]:
    def draw_pending() -> None:
        _header(model, "computing …", choice=choice)
        st.skeleton(height=choice.k * ROW_PX)

    with st.container(border=True, height="stretch"):
        return reserve(is_pending, draw_pending)


def _headlines(groups: Mapping[str, results.Group]) -> None:
    for members, ensemble in groups.values():
        show_headline(members, ensemble if isinstance(ensemble, Ensemble) else None)
        chips = []
        for group in sentences.agreement(members) if len(members) > 1 else ():
            color = "blue" if len(group.members) > 1 else "gray"
            titles = "" if len(group.members) > 3 else f": {', '.join(map(sentences.title_of, group.members))}"
            chips.append(f":{color}-badge[{group.sentence}{titles}]")
        if any(isinstance(member, PrecomputedPrediction) for member in members):
            chips.append(f":violet-badge[{PRECOMPUTED}]")
        if chips:
            st.markdown(" ".join(chips))
    if len(groups) > 1:
        st.caption(f":material/call_split: {APART}")


def show_headline(members: Sequence[Prediction], ensemble: Ensemble | None) -> None:
    """Show the headline; where it is "unsure" or "none of these", also how reliable that is."""
    about = None
    if ensemble is not None and sentences.is_unsure(ensemble):
        about = "Unsure: {}. {}".format(*sentences.describe_unsure(ensemble))
    st.subheader(sentences.headline(members, ensemble), anchor=False, help=about)
    if ensemble is not None and sentences.is_none_of_these(ensemble):
        st.caption(f":material/help: {sentences.describe_limit(ensemble.prediction.label_space)}")


def _ensemble_card(
    ensemble: Ensemble | Failure | None, count: int, space: str, choice: Choice, is_one_of_several: bool
) -> None:
    if isinstance(ensemble, Ensemble):
        title = f" · {sentences.space_title(ensemble.prediction.label_space)}" if is_one_of_several else ""
        _header(ENSEMBLE, f"{RULES[choice.rule].title.lower()} of {count}{title}", choice=choice)
        show_ensemble(ensemble, choice, key=key_of("chart_ensemble", space), legend=False)
        show_calibration(ensemble, choice)
    else:
        _header(ENSEMBLE, "", choice=choice)
        st.info(str(ensemble.error) if ensemble else "None of the models could answer.", icon=":material/join_inner:")


def _card(outcome: Prediction | Failure, choice: Choice) -> None:
    spec = caches.catalog().get_spec(outcome.model)
    if isinstance(outcome, Failure):
        _header(spec.name, "", choice=choice)
        if download_progress.is_damaged(spec):
            download_progress.progress(spec)
        else:
            st.error(str(outcome.error), icon=":material/error:")
    elif isinstance(outcome, PrecomputedPrediction):
        about = (
            f"Computed on {outcome.computed_at} with OpenVINO {outcome.versions['openvino']}, and kept with this "
            f"sample. Weights: sha256 {outcome.weights_sha256[:16]}… {outcome.note}"
        )
        _header(spec.name, PRECOMPUTED, about, choice=choice)
        show(outcome, choice)
        download_progress.progress(spec)
    else:
        _header(spec.name, *_latency(spec, outcome.milliseconds), choice=choice)
        show(outcome, choice)


def _latency(spec: ModelSpec, took_ms: float) -> tuple[str, str | None]:
    """Return the time of this inference with the measured median where there is one, and the origin of that."""
    this_run = f"{milliseconds(took_ms)} this run"
    measured = results.measured_latency(spec)
    if measured is None:
        return this_run, None
    median_ms, hardware = measured
    return (
        f"{this_run} · measured median {milliseconds(median_ms)}",
        f"One inference just now; beside it the median of many on {hardware}, as on Benchmarks.",
    )


def _header(model: str, remark: str, about: str | None = None, *, choice: Choice) -> None:
    swatch = swatch_of(model, choice.swatches).markdown
    title = sentences.title_of(model) if model == ENSEMBLE else caches.catalog().title_of(model)
    st.markdown(f"{swatch} **{title}** :small[:gray[{remark}]]", help=about)


def show(prediction: Prediction, choice: Choice) -> None:
    """Show one prediction as a chart or a table."""
    label = pinned.index_in(prediction.label_space)
    words = top_k.describe_top_k(prediction, choice.k, pinned=label)
    if choice.table:
        table(top_k.top_k_rows(prediction, choice.k, pinned=label), words)
    else:
        spec = top_k.top_k_bars(prediction, choice.k, among=choice.swatches, pinned=label)
        chart(spec, words, key=key_of("chart", prediction.model))
    if sentences.is_unsure(prediction):
        entropy, about = sentences.describe_unsure(prediction)
        st.caption(f"Unsure: {entropy}", help=about)


def show_ensemble(ensemble: Ensemble, choice: Choice, *, key: str, legend: bool = True) -> None:
    """Show an ensemble as bars made of its members' parts, or as a table."""
    label = pinned.index_in(ensemble.prediction.label_space)
    words = top_k.describe_ensemble(ensemble, choice.k, pinned=label)
    if choice.table:
        table(top_k.ensemble_rows(ensemble, choice.k, pinned=label), words)
    else:
        spec = top_k.ensemble_bars(ensemble, choice.k, among=choice.swatches, legend=legend, pinned=label)
        chart(spec, words, key=key)


def show_calibration(ensemble: Ensemble, choice: Choice) -> None:
    """Show what calibrated members change, and behind a "?" each member's temperature and where it was measured."""
    if ensemble.before is None:
        return
    about = [f"{row['Model']}: T = {row['T']}" for row in calibration_effect.rows(ensemble) if row["T"] != "–"]
    origin = calibration_effect.describe_origin(ensemble, choice.temperatures or {})
    words = f":material/thermostat: {calibration_effect.describe(ensemble)}"
    st.caption(words, help=f"{', '.join(about)}. {origin}" if about else None)


def chart(spec: Spec, words: str, *, key: str) -> None:
    """Show a chart with its text alternative."""
    st.vega_lite_chart(spec, theme=None, alt=words, key=key)


def table(rows: Rows, words: str) -> None:
    """Show the rows of a chart as a table."""
    st.table(rows, border="horizontal", hide_index=True, alt=words)


def _what_models_see(image: Image, choice: Choice) -> None:
    """Show the exact input of each model, at its size; models with the same input share one image."""
    panel = st.expander("What the models see", icon=":material/visibility:", key="sees", on_change="rerun")
    if not panel.open:
        return
    views: dict[tuple[tuple[int, int], float], list[str]] = {}
    for spec in choice.specs:
        views.setdefault((spec.input_size, spec.crop_fraction), []).append(spec.title)
    with panel, st.grid(4, min_column_width=180):
        for (size_px, crop), titles in views.items():
            with st.container(gap="xxsmall"):
                pixels = caches.framed(image.id, size_px, crop, choice.framing, image.image)
                # Pixels of a tiny input are enlarged to squares, without smoothing.
                times = max(1, SMALLEST_VIEW_PX // size_px[1])
                st.image(
                    pixels.repeat(times, axis=0).repeat(times, axis=1),
                    width=size_px[1] * times,
                    alt=f"The image as {', '.join(titles)} get it",
                    output_format="PNG",
                )
                enlarged = f", shown {times} times as large" if times > 1 else ""
                st.caption(f"{size_px[1]} × {size_px[0]} px{enlarged} · {', '.join(titles)}")
    panel.caption(preprocessing.FRAMINGS[choice.framing])
