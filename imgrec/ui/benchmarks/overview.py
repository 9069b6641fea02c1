"""The Benchmarks page: which dataset, which models, which view. Reads stored predictions only.

Each view is drawn when it is looked at, and none of them runs a model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import aligned_results
from imgrec.evaluation.aligned_results import READINGS, AlignedResults
from imgrec.ui import query_params, settings_bar
from imgrec.ui.benchmarks import confusion, curves, ensembles, leaderboard, measurements, pairs, provenance
from imgrec.ui.benchmarks.measurements import title
from imgrec.ui.markdown import plain

TITLES = {
    "cifar10": "CIFAR-10, test set",
    "imagenet_val_a": "ImageNet, 668 validation images",
    "imagenet_sample_even": "ImageNet, 500 training images",
    "catsdogs": "Cats and dogs, test set",
    "catsdogs_first_100": "Cats and dogs, first 100 of each",
}

# What links of old call them; links by name are understood too.
FORMER_TITLES = {
    "ImageNet, 668 validation images": "imagenet_val_a",
    "ImageNet, 500 training images": "imagenet_sample_even",
}

READING_TITLES = {"strict": "Wrong", "closed": "Ignored"}

# In the session: the dataset that fitted the chosen models when the page was last shown.
_SUITED = "bench_suited"


@dataclass(frozen=True, slots=True)
class Charts:
    """A view that shows the same as charts or as tables; `has_chart` says whether a chart of a board is of use."""

    draw: Callable[[AlignedResults, bool], None]
    has_chart: Callable[[AlignedResults], bool] = lambda board: True


@dataclass(frozen=True, slots=True)
class Plain:
    """A view that has one form."""

    draw: Callable[[AlignedResults], None]


VIEWS: dict[str, Charts | Plain] = {
    "Leaderboard": Plain(leaderboard.leaderboard),
    "Speed": Charts(pairs.speed),
    "Pairs": Charts(pairs.pairs),
    "Confusion": Charts(confusion.confusion, confusion.has_matrix),
    "A against B": Charts(confusion.duel, confusion.has_matrix),
    "Classes": Charts(curves.classes, curves.has_bars),
    "Curves": Charts(curves.over_thresholds),
    "Errors": Plain(confusion.gallery),
    "Ensembles": Plain(ensembles.builder),
    "Published": Plain(provenance.printed),
    "Provenance": Plain(provenance.provenance),
}


def chooser() -> AlignedResults | None:
    """Return the dataset and the models to look at; None, with a sentence, where there are no measurements."""
    try:
        names = measurements.set_names()
        suited = measurements.suited()
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None
    if not names:
        st.info(
            "No model has been evaluated yet. Run `imgrec evaluate --data cifar10 --out assets/benchmarks`.",
            icon=":material/leaderboard:",
        )
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        _follow(suited)
        usual = suited if suited in names else names[0]
        name = st.selectbox(
            "Dataset",
            names,
            index=names.index(usual),
            key=query_params.named(
                "bench_set", "dataset", names, usual, title=lambda name: TITLES.get(name, str(name))
            ),
            format_func=lambda name: TITLES.get(name, str(name)),
            width=320,
        )
        name = name if name in names else names[0]
        board = _board(name, "strict")
        if board is not None and board.has_rest:
            board = _board(name, _reading())
        if board is None:
            return None
        models = sorted(board.models)
        chosen = st.multiselect(
            "Models",
            models,
            key=f"bench_models_{board.name}",
            format_func=lambda model: title(board, model),
            placeholder=f"All {len(models)}",
        )
        _notes(board)
    _about(board)
    return aligned_results.narrowed(board, chosen) if chosen else board


def show(board: AlignedResults) -> None:
    """The chosen view of `board`."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.pills(
            "View",
            list(VIEWS),
            default="Leaderboard",
            required=True,
            key=query_params.named("bench_view", "view", list(VIEWS), "Leaderboard", name=query_params.slug),
            label_visibility="collapsed",
        )
        view = VIEWS.get(name or "Leaderboard", VIEWS["Leaderboard"])
        table = isinstance(view, Charts) and not view.has_chart(board)
        if isinstance(view, Charts) and not table:
            st.space("stretch")
            table = settings_bar.view()
    with st.container(key="bench_panel"):
        try:
            if isinstance(view, Charts):
                view.draw(board, table)
            else:
                view.draw(board)
        except ImgrecError as error:
            # A file of the board may be gone or changed since it was read.
            st.error(plain(str(error)), icon=":material/broken_image:")


def _follow(suited: str | None) -> None:
    """Show the dataset that fits the models chosen meanwhile, unless another one was chosen here or in the address."""
    asked = st.query_params.get("bench_set", "")
    if asked in FORMER_TITLES:
        st.query_params["bench_set"] = FORMER_TITLES[asked]
    before = st.session_state.get(_SUITED)
    if suited != before and st.session_state.get("bench_set") == before and "bench_set" not in st.query_params:
        st.session_state.pop("bench_set", None)
    st.session_state[_SUITED] = suited


def _reading() -> str:
    """How predictions outside the dataset's classes count; a key of `READINGS`."""
    chosen = st.segmented_control(
        "Answers outside these classes",
        list(READINGS),
        default="strict",
        required=True,
        key=query_params.named(
            "bench_reading", "reading", list(READINGS), "strict", title=lambda key: READING_TITLES[key]
        ),
        format_func=lambda reading: READING_TITLES.get(reading, str(reading)),
        help="\n\n".join(READINGS.values()),
    )
    return chosen if chosen in READINGS else "strict"


def _board(name: str, reading: str) -> AlignedResults | None:
    try:
        return measurements.board(name, reading)
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None


def _notes(board: AlignedResults) -> None:
    """What a reader of the metrics must know: the flaws of the dataset, and how its predictions are counted."""
    remarks = [f"**{board.images:,} images**, {board.about['classes']} classes. {board.about['source']}."]
    remarks += board.about["flaws"]
    if board.has_rest:
        remarks.append(f"The classes of ImageNet models are grouped into these by WordNet. {READINGS[board.reading]}")
    if board.has_rest and board.about["unreachable"]:
        remarks.append(
            f"ImageNet has no class for {', '.join(board.about['unreachable'])}: its models cannot predict it."
        )
    if any(board.rows[model].get("note") for model in board.models):
        remarks.append("Some models have weights that are not their publisher's own: see Provenance.")
    with st.popover("About this dataset", icon=":material/info:"):
        st.markdown("\n".join(f"- {remark}" for remark in remarks))


def _about(board: AlignedResults) -> None:
    """The size of the dataset and the first of its flaws; the rest is in `_notes`."""
    words = [f"**{board.images:,} images**, {board.about['classes']} classes.", *board.about["flaws"][:1]]
    if board.unread:
        words.append(f"Metrics are of the images that all models could read; {board.unread:,} are left out.")
    st.caption(" ".join(words))
    for problem in board.problems:
        st.warning(plain(problem), icon=":material/broken_image:")
