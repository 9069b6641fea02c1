"""Comparisons of models on the same images: Pareto frontier, pair tests, differences, mistakes, calibration.

Knows no Streamlit and no chart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.stored_predictions import Answers
from imgrec.metrics.calibration import held_out, with_temperature
from imgrec.metrics.classification import Booleans, Floats, Integers, first_choices
from imgrec.metrics.confusion import mistakes
from imgrec.metrics.significance import SIGNIFICANCE, Paired, holm, mcnemar, p_number, p_text


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the leaderboard; `key` is its name in a row.

    `unit` stands behind a difference, and `words` are those for a better and a worse one.
    """

    key: str
    title: str
    sentence: str
    higher_is_better: bool = False
    percent: bool = False
    decimals: int = 3
    unit: str = ""
    words: tuple[str, str] = ("better", "worse")

    @property
    def is_time(self) -> bool:
        """Whether it depends on the machine."""
        return self.words != ("better", "worse")


_SHARE: dict[str, Any] = {"percent": True, "decimals": 1, "unit": " points"}
_TIME: dict[str, Any] = {"decimals": 1, "unit": " ms", "words": ("faster", "slower")}
_RATE: dict[str, Any] = {"decimals": 0, "unit": " per s", "words": ("faster", "slower")}

METRICS = (
    Metric("top_1", "Top-1", "Share of images whose first prediction is correct.", True, **_SHARE),
    Metric("top_5", "Top-5", "Share with the true class among the first five.", True, **_SHARE),
    Metric("macro_f1", "Macro F1", "Mean F1 over the classes, each with the same weight.", True, **_SHARE),
    Metric("kappa", "Kappa", "Agreement with the true classes beyond chance (Cohen's kappa).", True),
    Metric("macro_auc", "AUC", "Mean area under the one-vs-rest ROC curves.", True, decimals=4),
    Metric("log_loss", "Log loss", "Mean negative log of the probability of the true class."),
    Metric("brier", "Brier", "Mean squared error of the probabilities, from 0 to 2."),
    Metric("ece", "ECE", "Expected calibration error: how far confidence is from accuracy.", **_SHARE),
    Metric("adaptive_ece", "Adaptive ECE", "The same, in bins of equally many images.", **_SHARE),
    Metric("latency_p50_ms", "p50 ms", "Median milliseconds an image, warm.", **_TIME),
    Metric("latency_p95_ms", "p95 ms", "95 of 100 images take less, warm.", **_TIME),
    Metric("cold_ms", "Cold ms", "Loading the model and its first prediction.", **_TIME | {"decimals": 0}),
    Metric(
        "throughput_per_s",
        "Images/s",
        "Images a second in a stream, from encoded bytes to predictions.",
        True,
        **_RATE,
    ),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A model in the plane of accuracy against latency."""

    model: str
    title: str
    latency_ms: float
    top_1: float
    low: float
    high: float
    parameters: int
    on_frontier: bool


@dataclass(frozen=True, slots=True)
class PairTest:
    """The test of models `a` and `b`; `corrected` is its p for all `pairs` that are compared (Holm), which decides."""

    a: str
    b: str
    paired: Paired
    corrected: float
    pairs: int

    @property
    def better(self) -> str | None:
        """The model that is right more often; None where the difference is not significant."""
        if self.corrected >= SIGNIFICANCE:
            return None
        return self.a if self.paired.only_a > self.paired.only_b else self.b

    @property
    def p_words(self) -> str:
        """Both p-values: "p = 0.039; 0.226 Holm-corrected for 55 pairs"."""
        alone = p_text(self.paired.p_value)
        if self.pairs == 1:
            return alone
        return f"{alone}; {p_number(self.corrected)} Holm-corrected for {self.pairs} pairs"

    def sentence(self, titles: Mapping[str, str]) -> str:
        """Return "A is more accurate than B on 500 images (…).", or that there is no clear difference."""
        a, b, found = titles[self.a], titles[self.b], self.paired
        counts = f"on {found.only_a:,} only {a} is correct, on {found.only_b:,} only {b}; {self.p_words}"
        if self.better is None:
            return f"No clear difference between {a} and {b} on {found.images:,} images ({counts})."
        better, worse = (a, b) if self.better == self.a else (b, a)
        return f"{better[0].upper()}{better[1:]} is more accurate than {worse} on {found.images:,} images ({counts})."


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Confidences (N,) before and after dividing the logits by `temperature`, and which choices are `right`."""

    temperature: float
    before: Floats
    after: Floats
    right: Booleans


def machines(results: AlignedResults) -> dict[str, list[str]]:
    """Return the models that were timed on each machine, the machine of most models first."""
    found: dict[str, list[str]] = {}
    for model in results.models:
        if results.rows[model].get("latency_p50_ms") is not None:
            found.setdefault(str(results.rows[model].get("hardware")), []).append(model)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def best_at(results: AlignedResults, metric: Metric) -> str | None:
    """Return the model with the best value; None if fewer than two have one, or all have the same.

    Times count for the machine of most models.
    """
    timed_on = next(iter(machines(results)), None)
    values: dict[str, float] = {}
    for model in results.models:
        row = results.rows[model]
        if row.get(metric.key) is not None and (not metric.is_time or row.get("hardware") == timed_on):
            values[model] = float(row[metric.key])
    if len(set(values.values())) < 2:
        return None
    return (max if metric.higher_is_better else min)(values, key=values.__getitem__)


def change(metric: Metric, value: float | None, reference: float | None) -> float | None:
    """Return by how much `value` differs, in percentage points for shares, to the metric's decimals."""
    if value is None or reference is None:
        return None
    return round((value - reference) * (100 if metric.percent else 1), metric.decimals) + 0.0


def change_text(metric: Metric, change: float) -> str:
    """Return a difference in words, without a sign.

    >>> change_text(METRICS[0], 1.2), change_text(METRICS[-4], 3.0), change_text(METRICS[0], 0.0)
    ('1.2 points better', '3.0 ms slower', 'same')
    """
    if change == 0:
        return "same"
    return f"{abs(change):.{metric.decimals}f}{metric.unit} {metric.words[0 if is_better(metric, change) else 1]}"


def is_better(metric: Metric, change: float) -> bool:
    """Return whether a difference other than 0 is an improvement."""
    return (change > 0) == metric.higher_is_better


def frontier(results: AlignedResults, timed_on: str | None = None) -> tuple[list[Point], list[str]]:
    """Return the models as points, the fastest first, and a sentence for each that is left out.

    Latencies are those of the machine `timed_on`, by default that of most models. A model is on the frontier unless
    another one is as fast and as accurate, and better in one of the two.
    """
    timed_on = timed_on or next(iter(machines(results)), None)
    left_out: list[str] = []
    timed: dict[str, tuple[float, float]] = {}
    for model in results.models:
        row = results.rows[model]
        title = row.get("title", model)
        if row.get("latency_p50_ms") is None:
            left_out.append(f"{title}: no latency was measured.")
        elif row["hardware"] != timed_on:
            left_out.append(f"{title}: latency was measured on another machine ({row['hardware']}).")
        else:
            timed[model] = (float(row["latency_p50_ms"]), float(row["top_1"]))
    points = []
    for model, place in sorted(timed.items(), key=lambda item: item[1]):
        row = results.rows[model]
        beaten = any(ms <= place[0] and top_1 >= place[1] and (ms, top_1) != place for ms, top_1 in timed.values())
        interval = (row["top_1_low"], row["top_1_high"])
        points.append(Point(model, row.get("title", model), *place, *interval, row["parameters"], not beaten))
    return points, left_out


def hardest(matrix: Integers, limit: int) -> Integers:
    """Return at most `limit` classes, both of each of the most frequent mistakes, in their own order."""
    chosen: set[int] = set()
    for mistake in mistakes(matrix, limit**2):
        pair = {mistake.truth, mistake.choice}
        if len(chosen | pair) > limit:
            break
        chosen |= pair
    return np.array(sorted(chosen), np.int64)


def confused(results: AlignedResults, model: str) -> pd.DataFrame:
    """Return every pair of classes that `model` confused, the most images first, then the highest confidence.

    Columns: `truth` and `choice` (class indices), `count` (images), `confidence` (the highest among them).
    """
    found = results.per_image[model]
    table = pd.DataFrame({"truth": found.target, "choice": found.choice, "confidence": found.confidence})[~found.right]
    pairs = table.groupby(["truth", "choice"], sort=False)["confidence"].agg(count="count", confidence="max")
    return pairs.reset_index().sort_values(["count", "confidence"], ascending=False, ignore_index=True)


def most_confused(results: AlignedResults) -> int:
    """Return the number of images of the most frequent mistake of any model."""
    return max(
        (int(confused(results, model)["count"].max()) for model in results.models if results.top_1(model) < 1),
        default=0,
    )


def most_certain(chosen: Booleans, *confidences: Floats) -> list[int]:
    """Return the positions where `chosen` (N,) is true, the highest sum of `confidences` (N,) first."""
    places = np.flatnonzero(chosen)
    return [int(i) for i in places[np.argsort(-np.sum(confidences, axis=0)[places], kind="stable")]]


def in_cell(results: AlignedResults, model: str, truth: int, choice: int) -> list[int]:
    """Return the images of class `truth` that `model` took for `choice`, the most certain first."""
    found = results.per_image[model]
    return most_certain((found.target == truth) & (found.choice == choice), found.confidence)


def wrong_images(results: AlignedResults, model: str, truth: int | None = None) -> list[int]:
    """Return the images that `model` got wrong, the most certain mistake first; of the class `truth` if given."""
    found = results.per_image[model]
    return most_certain(~found.right & (found.target == truth if truth is not None else True), found.confidence)


def outcomes(results: AlignedResults, a: str, b: str) -> dict[str, Booleans]:
    """Return which images, bool (N,), have each outcome for two models; every image has one."""
    one, two = results.per_image[a], results.per_image[b]
    same, neither = one.choice == two.choice, ~one.right & ~two.right
    return {
        "both": one.right & two.right,
        "only_a": one.right & ~two.right,
        "only_b": two.right & ~one.right,
        "neither_same": neither & same,
        "neither_different": neither & ~same,
    }


def paired_tests(results: AlignedResults) -> list[PairTest]:
    """Return the test of every pair of models."""
    pairs = list(combinations(results.models, 2))
    tests = [mcnemar(results.per_image[a].right, results.per_image[b].right) for a, b in pairs]
    corrected = holm([test.p_value for test in tests])
    return [PairTest(*pair, test, float(p), len(pairs)) for pair, test, p in zip(pairs, tests, corrected, strict=True)]


def calibration(results: AlignedResults, model: str, answers: Answers) -> Calibration | None:
    """Return the effect of temperature scaling on the images that it was not fitted on; None if it was not fitted.

    `answers` are the model's own.
    """
    scaled = results.rows[model].get("temperature")
    test = ~held_out(answers.ids)
    if not scaled or not test.any():
        return None
    temperature = float(scaled["temperature"])
    rows, target = answers.probabilities[test].astype(np.float64), answers.targets[test]
    after = with_temperature(rows, temperature).max(axis=1)
    return Calibration(temperature, rows.max(axis=1), after, first_choices(rows) == target)
