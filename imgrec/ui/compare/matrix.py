"""The models side by side in a matrix, one for each label space, whose columns fill as predictions come.

Where results are shown at a level above the classes, groups can be opened: by their triangles, or in a list.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from imgrec.charts import agreement_matrix
from imgrec.charts.agreement_matrix import IS_TRIANGLE, PICK, PLACE, ROW_PX
from imgrec.formatting import FINE_PERCENT_COLUMN, milliseconds
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.gallery_predictions import PrecomputedPrediction
from imgrec.predictions.hierarchy import DEFAULT_LEVEL
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports import agreement, sentences
from imgrec.reports.agreement import MAX_LINES, Column, Line
from imgrec.ui import pinned, query_params, results
from imgrec.ui.models import download_progress
from imgrec.ui.settings_bar import Choice
from imgrec.ui.widget_keys import key_of

# A chart is not drawn again for each of several predictions that come at once.
REDRAW_S = 0.2

# The key of the list of opened groups, and its name in the address.
OPEN = "open"

LEGEND = "Probability in %, on one axis from 0 to 100. Bold: the first choice of a model. Click a row to pin its label."


class Matrices:
    """The places of the matrices on the page, and what is known about their columns."""

    def __init__(self, found: results.Classification, choice: Choice) -> None:
        """Reserve the places; what is not known yet has an empty column."""
        self._choice = choice
        self._outcomes: dict[str, Prediction | Failure] = dict(found.known)
        self._rolled_up: dict[str, Prediction | Failure] = {}
        self._pending = {spec.name for spec in found.computing}
        self._spaces: dict[str, LabelSpace] = {}
        self._specs: dict[str, list[ModelSpec]] = {}
        for spec in found.answering:
            # A model without a class that can be shown has a sentence of its own.
            space = choice.shown_space(spec.get_label_space()) or spec.get_label_space()
            self._spaces[space.name] = space
            self._specs.setdefault(space.name, []).append(spec)
        self._places: dict[str, DeltaGenerator] = {}
        for name, space in self._spaces.items():
            with st.container(border=True, gap="xsmall"):
                if len(self._spaces) > 1:
                    st.markdown(f"**{sentences.space_title(space)}**")
                # Without a placeholder where all is known: a chart would flicker at each rerun.
                self._places[name] = st.empty() if self._pending else st.container(gap="xsmall")
            if self._pending:
                self._draw(name)
        self._opened: list[str] = []
        self._opened_place = st.container()
        download_progress.cards([spec for spec in choice.specs if spec not in found.ready], choice.swatches)
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
        with self._opened_place:
            self._opened = self._choose_opened(groups)
        for space, specs in self._specs.items():
            members, ensemble = groups.get(space, ([], None))
            with self._places[space].container(gap="xsmall"):
                if members:
                    self._show(space, ensemble if isinstance(ensemble, Ensemble) else None)
                if isinstance(ensemble, Failure) and len(members) > 1:
                    st.info(str(ensemble.error), icon=":material/join_inner:")
                for outcome in filter(None, (self._shown(spec) for spec in specs)):
                    if isinstance(outcome, Failure):
                        st.error(str(outcome.error), title=sentences.title_of(outcome), icon=":material/error:")

    @property
    def _is_rolled_up(self) -> bool:
        return self._choice.level != DEFAULT_LEVEL and self._choice.classes is None

    def _choose_opened(self, groups: Mapping[str, results.Group]) -> list[str]:
        """Let groups be opened, where results are shown at a level above the classes; first those on a chart."""
        if not self._is_rolled_up or not self._specs:
            return []
        on_charts: set[str | None] = set()
        for space, (_, ensemble) in groups.items():
            columns = self._columns(space, ensemble if isinstance(ensemble, Ensemble) else None)
            lines = self._with_opened(space, agreement.lines_of(columns, self._choice.k), columns)
            on_charts |= {line.group for line in lines}
        names = sorted(
            {name for specs in self._specs.values() for name in agreement.group_names(specs[0].get_label_space())},
            key=lambda name: (name not in on_charts, name.casefold()),
        )
        key = query_params.named(OPEN, "group", names, [])
        return st.multiselect("Open groups", names, key=key, select_all=False, placeholder="Choose what to open")

    def _shown(self, spec: ModelSpec) -> Prediction | Failure | None:
        """Return the outcome of a model as it is shown."""
        if spec.name in self._outcomes and spec.name not in self._rolled_up:
            self._rolled_up[spec.name] = self._choice.roll_up(self._outcomes[spec.name])
        return self._rolled_up.get(spec.name)

    def _draw(self, space: str) -> None:
        """Draw what is known so far."""
        with self._places[space].container(gap="xsmall"):
            shown = [self._shown(spec) for spec in self._specs[space]]
            members = [one for one in shown if isinstance(one, Prediction)]
            if not members:
                st.skeleton(height=MAX_LINES * ROW_PX)
                return
            ensemble = self._choice.combine(members)
            columns = self._columns(space, ensemble if isinstance(ensemble, Ensemble) else None)
            label = pinned.index_in(self._spaces[space])
            lines = agreement.shown_lines(agreement.lines_of(columns, self._choice.k, label), pinned=label)
            spec = agreement_matrix.matrix_bars(lines, columns, pinned=[(space, label)], among=self._choice.swatches)
            st.vega_lite_chart(spec, theme=None, alt=agreement_matrix.describe_matrix(lines, columns))

    def _show(self, space: str, ensemble: Ensemble | None) -> None:
        label = pinned.index_in(self._spaces[space])
        columns = self._columns(space, ensemble)
        lines = agreement.lines_of(columns, self._choice.k, label)
        words = agreement_matrix.describe_matrix(lines, columns)
        if self._choice.table:
            _table(self._with_opened(space, lines, columns), columns, words, space)
            return
        shown = agreement.shown_lines(lines, pinned=label)
        rest = len(lines) - len(shown)
        shown = self._with_opened(space, shown, columns)
        marks = [pinned.get() or (None, None), (space, label)]
        spec = agreement_matrix.matrix_bars(shown, columns, pinned=marks, among=self._choice.swatches)
        # Another key after each click: the chart would keep its selection, and a second click would take that back.
        key = key_of("matrix", space, pinned.get(), self._opened)
        on_select = partial(_take_click, key, shown)
        st.vega_lite_chart(spec, theme=None, alt=words, key=key, on_select=on_select, selection_mode=[PICK])
        more = " A triangle opens a group." if any(line.group for line in shown) else ""
        more += f" {rest} less probable labels are in the table." if rest else ""
        st.caption(f"{LEGEND}{more}")

    def _with_opened(self, space: str, lines: Sequence[Line], columns: Sequence[Column]) -> list[Line]:
        label = pinned.index_in(self._specs[space][0].get_label_space())
        return agreement.open_groups(lines, columns, self._opened, self._choice.k, self._choice.level, label)

    def _columns(self, space: str, ensemble: Ensemble | None) -> list[Column]:
        columns, raw = [], []
        for spec in self._specs[space]:
            outcome, shown = self._outcomes.get(spec.name), self._shown(spec)
            prediction = shown if isinstance(shown, Prediction) else None
            classes = outcome if self._is_rolled_up and isinstance(outcome, Prediction) else None
            raw += [classes] if classes is not None else []
            columns.append(Column(spec.name, spec.title, _remark(shown), prediction, classes))
        # Of the models' own classes, also where its members are calibrated.
        together = self._choice.combine(raw, lambda own: own) if ensemble is not None and raw else None
        classes = together.prediction if isinstance(together, Ensemble) else None
        return agreement.columns_of(ensemble, columns, classes)


def _table(lines: Sequence[Line], columns: Sequence[Column], words: str, space: str) -> None:
    """Show the matrix in numbers; the labels stay in sight when it is scrolled."""
    looks: dict[str, Any] = {c.title: st.column_config.NumberColumn(format=FINE_PERCENT_COLUMN) for c in columns}
    looks["Label"] = st.column_config.TextColumn(pinned=True)
    rows = agreement_matrix.matrix_rows(lines, columns)
    # Another key after each click, as of the chart.
    key = key_of("matrix_table", space, pinned.get())
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config=looks,
        alt=words,
        key=key,
        on_select=partial(_take_cell, key, lines),
        selection_mode="single-cell",
    )
    st.caption("Click a cell to pin the label of its row.")


def _take_cell(key: str, lines: Sequence[Line]) -> None:
    """Pin the label of the row of the clicked cell, or release it."""
    cells = st.session_state[key]["selection"]["cells"]
    if not cells:
        return
    line = lines[cells[0][0]]
    if line.space is not None and line.index is not None:
        pinned.toggle(line.space, line.index)


def _take_click(key: str, lines: Sequence[Line]) -> None:
    """Pin the label of the clicked line, or release it; open or close the group of a clicked triangle."""
    picked = st.session_state[key]["selection"].get(PICK)
    if not picked:
        return
    line = lines[int(picked[0][PLACE])]
    if line.space is not None and line.index is not None and not picked[0][IS_TRIANGLE]:
        pinned.toggle(line.space, line.index)
    elif line.group is not None:
        opened = list(st.session_state.get(OPEN, []))
        st.session_state[OPEN] = (
            [name for name in opened if name != line.group] if line.is_open else [*opened, line.group]
        )


def _remark(outcome: Prediction | Failure | None) -> str:
    if outcome is None:
        return "computing …"
    if isinstance(outcome, Failure):
        return "failed"
    return "precomputed" if isinstance(outcome, PrecomputedPrediction) else milliseconds(outcome.milliseconds)
