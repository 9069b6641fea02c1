"""Views of the Benchmarks page on where numbers come from: what others printed, and what was measured how."""

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import comparisons, reference_tables
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.reference_tables import PublishedTable, RepeatedTable
from imgrec.formatting import duration, milliseconds, percent
from imgrec.metrics.confusion import average
from imgrec.models import cards
from imgrec.settings import ASSETS
from imgrec.ui import caches
from imgrec.ui.benchmarks import curves, measurements
from imgrec.ui.benchmarks.measurements import Row, title

# Printed protocols that were carried out here, a file each.
LESSONS = ASSETS / "protocols"


def printed(board: AlignedResults) -> None:
    """The published comparisons of the chosen dataset, with what was measured here beside; the others folded."""
    published, counts_of_classes = reference_tables.read_published()
    tables, problems = reference_tables.read_repeated(LESSONS)
    for problem in problems:
        st.warning(problem, icon=":material/broken_image:")
    name = str(board.about["name"])
    fitting = [one for one in published if one.belongs_to(name)]
    shown = _published_accuracy(board)
    for one in fitting:
        st.markdown(f"**{one.title}** · {one.source}", help=one.remark)
        _printed_table(one, tables)
    if not shown and not fitting:
        st.info("No published comparison uses this dataset.", icon=":material/menu_book:")
    st.markdown("**Other published comparisons**")
    for one in published:
        if one not in fitting:
            with st.expander(f"{one.title} · {one.source}"):
                st.caption(one.remark)
                _printed_table(one, tables)
    for counts in counts_of_classes:
        with st.expander(f"{counts.title} · {counts.source}"):
            st.table(curves.class_rows(counts.figures, counts.classes), border="horizontal", alt=counts.title)
            computed = f"TP, TN, FP and FN as printed, the rest computed from them: accuracy {percent(average(counts.figures, 'micro').recall, 2)}."
            st.caption(f"{computed} {counts.remark}")
    titles = {one.title for one in published}
    for table in tables:
        if table.beside not in titles:
            with st.expander(f"{table.title} · measured here"):
                _measured_table(table)


def _published_accuracy(board: AlignedResults) -> bool:
    """What is published for ImageNet models on all validation images, beside what was measured on this dataset."""
    if board.about["label_space"] != "imagenet_1k":
        return False
    rows, sources = [], dict[str, None]()
    for model in board.models:
        spec = caches.catalog().get(model)
        if spec is None or spec.published is None:
            continue
        sources[spec.published.source] = None
        rows.append(
            {
                "Model": title(board, model),
                "Published top-1": percent(spec.published.top1),
                "Measured top-1": percent(board.top_1(model)),
            }
        )
    if not rows:
        return False
    st.markdown(
        "**Published and measured accuracy**",
        help=f"Published: on all 50,000 validation images of ImageNet. Measured: on these {board.images:,} images.\n\n"
        f"Sources: {'; '.join(sources)}",
    )
    st.table(rows, border="horizontal", alt="Published and measured accuracy")
    return True


def _printed_table(one: PublishedTable, tables: list[RepeatedTable]) -> None:
    st.table(_beside(one), border="horizontal", alt=one.title)
    if said := _unrepeated(one):
        st.caption(" ".join(said))
    for table in tables:
        if table.beside == one.title:
            _measured_table(table)


def _measured_table(table: RepeatedTable) -> None:
    with st.container(border=True):
        st.markdown(f":material/science: **{table.title}** · measured here")
        st.table(
            [dict(zip(table.columns, row, strict=True)) for row in table.rows], border="horizontal", alt=table.title
        )
        st.caption(table.note, help="; ".join(f"{key}: {value}" for key, value in table.provenance.items()) + ".")


def _beside(one: PublishedTable) -> list[dict[str, str]]:
    """The printed rows with their measured columns."""
    rows = []
    for row, model in zip(one.rows, one.measured_as, strict=True):
        cells = dict(zip(one.columns, row, strict=True))
        if one.by_class and one.measured_on is not None:
            cells |= {
                "Measured, others wrong": _by_class(one.measured_on, model, "strict"),
                "Measured, others ignored": _by_class(one.measured_on, model, "closed"),
            }
        elif one.measured_on is not None:
            cells["Measured"] = _overall(one.measured_on, model)
        rows.append(cells)
    return rows


def _unrepeated(one: PublishedTable) -> list[str]:
    """Why rows have a dash in their measured column, in sentences."""
    if one.measured_on is None:
        return []
    nothing, unmeasured = [], []
    for row, model in zip(one.rows, one.measured_as, strict=True):
        if model is None:
            nothing.append(row[0])
        elif _board_with(one.measured_on, model, "strict") is None:
            unmeasured.append(row[0])
    said = [f"Not repeated here: {'; '.join(nothing)}."] if nothing else []
    return said + ([f"Not evaluated here on this dataset: {'; '.join(unmeasured)}."] if unmeasured else [])


def _overall(name: str, model: str | None) -> str:
    board = _board_with(name, model, "strict")
    if board is None or model is None:
        return "–"
    said = (
        f"{percent(board.top_1(model))} of {board.images:,}, {milliseconds(board.rows[model]['latency_p50_ms'])} each"
    )
    card = next((card for card in cards.all_cards(caches.settings()) if card.name == model), None)
    return said if card is None else f"{said}; trained in {duration(card.training_seconds)}"


def _by_class(name: str, model: str | None, reading: str) -> str:
    """The recall of each class: "cat 44 %, dog 94 %"."""
    board = _board_with(name, model, reading)
    if board is None or model is None:
        return "–"
    recall = comparisons.figures_by_class(board, model).recall
    present = [i for i in range(len(board.labels)) if (board.target == i).any()]
    return ", ".join(f"{board.labels[i]} {percent(float(recall[i]))}" for i in present)


def _board_with(name: str, model: str | None, reading: str) -> AlignedResults | None:
    """The board of the set if `model` stands on it."""
    try:
        board = measurements.board(name, reading) if name in measurements.set_names() else None
    except ImgrecError:
        # Said where the set itself is shown.
        return None
    return board if board is not None and model in board.found else None


def provenance(board: AlignedResults) -> None:
    """The weights, versions and machine behind every number."""
    st.markdown(
        f"**Images**: {board.about['source']}. {board.about['images']:,} in {board.about['classes']} classes; "
        f"`digest {board.about['digest'][:12]}`."
    )
    for model in board.models:
        row = board.rows[model]
        with st.expander(title(board, model), icon=":material/fact_check:"):
            if row.get("note"):
                st.info(row["note"], icon=":material/info:")
            st.table(_facts(row), border="horizontal", alt=f"Provenance of {title(board, model)}")
            if row.get("command"):
                # Not `st.code`: a browser would fetch 1.5 MiB of colors for code first.
                st.markdown(f"`` {row['command']} ``")
            if row["failures"]:
                st.markdown(f"**{len(row['failures'])} images could not be read**")
                st.dataframe(row["failures"], hide_index=True, key=f"bench_failures_{model}")


def _facts(row: Row) -> dict[str, str]:
    versions = row["versions"]
    scaled = row.get("temperature")
    facts = {
        "Weights, sha256": str(row["weights_sha256"]),
        "Preprocessing": f"{row['preprocess']}, {row['framing']} to {row['input_size']}, {row['resampling']}",
        "Runtime": str(row["runtime"]),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Hardware": str(row.get("hardware", "–")),
        "Measured": str(row["measured_at"]),
        "Timed": str(row.get("timed_at", "–")),
        "Predictions, sha256": str(row["predictions_sha256"]),
    }
    if isinstance(scaled, dict):
        facts["Temperature"] = (
            f"{scaled['temperature']:.3f}, fitted on {scaled['fitted']:,} images; on {scaled['tested']:,} others "
            f"log loss {scaled['log_loss_before']:.3f} → {scaled['log_loss_after']:.3f}, "
            f"ECE {percent(scaled['ece_before'])} → {percent(scaled['ece_after'])}"
        )
    return facts
