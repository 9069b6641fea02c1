"""The Benchmarks page: which set, which models, which view. Reads artefacts only.

Each view is drawn when it is looked at, and none of them runs a model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from imgrec import boards
from imgrec.boards import READINGS, Board
from imgrec.errors import ImgrecError
from imgrec.ui import (
    benchmark_answers,
    benchmark_curves,
    benchmark_ensembles,
    benchmark_leaderboard,
    benchmark_pairs,
    benchmark_sources,
    benchmark_views,
    choices,
    links,
)
from imgrec.ui.benchmark_answers import title
from imgrec.ui.wording import plain

TITLES = {
    "cifar10": "CIFAR-10, test set",
    "imagenet_val_a": "ImageNet, 668 validation pictures",
    "imagenet_sample_even": "ImageNet, 500 training pictures",
    "catsdogs": "Cats and dogs, test set",
    "catsdogs_first_100": "Cats and dogs, first 100 of each",
}

READING_TITLES = {"strict": "Strict", "closed": "Only these classes"}


@dataclass(frozen=True, slots=True)
class Charts:
    """A view that shows the same as charts or as tables."""

    draw: Callable[[Board, bool], None]


@dataclass(frozen=True, slots=True)
class Plain:
    """A view that has one form."""

    draw: Callable[[Board], None]


VIEWS: dict[str, Charts | Plain] = {
    "Leaderboard": Plain(benchmark_leaderboard.leaderboard),
    "Speed": Charts(benchmark_pairs.speed),
    "Pairs": Charts(benchmark_pairs.pairs),
    "Confusion": Charts(benchmark_views.confusion),
    "A against B": Charts(benchmark_views.duel),
    "Classes": Charts(benchmark_curves.classes),
    "Curves": Charts(benchmark_curves.over_thresholds),
    "Errors": Plain(benchmark_views.gallery),
    "Ensembles": Plain(benchmark_ensembles.builder),
    "Published": Plain(benchmark_sources.printed),
    "Provenance": Plain(benchmark_sources.provenance),
}


def chooser() -> Board | None:
    """The set and the models to look at; None, with a sentence, where there is nothing measured."""
    try:
        names = benchmark_answers.set_names()
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None
    if not names:
        st.info(
            "Nothing has been measured yet. `imgrec evaluate --data cifar10 --out assets/benchmarks` does it.",
            icon=":material/leaderboard:",
        )
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.selectbox(
            "Pictures",
            names,
            key=links.named(
                "bench_set", "measured set", names, names[0], title=lambda name: TITLES.get(name, str(name))
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
    _about(board)
    return boards.narrowed(board, chosen) if chosen else board


def show(board: Board) -> None:
    """The chosen view of `board`."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.pills(
            "View",
            list(VIEWS),
            default="Leaderboard",
            required=True,
            key=links.named("bench_view", "view", list(VIEWS), "Leaderboard", name=links.slug),
            label_visibility="collapsed",
        )
        view = VIEWS.get(name or "Leaderboard", VIEWS["Leaderboard"])
        table = False
        if isinstance(view, Charts):
            st.space("stretch")
            table = choices.view()
    with st.container(key="bench_panel"):
        try:
            if isinstance(view, Charts):
                view.draw(board, table)
            else:
                view.draw(board)
        except ImgrecError as error:
            # A file of the board may be gone or changed since it was read.
            st.error(plain(str(error)), icon=":material/broken_image:")


def _reading() -> str:
    """How answers outside the set's classes count; a key of `READINGS`."""
    chosen = st.segmented_control(
        "Counted",
        list(READINGS),
        default="strict",
        required=True,
        key=links.named("bench_reading", "reading", list(READINGS), "strict", title=lambda key: READING_TITLES[key]),
        format_func=lambda reading: READING_TITLES.get(reading, str(reading)),
        help="\n\n".join(READINGS.values()),
    )
    return chosen if chosen in READINGS else "strict"


def _board(name: str, reading: str) -> Board | None:
    try:
        return benchmark_answers.board(name, reading)
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None


def _about(board: Board) -> None:
    """What a reader of the numbers must know, before them."""
    st.caption(f"**{board.images:,} pictures**, {board.about['classes']} classes. {board.about['source']}.")
    remarks = list(board.about["flaws"])
    if board.unread:
        remarks.append(
            f"All figures are of the {board.images:,} pictures that all models could read; of {board.unread:,} others "
            "at least one could not."
        )
    if board.has_rest and board.about["unreachable"]:
        remarks.append(
            f"ImageNet has no class for {', '.join(board.about['unreachable'])}: its networks cannot name it."
        )
    if board.has_rest:
        remarks.append(f"ImageNet's classes are counted as these by WordNet. {READINGS[board.reading]}")
    if any(board.rows[model].get("note") for model in board.models):
        remarks.append("Some networks have weights that are not their publisher's own: see Provenance.")
    if remarks:
        st.caption(f":material/info: {' '.join(remarks)}")
    for problem in board.problems:
        st.warning(plain(problem), icon=":material/broken_image:")
