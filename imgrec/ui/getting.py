"""Models that are not ready yet: how to get them, how far that is, and why it failed.

A download outlives the click that started it and the page that showed it: it runs in the background, once however
many visitors ask, and these components only look at it.
"""

from collections.abc import Iterable, Sequence

import streamlit as st

from imgrec import charts, conversion
from imgrec.catalogue import CATALOGUE, ModelSpec, get_spec
from imgrec.errors import ImgrecError
from imgrec.preparation import Preparation
from imgrec.ui import resources
from imgrec.verdicts import size

IMAGENET = "imagenet_1k"
# Small, good, and one whose answers about the samples are stored.
SUGGESTED = get_spec("mobilenet_a075_224")

# How often a progress bar looks: often enough to move, seldom enough to cost nothing.
POLL_S = 0.5


def nothing_here() -> None:
    """Said where no model is chosen: what there is, or how to get the smallest."""
    if any(resources.is_here(spec) for spec in CATALOGUE.values()):
        st.info("Choose at least one model above.", icon=":material/deployed_code:")
        return
    smallest = min((spec for spec in CATALOGUE.values() if spec.weights.url), key=lambda spec: spec.weights.size_bytes)
    with st.container(border=True):
        st.markdown(
            "**No model is on this machine yet.** The smallest is a good start; the Models page has all others."
        )
        progress(smallest)


def is_suggested() -> bool:
    """Whether no model on this machine knows ImageNet's classes, so that `SUGGESTED` is offered."""
    return not any(resources.is_here(spec) for spec in CATALOGUE.values() if spec.label_space == IMAGENET)


def split(specs: Iterable[ModelSpec]) -> list[ModelSpec]:
    """The models of `specs` that are ready; for each of the others its card, side by side."""
    ready: list[ModelSpec] = []
    others: list[ModelSpec] = []
    for spec in specs:
        (ready if resources.is_ready(spec) else others).append(spec)
    if others:
        with st.grid(3, min_column_width=290):
            for spec in others:
                card(spec, [one.name for one in (*ready, *others)])
    return ready


def card(spec: ModelSpec, among: Sequence[str]) -> None:
    """The place of a model that is not ready, beside the cards of the others; `among` as in `charts.top_k_bars`."""
    with st.container(border=True, height="stretch", gap="xsmall", key=f"get_{spec.name}"):
        st.markdown(f"{charts.swatch_of(spec.name, among).markdown} **{spec.title}**")
        progress(spec)


def progress(spec: ModelSpec) -> None:
    """A button that gets `spec`, or how far getting it is; the page follows by itself when it is done."""
    reason = resources.refusal(spec)
    if reason is not None:
        st.warning(reason, icon=":material/memory:")
        return
    latest = resources.preparations().get(spec.name)
    if latest is None and resources.is_here(spec):
        # Converting takes seconds and no network: nobody needs to ask for it.
        latest = resources.preparations().start(spec)
    if latest is not None and not latest.over:
        st.fragment(_watch, run_every=POLL_S)(latest)
        return
    failed = latest is not None and latest.stage == "failed"
    if not failed:
        st.caption("Not on this machine yet.")
    if latest is not None and failed:
        st.error(_reason(latest), icon=":material/cloud_off:")
    st.button(
        "Try again" if failed else f"Download {spec.title} ({size(spec.weights.size_bytes)})",
        key=f"fetch_{spec.name}",
        icon=":material/refresh:" if failed else ":material/download:",
        on_click=fetch,
        args=(spec,),
    )


def fetch(spec: ModelSpec) -> None:
    """Have `spec` fetched and converted in the background, and choose it."""
    resources.preparations().start(spec, retry=True)
    chosen = st.session_state.get("models") or []
    if spec.name not in chosen:
        st.session_state["models"] = [*chosen, spec.name]


def _watch(preparation: Preparation) -> None:
    if preparation.over:
        st.rerun()
    done, total = preparation.done_bytes, preparation.total_bytes
    if preparation.stage == "downloading" and total:
        st.progress(min(done / total, 1.0), f"Downloading: {size(done)} of {size(total)}")
    elif preparation.stage == "converting":
        steps = conversion.STAGES
        place = steps.index(preparation.step) if preparation.step in steps else 0
        st.progress((place + 1) / (len(steps) + 1), f"Converting, once: {preparation.step or 'starting'}")
    else:
        st.progress(0.0, "Waiting for its turn")


def _reason(preparation: Preparation) -> str:
    if isinstance(preparation.error, ImgrecError):
        return str(preparation.error)
    return "Something went wrong that should not; the server's log says more."
