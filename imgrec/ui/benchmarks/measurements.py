"""Stored predictions for the Benchmarks page: their caches, and words that its views share.

Keys of caches are names, digests and the date of the summary, never arrays.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from imgrec.charts.theme import Spec
from imgrec.evaluation import aligned_results, artifacts, comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.artifacts import Answers
from imgrec.evaluation.comparisons import Calibration, PairTest
from imgrec.settings import ASSETS
from imgrec.ui import caches, query_params

# What comes with imgrec; what this user has measured stands beside it.
FOLDER = ASSETS / "benchmarks"

Row = Mapping[str, Any]
Rows = Sequence[Row]


def set_names() -> list[str]:
    """The sets of which there are measurements."""
    return aligned_results.set_names(_folders())


def suited() -> str | None:
    """Return the dataset that fits the models of the Compare page."""
    return _suited(tuple(map(str, _folders())), compared_models(), _changed_at())


def compared_models() -> tuple[str, ...]:
    """Return the models chosen on the Compare page, or those that it begins with."""
    chosen = query_params.choices().get(query_params.MODELS)
    return tuple([spec.name for spec in caches.default_specs()] if chosen is None else chosen)


@st.cache_data(max_entries=64, show_spinner=False)
def _suited(folders: tuple[str, ...], models: tuple[str, ...], changed_at: tuple[int, ...]) -> str | None:
    spaces = {name: caches.catalog()[name].label_space if name in caches.catalog() else None for name in models}
    return aligned_results.best_set([Path(folder) for folder in folders], spaces)


def board(name: str, reading: str = "strict") -> AlignedResults:
    """The board of a set; read anew when something was measured meanwhile."""
    return _board(tuple(map(str, _folders())), name, reading, _changed_at())


def _changed_at() -> tuple[int, ...]:
    """When something was last measured, by folder."""
    summaries = [folder / artifacts.SUMMARY for folder in _folders()]
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in summaries)


def _folders() -> list[Path]:
    return [FOLDER, artifacts.own_folder(caches.settings())]


@st.cache_resource(max_entries=12, show_spinner=False)
def _board(folders: tuple[str, ...], name: str, reading: str, changed_at: tuple[int, ...]) -> AlignedResults:
    return aligned_results.load([Path(folder) for folder in folders], name, reading)


def stored(board: AlignedResults, model: str) -> Answers:
    """All probabilities of a model, as the board counts them."""
    return _stored(*_key(board, model), board.reading, board)


@st.cache_resource(max_entries=24, show_spinner=False)
def _stored(model: str, sha256: str, reading: str, _board: AlignedResults) -> Answers:
    return aligned_results.read(_board, model)


def stack(board: AlignedResults) -> np.ndarray:
    """Probabilities float16 (M, N, C) of all models of the board."""
    return _stack(*_asked(board), board)


@st.cache_resource(max_entries=2, show_spinner=False)
def _stack(name: str, keys: tuple[tuple[str, str], ...], images: int, reading: str, _board: AlignedResults) -> np.ndarray:
    return aligned_results.stack(_board, _board.models)


def pair_tests(board: AlignedResults) -> list[PairTest]:
    """Every pair of the board's models with its test."""
    return _pair_tests(*_asked(board), board)


def pair_test(board: AlignedResults, a: str, b: str) -> PairTest:
    """The test of two different models of the board."""
    return next(test for test in pair_tests(board) if {test.a, test.b} == {a, b})


@st.cache_resource(max_entries=12, show_spinner=False)
def _pair_tests(
    name: str, keys: tuple[tuple[str, str], ...], images: int, reading: str, _board: AlignedResults
) -> list[PairTest]:
    return comparisons.paired_tests(_board)


def calibration(board: AlignedResults, model: str) -> Calibration | None:
    """What temperature scaling does to a model; None where there were too few images."""
    return _calibration(*_key(board, model), board.reading, board)


@st.cache_resource(max_entries=24, show_spinner=False)
def _calibration(model: str, sha256: str, reading: str, _board: AlignedResults) -> Calibration | None:
    return comparisons.calibration(_board, model, stored(_board, model))


def _key(board: AlignedResults, model: str) -> tuple[str, str]:
    """What a model's answers are told apart by."""
    return model, str(board.rows[model]["predictions_sha256"])


def _asked(board: AlignedResults) -> tuple[str, tuple[tuple[str, str], ...], int, str]:
    """What all models' answers together are told apart by: their images are those that every model could read."""
    return board.name, tuple(_key(board, model) for model in board.models), hash(board.ids), board.reading


def title(board: AlignedResults, model: str) -> str:
    """Return the title of `model` in the catalog, or the one that it had when it was measured."""
    known = caches.catalog().title_of(model)
    return str(board.rows[model].get("title", model)) if known == model and model in board.rows else known


def model_chooser(board: AlignedResults, label: str, key: str, index: int = 0) -> str:
    """One of the board's models."""
    models = board.models
    chosen = st.selectbox(
        label,
        models,
        index=min(index, len(models) - 1),
        key=f"{key}_{board.name}_{len(models)}",
        format_func=lambda model: title(board, model),
        width=280,
    )
    return str(chosen)


def runner_up(board: AlignedResults, model: str) -> str | None:
    """The other model whose answers stand beside: the best of the rest."""
    others = [name for name in board.models if name != model]
    return max(others, key=board.top_1, default=None)


def chart_or_table(spec: Spec, words: str, rows: Rows, table: bool, key: str) -> None:
    """A chart with its sentence, or its table twin."""
    if table:
        st.dataframe(list(rows), hide_index=True, key=f"{key}_table", alt=words)
    else:
        st.vega_lite_chart(spec, theme=None, alt=words, key=key)
