"""Views of the Benchmarks page on where figures come from: published comparisons, and how each row was measured."""

from collections.abc import Callable

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import reference_tables
from imgrec.evaluation.aligned_results import AlignedResults, Row
from imgrec.evaluation.reference_tables import PublishedTable, RepeatedTable
from imgrec.formatting import duration, milliseconds, percent
from imgrec.metrics.confusion import average, class_figures
from imgrec.models import cards
from imgrec.settings import ASSETS
from imgrec.ui import caches
from imgrec.ui.benchmarks import measurements, published_epochs
from imgrec.ui.benchmarks.curves import class_rows
from imgrec.ui.benchmarks.measurements import title
from imgrec.ui.markdown import code, plain
from imgrec.ui.widget_keys import key_of

# Published protocols that were repeated here, a file each.
PROTOCOLS = ASSETS / "protocols"


def published(results: AlignedResults) -> None:
    """Show the published comparisons that use the dataset, beside what was measured here; the others in expanders."""
    tables, class_counts = reference_tables.read_published()
    repeated, problems = reference_tables.read_repeated(PROTOCOLS)
    for problem in problems:
        st.warning(problem, icon=":material/broken_image:")
    fitting = [table for table in tables if table.belongs_to(str(results.about["name"]))]
    has_accuracies = _published_accuracies(results)
    for table in fitting:
        st.markdown(f"**{table.title}** · {table.source}", help=table.remark)
        _published_table(table, repeated)
    if not has_accuracies and not fitting:
        st.info("No published comparison uses this dataset.", icon=":material/menu_book:")
    st.markdown("**Other published comparisons**")
    for table in tables:
        if table not in fitting:
            with st.expander(f"{table.title} · {table.source}"):
                st.caption(table.remark)
                _published_table(table, repeated)
    for counts in class_counts:
        with st.expander(f"{counts.title} · {counts.source}"):
            st.table(class_rows(counts.figures, counts.classes), border="horizontal", alt=counts.title)
            accuracy = percent(average(counts.figures, "micro").recall, 2)
            st.caption(
                f"TP, TN, FP and FN as printed, the rest computed from them: accuracy {accuracy}. {counts.remark}"
            )
    published_epochs.others()
    titles = {table.title for table in tables}
    for one in repeated:
        if one.beside not in titles:
            with st.expander(f"{one.title} · measured here"):
                _repeated_table(one)


def provenance(results: AlignedResults) -> None:
    """Show the weights, versions and machine behind every number."""
    about = results.about
    st.markdown(
        f"**Images**: {plain(about['source'])}. {about['images']:,} in {about['classes']} classes; "
        f"`digest {about['digest'][:12]}`."
    )
    for model in results.models:
        row = results.rows[model]
        with st.expander(title(results, model), icon=":material/fact_check:"):
            if row.get("note"):
                st.info(plain(str(row["note"])), icon=":material/info:")
            st.table(_facts(row), border="horizontal", alt=f"Provenance of {title(results, model)}")
            if row.get("command"):
                # Not `st.code`: a browser would fetch 1.5 MiB of colors for code first.
                st.markdown(code(str(row["command"])))
            if row["failures"]:
                st.markdown(f"**{len(row['failures'])} images could not be read**")
                st.dataframe(row["failures"], hide_index=True, key=key_of("bench_failures", model))


def _published_accuracies(results: AlignedResults) -> bool:
    """Show the published accuracies of ImageNet models beside the measured ones; return whether there are any."""
    if results.about["label_space"] != "imagenet_1k":
        return False
    catalog = caches.catalog()
    specs = [catalog[model] for model in results.models if model in catalog]
    accuracies = {spec.name: spec.published for spec in specs if spec.published is not None}
    if accuracies:
        sources = "; ".join(dict.fromkeys(accuracy.source for accuracy in accuracies.values()))
        st.markdown(
            "**Published and measured accuracy**",
            help="Published: on all 50,000 validation images of ImageNet. "
            f"Measured: on these {results.images:,} images.\n\nSources: {sources}",
        )
        rows = [
            {
                "Model": title(results, model),
                "Published top-1": percent(accuracy.top1),
                "Measured top-1": percent(results.top_1(model)),
            }
            for model, accuracy in accuracies.items()
        ]
        st.table(rows, border="horizontal", alt="Published and measured accuracy")
    return bool(accuracies)


def _published_table(table: PublishedTable, repeated: list[RepeatedTable]) -> None:
    """Show the published rows with their measured columns, and what was repeated of the table."""
    rows: list[dict[str, str]] = []
    not_repeated: list[str] = []
    not_evaluated: list[str] = []
    times = published_epochs.times(table.title)
    for row, model in zip(table.rows, table.measured_as, strict=True):
        cells = {"Time of its log": times.get(row[0], "–")} if times else {}
        if table.measured_on is not None and table.by_class:
            cells["Measured, others wrong"] = _measured(table.measured_on, model, "strict", _recalls)
            cells["Measured, others ignored"] = _measured(table.measured_on, model, "closed", _recalls)
        elif table.measured_on is not None:
            cells["Measured"] = _measured(table.measured_on, model, "strict", _overall)
        if "–" in [cell for name, cell in cells.items() if name.startswith("Measured")]:
            (not_repeated if model is None else not_evaluated).append(row[0])
        rows.append(dict(zip(table.columns, row, strict=True)) | cells)
    st.table(rows, border="horizontal", alt=table.title)
    sentences = [f"Not repeated here: {'; '.join(not_repeated)}."] if not_repeated else []
    sentences += [f"Not evaluated here on this dataset: {'; '.join(not_evaluated)}."] if not_evaluated else []
    if sentences:
        st.caption(" ".join(sentences))
    if times:
        published_epochs.epochs(table.title)
    for one in repeated:
        if one.beside == table.title:
            _repeated_table(one)


def _repeated_table(table: RepeatedTable) -> None:
    """Show a table that was measured here; one of many in a report is folded away."""
    if table.report is None:
        place = st.container(border=True)
        place.markdown(f":material/science: **{table.title}** · measured here")
    else:
        place = st.expander(f"{table.report} · {table.title}", icon=":material/science:")
    with place:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        st.table(rows, border="horizontal", alt=table.title)
        st.caption(table.note, help="; ".join(f"{key}: {value}" for key, value in table.provenance.items()) + ".")


def _measured(dataset: str, model: str | None, reading: str, describe: Callable[[AlignedResults, str], str]) -> str:
    """Return what was measured of `model` in words, a dash where nothing was.

    What is wrong with a dataset is told where the dataset is shown.
    """
    try:
        results = measurements.load(dataset, reading) if dataset in measurements.dataset_names() else None
    except ImgrecError:
        return "–"
    return describe(results, model) if results is not None and model in results.models and model is not None else "–"


def _overall(results: AlignedResults, model: str) -> str:
    latency = milliseconds(results.rows[model]["latency_p50_ms"])
    words = f"{percent(results.top_1(model))} of {results.images:,}, {latency} each"
    card = next((card for card in cards.all_cards(caches.settings()) if card.name == model), None)
    return words if card is None else f"{words}; trained in {duration(card.training_seconds)}"


def _recalls(results: AlignedResults, model: str) -> str:
    """Return the recall of each class: "cat 44 %, dog 94 %"."""
    figures = class_figures(results.per_image[model].matrix)
    present = [i for i in range(len(results.labels)) if figures.support[i]]
    return ", ".join(f"{results.labels[i]} {percent(float(figures.recall[i]))}" for i in present)


def _facts(row: Row) -> dict[str, str]:
    facts = {
        "Weights, sha256": str(row["weights_sha256"]),
        "Preprocessing": f"{row['preprocess']}, {row['framing']} to {row['input_size']}, {row['resampling']}",
        "Runtime": str(row["runtime"]),
        "Versions": ", ".join(f"{name} {version}" for name, version in row["versions"].items()),
        "Hardware": str(row.get("hardware", "–")),
        "Measured": str(row["measured_at"]),
        "Timed": str(row.get("timed_at", "–")),
        "Predictions, sha256": str(row["predictions_sha256"]),
    }
    if isinstance(scaled := row.get("temperature"), dict):
        facts["Temperature"] = (
            f"{scaled['temperature']:.3f}, fitted on {scaled['fitted']:,} images; on {scaled['tested']:,} others "
            f"log loss {scaled['log_loss_before']:.3f} → {scaled['log_loss_after']:.3f}, "
            f"ECE {percent(scaled['ece_before'])} → {percent(scaled['ece_after'])}"
        )
    return facts
