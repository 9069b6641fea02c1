"""What a visitor can choose. Every choice lives in the URL, so that a link restores it; the image never does.

The defaults of `models` depend on what this machine has, so they are written into the URL as well: the same link shows
the same models elsewhere. See `links` for how it names them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from imgrec.images.preprocessing import FRAMINGS
from imgrec.inference.request import DEMO_MAX_MODELS, MAX_MODELS
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import RULES
from imgrec.predictions.prediction import DEFAULT_TOP_K, MAX_TOP_K
from imgrec.reports import sentences
from imgrec.ui import caches, query_params

Value = TypeVar("Value")

DEFAULT_RULE = "mean"
DEFAULT_FRAMING = "crop"
VIEWS = ("Chart", "Table")


@dataclass(frozen=True, slots=True)
class Choice:
    """The models in the order of the catalog, and how to ask and show them."""

    specs: tuple[ModelSpec, ...]
    top_k: int
    framing: str
    rule: str
    table: bool
    weights: Mapping[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """The models of the page: colors are told apart among these, see `charts.swatches_of`."""
        return tuple(spec.name for spec in self.specs)


def toolbar() -> Choice:
    """What to ask and how to show it: the models, what they can know, and everything else behind one button."""
    specs = models()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("Options", icon=":material/tune:"):
            k = top_k()
            way = framing()
            together = rule()
        table = view()
        _changed(k, way, together)
    _knowledge(specs)
    return Choice(specs, k, way, together, table, st.session_state.get("weights", {}))


def ensemble_toolbar() -> Choice:
    """The choices of the Ensemble page, where the rule stands in sight, with its sentence and its weights."""
    specs = models()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        together = rule()
        with st.popover("Options", icon=":material/tune:"):
            k = top_k()
            way = framing()
        table = view()
        _changed(k, way, DEFAULT_RULE)
    _knowledge(specs)
    taken = RULES[together]
    st.caption(f"**{taken.title}**. {taken.sentence}")
    if taken.takes_weights and len(specs) > 1:
        # Kept under a key that is no widget's, so that the Compare page knows them too.
        st.session_state["weights"] = weights(specs)
    return Choice(specs, k, way, together, table, st.session_state.get("weights", {}))


def _changed(k: int, way: str, together: str) -> None:
    """Say which options behind the button are not the usual ones."""
    changed = [
        *([f"top {k}"] if k != DEFAULT_TOP_K else []),
        *([way] if way != DEFAULT_FRAMING else []),
        *([RULES[together].title.lower()] if together != DEFAULT_RULE else []),
    ]
    if changed:
        st.caption(" · ".join(changed))


def _knowledge(specs: Sequence[ModelSpec]) -> None:
    knowledge = sentences.describe_knowledge(specs)
    if knowledge:
        st.caption(knowledge)


def models() -> tuple[ModelSpec, ...]:
    """The models to ask; those on this machine stand first in the list."""
    names = offered()
    if "models" not in st.session_state:
        st.session_state["models"] = st.session_state.get(query_params.CHOICES, {}).get(
            "models", [spec.name for spec in caches.default_specs()]
        )
    most = DEMO_MAX_MODELS if caches.settings().demo else MAX_MODELS
    asked = st.session_state["models"]
    if len(asked) > most or not set(asked) <= set(names):
        # A link asks for too many, for what was removed meanwhile, or for what cannot be had here.
        query_params.forget([name for name in asked if name not in caches.catalog()])
        query_params.leave_out(len(asked), most)
        st.session_state["models"] = [name for name in asked if name in names][:most]
    chosen = st.multiselect(
        "Models",
        names,
        key="models",
        format_func=lambda name: caches.catalog()[name].title if name in caches.catalog() else str(name),
        max_selections=most,
        select_all=False,
        wrap=True,
        placeholder="Choose the models to compare",
        help="Models on this machine come first. Any other is downloaded once, from the address that Keras uses.",
    )
    specs = tuple(caches.catalog().get_specs(name for name in chosen if name in caches.catalog()))
    _keep("models", [spec.name for spec in specs])
    query_params.write()
    for sentence in query_params.complaints():
        st.warning(sentence, icon=":material/link_off:")
    return specs


def offered() -> list[str]:
    """The names that can be chosen: what is on this machine first, then the rest, each by size."""
    specs = [spec for spec in caches.catalog().values() if caches.is_offered(spec)]
    return [spec.name for spec in sorted(specs, key=lambda spec: (not caches.is_here(spec), spec.parameters))]


def top_k() -> int:
    _restore("k")
    query_params.number("k", "k", 1, MAX_TOP_K, DEFAULT_TOP_K)
    k = st.slider("Top", 1, MAX_TOP_K, DEFAULT_TOP_K, key="k", bind="query-params", width=180)
    return int(_keep("k", k))


def framing() -> str:
    chosen = st.segmented_control(
        "Framing",
        list(FRAMINGS),
        default=DEFAULT_FRAMING,
        required=True,
        key=query_params.named("framing", "framing", list(FRAMINGS), DEFAULT_FRAMING, title=str.capitalize),
        format_func=str.capitalize,
        help="\n\n".join(f"**{name.capitalize()}**: {meaning}" for name, meaning in FRAMINGS.items()),
    )
    return _keep("framing", chosen) or DEFAULT_FRAMING


def view() -> bool:
    """Whether tables are wanted instead of charts."""
    chosen = st.segmented_control(
        "Show as",
        list(VIEWS),
        default="Chart",
        required=True,
        key=query_params.named("view", "view", VIEWS, "Chart", name=query_params.slug),
        label_visibility="collapsed",
    )
    return _keep("view", chosen) == "Table"


def rule() -> str:
    """The way to combine. Its sentence stands where it is explained."""
    chosen = st.selectbox(
        "Combine by",
        list(RULES),
        index=list(RULES).index(DEFAULT_RULE),
        key=query_params.named("rule", "rule", list(RULES), DEFAULT_RULE, title=lambda name: RULES[name].title),
        format_func=lambda name: RULES[name].title if name in RULES else str(name),
        width=190,
    )
    return chosen if _keep("rule", chosen) in RULES else DEFAULT_RULE


def weights(specs: Sequence[ModelSpec]) -> dict[str, float]:
    """One slider for each member; the values by model name."""
    with st.grid(4, min_column_width=160, gap="medium"):
        return {
            spec.name: st.slider(
                f"Weight of {spec.title}",
                0.0,
                1.0,
                1.0,
                0.05,
                key=query_params.number(f"weight_{spec.name}", f"the weight of {spec.title}", 0, 1, 1),
                bind="query-params",
            )
            for spec in specs
        }


def _keep(key: str, value: Value) -> Value:
    """Remember a choice for pages that do not show its widget: there Streamlit forgets it, URL and all."""
    st.session_state.setdefault(query_params.CHOICES, {})[key] = value
    return value


def _restore(key: str) -> None:
    """Give a widget that is about to be shown what was chosen before, unless the URL says otherwise."""
    if key in st.session_state or key in st.query_params:
        return
    kept = st.session_state.get(query_params.CHOICES, {})
    if key in kept:
        st.session_state[key] = kept[key]
