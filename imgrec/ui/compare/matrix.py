"""The models side by side in a matrix, one for each label space, whose columns fill as predictions come."""

import time
from collections.abc import Mapping
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from imgrec.charts import agreement_matrix
from imgrec.charts.agreement_matrix import LINE_ID, MAX_LINES, PICK, ROW_PX, Column
from imgrec.formatting import PERCENT_COLUMN, milliseconds
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.gallery_predictions import PrecomputedPrediction
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports import sentences
from imgrec.ui import pinned, results
from imgrec.ui.models import download_progress
from imgrec.ui.settings_bar import Choice

# A chart is not drawn again for each of several predictions that come at once.
REDRAW_S = 0.2

LEGEND = "Probability in %, on one axis from 0 to 100. Bold: the first choice of a model."


class Matrices:
    """The places of the matrices on the page, and what is known about their columns."""

    def __init__(self, found: results.Classification, choice: Choice) -> None:
        """Reserve the places; what is not known yet has an empty column."""
        self._choice = choice
        self._outcomes: dict[str, Prediction | Failure] = dict(found.known)
        self._pending = {spec.name for spec in found.computing}
        self._specs: dict[str, list[ModelSpec]] = {}
        for spec in found.answering:
            self._specs.setdefault(spec.label_space, []).append(spec)
        self._places: dict[str, DeltaGenerator] = {}
        for space, specs in self._specs.items():
            with st.container(border=True, gap="xsmall"):
                if len(self._specs) > 1:
                    st.markdown(f"**{sentences.space_title(specs[0].get_label_space())}**")
                # Without a placeholder where all is known: a chart would flicker at each rerun.
                self._places[space] = st.empty() if self._pending else st.container(gap="xsmall")
            if self._pending:
                self._draw(space)
        download_progress.cards([spec for spec in choice.specs if spec not in found.ready], choice.names)
        self._drawn_at = time.monotonic()

    def take(self, outcome: Prediction | Failure) -> None:
        """Fill the column of a model."""
        if outcome.model not in self._pending:
            return
        self._outcomes[outcome.model] = outcome
        self._pending.remove(outcome.model)
        if self._pending and time.monotonic() - self._drawn_at > REDRAW_S:
            for space, specs in self._specs.items():
                if any(spec.name == outcome.model for spec in specs):
                    self._draw(space)
            self._drawn_at = time.monotonic()

    def finish(self, groups: Mapping[str, results.Group]) -> None:
        """Draw all matrices with their ensembles; a click on a line pins its label."""
        for space in self._specs:
            members, ensemble = groups.get(space, ([], None))
            with self._places[space].container(gap="xsmall"):
                if members:
                    self._show(space, ensemble if isinstance(ensemble, Ensemble) else None)
                if isinstance(ensemble, Failure) and len(members) > 1:
                    st.info(str(ensemble.error), icon=":material/join_inner:")
                for spec in self._specs[space]:
                    outcome = self._outcomes.get(spec.name)
                    if isinstance(outcome, Failure):
                        st.error(str(outcome.error), title=sentences.title_of(outcome), icon=":material/error:")

    def _draw(self, space: str) -> None:
        """Draw what is known so far."""
        names = [spec.name for spec in self._specs[space]]
        members = [found for name in names if isinstance(found := self._outcomes.get(name), Prediction)]
        with self._places[space].container(gap="xsmall"):
            if not members:
                st.skeleton(height=MAX_LINES * ROW_PX)
                return
            ensemble = self._choice.combine(members)
            columns = self._columns(space, ensemble if isinstance(ensemble, Ensemble) else None)
            lines = agreement_matrix.shown_lines(agreement_matrix.lines_of(columns, self._choice.k))
            spec = agreement_matrix.matrix_bars(lines, columns, among=self._choice.names)
            st.vega_lite_chart(spec, theme=None, alt=agreement_matrix.describe_matrix(lines, columns))

    def _show(self, space: str, ensemble: Ensemble | None) -> None:
        label = pinned.index_in(space)
        columns = self._columns(space, ensemble)
        lines = agreement_matrix.lines_of(columns, self._choice.k, label)
        words = agreement_matrix.describe_matrix(lines, columns)
        if self._choice.table:
            numbers = {c.title: st.column_config.NumberColumn(format=PERCENT_COLUMN) for c in columns}
            rows = agreement_matrix.matrix_rows(lines, columns)
            st.dataframe(rows, hide_index=True, column_config=numbers, alt=words, key=f"matrix_table_{space}")
            return
        shown = agreement_matrix.shown_lines(lines, pinned=label)
        spec = agreement_matrix.matrix_bars(shown, columns, pinned=label, among=self._choice.names)
        # Another key for each pinned label: the chart would keep its selection, and a second click would release it.
        key = f"matrix_{space}_{label}"
        on_select = partial(_pin_clicked, space, key)
        st.vega_lite_chart(spec, theme=None, alt=words, key=key, on_select=on_select, selection_mode=[PICK])
        rest = len(lines) - len(shown)
        more = f" {rest} less probable labels are in the table." if rest else ""
        st.caption(f"{LEGEND} Click a row to pin its label.{more}")

    def _columns(self, space: str, ensemble: Ensemble | None) -> list[Column]:
        columns = []
        for spec in self._specs[space]:
            outcome = self._outcomes.get(spec.name)
            prediction = outcome if isinstance(outcome, Prediction) else None
            columns.append(Column(spec.name, spec.title, _remark(outcome), prediction))
        return agreement_matrix.columns_of(ensemble, columns)


def _pin_clicked(space: str, key: str) -> None:
    """Pin the label of the clicked line, or release it."""
    picked = st.session_state[key]["selection"].get(PICK)
    if picked:
        pinned.toggle(space, int(picked[0][LINE_ID]))


def _remark(outcome: Prediction | Failure | None) -> str:
    if outcome is None:
        return "computing …"
    if isinstance(outcome, Failure):
        return "failed"
    return "precomputed" if isinstance(outcome, PrecomputedPrediction) else milliseconds(outcome.milliseconds)
