"""Compact twins on the Models page: the choice of this host, and what each twin loses and saves."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import compact_loss, stored_predictions
from imgrec.evaluation.compact_loss import Loss
from imgrec.formatting import milliseconds, percent, size
from imgrec.inference import precision
from imgrec.metrics.significance import p_number
from imgrec.settings import ASSETS, PRECISIONS
from imgrec.ui import caches
from imgrec.ui.elements import errors_shown
from imgrec.ui.markdown import plain

Number = TypeVar("Number", int, float)

_CHOICE = "precision"


def panel() -> None:
    """Show how default models compute, and the losses that were measured."""
    settings = caches.settings()
    losses = _losses()
    st.subheader(
        "Exact and Compact",
        anchor=False,
        help="Exact computes in float32, with Keras' own probabilities. Compact is a twin of each model in 8-bit "
        "integers: smaller, faster where the processor has instructions for them, and now and then another answer. "
        "Its name ends in `.int8`, and it can be chosen beside its original on every page.",
    )
    st.session_state.setdefault(_CHOICE, precision.of_host(settings))
    st.segmented_control(
        "Models chosen by default are",
        PRECISIONS,
        key=_CHOICE,
        required=True,
        format_func=str.capitalize,
        on_change=_choose,
        # Visitors of a public demo share one machine.
        disabled=settings.demo or settings.precision is not None,
        help="For every visitor of this server. IMGREC_PRECISION decides before it." if not settings.demo else None,
    )
    with errors_shown():
        if (refused := st.session_state.pop("precision_error", None)) is not None:
            raise refused
    for loss in losses:
        if loss.is_too_large:
            words = compact_loss.sentence(loss, caches.catalog().title_of(loss.model) + " Compact")
            st.error(f"{plain(words)}. More than 1\u202f% of the answers is lost.", icon=":material/trending_down:")
    if losses:
        st.table(
            [_row(loss) for loss in losses],
            border="horizontal",
            hide_index=True,
            alt="; ".join(compact_loss.sentence(loss, caches.catalog().title_of(loss.model)) for loss in losses),
        )
    else:
        st.caption("No twin was measured yet: `imgrec evaluate --data FOLDER --models NAME,NAME.int8`.")


def _choose() -> None:
    try:
        precision.choose(st.session_state[_CHOICE], caches.settings())
    except ImgrecError as error:
        st.session_state["precision_error"] = error


def _losses() -> list[Loss]:
    own = stored_predictions.own_folder(caches.settings())
    summary = own / stored_predictions.SUMMARY
    return [
        *_measured(str(ASSETS / "benchmarks"), 0),
        *(_measured(str(own), summary.stat().st_mtime_ns) if summary.exists() else []),
    ]


@st.cache_data(max_entries=4, show_spinner=False)
def _measured(folder: str, changed_at: int) -> list[Loss]:
    try:
        return compact_loss.measured(Path(folder))
    except ImgrecError:
        return []


def _row(loss: Loss) -> dict[str, str]:
    return {
        "Model": plain(caches.catalog().title_of(loss.model)),
        "Dataset": plain(loss.dataset),
        "Images": f"{loss.images:,}",
        "Same first answer": percent(loss.same / loss.images),
        "Lost / won": f"{loss.lost} / {loss.won}",
        "Top-1": f"{percent(loss.top_1 + loss.share)} → {percent(loss.top_1)}",
        "p": p_number(loss.p_value),
        "Confidence": f"{100 * loss.confidence_shift:+.1f} points",
        "Time": _both(loss.exact_ms, loss.compact_ms, milliseconds),
        "Memory": _both(loss.exact_bytes, loss.compact_bytes, size),
    }


def _both(before: Number | None, after: Number | None, words: Callable[[Number], str]) -> str:
    return "–" if before is None or after is None else f"{words(before)} → {words(after)}"
