"""Several models' stored answers to the same pictures, made ready to be looked at: what the Benchmarks page shows.

Reads artefacts, runs no model, knows no Streamlit and no chart. Pictures that only some models could be asked about
are left out, so that every comparison is paired.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import artefacts
from imgrec.confusion import Average, ClassFigures, average, class_figures, confusion_matrix, kappa
from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.labels import get_label_space
from imgrec.metrics import Booleans, Floats, Integers, adaptive_calibration_gap, calibration_gap
from imgrec.statistics import Interval, Paired, holm, mcnemar, wilson
from imgrec.summaries import PerImage, per_image

# What a roll-up calls the classes that have no place in the set.
REST = "something else"


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of the leaderboard: key in a row, words, which way is better, how many decimals; percent or plain."""

    key: str
    title: str
    sentence: str
    higher_is_better: bool
    percent: bool = False
    decimals: int = 2


FIGURES = (
    Figure("top_1", "Top-1", "Share of pictures whose first choice is right.", True, percent=True, decimals=1),
    Figure("top_5", "Top-5", "Share with the right class among the first five.", True, percent=True, decimals=1),
    Figure("macro_f1", "Macro F1", "F1, each class counting the same.", True, percent=True, decimals=1),
    Figure("kappa", "Kappa", "Agreement with the truth beyond chance (Cohen).", True, decimals=3),
    Figure("macro_auc", "AUC", "Mean area under the one-vs-rest ROC curves.", True, decimals=4),
    Figure("log_loss", "Log-loss", "Mean surprise at the truth, in nats.", False, decimals=3),
    Figure("brier", "Brier", "Mean squared distance to the truth, 0 to 2.", False, decimals=3),
    Figure("ece", "ECE", "How far stated confidence is from the share that is right.", False, percent=True, decimals=1),
    Figure("adaptive_ece", "Adaptive ECE", "The same over bins of equally many pictures.", False, True, 1),
    Figure("latency_p50_ms", "p50 ms", "Median milliseconds a picture, warm.", False, decimals=1),
    Figure("latency_p95_ms", "p95 ms", "95 of 100 pictures take less, warm.", False, decimals=1),
    Figure("cold_ms", "Cold ms", "Loading the network and its first answer.", False, decimals=0),
    Figure("throughput_per_s", "Pictures/s", "From encoded bytes to answers, when many flow.", True, decimals=0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """One set: what is known of it, and each model's row and answers, all to the same pictures in the same order.

    `labels` has the set's classes and, if a model can choose it, `REST` as the last. `problems` are sentences about
    artefacts that cannot be used; those models are left out.
    """

    name: str
    about: Mapping[str, Any]
    labels: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Any]]
    found: Mapping[str, PerImage]
    problems: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        return list(self.found)

    @property
    def ids(self) -> tuple[str, ...]:
        return next(iter(self.found.values())).ids

    @property
    def target(self) -> Integers:
        return next(iter(self.found.values())).target

    @property
    def images(self) -> int:
        return len(self.ids)


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
class Versus:
    """Two models on the same pictures: the four cases, and the paired test."""

    both: int
    only_a: int
    only_b: int
    neither_same: int
    neither_different: int
    paired: Paired


def set_names(folder: Path) -> list[str]:
    """The sets of which there are measurements, those with the most pictures first."""
    summary = artefacts.read_summary(folder)
    used = {row["dataset"] for row in summary["rows"]}
    return sorted(used, key=lambda name: (-summary["datasets"][name]["images"], name))


def load(folder: Path, name: str) -> Board:
    """The board of the set called `name`; raises `UnknownNameError` where there is none, `InputError` when nothing
    of it can be used."""
    summary = artefacts.read_summary(folder)
    rows = {row["model"]: row for row in summary["rows"] if row["dataset"] == name}
    if not rows or name not in summary["datasets"]:
        raise UnknownNameError.of("measured set", name, sorted(summary["datasets"]))
    found: dict[str, PerImage] = {}
    problems = []
    for model in rows:
        path = artefacts.predictions_path(folder, model, name)
        try:
            found[model] = per_image(artefacts.read_chunks(path))
        except ImgrecError as error:
            problems.append(f"{rows[model].get('title', model)} is left out. {error}")
    if not found:
        raise InputError(" ".join(problems))
    about = summary["datasets"][name]
    labels = tuple(about["labels"] or get_label_space(about["label_space"]).labels)
    classes = max(one.classes for one in found.values())
    labels = (*labels, REST) if classes > len(labels) else labels
    return Board(name, about, labels, rows, _aligned(found, len(labels)), tuple(problems))


def narrowed(board: Board, models: Sequence[str]) -> Board:
    """The same board with only these models, where there are any of them."""
    kept = {model: found for model, found in board.found.items() if model in models}
    return replace(board, found=kept or board.found)


def best_at(board: Board, figure: Figure) -> str | None:
    """The model with the best value, None when nobody has one or all have the same."""
    values = {model: board.rows[model].get(figure.key) for model in board.found}
    known = {model: value for model, value in values.items() if value is not None}
    if len(known) < 2 or len(set(known.values())) == 1:
        return None
    return (max if figure.higher_is_better else min)(known, key=lambda model: float(known[model]))


def difference(figure: Figure, value: float | None, reference: float | None) -> str:
    """ "▲ +1.2" where better, "▼ −0.8" where worse; in percentage points for shares.

    >>> difference(FIGURES[0], 0.912, 0.9), difference(FIGURES[-4], 12.0, 9.0)
    ('▲ +1.2', '▼ +3.0')
    """
    if value is None or reference is None:
        return "–"
    change = (value - reference) * (100 if figure.percent else 1)
    text = f"{change:+.{figure.decimals}f}".replace("-", "−")
    if float(text.replace("−", "-")) == 0:
        return "="
    return f"{'▲' if (change > 0) == figure.higher_is_better else '▼'} {text}"


def frontier(board: Board) -> tuple[list[Point], list[str]]:
    """The models as points, the fastest first, and a sentence for each that is left out.

    On the frontier is whom nobody beats in both: no other is as fast and as accurate, and better in one.
    """
    timed = {model: row for model in board.found if (row := board.rows[model]).get("latency_p50_ms") is not None}
    machines = [row["hardware"] for row in timed.values()]
    machine = max(set(machines), key=machines.count) if machines else None
    left_out = []
    points: dict[str, tuple[float, float]] = {}
    for model in board.found:
        title = board.rows[model].get("title", model)
        if model not in timed:
            left_out.append(f"{title}: was not timed.")
        elif timed[model]["hardware"] != machine:
            left_out.append(f"{title}: was timed on another machine ({timed[model]['hardware']}).")
        else:
            points[model] = (float(timed[model]["latency_p50_ms"]), float(timed[model]["top_1"]))
    made = []
    for model, (latency, top_1) in sorted(points.items(), key=lambda item: item[1]):
        row = board.rows[model]
        beaten = any(
            other_ms <= latency and other >= top_1 and (other_ms, other) != (latency, top_1)
            for other_ms, other in points.values()
        )
        made.append(
            Point(
                model,
                row.get("title", model),
                latency,
                top_1,
                row["top_1_low"],
                row["top_1_high"],
                row["parameters"],
                on_frontier=not beaten,
            )
        )
    return made, left_out


def matrix_of(board: Board, model: str) -> Integers:
    found = board.found[model]
    return confusion_matrix(found.target, found.choice, len(board.labels))


def figures_by_class(board: Board, model: str) -> ClassFigures:
    return class_figures(matrix_of(board, model))


def averages(board: Board, model: str) -> dict[str, Average]:
    figures = figures_by_class(board, model)
    return {how: average(figures, how) for how in ("macro", "weighted", "micro")}


def hardest(matrix: Integers, limit: int) -> Integers:
    """The `limit` classes that take part in the most mistakes, in their own order."""
    wrong = matrix - np.diag(np.diag(matrix))
    involved = wrong.sum(0) + wrong.sum(1)
    return np.sort(np.argsort(-involved, kind="stable")[:limit])


def in_cell(board: Board, model: str, truth: int, choice: int) -> list[int]:
    """Positions of the pictures of class `truth` that `model` took for `choice`, the surest first."""
    found = board.found[model]
    places = np.flatnonzero((found.target == truth) & (found.choice == choice))
    return [int(i) for i in places[np.argsort(-found.confidence[places], kind="stable")]]


def mistakes(board: Board, model: str, truth: int | None = None) -> list[int]:
    """Positions of the pictures that `model` got wrong, the surest mistake first; of one class if `truth` is given."""
    found = board.found[model]
    wrong = ~found.right if truth is None else ~found.right & (found.target == truth)
    places = np.flatnonzero(wrong)
    return [int(i) for i in places[np.argsort(-found.confidence[places], kind="stable")]]


def versus(board: Board, a: str, b: str) -> Versus:
    one, two = board.found[a], board.found[b]
    same = one.choice == two.choice
    neither = ~one.right & ~two.right
    paired = mcnemar(one.right, two.right)
    return Versus(
        both=int((one.right & two.right).sum()),
        only_a=paired.only_a,
        only_b=paired.only_b,
        neither_same=int((neither & same).sum()),
        neither_different=int((neither & ~same).sum()),
        paired=paired,
    )


def disagreements(board: Board, a: str, b: str, who: str = "any") -> list[int]:
    """Positions where the first choices differ; `who` is right: "a", "b", "neither" or "any", the surest pair first."""
    one, two = board.found[a], board.found[b]
    differ = one.choice != two.choice
    wanted = {
        "any": differ,
        "a": differ & one.right,
        "b": differ & two.right,
        "neither": differ & ~one.right & ~two.right,
    }
    places = np.flatnonzero(wanted[who])
    sure = one.confidence[places] + two.confidence[places]
    return [int(i) for i in places[np.argsort(-sure, kind="stable")]]


def paired_tests(board: Board) -> list[tuple[str, str, Paired, float]]:
    """Every pair of models with its test and its p raised for the number of pairs (Holm)."""
    pairs = list(combinations(board.found, 2))
    tests = [mcnemar(board.found[a].right, board.found[b].right) for a, b in pairs]
    raised = holm([test.p_value for test in tests])
    return [(a, b, test, float(p)) for (a, b), test, p in zip(pairs, tests, raised, strict=True)]


def judge(probabilities: Floats, board: Board) -> dict[str, float]:
    """The figures of an ensemble's probabilities (N, C) for the board's pictures, as the leaderboard has them."""
    found = per_image([artefacts.Answers(board.ids, board.target, probabilities)])
    return _figures(found)


def figures_of(board: Board, model: str) -> dict[str, float]:
    """The same for one model, on the pictures that all models of the board were asked about."""
    return _figures(board.found[model])


def accuracy_interval(right: Booleans) -> Interval:
    return wilson(int(right.sum()), len(right))


def stack(folder: Path, board: Board, models: Sequence[str]) -> np.ndarray:
    """Stored probabilities float16 (M, N, C) of `models` for the pictures of the board, in its order."""
    layers = []
    for model in models:
        answers = artefacts.read(artefacts.predictions_path(folder, model, board.name))
        rows = answers.probabilities
        if answers.ids != board.ids:
            place = {name: i for i, name in enumerate(answers.ids)}
            rows = rows[[place[name] for name in board.ids]]
        layers.append(_padded(rows, len(board.labels)))
    return np.stack(layers)


def _figures(found: PerImage) -> dict[str, float]:

    matrix = found.matrix
    return {
        "top_1": float(found.right.mean()),
        "top_5": float((found.rank < 5).mean()),
        "macro_f1": average(class_figures(matrix)).f1,
        "kappa": kappa(matrix),
        "log_loss": float(found.log_losses.mean()),
        "brier": float(found.brier.mean()),
        "ece": calibration_gap(found.confidence, found.right),
        "adaptive_ece": adaptive_calibration_gap(found.confidence, found.right),
    }


def _aligned(found: dict[str, PerImage], classes: int) -> dict[str, PerImage]:
    """The same pictures in the same order for every model."""
    first = next(iter(found.values())).ids
    if all(one.ids == first for one in found.values()):
        return {model: replace(one, classes=classes) for model, one in found.items()}
    common = set(first).intersection(*(one.ids for one in found.values()))
    order = [name for name in first if name in common]
    if not order:
        raise InputError("Expected models that were asked about the same pictures. Received: none in common.")
    return {model: _picked(one, order, classes) for model, one in found.items()}


def _picked(one: PerImage, order: Iterable[str], classes: int) -> PerImage:
    place = {name: i for i, name in enumerate(one.ids)}
    rows = np.array([place[name] for name in order])
    arrays = {name: getattr(one, name)[rows] for name in ("target", "choice", "confidence", "own", "rank", "brier")}
    return PerImage(ids=tuple(one.ids[i] for i in rows), classes=classes, **arrays)


def _padded(rows: np.ndarray, classes: int) -> np.ndarray:
    """`rows` (N, C) with columns of zeros up to `classes`: a model that knows no "something else"."""
    missing = classes - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing))) if missing else rows
