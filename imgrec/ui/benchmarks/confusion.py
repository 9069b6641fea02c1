"""Views of the Benchmarks page on single images: confusion, A against B, errors."""

import numpy as np
import streamlit as st

from imgrec.charts import confusion_matrix as confusion_chart
from imgrec.charts.confusion_matrix import PREDICTED, SHADES, TRUE
from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.formatting import percent
from imgrec.metrics.classification import Integers
from imgrec.metrics.confusion import confusion_matrix, mistakes, mistakes_title
from imgrec.ui.benchmarks import image_files
from imgrec.ui.benchmarks.measurements import count, model_chooser, pair_test, title, with_best_other
from imgrec.ui.markdown import plain
from imgrec.ui.widget_keys import key_of

# A matrix of more classes is not readable: those with the most mistakes are shown.
MAX_CLASSES = 20

# Mistakes offered in a list, for the keyboard.
MAX_LISTED = 30

# A matrix of many classes in which every mistake is rarer is nearly empty: the mistakes are listed instead.
MATRIX_FROM = 3

# Which of the images with different predictions are shown: a key of `comparisons.outcomes`, or all of them.
OUTCOMES = {
    "any": "All",
    "only_a": "Only {a} correct",
    "only_b": "Only {b} correct",
    "neither_different": "Both wrong",
}


def has_matrix(results: AlignedResults) -> bool:
    """Return whether confusion matrices can be read: few classes, or mistakes that are frequent."""
    return len(results.labels) <= MAX_CLASSES or comparisons.most_confused(results) >= MATRIX_FROM


def confusion(results: AlignedResults, table: bool) -> None:
    """Show a model's confusion matrix, or a list where that would be nearly empty, and the images of a cell."""
    if not has_matrix(results):
        model = model_chooser(results, "Model", "bench_confusion_model")
        _cell_images(results, model, _pair_list(results, model))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = model_chooser(results, "Model", "bench_confusion_model")
        matrix = results.per_image[model].matrix
        shade = st.segmented_control(
            "Color by", list(SHADES), default="rows", required=True, key="bench_shade", format_func=str.capitalize
        )
    shade = shade or "rows"
    places = _shown_classes(results, matrix)
    # "Something else" is never the true class, and classes that are never predicted need no column.
    down = [i for i in places if matrix[i].any()]
    across = [i for i in places if matrix[i].any() or matrix[:, i].any()]
    words = confusion_chart.describe_matrix(matrix, results.labels)
    key = key_of("bench_confusion", results.name, model)
    cell = _matrix(results, matrix, (down, across), shade, (TRUE, PREDICTED), words, table, key)
    limited = (
        f" Shown: {len(places)} of {len(results.labels):,} classes, those of the most frequent mistakes."
        if len(places) < len(results.labels)
        else ""
    )
    st.caption(f"{words}{limited} Click a cell to see its images.", help=SHADES[shade])
    _cell_images(results, model, cell or _cell_chooser(results, matrix))


def pair(results: AlignedResults, table: bool) -> None:
    """Show two models on the same images: where each is correct, and where their predictions differ."""
    with st.container(horizontal=True):
        a = model_chooser(results, "A", "bench_a")
        b = model_chooser(results, "B", "bench_b", index=1)
    if a == b:
        st.info("Choose two different models.", icon=":material/compare_arrows:")
        return
    titles = {model: title(results, model) for model in (a, b)}
    st.markdown(f"**{pair_test(results, a, b).sentence(titles)}**")
    outcomes = comparisons.outcomes(results, a, b)
    one, two = results.per_image[a], results.per_image[b]
    left, right = st.columns([1, 2], gap="large")
    with left:
        names = (
            "Both correct",
            f"Only {titles[a]} correct",
            f"Only {titles[b]} correct",
            "Both wrong, same prediction",
            "Both wrong, different predictions",
        )
        counts = [f"{images.sum():,}" for images in outcomes.values()]
        st.table(
            dict(zip(names, counts, strict=True)),
            border="horizontal",
            alt="On how many images each model is correct",
        )
    cell = None
    if has_matrix(results):
        matrix = confusion_matrix(one.choice, two.choice, len(results.labels))
        places = [i for i in _shown_classes(results, matrix) if matrix[i].any() or matrix[:, i].any()]
        words = f"Rows: predictions of {titles[a]}. Columns: predictions of {titles[b]}."
        axes = (titles[a], titles[b])
        with right:
            cell = _matrix(
                results, matrix, (places, places), "log", axes, words, table, key_of("bench_pair", results.name, a, b)
            )
            if not table:
                st.caption(f"{words} Click a cell to see its images.")
    if cell is None:
        outcome = st.segmented_control(
            "Images with different predictions",
            list(OUTCOMES),
            default="any",
            required=True,
            key="bench_who",
            format_func=lambda name: OUTCOMES[name].format(a=titles[a], b=titles[b]),
        )
        chosen = outcomes.get(outcome or "any", one.choice != two.choice)
        images = comparisons.most_certain(chosen, one.confidence, two.confidence)
        st.caption(f"{count(len(images), 'image')}, the most confident predictions first.")
    else:
        images = np.flatnonzero((one.choice == cell[0]) & (two.choice == cell[1])).tolist()
        st.markdown(
            f"**{count(len(images), 'image')}: {titles[a]} predicts {plain(results.labels[cell[0]])}, "
            f"{titles[b]} predicts {plain(results.labels[cell[1]])}**"
        )
    image_files.show(results, images, (a, b), key="bench_pair")


def errors(results: AlignedResults) -> None:
    """Show the images that a model got wrong, the most confident mistakes first."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = model_chooser(results, "Model", "bench_errors_model")
        wrong = comparisons.wrong_images(results, model)
        counts = np.bincount(results.target[wrong], minlength=len(results.labels))
        label = st.selectbox(
            "True class",
            [-1, *(int(i) for i in np.argsort(-counts, kind="stable") if counts[i])],
            key=key_of("bench_errors_class", results.name, model),
            width=320,
            format_func=lambda i: f"All ({len(wrong):,})" if i < 0 else f"{results.labels[i]} ({counts[i]:,})",
        )
    found = wrong if label < 0 else comparisons.wrong_images(results, model, label)
    st.caption(
        f"{count(len(found), 'image')} that {title(results, model)} got wrong, the most confident mistakes first."
    )
    image_files.show(results, found, with_best_other(results, model), key="bench_errors")


def _matrix(
    results: AlignedResults,
    matrix: Integers,
    shown: tuple[list[int], list[int]],
    shade: str,
    axes: tuple[str, str],
    words: str,
    table: bool,
    key: str,
) -> tuple[int, int] | None:
    """Show the classes `shown` (rows, columns) of a matrix; return the clicked cell."""
    part = matrix[np.ix_(*shown)]
    down, across = ([results.labels[i] for i in places] for places in shown)
    if table:
        rows = [
            {"": label} | dict(zip(across, counts, strict=True))
            for label, counts in zip(down, part.tolist(), strict=True)
        ]
        st.dataframe(rows, hide_index=True, key=f"{key}_table", alt=words)
        return None
    spec = confusion_chart.matrix_chart(part, down, across, shade=shade, titles=axes, pick="cell", indices=shown)
    event = st.vega_lite_chart(spec, theme=None, alt=words, key=key, on_select="rerun")
    cells = (getattr(event, "selection", None) or {}).get("cell")
    return (int(cells[0]["row"]), int(cells[0]["column"])) if cells else None


def _pair_list(results: AlignedResults, model: str) -> tuple[int, int] | None:
    """Show the pairs of classes that are confused, the most frequent first; return the chosen one."""
    found = comparisons.confused(results, model)
    most = int(found["count"].max()) if len(found) else 0
    often = "each on one image" if most == 1 else f"at most {most} images each"
    st.markdown(
        f"**{results.images - found['count'].sum():,} of {results.images:,} images are correct.** "
        + (f"{len(found):,} pairs of classes are confused, {often}." if len(found) else "")
    )
    if not len(found):
        return None
    labels = np.array(results.labels)
    event = st.dataframe(
        {
            TRUE: labels[found["truth"]],
            PREDICTED: labels[found["choice"]],
            "Images": found["count"],
            "Confidence": found["confidence"].map(percent),
        },
        column_config={"Confidence": st.column_config.TextColumn(help="The highest of these images.")},
        hide_index=True,
        height=388,
        key=key_of("bench_pairs", results.name, model),
        on_select="rerun",
        selection_mode="single-row",
        alt="Pairs of classes that are confused, the most frequent first",
    )
    st.caption("Select a row to see its images.")
    rows = event["selection"]["rows"]
    return (int(found["truth"][rows[0]]), int(found["choice"][rows[0]])) if rows else None


def _cell_images(results: AlignedResults, model: str, cell: tuple[int, int] | None) -> None:
    if cell is None:
        return
    truth, choice = cell
    found = comparisons.in_cell(results, model, truth, choice)
    kind = "correctly predicted" if truth == choice else f"predicted as {plain(results.labels[choice])}"
    st.markdown(f"**{count(len(found), 'image')} of {plain(results.labels[truth])}, {kind}**")
    image_files.show(results, found, with_best_other(results, model), key="bench_cell")


def _cell_chooser(results: AlignedResults, matrix: Integers) -> tuple[int, int] | None:
    """Show the mistakes in a list, the most frequent first, for the keyboard; return the chosen one."""
    found = mistakes(matrix, MAX_LISTED)
    counts = {(mistake.truth, mistake.choice): mistake.count for mistake in found}
    if not found:
        return None
    return st.selectbox(
        mistakes_title(found),
        list(counts),
        index=None,
        key=key_of("bench_cell", results.name),
        format_func=lambda cell: f"{results.labels[cell[0]]} taken for {results.labels[cell[1]]} ({counts[cell]:,})",
        placeholder="Choose a mistake",
        width=400,
    )


def _shown_classes(results: AlignedResults, matrix: Integers) -> list[int]:
    """Return all classes if they are few, else those of the most frequent mistakes, else the first ones that occur."""
    if len(results.labels) <= MAX_CLASSES:
        return list(range(len(results.labels)))
    hardest: list[int] = comparisons.hardest(matrix, MAX_CLASSES).tolist()
    return hardest or np.flatnonzero(matrix.any(axis=1))[:MAX_CLASSES].tolist()
