"""Views of the Benchmarks page that go down to single images: confusion, A against B, errors."""

import numpy as np
import streamlit as st

from imgrec.charts import confusion_matrix as confusion_chart
from imgrec.charts.confusion_matrix import PREDICTED, SHADES, TRUE
from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.formatting import percent
from imgrec.metrics.confusion import confusion_matrix, mistakes, mistakes_title
from imgrec.ui.benchmarks import image_files
from imgrec.ui.benchmarks.measurements import model_chooser, pair_test, runner_up, title

# A matrix of more classes is not readable: the ones with the most mistakes are shown, and it is said.
MAX_CLASSES = 20

# Mistakes offered in a list, for the keyboard.
MAX_LISTED = 30

# A matrix of many classes in which every mistake is rarer is nearly empty: the mistakes are listed instead.
MATRIX_FROM = 3

WHO = {"any": "All", "a": "Only {a} correct", "b": "Only {b} correct", "neither": "Both wrong"}


def has_matrix(board: AlignedResults) -> bool:
    """Return whether confusion matrices of the board can be read: few classes, or mistakes that are frequent."""
    return len(board.labels) <= MAX_CLASSES or comparisons.most_confused(board) >= MATRIX_FROM


def confusion(board: AlignedResults, table: bool) -> None:
    """A model's confusion matrix, or a list where that would be nearly empty; a click shows the images."""
    if not has_matrix(board):
        model = model_chooser(board, "Model", "bench_confusion_model")
        _cell_images(board, model, _pair_list(board, model))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = model_chooser(board, "Model", "bench_confusion_model")
        matrix = comparisons.matrix_of(board, model)
        shade = st.segmented_control(
            "Color by", list(SHADES), default="rows", required=True, key="bench_shade", format_func=str.capitalize
        )
    places = _classes_of(board, matrix)
    # "Something else" is never the truth, and classes that a model knows and never says need no column.
    down = [int(i) for i in places if matrix[i].any()]
    across = [int(i) for i in places if matrix[i].any() or matrix[:, i].any()]
    part = matrix[np.ix_(down, across)]
    labels, said = [board.labels[i] for i in down], [board.labels[i] for i in across]
    words = confusion_chart.describe_matrix(matrix, board.labels)
    if table:
        rows = [{"": labels[r]} | dict(zip(said, map(int, counts), strict=True)) for r, counts in enumerate(part)]
        st.dataframe(rows, hide_index=True, key="bench_confusion_table", alt=words)
        cell = None
    else:
        spec = confusion_chart.matrix_chart(
            part,
            labels,
            said,
            shade=shade or "rows",
            pick="cell",
            indices=(down, across),
        )
        event = st.vega_lite_chart(
            spec, theme=None, alt=words, key=f"bench_confusion_{board.name}_{model}", on_select="rerun"
        )
        cell = _picked(event)
    limited = (
        f" Shown: {len(places)} of {len(board.labels):,} classes, those of the most frequent mistakes."
        if len(places) < len(board.labels)
        else ""
    )
    st.caption(f"{words}{limited} Click a cell to see its images.", help=SHADES[shade or "rows"])
    if cell is None:
        cell = _cell_chooser(board, matrix)
    _cell_images(board, model, cell)


def _pair_list(board: AlignedResults, model: str) -> tuple[int, int] | None:
    """The confused classes, the most frequent first; the chosen one."""
    found = comparisons.confused(board, model)
    wrong = sum(pair.count for pair in found)
    most = found[0].count if found else 0
    often = "each on one image" if most == 1 else f"at most {most} images each"
    st.markdown(
        f"**{board.images - wrong:,} of {board.images:,} images are correct.** "
        + (f"{len(found):,} pairs of classes are confused, {often}." if found else "")
    )
    if not found:
        return None
    event = st.dataframe(
        [
            {
                TRUE: board.labels[pair.truth],
                PREDICTED: board.labels[pair.choice],
                "Images": pair.count,
                "Confidence": percent(pair.confidence),
            }
            for pair in found
        ],
        column_config={"Confidence": st.column_config.TextColumn(help="The highest of these images.")},
        hide_index=True,
        height=388,
        key=f"bench_pairs_{board.name}_{model}",
        on_select="rerun",
        selection_mode="single-row",
        alt="Pairs of classes that are confused, the most frequent first",
    )
    st.caption("Select a row to see its images.")
    rows = event["selection"]["rows"]
    return (found[rows[0]].truth, found[rows[0]].choice) if rows else None


def _cell_images(board: AlignedResults, model: str, cell: tuple[int, int] | None) -> None:
    if cell is None:
        return
    truth, choice = cell
    found = comparisons.in_cell(board, model, truth, choice)
    kind = "correctly predicted" if truth == choice else f"predicted as {board.labels[choice]}"
    st.markdown(f"**{_images(len(found))} of {board.labels[truth]}, {kind}**")
    other = runner_up(board, model)
    image_files.show(board, found, (model, other) if other else (model,), key="bench_cell")


def _images(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"


def duel(board: AlignedResults, table: bool) -> None:
    """Two models on the same images: where each is correct, and where their predictions differ."""
    if len(board.models) < 2:
        st.info("Choose two or more models to compare.", icon=":material/compare_arrows:")
        return
    with st.container(horizontal=True):
        a = model_chooser(board, "A", "bench_a")
        b = model_chooser(board, "B", "bench_b", index=1)
    if a == b:
        st.info("Choose two different models.", icon=":material/compare_arrows:")
        return
    title_a, title_b = title(board, a), title(board, b)
    found = comparisons.versus(board, a, b)
    st.markdown(f"**{pair_test(board, a, b).sentence({a: title_a, b: title_b})}**")
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.table(
            {
                "Both correct": f"{found.both:,}",
                f"Only {title_a} correct": f"{found.only_a:,}",
                f"Only {title_b} correct": f"{found.only_b:,}",
                "Both wrong, same prediction": f"{found.neither_same:,}",
                "Both wrong, different predictions": f"{found.neither_different:,}",
            },
            border="horizontal",
            alt="On how many images each model is correct",
        )
    cell = None
    if has_matrix(board):
        with right:
            cell = _duel_matrix(board, a, b, title_a, title_b, table)
    if cell is None:
        who = st.segmented_control(
            "Images with different predictions",
            list(WHO),
            default="any",
            required=True,
            key="bench_who",
            format_func=lambda who: WHO[who].format(a=title_a, b=title_b),
        )
        places = comparisons.disagreements(board, a, b, who or "any")
        st.caption(f"{_images(len(places))}, the most confident predictions first.")
    else:
        one, two = board.found[a], board.found[b]
        places = [int(i) for i in np.flatnonzero((one.choice == cell[0]) & (two.choice == cell[1]))]
        st.markdown(
            f"**{_images(len(places))}: {title_a} predicts {board.labels[cell[0]]}, {title_b} predicts "
            f"{board.labels[cell[1]]}**"
        )
    image_files.show(board, places, (a, b), key="bench_duel")


def gallery(board: AlignedResults) -> None:
    """The images that a model got wrong, the most confident mistakes first."""
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
            format_func=lambda i: f"All ({len(wrong):,})" if i < 0 else f"{board.labels[i]} ({counts[i]:,})",
        )
    found = comparisons.mistakes(board, model, None if label < 0 else label)
    st.caption(f"{_images(len(found))} that {title(board, model)} got wrong, the most confident mistakes first.")
    other = runner_up(board, model)
    image_files.show(board, found, (model, other) if other else (model,), key="bench_errors")


def _duel_matrix(
    board: AlignedResults, a: str, b: str, title_a: str, title_b: str, table: bool
) -> tuple[int, int] | None:
    """The predictions of A against those of B; the clicked cell."""
    matrix = confusion_matrix(board.found[a].choice, board.found[b].choice, len(board.labels))
    places = _classes_of(board, matrix)
    places = np.array([i for i in places if matrix[i].any() or matrix[:, i].any()])
    labels = [board.labels[i] for i in places]
    part = matrix[np.ix_(places, places)]
    words = f"Rows: predictions of {title_a}. Columns: predictions of {title_b}."
    if table:
        rows = [{"": labels[r]} | dict(zip(labels, map(int, counts), strict=True)) for r, counts in enumerate(part)]
        st.dataframe(rows, hide_index=True, key="bench_duel_table", alt=words)
        return None
    spec = confusion_chart.matrix_chart(
        part,
        labels,
        labels,
        shade="log",
        titles=(title_a, title_b),
        pick="cell",
        indices=(places.tolist(), places.tolist()),
    )
    event = st.vega_lite_chart(spec, theme=None, alt=words, key=f"bench_duel_{board.name}_{a}_{b}", on_select="rerun")
    st.caption(f"{words} Click a cell to see its images.")
    return _picked(event)


def _classes_of(board: AlignedResults, matrix: np.ndarray) -> np.ndarray:
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


def _cell_chooser(board: AlignedResults, matrix: np.ndarray) -> tuple[int, int] | None:
    """The mistakes in a list, the most frequent first, for the keyboard."""
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
