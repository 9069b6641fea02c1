"""Views of the Benchmarks page that go down to single pictures: confusion, A against B, errors."""

import numpy as np
import streamlit as st

from imgrec import comparisons
from imgrec.benchmark_charts import matrices
from imgrec.benchmark_charts.matrices import SHADES
from imgrec.boards import Board
from imgrec.confusion import confusion_matrix, mistakes, mistakes_title
from imgrec.ui.benchmark_answers import model_chooser, pair_test, pictures, runner_up, title

# A matrix of more classes is not readable: the ones with the most mistakes are shown, and it is said.
MAX_CLASSES = 20

# Mistakes offered in a list, for who has no pointer.
MAX_LISTED = 30

WHO = {"any": "All", "a": "Only {a} right", "b": "Only {b} right", "neither": "Both wrong"}


def confusion(board: Board, table: bool) -> None:
    """A model's matrix; a click on a cell shows its pictures."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = model_chooser(board, "Model", "bench_confusion_model")
        shade = st.segmented_control(
            "Shade", list(SHADES), default="rows", required=True, key="bench_shade", format_func=str.capitalize
        )
    matrix = comparisons.matrix_of(board, model)
    places = _classes_of(board, matrix)
    # "Something else" is never the truth, and classes that a model knows and never says need no column.
    down = [int(i) for i in places if matrix[i].any()]
    across = [int(i) for i in places if matrix[i].any() or matrix[:, i].any()]
    part = matrix[np.ix_(down, across)]
    labels, said = [board.labels[i] for i in down], [board.labels[i] for i in across]
    words = matrices.describe_matrix(matrix, board.labels)
    if table:
        rows = [{"": labels[r]} | dict(zip(said, map(int, counts), strict=True)) for r, counts in enumerate(part)]
        st.dataframe(rows, hide_index=True, key="bench_confusion_table", alt=words)
        cell = None
    else:
        spec = matrices.matrix_chart(part, labels, said, shade=shade or "rows", pick="cell", indices=(down, across))
        event = st.vega_lite_chart(
            spec, theme=None, alt=words, key=f"bench_confusion_{board.name}_{model}", on_select="rerun"
        )
        cell = _picked(event)
    limited = (
        f" {len(places)} of {len(board.labels):,} classes, those of the first mistakes."
        if len(places) < len(board.labels)
        else ""
    )
    st.caption(f"{words} {SHADES[shade or 'rows']}{limited} Click a cell to see its pictures.")
    if cell is None:
        cell = _cell_chooser(board, matrix)
    if cell is not None:
        truth, choice = cell
        found = comparisons.in_cell(board, model, truth, choice)
        kind = "rightly" if truth == choice else "wrongly"
        st.markdown(f"**{len(found):,} pictures of {board.labels[truth]}, {kind} taken for {board.labels[choice]}**")
        other = runner_up(board, model)
        pictures(board, found, (model, other) if other else (model,), key="bench_cell")


def duel(board: Board, table: bool) -> None:
    """Two models on the same pictures: who is right where, and where they part."""
    if len(board.models) < 2:
        st.info("Expected two models or more to compare.", icon=":material/compare_arrows:")
        return
    with st.container(horizontal=True):
        a = model_chooser(board, "A", "bench_a")
        b = model_chooser(board, "B", "bench_b", index=1)
    if a == b:
        st.info("Expected two different models. Received: the same twice.", icon=":material/compare_arrows:")
        return
    title_a, title_b = title(board, a), title(board, b)
    found = comparisons.versus(board, a, b)
    st.markdown(f"**{pair_test(board, a, b).sentence({a: title_a, b: title_b})}**")
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.table(
            {
                "Both right": f"{found.both:,}",
                f"Only {title_a}": f"{found.only_a:,}",
                f"Only {title_b}": f"{found.only_b:,}",
                "Both wrong, the same way": f"{found.neither_same:,}",
                "Both wrong, differently": f"{found.neither_different:,}",
            },
            border="horizontal",
            alt="Who is right on how many pictures",
        )
    with right:
        cell = _duel_matrix(board, a, b, title_a, title_b, table)
    if cell is None:
        who = st.segmented_control(
            "Pictures on which they differ",
            list(WHO),
            default="any",
            required=True,
            key="bench_who",
            format_func=lambda who: WHO[who].format(a=title_a, b=title_b),
        )
        places = comparisons.disagreements(board, a, b, who or "any")
        st.caption(f"{len(places):,} pictures, those of which both are surest first.")
    else:
        one, two = board.found[a], board.found[b]
        places = [int(i) for i in np.flatnonzero((one.choice == cell[0]) & (two.choice == cell[1]))]
        st.markdown(
            f"**{len(places):,} pictures: {title_a} says {board.labels[cell[0]]}, {title_b} says "
            f"{board.labels[cell[1]]}**"
        )
    pictures(board, places, (a, b), key="bench_duel")


def gallery(board: Board) -> None:
    """What a model got wrong, the surest mistakes first."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = model_chooser(board, "Model", "bench_errors_model")
        wrong = comparisons.mistakes(board, model)
        counts = np.bincount(board.target[wrong], minlength=len(board.labels))
        names = [-1, *(int(i) for i in np.argsort(-counts, kind="stable") if counts[i])]
        label = st.selectbox(
            "True class",
            names,
            key=f"bench_errors_class_{board.name}_{model}",
            width=320,
            format_func=lambda i: f"all ({len(wrong):,})" if i < 0 else f"{board.labels[i]} ({counts[i]:,})",
        )
    found = comparisons.mistakes(board, model, None if label < 0 else label)
    st.caption(f"{len(found):,} pictures that {title(board, model)} got wrong, the surest mistakes first.")
    other = runner_up(board, model)
    pictures(board, found, (model, other) if other else (model,), key="bench_errors")


def _duel_matrix(board: Board, a: str, b: str, title_a: str, title_b: str, table: bool) -> tuple[int, int] | None:
    """What A said against what B said; the clicked cell."""
    matrix = confusion_matrix(board.found[a].choice, board.found[b].choice, len(board.labels))
    places = _classes_of(board, matrix)
    places = np.array([i for i in places if matrix[i].any() or matrix[:, i].any()])
    labels = [board.labels[i] for i in places]
    part = matrix[np.ix_(places, places)]
    words = f"What {title_a} says (rows) against what {title_b} says (columns), off the diagonal where they differ."
    if table:
        rows = [{"": labels[r]} | dict(zip(labels, map(int, counts), strict=True)) for r, counts in enumerate(part)]
        st.dataframe(rows, hide_index=True, key="bench_duel_table", alt=words)
        return None
    spec = matrices.matrix_chart(
        part,
        labels,
        labels,
        shade="log",
        titles=(f"{title_a} says", f"{title_b} says"),
        pick="cell",
        indices=(places.tolist(), places.tolist()),
    )
    event = st.vega_lite_chart(spec, theme=None, alt=words, key=f"bench_duel_{board.name}_{a}_{b}", on_select="rerun")
    st.caption(f"{words} Click a cell to see its pictures.")
    return _picked(event)


def _classes_of(board: Board, matrix: np.ndarray) -> np.ndarray:
    """All classes of a small set; of a large one those of the most frequent mistakes, the first if there are none."""
    if len(board.labels) <= MAX_CLASSES:
        return np.arange(len(board.labels))
    places = comparisons.hardest(matrix, MAX_CLASSES)
    return places if len(places) else np.flatnonzero(matrix.any(axis=1))[:MAX_CLASSES]


def _picked(event: object) -> tuple[int, int] | None:
    """The class pair of a clicked cell."""
    selection = getattr(event, "selection", {}) or {}
    cells = selection.get("cell") or []
    return (int(cells[0]["row"]), int(cells[0]["column"])) if cells else None


def _cell_chooser(board: Board, matrix: np.ndarray) -> tuple[int, int] | None:
    """The same without a pointer: the mistakes in a list, the most frequent first."""
    found = mistakes(matrix, MAX_LISTED)
    counts = {(mistake.truth, mistake.choice): mistake.count for mistake in found}
    if not found:
        return None
    return st.selectbox(
        mistakes_title(found),
        list(counts),
        index=None,
        key=f"bench_cell_{board.name}",
        format_func=lambda cell: f"{board.labels[cell[0]]} taken for {board.labels[cell[1]]} ({counts[cell]:,})",
        placeholder="Choose a mistake",
        width=400,
    )
