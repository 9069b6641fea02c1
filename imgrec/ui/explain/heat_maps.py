"""Where the models looked: one map for each model and one of the ensemble, over the photo, on one scale."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from imgrec.explanation import attribution, faithfulness
from imgrec.explanation.attribution import DEFAULT_METHOD, METHODS, Attribution
from imgrec.explanation.explanation import fuse_by_label_space
from imgrec.explanation.faithfulness import BASELINES, Faithfulness
from imgrec.explanation.map_report import MeasuredMap
from imgrec.explanation.subject import Subject
from imgrec.explanation.target import Target
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import ENSEMBLE
from imgrec.predictions.prediction import Failure
from imgrec.reports import sentences
from imgrec.reports.result import Result
from imgrec.ui import caches, query_params, results, settings_bar
from imgrec.ui.compare import result_cards
from imgrec.ui.explain import class_choice, map_cards, map_files
from imgrec.ui.explain.map_cards import Look
from imgrec.ui.image_input import Image
from imgrec.ui.models import download_progress
from imgrec.ui.settings_bar import Choice

# In the session: the plan whose computation was stopped.
_STOPPED = "explain_stopped"

MIN_CARD_PX, PLACEHOLDER_PX = 260, 220

# Maps that come faster are drawn together.
REDRAW_S = 0.5

# So many inferences are done between two steps of a progress bar.
PROGRESS_STEPS = 6

Fills = Mapping[str, Callable[[], DeltaGenerator]]
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is to be shown: targets by label space, the models with a map, those without the class, and failures."""

    image: Image
    choice: Choice
    method: str
    targets: Mapping[str, Target]
    specs: tuple[ModelSpec, ...]
    without_class: tuple[ModelSpec, ...]
    failures: tuple[Failure, ...]
    with_scores: bool

    def key(self, spec: ModelSpec, baseline: str = "") -> Key:
        """Return everything that a map depends on, or with `baseline` its scores."""
        indices = self.targets[spec.label_space].indices
        return spec.name, spec.weights.hash, self.image.id, self.choice.framing, self.method, indices, baseline

    def keys(self) -> list[Key]:
        """Return the keys of all that is needed."""
        baselines = ["", *BASELINES] if self.with_scores else [""]
        return [self.key(spec, baseline) for spec in self.specs for baseline in baselines]

    def find(self, spec: ModelSpec) -> Attribution | None:
        """Return the map of a model if it is known."""
        found = caches.maps().get(self.key(spec))
        return found if isinstance(found, Attribution) else None

    def find_scores(self, spec: ModelSpec) -> dict[str, Faithfulness]:
        """Return the known scores of the map of a model, by baseline."""
        found = {name: caches.maps().get(self.key(spec, name)) for name in BASELINES}
        return {name: one for name, one in found.items() if self.with_scores and isinstance(one, Faithfulness)}

    @property
    def is_known(self) -> bool:
        """Whether nothing is left to compute."""
        return all(key in caches.maps() for key in self.keys())


def show(image: Image) -> None:
    """Show the controls, and the maps of `image` as they are computed."""
    choice = settings_bar.toolbar(pins=False)
    if not choice.specs:
        download_progress.nothing_here()
        return
    found = results.classify(image, choice)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        spaces = {spec.label_space: spec.get_label_space() for spec in choice.specs}
        word = class_choice.choose(list(spaces.values()))
        method = _method()
        look = map_cards.choose_look()
    if not found.ready:
        st.info("Maps are made by the models themselves. They are shown when one is ready.", icon=":material/layers:")
        download_progress.cards(found.missing, choice.swatches)
        download_progress.watch(found.answering)
        return
    make_plan = partial(_make_plan, image, choice, word, method, look.scores, found)
    plan = None if found.computing else make_plan(found.finish())
    is_pending = plan is None or not plan.is_known
    fill_headline = result_cards.reserve(
        plan is None, lambda: st.skeleton(height=result_cards.HEADLINE_PX), gap="small"
    )
    status, fill_table, fill_legend = st.empty(), st.container(), st.container()
    fills = _reserve_cards(found.ready, choice, is_pending=is_pending)
    foot = st.container()
    download_progress.cards(found.missing, choice.swatches)
    download_progress.watch(spec for spec in found.answering if spec not in found.ready)
    if plan is None:
        plan = make_plan(found.finish())
    with fill_headline():
        _headline(plan)
    shown = _compute(plan, fills, look, status)
    if shown:
        with fill_legend:
            map_cards.legend(shown, method, look)
        if choice.table:
            with fill_table:
                map_files.table(shown)
        with foot:
            map_files.offer(image, shown, look)


def _make_plan(
    image: Image,
    choice: Choice,
    word: str,
    method: str,
    with_scores: bool,
    found: results.Classification,
    result: Result,
) -> Plan:
    targets = class_choice.find_targets(word, results.by_label_space(result, choice), choice)
    failed = {failure.model for failure in result.failures}
    specs = [spec for spec in found.ready if spec.name not in failed]
    with_class = tuple(spec for spec in specs if spec.label_space in targets)
    without = tuple(spec for spec in specs if spec.label_space not in targets)
    return Plan(image, choice, method, targets, with_class, without, tuple(result.failures), with_scores)


def _method() -> str:
    names = list(METHODS)
    chosen = st.selectbox(
        "Method",
        names,
        key=query_params.named("method", "method", names, DEFAULT_METHOD, title=lambda name: METHODS[name].title),
        format_func=lambda name: METHODS[name].title if name in METHODS else str(name),
        help="\n\n".join(f"**{method.title}** ({method.unit}): {method.sentence}" for method in METHODS.values()),
        width=190,
    )
    return chosen if chosen in METHODS else DEFAULT_METHOD


def _reserve_cards(specs: Sequence[ModelSpec], choice: Choice, *, is_pending: bool) -> Fills:
    """Reserve the place of each map, those of the ensembles first."""
    spaces = [spec.label_space for spec in specs]
    ensembles = {_ensemble_of(space): (ENSEMBLE, "Ensemble") for space in spaces if spaces.count(space) > 1}
    titles = ensembles | {spec.name: (spec.name, spec.title) for spec in specs}

    def draw_pending(model: str, title: str) -> None:
        map_cards.header(model, title, "computing …", choice.swatches)
        st.skeleton(height=PLACEHOLDER_PX)

    fills = {}
    with st.container(key="maps"), st.grid(min_column_width=MIN_CARD_PX):
        for place, names in titles.items():
            with st.container(border=True, height="stretch"):
                fills[place] = result_cards.reserve(is_pending, partial(draw_pending, *names))
    return fills


def _ensemble_of(space: str) -> str:
    """Return the place of the ensemble of a label space."""
    return f"{ENSEMBLE} {space}"


def _labels(plan: Plan) -> list[str]:
    """Return the classes that the maps of a plan are of, each once."""
    return list(dict.fromkeys(target.label for target in plan.targets.values()))


def _headline(plan: Plan) -> None:
    labels = _labels(plan)
    st.subheader(f"What speaks for {' or '.join(labels)}" if labels else "No model has this class", anchor=False)


def _compute(plan: Plan, fills: Fills, look: Look, status: DeltaGenerator) -> list[MeasuredMap]:
    """Compute what is not known, and draw each map as it comes; return what is shown at last."""
    for failure in plan.failures:
        if failure.model in fills:
            _explain_failure(plan.choice.swatches, fills, failure)
    for spec in plan.without_class:
        with fills[spec.name]():
            map_cards.header(spec.name, spec.title, "", plan.choice.swatches)
            st.info("This model has no such class.", icon=":material/label_off:")
    if not plan.is_known and _is_stopped(plan, status):
        for spec in plan.specs:
            if plan.find(spec) is None:
                with fills[spec.name]():
                    map_cards.header(spec.name, spec.title, "", plan.choice.swatches)
                    # In the place of the skeleton, which would stay otherwise.
                    st.caption("Stopped.")
    elif not plan.is_known:
        drawn_at = time.monotonic()
        for _ in _maps(plan, fills):
            # A new map may change the scale of all, which are then drawn again.
            if time.monotonic() - drawn_at > REDRAW_S:
                _draw(plan, fills, look, is_last=False)
                drawn_at = time.monotonic()
        _measure(plan, status)
        status.empty()
    return _draw(plan, fills, look, is_last=True)


def _is_stopped(plan: Plan, status: DeltaGenerator) -> bool:
    """Show the button that stops or continues a long computation; return whether it was stopped."""
    if plan.method == DEFAULT_METHOD and not plan.with_scores:
        return False
    state, keys = st.session_state, plan.keys()
    if state.get(_STOPPED) == keys:
        resume = partial(state.pop, _STOPPED)
        status.button("Continue", key="explain_continue", icon=":material/play_arrow:", on_click=resume)
        return True
    stop = partial(state.__setitem__, _STOPPED, keys)
    status.button("Stop computing", key="explain_stop", icon=":material/stop:", on_click=stop)
    return False


def _maps(plan: Plan, fills: Fills) -> Iterator[Attribution]:
    """Yield each map that was not known; what has none gets a sentence on its card."""
    for spec in plan.specs:
        if plan.find(spec) is not None:
            continue
        with fills[spec.name]():
            map_cards.header(spec.name, spec.title, "computing …", plan.choice.swatches)
            on_progress = _progress(st.empty(), METHODS[plan.method].title)
        for outcome in attribution.explain(
            plan.image.image,
            attribution.frame_subjects(plan.image.image, [spec], caches.pool(), plan.choice.framing),
            plan.targets,
            framing=plan.choice.framing,
            method=plan.method,
            on_progress=on_progress,
        ):
            if isinstance(outcome, Failure):
                _explain_failure(plan.choice.swatches, fills, outcome)
            else:
                caches.remember_map(plan.key(spec), outcome)
                yield outcome


def _measure(plan: Plan, status: DeltaGenerator) -> None:
    """Measure insertion and deletion of the maps, where that is wanted and not known."""
    for spec in plan.specs if plan.with_scores else ():
        found = plan.find(spec)
        if found is None:
            continue
        size, crop, framing = spec.input_size, spec.crop_fraction, plan.choice.framing
        framed = caches.framed(plan.image.id, size, crop, framing, plan.image.image)
        subject = Subject(spec, caches.pool(), framed)
        on_progress = _progress(status, f"{spec.title}, insertion and deletion")
        for baseline in BASELINES:
            if plan.key(spec, baseline) not in caches.maps():
                scores = faithfulness.measure(subject, found.target, found.values, baseline, on_progress)
                caches.remember_map(plan.key(spec, baseline), scores)


def _progress(place: DeltaGenerator, title: str) -> Callable[[int, int], None]:
    def show_progress(done: int, total: int) -> None:
        if done % PROGRESS_STEPS == 0 or done == total:
            place.progress(min(done / total, 1.0), f"{title}: {done} of {total} inferences")

    return show_progress


def _draw(plan: Plan, fills: Fills, look: Look, *, is_last: bool) -> list[MeasuredMap]:
    """Draw all known maps on their common scale; return them, those of the ensembles first."""
    shown = [MeasuredMap(known, plan.find_scores(spec)) for spec in plan.specs if (known := plan.find(spec))]
    fused = fuse_by_label_space([one.found for one in shown], plan.choice)
    if len(fused) > 1:
        titles = [f"{one.title} · {sentences.space_title(one.target.label_space)}" for one in fused]
        fused = [replace(one, title=title) for one, title in zip(fused, titles, strict=True)]
    places = {_ensemble_of(one.target.label_space.name): MeasuredMap(one) for one in fused}
    places |= {one.found.model: one for one in shown}
    if places:
        photo, maps = map_cards.photo_of(plan.image), list(places.values())
        for place, one in places.items():
            with fills[place]():
                map_cards.card(
                    one,
                    photo,
                    look.scale(one, maps),
                    look,
                    plan.choice.swatches,
                    names_class=len(_labels(plan)) > 1,
                    with_widgets=is_last,
                )
    for place in set(fills) - set(places) if is_last else ():
        if place.startswith(f"{ENSEMBLE} "):
            with fills[place]():
                map_cards.header(ENSEMBLE, "Ensemble", "", plan.choice.swatches)
                st.info("It needs the maps of two models.", icon=":material/join_inner:")
    return list(places.values())


def _explain_failure(among: Iterable[str], fills: Fills, failure: Failure) -> None:
    """Show why a model has no map on its card; `among` as in `swatch_of`."""
    with fills[failure.model]():
        map_cards.header(failure.model, sentences.title_of(failure), "", among)
        st.error(str(failure.error), icon=":material/error:")
