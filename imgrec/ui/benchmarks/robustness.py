"""Accuracy over the strength of damage, for the models that were measured with it on this dataset."""

from pathlib import Path

import streamlit as st

from imgrec.charts import robustness as charts
from imgrec.charts.colors import swatches_of
from imgrec.charts.robustness import MEAN
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.explanation import severity
from imgrec.explanation.corruptions import CORRUPTIONS
from imgrec.explanation.severity import SeverityRow
from imgrec.ui import query_params
from imgrec.ui.benchmarks import measurements


def robustness(results: AlignedResults, table: bool) -> None:
    """Show top-1 over the strength of one kind of damage, or of their mean; every number from stored counts."""
    rows = [row for row in _rows() if results.name in (row.dataset, row.base) and row.model in results.models]
    if not rows:
        st.info(
            "None of these models has been measured with damage on this dataset. Run "
            f"`imgrec evaluate --data {results.name} --corruptions`.",
            icon=":material/grain:",
        )
        return
    kinds = [MEAN, *CORRUPTIONS]
    kind = st.pills(
        "Damage",
        kinds,
        default=MEAN,
        required=True,
        key=query_params.named("bench_damage", "damage", kinds, MEAN, title=_title, name=query_params.slug),
        format_func=_title,
        label_visibility="collapsed",
    )
    kind = kind if kind in kinds else MEAN
    words = charts.describe_severity(rows, kind)
    colors = {model: swatch.color for model, swatch in swatches_of(row.model for row in rows).items()}
    spec = charts.severity_chart(rows, kind, colors)
    measurements.chart_or_table(spec, words, charts.severity_rows(rows, kind), table, "bench_robustness")
    amounts = "" if kind == MEAN else f" Strengths 1 to 5: {CORRUPTIONS[kind].describe_all()}."
    first = rows[0]
    most = {None: "", 1: " (the first of each class)"}
    part = most.get(first.per_class, f" (the first {first.per_class} of each class)")
    without = [measurements.title(results, model) for model in results.models if model not in colors]
    if without:
        st.caption(f"Not measured with damage: {', '.join(without)}.")
    st.caption(
        f"{first.images:,} images{part}, each undamaged and in 40 damaged copies, the same for all models. Kinds and "
        f"strengths are imgrec's own.{amounts}",
        help="; ".join(f"{row.title}: {row.measured_at[:10]}, `{row.command}`" for row in rows),
    )


def _title(kind: str) -> str:
    return CORRUPTIONS[kind].title if kind in CORRUPTIONS else str(kind)


def _rows() -> list[SeverityRow]:
    """Return what was measured by imgrec and by this user, the latter instead of the former."""
    found = {
        (row.dataset, row.model): row for folder in measurements.folders() for row in _read(folder, _changed(folder))
    }
    return list(found.values())


@st.cache_data(max_entries=8, show_spinner=False)
def _read(folder: Path, changed_at: int) -> list[SeverityRow]:
    return severity.read_rows(folder)


def _changed(folder: Path) -> int:
    path = folder / severity.FILE
    return path.stat().st_mtime_ns if path.exists() else 0
