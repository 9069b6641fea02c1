"""The settings above a page: models, top k, framing, rule, weights, level or the visitor's classes, chart or table.

Every choice is in the URL, so that a link restores it; images are not. The defaults of `models` depend on the machine,
so that they are written into the URL too: a link shows the same models elsewhere. See `query_params` for the names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from imgrec.charts.colors import Swatch, kept_swatches
from imgrec.images.preprocessing import FRAMINGS
from imgrec.inference.request import DEFAULT_FRAMING, DEFAULT_RULE, DEMO_MAX_MODELS, MAX_MODELS, Options
from imgrec.metrics.calibration import Temperature
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import RULES
from imgrec.predictions.hierarchy import DEFAULT_LEVEL
from imgrec.predictions.prediction import DEFAULT_TOP_K, MAX_TOP_K, Prediction
from imgrec.reports import calibration_effect, sentences
from imgrec.ui import caches, history, my_classes, pinned, query_params
from imgrec.ui.elements import copy_link
from imgrec.ui.markdown import plain

VIEWS = ("Chart", "Table")

# How Compare arranges the models, and from how many on they stand in a matrix until a visitor chooses otherwise.
CARDS, MATRIX = LAYOUTS = ("Cards", "Matrix")
MATRIX_FROM = 6

# In the session.
_SWATCHES = "swatches"


@dataclass(frozen=True, slots=True)
class Choice(Options):
    """The options of a page; `table` shows tables instead of charts, `layout` is one of `LAYOUTS`.

    `swatches` are those of the models, which keep them while others come and go.
    """

    table: bool = False
    layout: str = CARDS
    swatches: Mapping[str, Swatch] = field(default_factory=dict, compare=False)

    def weights_of(self, members: Sequence[Prediction]) -> list[float] | None:
        """Return the weights of `members`; None, for equal ones, where all sliders are at 0 or the rule has none."""
        given = [self.weights.get(member.model, 1.0) for member in members]
        return given if RULES[self.rule].takes_weights and any(given) else None


def toolbar(*, rule_in_sight: bool = False, layouts: bool = False, pins: bool = True) -> Choice:
    """Show the settings: models, view, and the others behind one button.

    On request with the rule in sight, with weights, with the choice of `LAYOUTS`, or without that of a label to pin.
    """
    specs = models()
    with st.container(
        horizontal=True, vertical_alignment="bottom" if rule_in_sight else "center", gap="small", key="toolbar"
    ):
        rule = _rule() if rule_in_sight else DEFAULT_RULE
        with st.popover("Options", icon=":material/tune:"):
            k, framing = _top_k(), _framing()
            rule = rule if rule_in_sight else _rule()
            level, classes = my_classes.choose()
            temperatures = _temperatures()
        arranged = layout(len(specs)) if layouts else CARDS
        table = view()
        pin_place = st.container(horizontal=True, vertical_alignment="center", width="content")
        changed = [
            *([f"top {k}"] if k != DEFAULT_TOP_K else []),
            *([framing] if framing != DEFAULT_FRAMING else []),
            *([RULES[rule].title.lower()] if rule != DEFAULT_RULE and not rule_in_sight else []),
            *([my_classes.describe(level, classes)] if classes or level != DEFAULT_LEVEL else []),
            *(["calibrated"] if temperatures is not None else []),
        ]
        copy_link()
        history.button()
        if changed:
            st.caption(" · ".join(changed))
    if classes is None:
        if knowledge := sentences.describe_knowledge(specs):
            st.caption(knowledge)
    elif notes := sentences.describe_groups(classes, specs):
        st.caption(f":material/info: {plain(' '.join(notes))}")
    if rule_in_sight:
        st.caption(f"**{RULES[rule].title}**. {RULES[rule].sentence}")
        if RULES[rule].takes_weights and len(specs) > 1:
            # Under a key that is no widget's, so that it is still there on Compare.
            st.session_state["weights"] = _weights(specs)
            if not any(st.session_state["weights"].values()):
                st.warning("All weights are 0, so all members count the same.", icon=":material/balance:")
    weights = st.session_state.get("weights", {})
    choice = Choice(specs, k, rule, framing, weights, level, classes, temperatures, table, arranged, swatches())
    if pins:
        with pin_place:
            pinned.choose(choice)
    return choice


def swatches() -> Mapping[str, Swatch]:
    """Return the swatches of the models that `models` gave last."""
    found: Mapping[str, Swatch] = st.session_state.setdefault(_SWATCHES, {})
    return found


def models() -> tuple[ModelSpec, ...]:
    """Choose models; those on this machine come first in the list, then the others, then twins, each by size."""
    catalog = caches.catalog()
    # A demo may still be making the twins that it serves by default.
    defaults = {spec.name for spec in caches.default_specs() if spec.is_compact}
    offered = [spec for spec in (*catalog.values(), *catalog.twins) if spec.name in defaults or caches.is_offered(spec)]

    def place(spec: ModelSpec) -> tuple[bool, bool, int]:
        return spec.is_compact, not caches.is_here(spec), spec.parameters

    names = [spec.name for spec in sorted(offered, key=place)]
    state = st.session_state
    if "models" not in state:
        state["models"] = query_params.choices().get("models", [spec.name for spec in caches.default_specs()])
    most = DEMO_MAX_MODELS if caches.settings().demo else MAX_MODELS
    wanted = state["models"]
    if len(wanted) > most or not set(wanted) <= set(names):
        # A link names too many, models that were removed meanwhile, or ones that are not offered here.
        query_params.forget([name for name in wanted if name not in caches.catalog()])
        query_params.leave_out(len(wanted), most)
        state["models"] = [name for name in wanted if name in names][:most]
    chosen = st.multiselect(
        "Models",
        names,
        key="models",
        format_func=lambda name: caches.catalog()[name].title if name in caches.catalog() else str(name),
        max_selections=most,
        select_all=False,
        wrap=True,
        placeholder="Choose the models to compare",
        help="Models on this machine come first. Any other is downloaded once, from the address that Keras uses. "
        "Compact twins, in 8-bit integers, come last.",
    )
    specs = tuple(caches.catalog().get_spec(name) for name in dict.fromkeys(chosen) if name in caches.catalog())
    st.session_state[_SWATCHES] = kept_swatches([spec.name for spec in specs], swatches())
    query_params.choices()["models"] = [spec.name for spec in specs]
    query_params.write()
    for sentence in query_params.complaints():
        st.warning(sentence, icon=":material/link_off:")
    return specs


def _top_k() -> int:
    choices = query_params.choices()
    if "k" in choices and "k" not in st.session_state and "k" not in st.query_params:
        st.session_state["k"] = choices["k"]
    query_params.number("k", "k", 1, MAX_TOP_K)
    k = st.slider("Top", 1, MAX_TOP_K, DEFAULT_TOP_K, key="k", bind="query-params", width=180)
    choices["k"] = k
    return k


def _framing() -> str:
    return query_params.segmented(
        "Framing",
        "framing",
        list(FRAMINGS),
        DEFAULT_FRAMING,
        "framing",
        title=str.capitalize,
        format_func=str.capitalize,
        help="\n\n".join(f"**{name.capitalize()}**: {meaning}" for name, meaning in FRAMINGS.items()),
    )


def layout(models: int) -> str:
    """Choose between `LAYOUTS`; until a visitor chooses, their number decides."""
    state = st.session_state
    usual = MATRIX if models >= MATRIX_FROM else CARDS
    if state.get("layout") == state.get("usual_layout"):
        # Not chosen: the widget follows the number.
        state["layout"] = usual
    state["usual_layout"] = usual
    return query_params.segmented("Arrange as", "layout", LAYOUTS, usual, "layout", label_visibility="collapsed")


def view() -> bool:
    """Choose between charts and tables; return whether it is tables."""
    return query_params.segmented("Show as", "view", VIEWS, "Chart", "view", label_visibility="collapsed") == "Table"


def _rule() -> str:
    chosen = st.selectbox(
        "Combine by",
        list(RULES),
        index=list(RULES).index(DEFAULT_RULE),
        key=query_params.named("rule", "rule", list(RULES), DEFAULT_RULE, title=lambda name: RULES[name].title),
        format_func=lambda name: RULES[name].title if name in RULES else str(name),
        width=190,
    )
    return chosen if chosen in RULES else DEFAULT_RULE


def _temperatures() -> Mapping[str, Temperature] | None:
    """Choose whether the ensemble's members are calibrated; return the measured temperatures, None for no."""
    key = query_params.flag("calibrated", "calibrated")
    return caches.temperatures() if st.toggle("Calibrated members", key=key, help=calibration_effect.MEANING) else None


def _weights(specs: Sequence[ModelSpec]) -> dict[str, float]:
    """Show one slider for each member; return the weights by model name."""
    with st.grid(4, min_column_width=160, gap="medium"):
        return {
            spec.name: st.slider(
                f"Weight of {spec.title}",
                0.0,
                1.0,
                1.0,
                0.05,
                key=query_params.number(f"weight_{spec.name}", f"the weight of {spec.title}", 0, 1),
                bind="query-params",
            )
            for spec in specs
        }
