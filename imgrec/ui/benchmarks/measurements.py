"""Stored results for the Benchmarks page: their caches, and widgets that its views share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from imgrec.charts.theme import Spec
from imgrec.evaluation import aligned_results, comparisons, selective_prediction, stored_predictions
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.comparisons import Calibration, PairTest
from imgrec.evaluation.stored_predictions import Answers
from imgrec.metrics.curves import Curve
from imgrec.models.catalog import COMPACT_SUFFIX
from imgrec.settings import ASSETS
from imgrec.ui import caches, query_params
from imgrec.ui.widget_keys import key_of

# What comes with imgrec; what this user has measured stands beside it.
FOLDER = ASSETS / "benchmarks"


def _files(results: AlignedResults) -> tuple[object, ...]:
    """Return what tells stored answers apart: dataset, reading, and the digests of all files."""
    return results.name, results.reading, [row["predictions_sha256"] for row in results.rows.values()]


# Keys of the caches below: results are hashed by their files; where the chosen models matter, by these, too.
_BY_FILES: Any = {AlignedResults: _files}
_BY_MODELS: Any = {AlignedResults: lambda results: (*_files(results), results.models)}


def dataset_names() -> list[str]:
    """Return the datasets of which there are measurements."""
    return aligned_results.dataset_names(folders())


def suited() -> str | None:
    """Return the dataset that fits the models of the Compare page."""
    catalog = caches.catalog()
    spaces = {name: catalog[name].label_space if name in catalog else None for name in compared_models()}
    return _suited(folders(), spaces, _changed_at())


def load(name: str, reading: str = "strict") -> AlignedResults:
    """Return the results on a dataset, read again if something was measured meanwhile."""
    return _load(folders(), name, reading, _changed_at())


def compared_models() -> tuple[str, ...]:
    """Return the models chosen on the Compare page, or those that it begins with."""
    chosen = query_params.choices().get(query_params.MODELS)
    return tuple([spec.name for spec in caches.default_specs()] if chosen is None else chosen)


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs=_BY_FILES)
def stored(results: AlignedResults, model: str) -> Answers:
    """Return all probabilities of a model, in the order of the images."""
    return aligned_results.read(results, model)


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs=_BY_FILES)
def calibration(results: AlignedResults, model: str) -> Calibration | None:
    """Return the effect of temperature scaling on a model; None where there were too few images."""
    return comparisons.calibration(results, model, stored(results, model))


@st.cache_resource(max_entries=2, show_spinner=False, hash_funcs=_BY_MODELS)
def stack(results: AlignedResults) -> np.ndarray:
    """Return the probabilities of all models, float16 (M, N, C)."""
    return aligned_results.stack(results, results.models)


@st.cache_resource(max_entries=12, show_spinner=False, hash_funcs=_BY_MODELS)
def pair_tests(results: AlignedResults) -> list[PairTest]:
    """Return the test of every pair of models."""
    return comparisons.paired_tests(results)


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=_BY_MODELS)
def risk_curves(results: AlignedResults) -> dict[str, Curve]:
    """Return the risk over coverage of each model, and first of the ensemble of all."""
    return selective_prediction.risk_curves(results)


def pair_test(results: AlignedResults, a: str, b: str) -> PairTest:
    """Return the test of two different models."""
    return next(test for test in pair_tests(results) if {test.a, test.b} == {a, b})


def title(results: AlignedResults, model: str) -> str:
    """Return the title of `model` in the catalog, or the one that it had when it was measured."""
    known = caches.catalog().title_of(model)
    return str(results.rows[model].get("title", model)) if known == model and model in results.rows else known


def model_chooser(results: AlignedResults, label: str, key: str, index: int = 0) -> str:
    """Show a chooser of one of the models."""
    chosen = st.selectbox(
        label,
        results.models,
        index=min(index, len(results.models) - 1),
        key=key_of(key, results.name, len(results.models)),
        format_func=lambda model: title(results, model),
        width=280,
    )
    return str(chosen)


def with_best_other(results: AlignedResults, model: str) -> list[str]:
    """Return `model`, and the best of the others to be shown beside it; its twin only where there is no other."""
    others = [name for name in results.models if name != model]
    others = [name for name in others if _network_of(name) != _network_of(model)] or others
    return [model, *([max(others, key=results.top_1)] if others else [])]


def best_networks(results: AlignedResults, most: int) -> list[str]:
    """Return the best models, at most `most`, of a network and its compact twin only the better one."""
    found: dict[str, str] = {}
    for model in sorted(results.models, key=results.top_1, reverse=True):
        found.setdefault(_network_of(model), model)
    return list(found.values())[:most]


def _network_of(model: str) -> str:
    return model.removesuffix(COMPACT_SUFFIX)


def count(number: int, noun: str) -> str:
    """Return "1 image", "1,234 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def chart_or_table(spec: Spec, words: str, rows: Sequence[Mapping[str, Any]], table: bool, key: str) -> None:
    """Show a chart with its alternative text, or the same as a table."""
    if table:
        st.dataframe(list(rows), hide_index=True, key=f"{key}_table", alt=words)
    else:
        st.vega_lite_chart(spec, theme=None, alt=words, key=key)


@st.cache_data(max_entries=64, show_spinner=False)
def _suited(folders: list[Path], spaces: dict[str, str | None], changed_at: list[int]) -> str | None:
    return aligned_results.best_dataset(folders, spaces)


@st.cache_resource(max_entries=12, show_spinner=False)
def _load(folders: list[Path], name: str, reading: str, changed_at: list[int]) -> AlignedResults:
    return aligned_results.load(folders, name, reading)


def folders() -> list[Path]:
    """Return the folders of measurements: those that come with imgrec, then those of this user."""
    return [FOLDER, stored_predictions.own_folder(caches.settings())]


def _changed_at() -> list[int]:
    """Return when something was last measured, by folder; part of the keys of caches."""
    summaries = [folder / stored_predictions.SUMMARY for folder in folders()]
    return [path.stat().st_mtime_ns if path.exists() else 0 for path in summaries]
